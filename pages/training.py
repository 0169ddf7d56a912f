"""Training: choose a model and its hyperparameters, follow the run, and look back on earlier ones."""

from __future__ import annotations

import streamlit as st

from engine.models.catalog import MODELS
from engine.services import Services, current
from pages.ui import forms, keys, progress, runs
from pages.ui.failures import shown
from pages.ui.page import opening, tell_next
from pages.ui.plain import text

POLICIES = {
    "if_better": "If it is no worse than the version that serves",
    "always": "Always",
    "never": "Never; I decide on the Versions page",
}


def order(services: Services) -> None:
    """The form that starts a run."""
    kind = st.segmented_control(
        "Model",
        list(MODELS),
        default=next(iter(MODELS)),
        required=True,
        format_func=lambda name: MODELS[name].label,
        key=keys.MODEL,
    )
    entry = MODELS[kind or next(iter(MODELS))]
    st.caption(text(entry.summary))
    with st.form("training", border=False), shown():
        with st.expander("Hyperparameters", expanded=True, icon=":material/tune:"):
            values = forms.hyperparameters(entry.kind, entry.config)
        policy = st.selectbox(
            "Let it serve",
            list(POLICIES),
            format_func=POLICIES.__getitem__,
            key=keys.ACTIVATION,
            persist_state="session",
        )
        if st.form_submit_button("Start training", type="primary", icon=":material/play_arrow:"):
            run_id = services.training.train_model(entry.kind, values, policy)  # type: ignore[arg-type]  # a key of POLICIES
            tell_next(f"Training run {run_id} has started.")
            st.rerun()


def going(services: Services) -> bool:
    """The run that goes on: progress, error by epoch, and a way to stop it."""
    run = services.training.current()
    if run is None:
        return False
    with shown(), st.container(border=True):
        st.subheader(f"Run {run.run_id}", anchor=False)
        progress.training_bar(run)
        runs.curve(run, key="going")
        if st.button("Cancel this run", icon=":material/stop_circle:"):
            services.training.cancel(run.run_id)
    return True


services = current()
opening(
    "Training", "Learn a new version from all ratings. It is judged on ratings held out from it before it may serve."
)
busy = services.training.current() is not None
progress.live(lambda: going(services), going=busy)
if not services.library.statistics().ratings:
    st.info("There are no ratings to learn from yet.", icon=":material/hourglass_empty:")
    st.page_link("overview.py", label="Import ratings", icon=":material/upload_file:")
elif not busy:
    order(services)
history = [run for run in services.training.runs(limit=50) if run.state not in progress.GOING]
st.subheader("Runs", anchor=False)
chosen = runs.table(history)
if chosen is not None:
    runs.details(services.training.status(chosen))
