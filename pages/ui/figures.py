"""Charts of ratings: over time, over places, by genre, and along the long tail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt

from engine.data.tallies import EPOCH_YEAR, month_name
from engine.services.profiles import GenreTaste, Month, PredictedRating
from pages.ui.charts import data, show, span, tooltips

HEIGHT = 240  # as the distribution of ratings beside it
MAX_MONTHS = 48
"""Months from which on a chart has a bar for each year."""
ROW_PX, FRAME_PX = 30, 120
MINE, ALL = "This person", "Everybody"
SHORT = "replace(replace(datum.label, ' to ', '–'), ' or more', '+')"
"""A range in few letters, so that each bar has its label."""


def columns(
    rows: Sequence[tuple[str, int]], x: str, y: str, alt_text: str, *, short: str | None = None, key: str | None = None
) -> None:
    """A bar for each (label, number), in this order; ``short`` is a Vega expression of the label on the axis."""
    table = data([{"label": label, "count": count} for label, count in rows])
    most = max((count for _, count in rows), default=0)
    ticks = alt.Axis(format=",d", tickCount=4, tickMinStep=1)
    labels = alt.Axis(labelAngle=0, labelOverlap="parity")
    if short is not None:
        labels = alt.Axis(labelAngle=0, labelOverlap="parity", labelExpr=short, labelFontSize=10)
    chart = (
        alt.Chart(table, height=HEIGHT)
        .mark_bar(cornerRadiusTopLeft=3, cornerRadiusTopRight=3)
        .encode(
            x=alt.X("label:N", sort=None, title=x, axis=labels),
            y=alt.Y("count:Q", title=y, stack=False, scale=span([0, max(most, 1)]), axis=ticks),
            tooltip=tooltips(("label:N", x), ("count:Q", y, ",d")),
        )
    )
    show(chart, alt_text, f"{y} by {x.lower()}", key=key)


def over_time(months: Mapping[int, int], *, key: str | None = None) -> None:
    """Number of ratings by month, or by year where there are many months; empty ones are drawn as none."""
    rows = periods([Month(month, count, 0.0) for month, count in sorted(months.items())])
    busiest = max(rows, key=lambda row: row[1])
    what = f"Bar chart of the number of ratings from {rows[0][0]} to {rows[-1][0]}. Most were in {busiest[0]}."
    columns(
        [(label, count) for label, count, _ in rows],
        "Year" if len(rows[0][0]) == 4 else "Month",
        "Ratings",
        what,
        key=key,
    )


def periods(months: Sequence[Month]) -> list[tuple[str, int, float | None]]:
    """(label, ratings, mean) of each month in order of time, or of each year where there are many months.

    The mean is None where there are no ratings.
    """
    first, last = months[0].month, months[-1].month
    by_year = last - first >= MAX_MONTHS
    totals: dict[int, tuple[int, float]] = {}
    for one in months:
        period = one.month // 12 if by_year else one.month
        count, total = totals.get(period, (0, 0.0))
        totals[period] = count + one.ratings, total + one.ratings * one.mean
    ends = (first // 12, last // 12) if by_year else (first, last)
    found = ((period, *totals.get(period, (0, 0.0))) for period in range(ends[0], ends[1] + 1))
    return [
        (str(EPOCH_YEAR + period) if by_year else month_name(period), count, total / count if count else None)
        for period, count, total in found
    ]


def mean_over_time(months: Sequence[Month], ends: tuple[float, float], *, key: str | None = None) -> None:
    """Mean rating by month or year; larger points stand for more ratings, and the line breaks where there are none.

    Args:
        months: the ratings.
        ends: of the scale.
        key: of the chart.
    """
    rows = [{"period": label, "mean": mean, "count": count} for label, count, mean in periods(months)]
    table = data(rows)
    every = alt.Scale(domain=[row["period"] for row in rows])
    base = alt.Chart(table, height=HEIGHT).encode(
        x=alt.X("period:N", sort=None, title=None, scale=every, axis=alt.Axis(labelAngle=0, labelOverlap="parity")),
        y=alt.Y("mean:Q", title="Mean rating", scale=span(ends), axis=alt.Axis(tickCount=5)),
    )
    points = base.mark_point(filled=True, opacity=1).encode(
        size=alt.Size("count:Q", legend=None, scale=alt.Scale(range=[20, 200])),
        tooltip=tooltips(("period:N", "Time"), ("mean:Q", "Mean rating", ".2f"), ("count:Q", "Ratings", ",d")),
    )
    empty = sum(row["mean"] is None for row in rows)
    without = f" No ratings in {empty} of these {len(rows)} times." if empty else ""
    what = f"Line chart of the mean rating over time: {rows[0]['mean']:.2f} in {rows[0]['period']}"
    show(
        alt.layer(base.mark_line(opacity=0.5, invalid="break-paths-filter-domains"), points),
        f"{what}, {rows[-1]['mean']:.2f} in {rows[-1]['period']}.{without}",
        "Mean rating over time",
        key=key,
    )


def tastes(genres: Sequence[GenreTaste], *, of_ratings: bool) -> None:
    """Mean rating by genre, of one person and of everybody; of preferences, the share of each genre."""
    title = "Mean rating" if of_ratings else "Share of all"
    rows = [
        {"genre": one.genre, "who": who, "value": value, "count": one.ratings}
        for one in genres
        for who, value in (
            ((MINE, one.mean), (ALL, one.mean_of_all)) if of_ratings else ((MINE, one.share), (ALL, one.share_of_all))
        )
    ]
    table = data(rows)
    y = alt.Y("genre:N", sort=None, title=None, axis=alt.Axis(ticks=False, domain=False, labelLimit=130))
    scale = span([row["value"] for row in rows], margin=0.08)  # type: ignore[misc]  # numbers
    form = ".2f" if of_ratings else ".0%"
    axis = alt.Axis(tickCount=5, format=".1f" if of_ratings else "%", grid=True)
    who = alt.Scale(domain=[MINE, ALL])
    base = alt.Chart(table, height=ROW_PX * len(genres) + FRAME_PX).encode(y=y)
    bars = base.mark_line(strokeWidth=2, opacity=0.4).encode(
        x=alt.X("value:Q", title=title, scale=scale, axis=axis), detail="genre:N"
    )
    points = base.mark_point(filled=True, size=90, opacity=1).encode(
        x=alt.X("value:Q", title=title, scale=scale, axis=axis),
        color=alt.Color("who:N", title=None, scale=who, legend=alt.Legend(orient="top")),
        shape=alt.Shape("who:N", title=None, scale=alt.Scale(domain=[MINE, ALL], range=["circle", "diamond"])),
        tooltip=tooltips(
            ("genre:N", "Genre"), ("who:N", "Who"), ("value:Q", title, form), ("count:Q", "Their ratings", ",d")
        ),
    )
    told = "; ".join(
        f"{one.genre}: {one.mean:.2f}, everybody {one.mean_of_all:.2f}"
        if of_ratings
        else f"{one.genre}: {one.share:.0%}, everybody {one.share_of_all:.0%}"
        for one in genres
    )
    show(alt.layer(bars, points), f"{title} by genre. {told}.", f"{title} by genre")


def predictions(found: Sequence[PredictedRating], ends: tuple[float, float]) -> None:
    """Ratings against their predictions; a point on the dashed line is an exact prediction."""
    rows = [{"title": one.movie.title, "rating": one.rating, "predicted": one.predicted} for one in found]
    scale, axis = span(ends), alt.Axis(tickCount=5)
    line = (
        alt.Chart(data([{"x": end} for end in ends]), height=300)
        .mark_line(strokeDash=[4, 3], opacity=0.7)
        .encode(x=alt.X("x:Q", title="Predicted", scale=scale), y=alt.Y("x:Q", title="Given", scale=scale))
    )
    points = (
        alt.Chart(data(rows), height=300)
        .mark_point(filled=True, size=70, opacity=0.75)
        .encode(
            x=alt.X("predicted:Q", title="Predicted", scale=scale, axis=axis),
            y=alt.Y("rating:Q", title="Given", scale=scale, axis=axis),
            tooltip=tooltips(("title:N", "Movie"), ("predicted:Q", "Predicted", ".2f"), ("rating:Q", "Given", "~g")),
        )
    )
    off = sum(abs(one.rating - one.predicted) for one in found) / len(found)
    show(
        alt.layer(line, points),
        f"Scatter plot of {len(found)} ratings and their predictions, off by {off:.2f} on average.",
        "Ratings and predictions",
    )


def tail(curve: Sequence[tuple[int, int]]) -> None:
    """Ratings of the movie at each rank, both on logarithmic axes: the long tail."""
    rows = [{"rank": rank, "ratings": count} for rank, count in curve]
    axis = alt.Axis(format=",d", values=[10**power for power in range(9)], grid=True)
    low, high = (
        alt.Scale(type="log", domain=[1, max(curve[-1][0], 2)]),
        alt.Scale(type="log", domain=[1, max(curve[0][1], 2)]),
    )
    chart = (
        alt.Chart(data(rows), height=HEIGHT)
        .mark_area(opacity=0.35, line=True)
        .encode(
            x=alt.X("rank:Q", title="Movies, most rated first", scale=low, axis=axis),
            y=alt.Y("ratings:Q", title="Ratings", scale=high, axis=axis, stack=False),
            y2=alt.datum(1),
            tooltip=tooltips(("rank:Q", "Rank", ",d"), ("ratings:Q", "Ratings", ",d")),
        )
    )
    (_, most), (last, least) = curve[0], curve[-1]
    told = f"The most rated movie has {most:,}, the one at rank {last:,} has {least:,}."
    show(chart, f"Chart of ratings by rank. {told}", "Ratings by rank of the movie")


def genres_over_years(rows: Iterable[tuple[str, str, int]], genres: Sequence[str]) -> None:
    """Shares of genres among the movies of each decade; (decade, genre, number of movies), ``genres`` in order."""
    table = [
        {"decade": decade, "genre": genre, "count": count, "place": -genres.index(genre)}
        for decade, genre, count in rows
    ]
    chart = (
        alt.Chart(data(table), height=300)
        .mark_bar()
        .encode(
            x=alt.X("decade:N", title="Decade", axis=alt.Axis(labelAngle=0, labelOverlap="parity")),
            y=alt.Y("count:Q", title="Share of movies", stack="normalize", axis=alt.Axis(format="%", tickCount=4)),
            color=alt.Color(
                "genre:N",
                title="",  # for None Streamlit leaves an empty line
                sort=list(genres),
                scale=alt.Scale(domain=list(genres)),
                legend=alt.Legend(orient="top", columns=3),
            ),
            order=alt.Order("place:Q"),  # as in the legend
            tooltip=tooltips(("decade:N", "Decade"), ("genre:N", "Genre"), ("count:Q", "Movies", ",d")),
        )
    )
    told = f"Stacked bars of the genres of movies by decade, from {table[0]['decade']} to {table[-1]['decade']}."
    show(chart, told, "Genres by decade")


def ranges(counts: Sequence[tuple[str, int]], x: str, y: str) -> None:
    """A bar for each range of numbers, such as ``1 to 4``."""
    most: Any = max(counts, key=lambda one: one[1])
    columns(counts, x, y, f"Bar chart of {y.lower()} by {x.lower()}. Most are in {most[0]}.", short=SHORT)
