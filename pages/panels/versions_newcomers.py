"""Quality for newcomers, by how many of their ratings are known."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import streamlit as st

from engine.evaluation.intervals import MetricValue
from engine.evaluation.newcomers import NewcomerPoint
from pages.ui import charts, metrics, preferences

PANEL_WIDTH, HEIGHT = 280, 220
BASELINES = {"rmse": "Each movie's mean", "ndcg_at_k": "The most popular movies"}
"""Non-personal baseline of each metric."""


def newcomers(points: Sequence[NewcomerPoint], *, key: str) -> None:
    """Two charts: error of predicted ratings, and quality of lists."""
    st.markdown("**Newcomers**")
    if not points:
        st.caption("Not measured: this needs 160 people with more than 20 ratings each.")
        return
    st.caption(
        f"{points[0].people} people were kept out of training. The version was given some of their first ratings and"
        " measured on all after the twentieth. Those are more ratings than in the table above, so compare only with the"
        " dashed lines, which are not personal. Bands are 95% intervals."
    )
    panels = {"rmse": [(one.known, one.rmse, one.movie_mean) for one in points]}
    lists = [(one.known, one.ndcg, one.popularity) for one in points if one.ndcg and one.popularity is not None]
    panels = preferences.without_errors(panels | ({"ndcg_at_k": lists} if lists else {}))
    if not panels:
        return
    grid = st.grid(len(panels), min_column_width=PANEL_WIDTH, border=True)
    for name, rows in panels.items():
        with grid.cell():
            _panel(name, rows, key=key)


def _panel(name: str, points: Sequence[tuple[int, MetricValue, float]], *, key: str) -> None:
    how = metrics.measure(name)
    rows: list[dict[str, Any]] = [
        {
            "known": str(known),
            "value": value.value,
            **charts.ends(value),
            "interval": how.between(value),
            "baseline": baseline,
        }
        for known, value, baseline in points
    ]
    st.markdown(f"{how.label} :small[:gray[{how.direction}]]")
    x = alt.X("known:O", sort=None, title="Ratings known", axis=alt.Axis(labelAngle=0, grid=False))
    scale = charts.span([row[name] for row in rows for name in ("low", "high", "baseline")])
    y = alt.Y("value:Q", title=None, scale=scale, axis=alt.Axis(format=".3f", tickCount=4))
    tooltip = charts.tooltips(
        ("known:O", "Ratings known"),
        ("value:Q", how.label, ".4f"),
        ("interval:N", "95% interval"),
        ("baseline:Q", BASELINES[name], ".4f"),
    )
    base = alt.Chart(charts.data(rows), height=HEIGHT).encode(x=x)
    band = base.mark_area(opacity=0.2).encode(y=alt.Y("low:Q", title=None, scale=scale), y2="high:Q")
    line = base.mark_line(point={"size": 60, "filled": True}).encode(y=y, tooltip=tooltip)
    dashed = base.mark_line(strokeDash=[4, 3], opacity=0.8).encode(y=alt.Y("baseline:Q", title=None, scale=scale))
    spoken = "; ".join(f"{row['known']} known: {row['value']:.4f}" for row in rows)
    alt_text = f"{how.label} of newcomers. {spoken}. {BASELINES[name]}: {rows[0]['baseline']:.4f}."
    charts.show(alt.layer(band, dashed, line), alt_text, f"{how.label} of newcomers", key=f"{key}.{name}")
    st.caption(f"Dashed: {BASELINES[name].lower()}, {rows[0]['baseline']:.4f}.")
