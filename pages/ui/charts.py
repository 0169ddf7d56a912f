"""Charts. Colours and fonts come from Streamlit's Altair theme, so none is named here."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt
import streamlit as st

from engine.data.scale import MAX_VALUES, RatingScale
from engine.evaluation.differences import MetricDifference
from engine.evaluation.intervals import MetricValue
from engine.recommending.explanations import Contribution, Explanation, RatingExplanation
from engine.services.records import EpochRecord
from pages.ui import tables
from pages.ui.metrics import NO_INTERVAL
from pages.ui.preferences import given

MAX_SHARES, FEW_SHARES = 8, 3
BAR_PX, AXIS_PX, FRAME_PX = 34, 56, 76
PAST, OTHERS, REST = "A rating", "All other ratings", "Not from a single rating"
TINY = 1e-4
# Positions among the theme's six colours, for the outcome of a paired test.
VERDICTS = ("0", "1", "2", "better", "worse", "no difference shown")
VERDICT_SHAPES = ("circle", "circle", "circle", "triangle-up", "triangle-down", "circle")
LEGEND = ":small[:green[▲] better, :red[▼] worse, :gray[●] no difference shown]"  # of differences, in Markdown
Share = tuple[str, float, str]
Bar = tuple[str, float, float, int]
MAX_RANGES, RATING_DIGITS = 20, 4


def data(rows: list[dict[str, Any]]) -> alt.Data:
    """Rows as chart data, without a data frame."""
    return alt.Data(values=rows)  # type: ignore[no-untyped-call]  # Altair's generated constructors have no types


def span(values: Iterable[float], margin: float = 0.0) -> alt.Scale:
    """A scale from the smallest to the largest value, widened by ``margin`` (a fraction) at either end.

    Without an explicit domain Vega warns about its empty first draw.
    """
    known = list(values)
    pad = margin * (max(known) - min(known))
    return alt.Scale(domain=[min(known) - pad, max(known) + pad], nice=not margin, zero=False)


def show(
    chart: alt.Chart | alt.LayerChart | alt.FacetChart, alt_text: str, name: str, *, key: str | None = None
) -> None:
    """Draw a chart on a transparent background, with a text alternative, and offer its data as CSV.

    Args:
        chart: the chart.
        alt_text: what it shows, for those who don't see it.
        name: what its data are; names the file, so no more than a few words.
        key: of the chart; without one, the name is unique on the page.
    """
    # Streamlit's theme would shift the first and last axis labels off their lines.
    plain = chart.configure(background="transparent").configure_view(strokeWidth=0).configure_axisY(labelFlush=False)
    st.altair_chart(plain, alt=alt_text, key=key)
    tables.offer(drawn(chart), name, key=key)


def drawn(chart: Any) -> list[dict[str, object]]:
    """The data of a chart as rows of a table: what its marks say when touched, under the same headings."""
    rows = []
    for layer in getattr(chart, "layer", [chart]):
        if layer.encoding.tooltip is not alt.Undefined:
            fields = {one["shorthand"].rpartition(":")[0]: one["title"] for one in layer.encoding.tooltip}
            values = (chart if layer.data is alt.Undefined else layer).data["values"]
            rows += [{title: row.get(field) for field, title in fields.items()} for row in values]
    return rows


def tooltips(*lines: tuple[str, ...]) -> list[alt.Tooltip]:
    """What a mark says when touched. Each line is a field with its type, a title and, for a number, a D3 format."""
    return [alt.Tooltip(field, title=title, format=form[0] if form else alt.Undefined) for field, title, *form in lines]


def differences(
    rows: list[dict[str, Any]], y: alt.Y, title: str, form: str, *, row_px: int, more: Sequence[alt.Tooltip] = ()
) -> alt.LayerChart | alt.FacetChart:
    """A point with its interval for each row, and a dashed line at 0.

    Args:
        rows: the fields of ``scaled``, ``verdict``, and the field of ``y``.
        y: encoding that places the rows.
        title: axis title.
        form: number format (D3).
        row_px: height of a row.
        more: further tooltips, shown first.
    """
    scale = span([0.0, *(row[end] for row in rows for end in ("low", "high"))], margin=0.1)
    rows = [row | {"interval": _between(row, form.lstrip("+")) if row["interval"] else NO_INTERVAL} for row in rows]
    axis = alt.Axis(tickCount=3, grid=False, labelExpr="datum.value ? format(datum.value, '+~g') : '0'")
    color = alt.Color("verdict:N", scale=alt.Scale(domain=list(VERDICTS)), legend=None)
    shape = alt.Shape("verdict:N", scale=alt.Scale(domain=list(VERDICTS), range=list(VERDICT_SHAPES)), legend=None)
    tooltip = [
        *more,
        *tooltips(("difference:Q", title, form), ("interval:N", "95% interval"), ("verdict:N", "Verdict")),
    ]
    base = alt.Chart(data(rows), height=row_px * len(rows) + FRAME_PX).encode(y=y)
    nothing = data([{"zero": 0.0, "verdict": VERDICTS[-1]}])
    zero = alt.Chart(nothing).mark_rule(strokeDash=[4, 3]).encode(x=alt.X("zero:Q", title=title), color=color)
    bars = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=title), x2="high:Q", color=color)
    x = alt.X("difference:Q", title=title, scale=scale, axis=axis)
    points = base.mark_point(filled=True, size=90, opacity=1).encode(x=x, color=color, shape=shape, tooltip=tooltip)
    return alt.layer(zero, bars, points)


def scaled(found: MetricDifference, size: float) -> dict[str, Any]:
    """A difference and the ends of its interval, each times ``size``; ``interval``: whether there is one.

    Without an interval both ends are the difference itself.
    """
    ends = (found.difference if end is None else end for end in (found.low, found.high))
    low, high = sorted(end * size for end in ends)
    return {"difference": found.difference * size, "low": low, "high": high, "interval": found.low is not None}


def ends(found: MetricValue) -> dict[str, float]:
    """Ends of the interval; without one, the value itself."""
    low, high = (found.value if end is None else end for end in (found.low, found.high))
    return {"low": low, "high": high}


def _between(row: Mapping[str, Any], form: str) -> str:
    return f"{row['low']:+z{form}} to {row['high']:+z{form}}"


def rating_bars(counts: Mapping[float, int], scale: RatingScale) -> list[Bar]:
    """(label, low, high, number of ratings) of each bar: the values of the scale if they are few, else ranges.

    A range holds its low end, the last one both. Ratings between two steps have bars of their own while there is room.
    """
    given = [(round(rating, RATING_DIGITS), count) for rating, count in sorted(counts.items())]
    values = scale.values()
    if values is None:
        return _ranges(given, scale)
    room = len({*values, *(rating for rating, _ in given)}) <= MAX_VALUES
    bars = dict.fromkeys(values, 0)
    for rating, count in given:
        value = rating if room else scale.snap(rating)
        bars[value] = bars.get(value, 0) + count
    return [(f"{value:g}", value, value, bars[value]) for value in sorted(bars)]


def _ranges(given: Iterable[tuple[float, int]], scale: RatingScale) -> list[Bar]:
    """Bars of equal width in whole steps; the last one may be narrower."""
    steps = (scale.high - scale.low) / scale.step
    width = scale.step * math.ceil(steps / MAX_RANGES - TINY)
    bars = [0] * math.ceil((scale.high - scale.low) / width - TINY)
    for rating, count in given:
        bars[min(int((rating - scale.low) / width + TINY), len(bars) - 1)] += count
    lows = [round(scale.low + n * width, RATING_DIGITS) for n in range(len(bars))]
    highs = [*lows[1:], scale.high]
    return [(f"{low:g} to {high:g}", low, high, n) for low, high, n in zip(lows, highs, bars, strict=True)]


def rating_distribution(counts: Mapping[float, int], scale: RatingScale) -> None:
    """Number of ratings by value, or by range of values where the scale has many."""
    bars = rating_bars(counts, scale)
    table = data([{"rating": label, "low": low, "high": high, "count": count} for label, low, high, count in bars])
    chart = alt.Chart(table, height=240).encode(
        y=alt.Y(
            "count:Q",
            title="Ratings",
            stack=False,
            scale=span([0, *(bar[-1] for bar in bars)]),
            axis=alt.Axis(format=",d", tickCount=4, tickMinStep=1),
        ),
        tooltip=[alt.Tooltip("rating:N", title="Rating"), alt.Tooltip("count:Q", title="Ratings", format=",d")],
    )
    if scale.values() is None:
        x = alt.X("low:Q", bin="binned", title="Rating", scale=span(scale.ends), axis=alt.Axis(tickCount=10))
        chart = chart.mark_bar().encode(x=x, x2="high:Q")
    else:
        axis = alt.Axis(labelAngle=0, labelOverlap="parity")
        chart = chart.mark_bar(cornerRadiusTopLeft=3, cornerRadiusTopRight=3).encode(
            x=alt.X("rating:N", sort=None, title="Rating", axis=axis)
        )
    most = max(bars, key=lambda bar: bar[-1])[0]
    show(chart, f"Bar chart of the number of ratings by value. The most common is {most}.", "Ratings by value")


def scale_mapping(examples: Sequence[Sequence[float]], found: tuple[float, float]) -> None:
    """Ratings of files against what they become, with examples.

    Args:
        examples: pairs of a rating in the files and as stored.
        found: lowest and highest rating of the scale in the files.
    """
    rows = [{"file": one, "here": other, "label": f"{one:g} → {other:g}"} for one, other in examples]
    x = alt.X("file:Q", title="In the files", scale=span(found, margin=0.16), axis=alt.Axis(grid=False, tickCount=6))
    y = alt.Y("here:Q", title="In Marquee", scale=span([other for _, other in examples], margin=0.15))
    base = alt.Chart(data(rows), height=180).encode(x=x, y=y)
    tooltip = tooltips(("file:Q", "In the files"), ("here:Q", "In Marquee"))
    points = base.mark_point(filled=True, size=70, opacity=1).encode(tooltip=tooltip)
    labels = base.mark_text(align="left", dx=8, dy=12).encode(text="label:N")
    told = ", ".join(f"{one:g} becomes {other:g}" for one, other in examples)
    what = f"Line chart of ratings and what they become: {told}."
    show(alt.layer(base.mark_line(opacity=0.5), points, labels), what, "Ratings and what they become")


def learning_curve(history: Sequence[EpochRecord], *, key: str, growing: bool) -> None:
    """Training and validation RMSE by epoch. The training loss is a mean square, so its root is drawn.

    A ``growing`` chart leaves room for the remaining epochs.
    """
    last = history[-1]
    parts = ("Training RMSE", "Validation RMSE")
    rows = [{"epoch": e.epoch, "part": parts[0], "rmse": e.train_loss**0.5} for e in history]
    rows += [{"epoch": e.epoch, "part": parts[1], "rmse": e.validation_rmse} for e in history if e.validation_rmse]
    table = data(rows)
    top = alt.Legend(orient="top", symbolType="stroke", symbolSize=400)
    chart = (
        alt.Chart(table, height=280)
        .mark_line(strokeWidth=2.5, point=alt.OverlayMarkDef(size=28) if len(history) < 60 else False)
        .encode(
            x=alt.X(
                "epoch:Q",
                title="Epoch",
                scale=alt.Scale(domain=[1, max(last.epochs if growing else last.epoch, 2)]),
                axis=alt.Axis(format="d", tickMinStep=1, tickCount=8, grid=False),
            ),
            y=alt.Y(
                "rmse:Q",
                title="RMSE (rating units)",
                scale=span([row["rmse"] for row in rows]),
                axis=alt.Axis(tickCount=5),
            ),
            color=alt.Color("part:N", title="", scale=alt.Scale(domain=list(parts)), legend=top),
            strokeDash=alt.StrokeDash("part:N", title="", scale=alt.Scale(domain=list(parts), range=[[1, 0], [6, 3]])),
            tooltip=tooltips(("epoch:Q", "Epoch"), ("part:N", "Part"), ("rmse:Q", "RMSE", ".4f")),
        )
    )
    spoken = f"Line chart of the error by epoch. Epoch {last.epoch}: training RMSE {last.train_loss**0.5:.4f}"
    spoken += f", validation RMSE {last.validation_rmse:.4f}." if last.validation_rmse else "."
    show(chart, spoken, "Error by epoch", key=key)


def share_rows(explanation: Explanation, scale: RatingScale, most: int = MAX_SHARES) -> list[Share]:
    """(label, share, kind) of each bar: the ``most`` largest shares, the others, expected rating, popularity.

    They sum to the score.
    """
    # The rounding error is far below a pixel; adding it to a bar keeps the sum exact.
    rows = _largest(explanation.contributions, explanation.residual - explanation.from_rating, scale, most)
    if abs(explanation.from_rating) > TINY:
        expected = "Chance of a like" if scale.are_preferences else "Expected rating"
        rows.append((expected, explanation.from_rating, REST))
    left = explanation.score - sum(share for _, share, _ in rows)
    if not rows or abs(explanation.baseline) > 1e-9:
        liked = " and liked genres" if explanation.genres_liked else ""
        rows.append((f"Popularity{liked}", left, REST))
    return rows


def rating_rows(rating: RatingExplanation, scale: RatingScale) -> list[Share]:
    """The same for the predicted rating; the bars sum to its difference from the average viewer's."""
    parts = (
        ("How this person rates in general", rating.level),
        ("What several ratings say together", rating.together),
        ("Learned in training", rating.learned),
        ("Clipped to the scale", rating.clipped),
    )
    return _largest(rating.contributions, 0.0, scale) + [
        (label, part, REST) for label, part in parts if abs(part) > TINY
    ]


def _largest(
    contributions: Sequence[Contribution], left: float, scale: RatingScale, most: int = MAX_SHARES
) -> list[Share]:
    """The largest shares, and one bar for all others."""
    rows = [(f"{one.title} · {given(one.rating, scale)}", one.share, PAST) for one in contributions[:most]]
    rest = contributions[most:]
    others = sum(one.share for one in rest) + left
    if rest:
        rows.append((f"All {len(rest)} others", others, OTHERS))
    elif rows:
        label, share, kind = rows[-1]
        rows[-1] = (label, share + others, kind)
    return rows


def main_shares(explanation: Explanation, scale: RatingScale, *, key: str) -> None:
    """The few largest shares, in percent of the score where that is above 0."""
    rows, size = share_rows(explanation, scale, FEW_SHARES), explanation.score
    if size <= 0:
        _bars(rows, "Share of the score", "Bar chart of shares of the score", key=key)
        return
    parts = [(label, share / size, kind) for label, share, kind in rows]
    percents = whole_percents([part for _, part, _ in parts])
    _bars(parts, "Part of the score", "Bar chart of parts of the score", key=key, percents=percents)


def whole_percents(parts: Sequence[float]) -> list[int]:
    """Parts of 1 in whole percent that add up to 100: largest remainder, so each is less than 1 off."""
    whole = [math.floor(100 * part) for part in parts]
    by_remainder = sorted(range(len(parts)), key=lambda at: whole[at] - 100 * parts[at])
    for at in by_remainder[: 100 - sum(whole)]:
        whole[at] += 1
    return whole


def shares(explanation: Explanation, scale: RatingScale, *, key: str) -> None:
    """Each past rating's share of the score."""
    what = f"Bar chart of shares of the score {explanation.score:.3f}"
    _bars(share_rows(explanation, scale), "Share of the score", what, key=key)


def rating_shares(rating: RatingExplanation, scale: RatingScale, *, key: str) -> None:
    """Each past rating's effect on the predicted rating."""
    what = f"Bar chart of each rating's effect on the predicted rating {rating.predicted_rating:.2f}"
    _bars(rating_rows(rating, scale), "Effect on the predicted rating", what, key=key)


def _bars(rows: list[Share], title: str, what: str, *, key: str, percents: Sequence[int] | None = None) -> None:
    """Bars with their labels above, which leaves room for long titles; ``percents`` are what parts are rounded to."""
    told = [f"{share:+z.3f}" for _, share, _ in rows] if percents is None else [f"{part}%" for part in percents]
    # A number in front keeps equal labels apart and in order; the axis hides it.
    table = [
        {"line": f"{n:02d}{told[n]}  {label}", "label": label, "share": share, "kind": kind}
        for n, (label, share, kind) in enumerate(rows)
    ]
    above = alt.Axis(
        labelExpr="substring(datum.label, 2)",
        labelAlign="left",
        labelPadding=0,
        labelOffset=-8,
        labelLimit=alt.ExprRef("width"),
        labelFontSize=13,
        domain=False,
        ticks=False,
        zindex=1,
    )
    chart = (
        alt.Chart(data(table), height=BAR_PX * len(rows) + AXIS_PX)
        .mark_bar(height=8, yOffset=7, cornerRadius=2)
        .encode(
            x=alt.X(
                "share:Q",
                title=title,
                stack=False,
                scale=span([0.0, *(share for _, share, _ in rows)]),
                axis=alt.Axis(tickCount=4, grid=False, format=alt.Undefined if percents is None else ".0%"),
            ),
            y=alt.Y("line:N", sort=None, title=None, axis=above),
            color=alt.Color("kind:N", scale=alt.Scale(domain=[PAST, OTHERS, REST]), legend=None),
            tooltip=tooltips(("label:N", "Source"), ("share:Q", "Share", "+.4f" if percents is None else ".1%")),
        )
    )
    spoken = "; ".join(f"{label}: {number}" for (label, _, _), number in zip(rows, told, strict=True))
    show(chart, f"{what}. {spoken}.", title, key=key)
