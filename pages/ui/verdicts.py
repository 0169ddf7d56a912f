"""The verdict on a version: in a word, in words, and as a chart of what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import streamlit as st

from engine.segments import in_words
from engine.types import Evidence, Judgement, PromotionVerdict
from pages.ui import charts, measures
from pages.ui.plain import text

SHOWN = {"PROMOTE": st.success, "HOLD": st.warning, "REJECT": st.error}
ICONS = {"PROMOTE": ":material/verified:", "HOLD": ":material/pan_tool:", "REJECT": ":material/block:"}
COLORS = {"PROMOTE": "green", "HOLD": "orange", "REJECT": "red"}
EVERYBODY = "Everybody"
ROW_PX, FRAME_PX, PANEL_WIDTH = 22, 60, 340
HOW = (
    "Each row is the difference to version {}, in percent of its value, with the 95% interval over users; right is"
    " better. A row is called better or worse only where it stands out beyond chance, all rows of its kind counted."
)


def badge(verdict: PromotionVerdict) -> str:
    """The verdict as a coloured word, in Markdown."""
    return f":{COLORS[verdict]}-badge[{ICONS[verdict]} {verdict}]"


def tell(found: Judgement, outcome: str) -> None:
    """The verdict in words; ``outcome``: the same with what came of it."""
    SHOWN[found.verdict](text(outcome), icon=ICONS[found.verdict])


def evidence(found: Judgement, *, key: str) -> None:
    """What the verdict rests on: a panel for each metric, and whether intervals hold."""
    if not found.evidence:
        return
    panels = [[one for one in found.evidence if one.metric == name] for name in ("rmse", "ndcg_at_k")]
    grid = st.grid(min_column_width=PANEL_WIDTH, border=True)
    for rows in filter(None, panels):
        with grid.cell():
            _panel(rows, key=key)
    st.caption(HOW.format(found.baseline))
    if found.coverage:
        told = ", ".join(
            f"{part(one.part).lower()} {one.value.value:.1%}{'' if one.holds else ' (too few)'}"
            for one in found.coverage
        )
        st.caption(text(f"Ratings inside their 90% interval: {told}."))


def part(name: str) -> str:
    """A segment as a chart's label."""
    if name == "all":
        return EVERYBODY
    words = in_words(name)
    return words.removeprefix("the genre ") if name.startswith("genre:") else words.capitalize()


def _panel(found: Sequence[Evidence], *, key: str) -> None:
    how, rows = measures.measure(found[0].metric), [_row(one) for one in found]
    st.markdown(f"**{how.label}**")
    if all(row["low"] == row["high"] == 0 for row in rows):
        st.caption("The same for every user.")
        return
    scale = charts.span([0.0, *(row[end] for row in rows for end in ("low", "high"))], margin=0.1)
    y = alt.Y("part:N", title=None, sort=None, axis=alt.Axis(labelLimit=150))
    x = alt.X("difference:Q", title="Better by, in %", scale=scale, axis=alt.Axis(tickCount=4, grid=False))
    color = alt.Color("finding:N", scale=alt.Scale(domain=list(charts.VERDICTS)), legend=None)
    shape = alt.Shape(
        "finding:N", scale=alt.Scale(domain=list(charts.VERDICTS), range=list(charts.VERDICT_SHAPES)), legend=None
    )
    tooltip = [
        alt.Tooltip("part:N", title="Of"),
        alt.Tooltip("difference:Q", title="Better by, in %", format="+.2f"),
        alt.Tooltip("low:Q", title="95% from", format="+.2f"),
        alt.Tooltip("high:Q", title="95% to", format="+.2f"),
        alt.Tooltip("users:Q", title="Users", format=",d"),
        alt.Tooltip("finding:N", title="Counts as"),
    ]
    base = alt.Chart(charts.data(rows), height=ROW_PX * len(rows) + FRAME_PX).encode(y=y)
    nothing = charts.data([{"zero": 0.0, "finding": charts.VERDICTS[-1]}])
    zero = (
        alt.Chart(nothing).mark_rule(strokeDash=[4, 3]).encode(x=alt.X("zero:Q", title="Better by, in %"), color=color)
    )
    bars = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title="Better by, in %"), x2="high:Q", color=color)
    points = base.mark_point(filled=True, size=70, opacity=1).encode(x=x, color=color, shape=shape, tooltip=tooltip)
    told = "; ".join(f"{row['part']}: {row['difference']:+.1f}%, {row['finding']}" for row in rows)
    charts.show(alt.layer(zero, bars, points), f"How much better in {how.label}. {told}.", key=f"{key}.{how.label}")


def _row(one: Evidence) -> dict[str, Any]:
    """The difference in percent of the baseline, turned so that more is better."""
    found, lower = one.difference, measures.measure(one.metric).better == "lower"
    size = (-100 if lower else 100) / (found.baseline or 1.0)
    low, high = sorted((found.low * size, found.high * size))
    return {
        "part": part(one.part),
        "difference": found.difference * size,
        "low": low,
        "high": high,
        "users": found.users,
        "finding": one.finding,
    }
