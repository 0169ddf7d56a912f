"""The verdict on a version: in a word, in words, and as a chart of what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import streamlit as st

from engine.evaluation.newcomers import STEPS
from engine.evaluation.segments import MOVIES, NEWCOMERS, USER_SEGMENTS, in_words
from engine.evaluation.verdict import Evidence, Judgement, PromotionVerdict
from pages.ui import charts, metrics
from pages.ui.escape import text

SHOWN = {"PROMOTE": st.success, "HOLD": st.warning, "REJECT": st.error}
ICONS = {"PROMOTE": ":material/verified:", "HOLD": ":material/pan_tool:", "REJECT": ":material/block:"}
COLORS = {"PROMOTE": "green", "HOLD": "orange", "REJECT": "red"}
EVERYBODY = "Everybody"
ORDER = ("all", *(f"{NEWCOMERS}:{step}" for step in STEPS), *USER_SEGMENTS, *MOVIES)  # then the genres
ROW_PX, PANEL_WIDTH = 22, 340
HOW = (
    "Each row is the difference to version {}, in percent of its value, with the 95% interval over users. A row is"
    " called better or worse only where it stands out beyond chance, all rows of its kind counted. The first row is the"
    " goal; all others are guards, which must not get worse. Popular movies are the most rated fifth."
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
    panels = {name: [one for one in found.evidence if one.metric == name] for name in ("rmse", "ndcg_at_k")}
    differ = [name for name, rows in panels.items() if not all(metrics.same(one.difference) for one in rows)]
    if differ:
        st.markdown(charts.LEGEND)
        grid = st.grid(len(differ), min_column_width=PANEL_WIDTH, border=True)
        for name in differ:
            with grid.cell():
                _panel(sorted(panels[name], key=_place), key=key)
        st.caption(HOW.format(found.baseline))
    for name in (name for name, rows in panels.items() if rows and name not in differ):
        st.caption(f"{metrics.measure(name).label}: the same for every user.")
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
    if name.startswith("genre:"):
        return name.removeprefix("genre:")
    return in_words(name).capitalize()


def _place(one: Evidence) -> tuple[int, str]:
    """Where a row stands: everybody, users, movies, and the genres by name."""
    return (ORDER.index(one.part), "") if one.part in ORDER else (len(ORDER), one.part)


def _panel(found: Sequence[Evidence], *, key: str) -> None:
    how, rows = metrics.measure(found[0].metric), [_row(one) for one in found]
    st.markdown(f"**{how.label}**")
    y = alt.Y("part:N", title=None, sort=None, axis=alt.Axis(labelLimit=150))
    more = [alt.Tooltip("part:N", title="Of"), alt.Tooltip("users:Q", title="Users", format=",d")]
    chart = charts.differences(rows, y, "Better by, in %", "+.2f", row_px=ROW_PX, more=more)
    told = "; ".join(f"{row['part']}: {row['difference']:+z.1f}%, {row['verdict']}" for row in rows)
    charts.show(chart, f"How much better in {how.label}. {told}.", key=f"{key}.{how.label}")


def _row(one: Evidence) -> dict[str, Any]:
    """The difference in percent of the baseline, turned so that more is better."""
    found, lower = one.difference, metrics.measure(one.metric).better == "lower"
    size = (-100 if lower else 100) / (found.baseline or 1.0)
    return {
        "part": part(one.part),
        **charts.turned(found, size),
        "users": found.users,
        "verdict": one.finding,
    }
