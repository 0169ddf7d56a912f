"""How a version orders lists: its settings, what less popular movies cost, and how far explanations can be trusted."""

from typing import Any

import altair as alt
import streamlit as st

from engine.models.list_settings import RANKING
from engine.models.rankers import RANKERS
from engine.services.version_records import VersionSummary
from pages.ui import charts, tables

HEIGHT = 240
PERCENT = alt.Axis(format=".0%", tickMinStep=0.01)
CHOSEN, OTHERS = "This version", "Other discounts"


def ranking(version: VersionSummary) -> None:
    """The choice between accuracy and reach, explanations, and settings."""
    automatic = {name.removeprefix("ranker.") for name in version.automatic}
    settings: dict[str, object] = {"Method": RANKERS[version.ranker.get("method", "ease")].label}
    for name, value in version.ranker.items():
        if name in RANKING.model_fields and name != "method":
            settings[RANKING.title_of(name)] = f"{value:,g} (auto)" if name in automatic else f"{value:,g}"
    if version.frontier:
        _frontier(version)
    _faithfulness(version.protocol.get("faithfulness"))
    st.markdown("**Settings**")
    tables.pairs(settings, f"Settings of the lists of version {version.version}")


def _faithfulness(found: dict[str, Any] | None) -> None:
    """What explanations say beside what really happens."""
    st.markdown("**Explanations**")
    if not found or not found["share"]:
        st.caption("Not measured: the version is of an earlier release, or no list rests on ratings.")
        return
    effect, difference = (found[name] / found["share"] for name in ("effect", "difference"))
    st.caption(
        f"Tested by removing one rating of each of {found['pairs']:,} users: the one with the largest share in the"
        f" first movie of their list. On average, the movie's score fell by {effect:.0%} of that share. For a single"
        f" movie the two differ by {difference:.0%}, because removing a rating changes how much the others count."
    )


def _frontier(version: VersionSummary) -> None:
    """NDCG and coverage for each discount of popular movies."""
    st.markdown("**Accuracy and reach**")
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
        key=f"version {version.version} frontier",
    )
