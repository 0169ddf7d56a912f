"""Versions: every trained version, its quality, which one is active, and the deployment history."""

import streamlit as st

from engine.services import Services, current
from engine.services.version_records import VersionSummary
from pages.panels import versions_actions, versions_compare, versions_golden, versions_registry, versions_trend
from pages.ui import next_steps, progress, runs
from pages.ui.page import errors_shown, page_header

FIRST = "No versions yet. Train the first one."


def single(services: Services, version: VersionSummary) -> None:
    """One version: what it changes for people, actions and details."""
    versions_registry.heading(version)
    runs.effect(services.versions.effect(version.version))
    versions_actions.actions(services, version)
    with errors_shown():
        versions_actions.repetition(services.training, version)
    versions_registry.details(services.versions, version)


services = current()
page_header("Versions", "Every trained version with its metrics. Compare versions, activate one or roll back.")
versions = services.versions.list()
if not versions:
    if next_steps.require_ratings(services, "No versions yet, and no ratings to train one on."):
        training = progress.expecting(services)
        text = "The first version is trained automatically and appears here by itself." if training else FIRST
        st.info(text, icon=":material/inventory_2:")
        st.page_link("training.py", label="Open Training", icon=":material/model_training:")
    versions_registry.import_panel(services.version_files)
    st.stop()

versions_actions.serving(services.versions)
selected = versions_registry.table(versions)
if len(selected) > 1:
    versions_compare.comparison(services, selected)
else:
    single(services, selected[0])
versions_golden.section(services, selected[0].version, ready=selected[0].state == "ready")
versions_trend.trend(services.versions.history())
st.header("Deployment history", anchor=False)
versions_registry.ledger(services.versions.ledger(100))
versions_registry.import_panel(services.version_files)
