"""Automation: when Marquee retrains by itself, and what came of it."""

from __future__ import annotations

import streamlit as st

from engine.services import current
from pages.ui import planning, runs
from pages.ui.failures import shown
from pages.ui.page import opening

services = current()
opening(
    "Automation",
    "Retrain at a time of your choice, or after so many new ratings, with the hyperparameters of the version that "
    "serves. Each run is judged before it may serve.",
)
plan = services.automation.plan()
with shown():
    planning.tiles(plan)
    planning.actions(services, plan)
with st.container(border=True):
    st.subheader("Plan", anchor=False)
    planning.form(services.automation, plan)
st.subheader("Is a training due?", anchor=False)
with shown():
    planning.health(services)
st.subheader("Runs that Marquee ordered", anchor=False)
chosen = runs.table(services.automation.runs(), empty="None yet. The next run is above.")
if chosen is not None:
    with shown():
        runs.details(services.training.status(chosen))
