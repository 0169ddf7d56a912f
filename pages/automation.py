"""Automation: scheduled retraining, drift, and backups."""

import streamlit as st

from engine.services import current
from engine.services.automation import RULE, SCHEDULE
from pages.panels import automation_backups, automation_plan
from pages.ui import progress, runs
from pages.ui.next_steps import require_ratings
from pages.ui.page import errors_shown, page_header

services = current()
page_header(
    "Automation",
    "Retrain on a schedule or after enough new ratings, with the hyperparameters of the active version. Back up"
    " the data on a schedule, too.",
)
plan = services.automation.plan()
busy, empty = services.training.current() is not None, not services.library.counts().ratings
with errors_shown():
    automation_plan.need(services, plan)
    progress.live(lambda: automation_plan.tiles(services.automation.plan()), every_s=progress.every(services))
    automation_plan.actions(services, plan, busy=busy, empty=empty)
progress.live(lambda: automation_plan.running(services), every_s=progress.EVERY_S if busy else None)
require_ratings(services)
with st.container(border=True):
    st.header("Schedule", anchor=False)
    automation_plan.form(services.automation, plan)
st.header("Drift", anchor=False)
with errors_shown():
    automation_plan.drift(services)
st.header("Automatic runs", anchor=False)
automatic = runs.ended(services.training, actors=(SCHEDULE, RULE))
selected = runs.table(automatic, empty="No automatic runs yet. All others are on Training.")
if selected is not None or automatic:
    with errors_shown():
        runs.details(services, services.training.status(automatic[0].run_id if selected is None else selected))
st.header("Backups", anchor=False)
with st.container(border=True):
    automation_backups.panel(services.storage)
