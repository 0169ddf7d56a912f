"""How a version orders lists: its settings, what less popular movies cost, and how far explanations can be trusted."""

from typing import Any

import altair as alt
import streamlit as st

from engine.models.list_settings import RANKING
from engine.models.rankers import RANKERS
from engine.services.version_records import VersionSummary
from engine.words import counted
from pages.ui import charts, tables

HEIGHT = 240
EXACT, UNFAITHFUL = 0.005, 0.75
"""Differences between share and effect below which they are the same, and above which one says nothing of the other."""
PERCENT = alt.Axis(format=".0%", tickMinStep=0.01)
CHOSEN, OTHERS = "This version", "Other discounts"


def ranking(version: VersionSummary) -> None:
    """The choice between accuracy and reach, explanations, and settings."""
    if version.frontier:
        _frontier(version)
    _faithfulness(version.protocol.get("faithfulness"))
    st.markdown("**Settings**")
    names = dict.fromkeys(name for name in ("method", *version.ranker) if name in RANKING.model_fields)
    rows = [_setting(version, name) for name in names]
    tables.table(rows, f"Settings of the lists of version {version.version}")


def _setting(version: VersionSummary, name: str) -> dict[str, object]:
    """A setting, its value and what it does; ``auto`` is one that the training chose, if it had lists to choose by."""
    value = version.ranker.get(name, "ease")
    told = RANKERS[value].label if name == "method" else f"{value:,.10g}"
    if f"ranker.{name}" in version.automatic:
        told += " (auto)" if version.frontier else " (usual)"
    about = RANKING.model_fields[name].description or ""
    return {"Name": RANKING.title_of(name), "Value": told, "Meaning": about.partition(" Only for ")[0]}


def _faithfulness(found: dict[str, Any] | None) -> None:
    """What explanations say beside what really happens."""
    st.markdown("**Explanations**")
    if not found or not found["share"]:
        st.caption("Not measured: the version is of an earlier release, or no list rests on ratings.")
        return
    st.caption(faithful(found["pairs"], found["effect"] / found["share"], found["difference"] / found["share"]))


def in_short(found: dict[str, Any] | None) -> str:
    """How far a share can be trusted, in one sentence; empty where it was not measured."""
    if not found or not found["share"]:
        return ""
    return (
        f"Explanations: without a rating, a movie's score falls by {found['effect'] / found['share']:.0%} of its share."
    )


def faithful(users: int, effect: float, difference: float) -> str:
    """How far a share can be trusted.

    Args:
        users: in the sample.
        effect: what removing a rating took off the score on average, as a part of the rating's share.
        difference: mean absolute difference of the two, as a part of the mean share.
    """
    tested = (
        f"Tested on a sample of {counted(users, 'person', 'people')} by removing the rating with the largest share"
        " in the first movie of their list. "
    )
    if difference < EXACT:
        return f"{tested}The movie's score fell by that share: shares can be taken at their word."
    if difference > UNFAITHFUL:
        return (
            f"{tested}The movie's score changed by something else: removing a rating changes how much the others count,"
            " and here that outweighs the share. Take shares as what a rating adds beside the others, and not as what"
            " would happen without it."
        )
    return (
        f"{tested}On average the movie's score fell by {effect:.0%} of that share, and for a single movie the two"
        f" differ by {difference:.0%}, because removing a rating changes how much the others count."
    )


def _frontier(version: VersionSummary) -> None:
    """NDCG and coverage for each discount of popular movies."""
    st.markdown("**Accuracy and reach**")
    if len({point.coverage for point in version.frontier}) == 1:
        reach = f"{version.frontier[0].coverage:.0%} of the catalogue"
        st.caption(f"Lists reach {reach}, however much popular movies are discounted.")
        return
    st.caption(
        "The more popular movies are discounted, the more of the catalogue lists reach. Measured on ratings set aside"
        " while training. To choose another point, train with that *popularity discount*."
    )
    rows = [
        {
            "coverage": point.coverage,
            "ndcg": point.ndcg,
            "discount": f"{point.popularity_discount:g}",
            "kind": CHOSEN if point.chosen else OTHERS,
        }
        for point in version.frontier
    ]
    base = alt.Chart(charts.data(rows), height=HEIGHT).encode(
        x=alt.X("coverage:Q", title="Coverage: share of the catalogue in any top ten", axis=PERCENT),
        y=alt.Y("ndcg:Q", title="NDCG@10", scale=charts.span([point.ndcg for point in version.frontier])),
    )
    line = base.mark_line(opacity=0.4).encode(order="discount:Q")
    points = base.mark_point(size=90, filled=True, opacity=1).encode(
        color=alt.Color(
            "kind:N", title=None, scale=alt.Scale(domain=[CHOSEN, OTHERS]), legend=alt.Legend(orient="top")
        ),
        tooltip=charts.tooltips(
            ("discount:N", "Popularity discount"), ("coverage:Q", "Coverage", ".1%"), ("ndcg:Q", "NDCG@10", ".3f")
        ),
    )
    labels = base.mark_text(dy=-12, fontSize=12).encode(text="discount:N")
    spoken = "; ".join(f"discount {row['discount']}: {row['ndcg']:.3f} at {row['coverage']:.1%}" for row in rows)
    charts.show(
        alt.layer(line, points, labels),
        f"NDCG@10 by coverage of the catalogue. {spoken}.",
        "Accuracy and reach",
        key=f"version {version.version} frontier",
    )
