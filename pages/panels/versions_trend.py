"""A metric over all versions, as a chart."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import streamlit as st

from engine.services.version_records import VersionSummary
from pages.panels.versions_registry import state
from pages.ui import charts, metrics, preferences, session
from pages.ui.format import model_name

# Positions among the theme's six colours; the legend shows only those in use.
STATES = ("Ready", "Active", "2", "3", "Damaged", "Deleted")
STATE_SHAPES = ("circle", "diamond", "circle", "circle", "cross", "square")
MIN_VERSIONS = 2
SPOKEN = 4  # versions named in the text alternative


def trend(history: Sequence[VersionSummary]) -> None:
    """A chosen metric with its interval over all versions. ``history``: oldest first."""
    st.header("Trend", anchor=False)
    measured = [
        name
        for name in preferences.without_errors(metrics.MEASURES)
        if sum(name in version.metrics for version in history) >= MIN_VERSIONS
    ]
    if not measured:
        st.caption("The chart appears with the second measured version.")
        return
    chosen = st.selectbox(
        "Metric",
        measured,
        format_func=lambda name: metrics.measure(name).label,
        key=session.TREND,
        persist_state="session",
        width=240,
    )
    name = chosen or measured[0]
    how = metrics.measure(name)
    st.caption(f"{how.meaning} {how.direction} Bars are 95% intervals, on each version's own held-out ratings.")
    _line([version for version in history if name in version.metrics], name)


def _line(history: Sequence[VersionSummary], name: str) -> None:
    how = metrics.measure(name)
    rows: list[dict[str, Any]] = [
        {
            "version": version.version,
            "value": version.metrics[name].value,
            **charts.ends(version.metrics[name]),
            "interval": how.between(version.metrics[name]),
            "state": state(version),
            "model": model_name(version.kind),
        }
        for version in history
    ]
    form = ".1%" if how.percent else ".4f"
    x = alt.X("version:O", title="Version", axis=alt.Axis(labelAngle=0, labelOverlap="greedy", grid=False))
    scale = charts.span([row[end] for row in rows for end in ("low", "high")])
    y = alt.Y("value:Q", title=how.label, scale=scale, axis=alt.Axis(format=form, tickCount=5))
    used = [name for name in STATES if any(row["state"] == name for row in rows)]
    color = alt.Color(
        "state:N",
        title=None,
        scale=alt.Scale(domain=list(STATES)),
        legend=alt.Legend(orient="top", columns=3, values=used),
    )
    shape = alt.Shape("state:N", title=None, scale=alt.Scale(domain=list(STATES), range=list(STATE_SHAPES)))
    tooltip = charts.tooltips(
        ("version:O", "Version"),
        ("state:N", "State"),
        ("model:N", "Model"),
        ("value:Q", how.label, form),
        ("interval:N", "95% interval"),
    )
    base = alt.Chart(charts.data(rows), height=280).encode(x=x)
    line = base.mark_line(strokeWidth=1.5, opacity=0.35).encode(y=y)
    bars = base.mark_rule(strokeWidth=2, opacity=0.7).encode(
        y=alt.Y("low:Q", title=how.label), y2="high:Q", color=color
    )
    points = base.mark_point(filled=True, size=110, opacity=1).encode(y=y, color=color, shape=shape, tooltip=tooltip)
    spoken = ", ".join(
        f"version {row['version']} ({row['state'].lower()}) {how.show(row['value'])}" for row in rows[-SPOKEN:]
    )
    what = f"{how.label} by version"
    charts.show(alt.layer(line, bars, points), f"{what}. Latest: {spoken}.", what, key="trend")
