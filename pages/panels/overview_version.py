"""The version that serves: since when, whether it is better than popular movies, and the way back."""

import streamlit as st

from engine.evaluation import baselines
from engine.services import Services
from pages.panels import versions_actions
from pages.ui import metrics, preferences
from pages.ui.escape import text
from pages.ui.format import when


def active_version(services: Services) -> None:
    """Heading, a sentence and the key metrics; nothing without a version."""
    active = services.versions.active()
    if active is None:
        return
    st.header(f"Version {active.version} is active", anchor=False)
    since = "" if active.activated_at is None else f"Active since {when(active.activated_at)}. "
    st.caption(f"{since}Trained {when(active.created_at)} on {active.ratings:,} ratings.")
    st.markdown(text(f"{baselines.standing(active.baselines)} Measured on ratings held out from training.".strip()))
    metrics.tiles(preferences.without_errors(active.metrics), metrics.floors(active.baselines, active.protocol))
    versions_actions.way_back(services.versions)
