"""How well a version serves people it had never seen, by how many of their ratings it knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import streamlit as st

from engine.evaluation.intervals import MetricValue
from engine.evaluation.newcomers import NewcomerPoint
from pages.ui import charts, metrics

PANEL_WIDTH, HEIGHT = 280, 220
NOBODY = {"rmse": "Each movie's mean", "ndcg_at_k": "The most popular movies"}
"""What one can have without knowing anybody, by metric."""


def newcomers(points: Sequence[NewcomerPoint], *, key: str) -> None:
    """Two panels: the error of predicted ratings, and the order of lists."""
    st.markdown("**Newcomers**")
    if not points:
        st.caption("Not measured: it takes 160 people with more than 20 ratings each to keep some out of training.")
        return
    st.caption(
        f"{points[0].people} people were kept out of training. The version was then given some of their first ratings"
        " and judged on all that came after the twentieth: more than in the table above, so compare the values with the"
        " dashed lines only, which take no knowledge of anybody. Bands are 95% intervals."
    )
    panels = {"rmse": [(one.known, one.rmse, one.movie_mean) for one in points]}
    lists = [(one.known, one.ndcg, one.popularity) for one in points if one.ndcg and one.popularity is not None]
    panels |= {"ndcg_at_k": lists} if lists else {}
    grid = st.grid(len(panels), min_column_width=PANEL_WIDTH, border=True)
    for name, rows in panels.items():
        with grid.cell():
            _panel(name, rows, key=key)


def _panel(name: str, found: Sequence[tuple[int, MetricValue, float]], *, key: str) -> None:
    how = metrics.measure(name)
    rows: list[dict[str, Any]] = [
        {
            "known": str(known),
            "value": value.value,
            "low": value.value if value.low is None else value.low,
            "high": value.value if value.high is None else value.high,
            "interval": how.between(value),
            "nobody": nobody,
        }
        for known, value, nobody in found
    ]
    st.markdown(f"{how.label} :small[:gray[{how.direction}]]")
    x = alt.X("known:O", sort=None, title="Ratings known", axis=alt.Axis(labelAngle=0, grid=False))
    scale = charts.span([row[name] for row in rows for name in ("low", "high", "nobody")])
    y = alt.Y("value:Q", title=None, scale=scale, axis=alt.Axis(format=".3f", tickCount=4))
    tooltip = [
        alt.Tooltip("known:O", title="Ratings known"),
        alt.Tooltip("value:Q", title=how.label, format=".4f"),
        alt.Tooltip("interval:N", title="95% interval"),
        alt.Tooltip("nobody:Q", title=NOBODY[name], format=".4f"),
    ]
    base = alt.Chart(charts.data(rows), height=HEIGHT).encode(x=x)
    band = base.mark_area(opacity=0.2).encode(y=alt.Y("low:Q", title=None, scale=scale), y2="high:Q")
    line = base.mark_line(point={"size": 60, "filled": True}).encode(y=y, tooltip=tooltip)
    nobody = base.mark_line(strokeDash=[4, 3], opacity=0.8).encode(y=alt.Y("nobody:Q", title=None, scale=scale))
    told = "; ".join(f"{row['known']} known: {row['value']:.4f}" for row in rows)
    words = f"{how.label} of newcomers. {told}. {NOBODY[name]}: {rows[0]['nobody']:.4f}."
    charts.show(alt.layer(band, nobody, line), words, key=f"{key}.{name}")
    st.caption(f"Dashed: {NOBODY[name].lower()}, {rows[0]['nobody']:.4f}.")
