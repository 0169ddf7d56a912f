"""Versions: what was trained, how good it is, which one serves, and who decided that."""

from __future__ import annotations

import streamlit as st

from engine.services import Services, current
from engine.types import VersionSummary
from pages.ui import actions, comparing, keys, registry, trends
from pages.ui.failures import shown
from pages.ui.page import opening
from pages.ui.picking import number_asked


def one(services: Services, version: VersionSummary) -> None:
    """A version by itself: what can be done with it, and all that is known of it."""
    registry.heading(version)
    actions.actions(services, version)
    with shown():
        actions.repetition(services.training, version)
    registry.details(services.versions, version)


services = current()
opening(
    "Versions",
    "Every trained version with its metrics. Any intact one can serve at once; every change is written down.",
)
versions = services.versions.list()
if not versions:
    st.info("There is no version yet. The first training makes one.", icon=":material/inventory_2:")
    st.page_link("training.py", label="Open Training", icon=":material/model_training:")
    registry.import_panel(services.versions)
    st.stop()

if (asked := number_asked("version")) is not None:  # a link from elsewhere
    st.session_state[keys.VERSION] = [asked]
    st.query_params.pop("version", None)
chosen = registry.table(versions)
if len(chosen) > 1:
    comparing.comparison(services, chosen)
else:
    one(services, chosen[0])
trends.trend(services.versions.history())
st.subheader("Who changed what serves", anchor=False)
registry.ledger(services.versions.ledger(100))
registry.import_panel(services.versions)
