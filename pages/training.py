"""Training: choose a model and its hyperparameters, follow the run, and look back on earlier ones."""

from __future__ import annotations

import streamlit as st

from engine.services import Services, current
from pages.panels import training_form
from pages.ui import progress, runs
from pages.ui.page import errors_shown, page_header


def going(services: Services) -> None:
    """The run that goes on and those that wait."""
    run = services.training.current()
    if run is None:
        return
    with errors_shown(), st.container(border=True):
        st.subheader(f"Run {run.run_id}", anchor=False)
        if run.repeats is not None:
            st.caption(f"It repeats version {run.repeats}, to prove that it comes out the same.")
        progress.training_bar(run)
        runs.curve(run, key="going")
        if st.button("Cancel this run", icon=":material/stop_circle:"):
            services.training.cancel(run.run_id)
            st.toast(f"Run {run.run_id} ends after the step it is in.", icon=":material/stop_circle:")
    training_form.waiting(services, [one for one in services.training.queue() if one.run_id != run.run_id])


services = current()
page_header(
    "Training", "Learn a new version from all ratings. It is judged on ratings held out from it before it may serve."
)
busy = services.training.current() is not None
progress.live(lambda: going(services), every_s=progress.EVERY_S if busy else None)
if services.library.counts().ratings:
    training_form.order(services, busy=busy)
else:
    st.info("There are no ratings to learn from yet.", icon=":material/hourglass_empty:")
    st.page_link("overview.py", label="Import ratings", icon=":material/upload_file:")
st.subheader("Runs", anchor=False)
ended = runs.ended(services.training)
chosen = runs.table(ended)
if chosen is not None or ended:
    with errors_shown():
        runs.details(services.training.status(ended[0].run_id if chosen is None else chosen))
