"""The verdict on a version: a badge, a sentence, and charts of the evidence."""

import re
from collections.abc import Sequence
from typing import Any

import altair as alt
import streamlit as st

from engine.evaluation.newcomers import STEPS
from engine.evaluation.segments import MOVIES, NEWCOMERS, USER_SEGMENTS, in_words
from engine.evaluation.verdict import Evidence, Judgement, PromotionVerdict
from pages.ui import charts, metrics, preferences
from pages.ui.escape import text

BOXES = {"PROMOTE": st.success, "HOLD": st.warning, "REJECT": st.error}
ICONS = {"PROMOTE": ":material/verified:", "HOLD": ":material/pan_tool:", "REJECT": ":material/block:"}
COLORS = {"PROMOTE": "green", "HOLD": "orange", "REJECT": "red"}
PREFIX = re.compile(rf"\b({'|'.join(ICONS)}): ")
EVERYBODY = "Everybody"
ORDER = ("all", *(f"{NEWCOMERS}:{step}" for step in STEPS), *USER_SEGMENTS, *MOVIES)  # then the genres
ROW_PX, PANEL_WIDTH = 22, 340
HOW = (
    "Each row is the improvement over version {} in percent, with its 95% interval over people. Rows are marked better"
    " or worse only beyond chance, corrected for the number of rows. The first row decides; no other group may"
    " get worse. Popular movies are the most-rated fifth."
)


def label(verdict: PromotionVerdict) -> str:
    """The verdict as a word: Promote, Hold or Reject."""
    return verdict.capitalize()


def plain(sentence: str) -> str:
    """A sentence without the verdict in capitals before it, for places where a badge shows it."""
    return PREFIX.sub("", sentence)


def badge(verdict: PromotionVerdict) -> str:
    """The verdict as a coloured badge, in Markdown."""
    return f":{COLORS[verdict]}-badge[{ICONS[verdict]} {label(verdict)}]"


def show(judgement: Judgement, sentence: str) -> None:
    """The verdict, and a sentence on its reasons and consequences, in a coloured box."""
    BOXES[judgement.verdict](f"**{label(judgement.verdict)}.** {text(plain(sentence))}", icon=ICONS[judgement.verdict])


def whom(judgement: Judgement) -> None:
    """For which groups it is better and for which worse."""
    if judgement.whom:
        st.markdown(f"**For whom?** {text(judgement.whom)}")


def evidence(judgement: Judgement, *, key: str) -> None:
    """One panel a metric, and how often ratings fell inside their intervals."""
    if not judgement.evidence:
        return
    panels = {name: [row for row in judgement.evidence if row.metric == name] for name in ("rmse", "ndcg_at_k")}
    panels = preferences.without_errors(panels)
    differ = [name for name, rows in panels.items() if not all(metrics.same(row.difference) for row in rows)]
    if differ:
        st.markdown(charts.LEGEND)
        grid = st.grid(len(differ), min_column_width=PANEL_WIDTH, border=True)
        for name in differ:
            with grid.cell():
                _panel(sorted(panels[name], key=_position), key=key)
        st.caption(HOW.format(judgement.baseline))
    for name in (name for name, rows in panels.items() if rows and name not in differ):
        st.caption(f"{metrics.measure(name).label}: identical for everybody.")
    if judgement.coverage and not preferences.in_use():
        shares = ", ".join(
            f"{segment_label(guard.part).lower()} {guard.value.value:.1%}{'' if guard.holds else ' (too few)'}"
            for guard in judgement.coverage
        )
        st.caption(text(f"Ratings inside their 90% interval: {shares}."))


def segment_label(name: str) -> str:
    """A segment as a chart's label."""
    if name == "all":
        return EVERYBODY
    if name.startswith("genre:"):
        return name.removeprefix("genre:")
    return in_words(name).capitalize()


def _position(row: Evidence) -> tuple[int, str]:
    """Order of rows: all users, groups of users, groups of movies, genres by name."""
    return (ORDER.index(row.part), "") if row.part in ORDER else (len(ORDER), row.part)


def _panel(evidence: Sequence[Evidence], *, key: str) -> None:
    how, rows = metrics.measure(evidence[0].metric), [_row(one) for one in evidence]
    st.markdown(f"**{how.label}**")
    y = alt.Y("part:N", title=None, sort=None, axis=alt.Axis(labelLimit=150))
    more = charts.tooltips(("part:N", "Group"), ("users:Q", "People", ",d"))
    chart = charts.differences(rows, y, "Improvement, %", "+.2f", row_px=ROW_PX, more=more)
    spoken = "; ".join(f"{row['part']}: {row['difference']:+z.1f}%, {row['verdict']}" for row in rows)
    charts.show(
        chart, f"Improvement in {how.label}. {spoken}.", f"Improvement in {how.label}", key=f"{key}.{how.label}"
    )


def _row(evidence: Evidence) -> dict[str, Any]:
    """The difference in percent of the baseline, signed so that more is better."""
    found, lower = evidence.difference, metrics.measure(evidence.metric).better == "lower"
    size = (-100 if lower else 100) / (found.baseline or 1.0)
    return {
        "part": segment_label(evidence.part),
        **charts.scaled(found, size),
        "users": found.users,
        "verdict": evidence.finding,
    }
