"""Versions: what was trained, how good it is, which one serves, and who decided that."""

from __future__ import annotations

import streamlit as st

from engine.services import Services, current
from engine.services.version_records import VersionSummary
from pages.panels import versions_actions, versions_compare, versions_registry, versions_trend
from pages.ui import session
from pages.ui.page import errors_shown, page_header
from pages.ui.tables import query_number


def one(services: Services, version: VersionSummary) -> None:
    """A version by itself: what can be done with it, and all that is known of it."""
    versions_registry.heading(version)
    versions_actions.actions(services, version)
    with errors_shown():
        versions_actions.repetition(services.training, version)
    versions_registry.details(services.versions, version)


services = current()
page_header(
    "Versions",
    "Every trained version with its metrics. Any intact one can serve at once; every change is written down.",
)
versions = services.versions.list()
if not versions:
    st.info("There is no version yet. The first training makes one.", icon=":material/inventory_2:")
    st.page_link("training.py", label="Open Training", icon=":material/model_training:")
    versions_registry.import_panel(services.version_files)
    st.stop()

if (asked := query_number("version")) is not None:  # a link from elsewhere
    st.session_state[session.VERSION] = [asked]
    st.query_params.pop("version", None)
chosen = versions_registry.table(versions)
if len(chosen) > 1:
    versions_compare.comparison(services, chosen)
else:
    one(services, chosen[0])
versions_trend.trend(services.versions.history())
st.subheader("Who changed what serves", anchor=False)
versions_registry.ledger(services.versions.ledger(100))
versions_registry.import_panel(services.version_files)
