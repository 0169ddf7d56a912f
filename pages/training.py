"""Training: choose a model and its hyperparameters, follow the run, and review earlier runs."""

import streamlit as st

from engine.services import Services, current
from pages.panels import training_form
from pages.ui import progress, runs, session
from pages.ui.format import model_name, when
from pages.ui.next_steps import require_ratings
from pages.ui.page import errors_shown, page_header


def running(services: Services) -> None:
    """The current run and the queue."""
    run = services.training.current()
    if run is None:
        return
    with errors_shown(), st.container(border=True):
        going = "is waiting" if run.state == "queued" else "is in progress"
        st.header(f"Run {run.run_id} {going}", anchor=False)
        if run.repeats is not None:
            st.caption(f"Repeats version {run.repeats} to check that the result is identical.")
        progress.training_bar(run)
        runs.curve(run, key="running")
        if st.button("Cancel run", key=session.CANCEL_RUN, icon=":material/stop_circle:"):
            services.training.cancel(run.run_id)
            st.toast(f"Run {run.run_id} stops after its current step.", icon=":material/stop_circle:")
    training_form.queue(services, [one for one in services.training.queue() if one.run_id != run.run_id])


def beside_button(services: Services) -> None:
    """The current run in short, as the long form may have moved its progress out of sight."""
    run = services.training.current()
    if run is not None:
        progress.short_training_bar(run)


def active(services: Services) -> None:
    """The version that a new one is compared with."""
    found = services.versions.active()
    if found is not None:
        st.caption(
            f"Version {found.version} is active: {model_name(found.kind)}, trained {when(found.created_at)} on"
            f" {found.ratings:,} ratings."
        )


services = current()
page_header(
    "Training", "Train a new version on all ratings. It is compared with the active one before it can replace it."
)
active(services)
busy = services.training.current() is not None
progress.live(lambda: running(services), every_s=progress.EVERY_S if busy else None)
if require_ratings(services):
    training_form.form(services, busy=busy)
    if busy:
        progress.live(lambda: beside_button(services), every_s=progress.EVERY_S)
st.header("Runs", anchor=False)
ended = runs.ended(services.training)
selected = runs.table(ended, "A run is listed once it has ended." if busy else "No runs yet.")
if selected is not None or ended:
    with errors_shown():
        runs.details(services, services.training.status(ended[0].run_id if selected is None else selected))
