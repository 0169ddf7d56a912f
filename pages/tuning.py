"""Tuning: search for better hyperparameters, and see whether they really are better."""

import streamlit as st

from engine.services import Services, current
from pages.panels import tuning_studies
from pages.ui import progress
from pages.ui.next_steps import require_ratings
from pages.ui.page import errors_shown, page_header


def running(services: Services) -> None:
    """The current study."""
    study = services.tuning.current()
    if study is None:
        return
    with errors_shown():
        tuning_studies.progress_card(services, study)
        tuning_studies.charts_of(study, key="running")


services = current()
page_header(
    "Tuning",
    "Search for settings that predict ratings or make lists better, then test the best ones on ratings set aside.",
)
study = services.tuning.current()
progress.live(lambda: running(services), every_s=None if study is None else progress.EVERY_S)
history = services.tuning.studies(limit=50)
if require_ratings(services) and study is None:
    tuning_studies.form(services, expanded=not history)
st.header("Studies", anchor=False)
selected = tuning_studies.table([one for one in history if one.state.is_finished], running=study is not None)
if selected is not None and (study is None or selected != study.study_id):
    with errors_shown():
        tuning_studies.details(services, services.tuning.status(selected), busy=study is not None)
