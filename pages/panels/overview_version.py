"""The version that serves: since when, whether it is better than popular movies, and the way back."""

import streamlit as st

from engine.evaluation import baselines
from engine.evaluation.intervals import MetricValue
from engine.services import Services
from engine.services.live import LiveReport
from engine.words import counted, listed
from pages.panels import versions_actions, versions_ranking
from pages.ui import metrics, preferences
from pages.ui.escape import text
from pages.ui.format import when
from pages.ui.page import errors_shown

LIVE = ("rmse", "interval_coverage")


def active_version(services: Services) -> None:
    """Heading, a sentence and the key metrics; nothing without a version."""
    active = services.versions.active()
    if active is None:
        return
    st.header(f"Version {active.version} is active", anchor=False)
    since = "" if active.activated_at is None else f"Active since {when(active.activated_at)}. "
    st.caption(f"{since}Trained {when(active.created_at)} on {active.ratings:,} ratings.")
    if active.metrics:
        standing = f"{baselines.standing(active.baselines)} Measured on ratings held out from training."
        st.markdown(text(standing.strip()))
    else:
        st.markdown("There were too few ratings to hold some out and measure it.")
    metrics.tiles(preferences.without_errors(active.metrics), metrics.floors(active.baselines, active.protocol))
    with errors_shown():
        _live(services.live.report(), active.version)
    if explained := versions_ranking.in_short(active.protocol.get("faithfulness")):
        st.caption(explained)
    versions_actions.way_back(services.versions)


def _live(report: LiveReport, version: int) -> None:
    """How the version does on the ratings that come in; nothing before the first."""
    found = next((one for one in report.versions if one.version == version), None)
    shown = {} if found is None else preferences.without_errors(found.metrics)
    told = [_figure(name, shown[name]) for name in LIVE if name in shown]
    if found is not None and told:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"On {counted(found.exams, 'new rating')}: {listed(told)}.", width="content")
            st.page_link("live.py", label="Open Live", icon=":material/monitoring:", width="content")


def _figure(name: str, found: MetricValue) -> str:
    """A metric and its interval, if it has one."""
    how = metrics.measure(name)
    between = "" if found.low is None else f" ({how.between(found)})"
    return f"{how.label} {how.show(found.value)}{between}"
