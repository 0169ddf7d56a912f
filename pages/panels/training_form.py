"""Ordering a training: the form, runs that wait for their turn, and what the fields were refused for."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine.errors import InvalidHyperparameter
from engine.models.registry import MODELS, ModelEntry
from engine.services import Services
from engine.services.training import TrainingStatus
from engine.services.version_records import MAX_NOTE_LENGTH
from pages.ui import forms, session
from pages.ui.escape import text
from pages.ui.format import when
from pages.ui.page import errors_shown, toast_next

POLICIES = {
    "if_better": "If it is shown to be better, and worse for nobody",
    "if_no_worse": "Unless it is shown to be worse",
    "always": "Always, whatever the verdict",
    "never": "Never; I decide on the Versions page",
}


def order(services: Services, *, busy: bool) -> None:
    """The form that starts a run; while one goes on, it adds to the queue."""
    if busy:
        st.subheader("The next run", anchor=False)
    entry = forms.choose_model(session.MODEL)
    st.caption(text(entry.summary))
    with st.form("training", border=False), errors_shown():
        with st.expander("Hyperparameters", expanded=True, icon=":material/tune:"):
            values = forms.hyperparameters(entry.kind, entry.config, _faults().get(entry.kind, {}))
        policy = st.selectbox(
            "Let it serve",
            list(POLICIES),
            format_func=POLICIES.__getitem__,
            key=session.ACTIVATION,
            persist_state="session",
        )
        note = st.text_input(
            "Note", key=session.NOTE, max_chars=MAX_NOTE_LENGTH, placeholder="Kept with the new version"
        )
        label, icon = (
            ("Add to the queue", ":material/playlist_add:") if busy else ("Start training", ":material/play_arrow:")
        )
        if st.form_submit_button(label, key=session.START, type="primary", icon=icon):
            _start(services, entry, values, policy, note, busy=busy)


def _faults() -> dict[str, dict[str, str]]:
    return st.session_state.setdefault(session.FAULTS, {})  # type: ignore[no-any-return]  # nothing else is kept there


def _start(
    services: Services, entry: ModelEntry, values: dict[str, Any], policy: str, note: str, *, busy: bool
) -> None:
    """Start or queue the run, or keep what was wrong; either way the page is drawn again."""
    _faults().pop(entry.kind, None)
    try:
        run_id = services.training.train_model(entry.kind, values, policy, queue=busy, note=note)  # type: ignore[arg-type]  # a key of POLICIES
    except InvalidHyperparameter as error:
        _faults()[entry.kind] = error.faults
    else:
        toast_next(f"Training run {run_id} waits for its turn." if busy else f"Training run {run_id} has started.")
    st.rerun()


def waiting(services: Services, queued: list[TrainingStatus]) -> None:
    """Runs that wait, the next one first, each with a way out of the queue."""
    if queued:
        st.markdown("**Waiting for their turn**")
    for place, run in enumerate(queued, start=1):
        with errors_shown(), st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(f"{place}. {_told(run)}", width="stretch")
            if st.button(
                "Cancel", key=session.leave(run.run_id), icon=":material/close:", help="Take it out of the queue"
            ):
                services.training.cancel(run.run_id)
                st.rerun()


def _told(run: TrainingStatus) -> str:
    what = f"repeats version {run.repeats}" if run.repeats is not None else MODELS[run.model].label
    by = f" · by {text(run.actor)}" if run.actor else ""
    return f"**Run {run.run_id}** · {text(what)} · waits since {when(run.created_at)}{by}"
