"""Automation: when Marquee retrains by itself, and what came of it."""

from __future__ import annotations

import streamlit as st

from engine.services import current
from pages.panels import automation_backups, automation_plan
from pages.ui import progress, runs
from pages.ui.page import errors_shown, page_header

services = current()
page_header(
    "Automation",
    "Retrain at a time of your choice, or after so many new ratings, with the hyperparameters of the version that "
    "serves. Each run is judged before it may serve. Backups can run on a schedule too.",
)
plan = services.automation.plan()
busy, empty = services.training.current() is not None, not services.library.counts().ratings
with errors_shown():
    progress.live(lambda: automation_plan.tiles(services.automation.plan()), every_s=progress.every(services))
    automation_plan.actions(services, plan, busy=busy, empty=empty)
progress.live(lambda: automation_plan.going(services), every_s=progress.EVERY_S if busy else None)
if empty:
    st.info("There is nothing to train on yet.", icon=":material/hourglass_empty:")
    st.page_link("overview.py", label="Import ratings", icon=":material/upload_file:")
with st.container(border=True):
    st.subheader("Plan", anchor=False)
    automation_plan.form(services.automation, plan)
st.subheader("Is a training due?", anchor=False)
with errors_shown():
    automation_plan.health(services)
st.subheader("What came of each run", anchor=False)
chosen = runs.table(runs.ended(services.training), empty="None yet. The next run is above.")
if chosen is not None:
    with errors_shown():
        runs.details(services.training.status(chosen))
st.subheader("Backups", anchor=False)
with st.container(border=True):
    automation_backups.panel(services.storage)
