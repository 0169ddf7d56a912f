"""Tuning: search for better hyperparameters, and see whether what was found is really better."""

from __future__ import annotations

import streamlit as st

from engine.services import Services, current
from pages.panels import tuning_studies
from pages.ui import progress
from pages.ui.page import errors_shown, page_header


def going(services: Services) -> None:
    """The study that goes on."""
    study = services.tuning.current()
    if study is None:
        return
    with errors_shown():
        tuning_studies.bar(services, study)
        tuning_studies.charts_of(study, key="going")


services = current()
page_header(
    "Tuning",
    "Search for hyperparameters that predict ratings better. Part of the ratings is kept away from the search and "
    "judges what it has found.",
)
study = services.tuning.current()
progress.live(lambda: going(services), every_s=None if study is None else progress.EVERY_S)
history = services.tuning.studies(limit=50)
if not services.library.counts().ratings:
    st.info("There are no ratings to learn from yet.", icon=":material/hourglass_empty:")
    st.page_link("overview.py", label="Import ratings", icon=":material/upload_file:")
elif study is None:
    tuning_studies.order(services, unfolded=not history)
st.subheader("Studies", anchor=False)
chosen = tuning_studies.table([one for one in history if one.state not in progress.GOING])
if chosen is not None and (study is None or chosen != study.study_id):
    with errors_shown():
        tuning_studies.details(services, services.tuning.status(chosen), busy=study is not None)
