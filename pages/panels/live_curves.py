"""Live figures of a version: tiles, the error over all exams, and the newest exams."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import streamlit as st

from engine.data.scale import RatingScale
from engine.evaluation.intervals import MetricValue
from engine.services.live import LiveReport, LiveVersion
from engine.services.records import ExamRecord
from engine.words import counted
from pages.ui import charts, links, metrics, preferences
from pages.ui.format import model_name, when
from pages.ui.metrics import MEASURES, Measure
from pages.ui.tables import Drawn
from pages.ui.tables import table as draw_table

HIT_RATE = Measure(
    "In the first ten",
    "Of the new ratings that are likes: how many of their movies were among the first ten of the person's list just "
    "before.",
    "higher",
    percent=True,
)
SHOWN_RATE = Measure(
    "Shown before",
    "Of the new ratings that are likes: how many of their movies the person had been shown, among the first ten of a "
    "list in the 30 days before.",
    "higher",
    percent=True,
)
OWN = {"hit_rate": HIT_RATE, "shown_rate": SHOWN_RATE}
"""Metrics that only new ratings have."""
SHOWN = ("rmse", "interval_coverage", *OWN)
NEWEST = 10
FEW = 30
"""Exams below which intervals are nearly as wide as the scale."""
LIVE, MEANS, OFFLINE = "New ratings", "Plain means", "Evaluation"
ROLES = {"serves": "Active", "shadow": "Shadow", "before": "Earlier"}
PROMISED, PROMISED_PART = 0.9, "Promised"
MIN_POINTS = 2


def how(name: str) -> Measure:
    """How a live metric is shown."""
    return OWN[name] if name in OWN else MEASURES[name]


def nothing_yet(report: LiveReport) -> None:
    """What an exam is, and where the first one comes from."""
    st.info(
        "No exams yet. Each new rating, given on a page or by the API, becomes one; imports and changed ratings do "
        "not, as their answers may be known.",
        icon=":material/quiz:",
    )
    st.page_link("recommend.py", label="Rate a movie", icon=":material/movie:")
    if report.shadows:
        st.caption(f"Version {' and '.join(map(str, report.shadows))} will predict them too.")


def version(one: LiveVersion) -> None:
    """The active version: its live figures beside those of its evaluation."""
    st.header(f"Version {one.version} on {counted(one.exams, 'new rating')}", anchor=False)
    if not one.exams:
        st.caption("It has predicted no new rating yet. The figures below are of other versions.")
        return
    st.caption(f"From {when(one.first_at)} to {when(one.last_at)}. Intervals (95%) hold however often you look.")
    if one.exams < FEW:
        st.caption("So few ratings prove nothing yet: the intervals below span almost everything.")
    shown = [name for name in SHOWN if name in preferences.without_errors(one.metrics)]
    grid = st.grid(max(len(shown), 1), min_column_width=150, border=True)
    for name in shown:
        with grid.cell():
            _tile(one, name)
    if one.dipped and not preferences.in_use():
        st.warning(
            "New ratings are predicted worse than the evaluation promised, beyond doubt. Train again if tastes or the "
            "catalogue have changed.",
            icon=":material/trending_up:",
        )
    if len(one.curve) >= MIN_POINTS and not preferences.in_use():
        _error(one)
        _coverage(one)


def _tile(one: LiveVersion, name: str) -> None:
    measure, value, offline = how(name), one.metrics[name], one.offline.get(name)
    metrics.tile(measure, value, "Below: the interval.")
    if offline is not None:
        st.caption(f"Evaluation: {measure.show(offline.value)}")
    if name in one.means:
        st.caption(f"Plain means: {measure.show(one.means[name])}")


def _error(one: LiveVersion) -> None:
    """RMSE after more and more exams, with its interval, beside the plain means and the evaluation."""
    st.subheader("Error", anchor=False)
    offline = one.offline.get("rmse")
    rows: list[dict[str, Any]] = []
    for point in one.curve:
        at = {"exams": point.exams}
        rows.append(at | {"part": LIVE, "rmse": point.rmse, "low": point.low, "high": point.high})
        if point.means is not None:
            rows.append(at | {"part": MEANS, "rmse": point.means})
        if offline is not None:
            rows.append(at | {"part": OFFLINE, "rmse": offline.value})
    parts = [part for part in (LIVE, MEANS, OFFLINE) if any(row["part"] == part for row in rows)]
    # The first intervals are as wide as the scale; the later half decides what the axis shows.
    late = [point for point in one.curve if point.exams >= one.exams / 2]
    ends = [row["rmse"] for row in rows if row["exams"] >= one.exams / 20]
    scale = charts.span([*ends, *(point.low for point in late), *(point.high for point in late)], margin=0.05)
    x = alt.X("exams:Q", title="New ratings", axis=alt.Axis(format=",d", tickCount=6, grid=False))
    y = alt.Y("rmse:Q", title="RMSE (rating units)", scale=scale, axis=alt.Axis(tickCount=5))
    base = alt.Chart(charts.data(rows), height=280).encode(x=x)
    color, dash = _parts(parts)
    tooltip = charts.tooltips(("exams:Q", "New ratings", ",d"), ("part:N", "Part"), ("rmse:Q", "RMSE", ".4f"))
    band = (
        base.transform_filter(f"datum.part === '{LIVE}'")
        .mark_area(opacity=0.18, clip=True)
        .encode(y=alt.Y("low:Q", title="RMSE (rating units)", scale=scale), y2="high:Q", color=color)
    )
    lines = base.mark_line(strokeWidth=2.5, clip=True).encode(y=y, color=color, strokeDash=dash, tooltip=tooltip)
    spoken = f"Line chart of the error by number of new ratings. Now {one.metrics['rmse'].value:.4f}"
    spoken += f", in the evaluation {offline.value:.4f}." if offline else "."
    charts.show(alt.layer(band, lines), spoken, "Live error", key="live.error")


def _coverage(one: LiveVersion) -> None:
    """Share of ratings inside the 90% interval after more and more exams."""
    points = [(point.exams, point.coverage) for point in one.curve if point.coverage is not None]
    if len(points) < MIN_POINTS:
        return
    st.subheader("Inside the 90% interval", anchor=False)
    rows: list[dict[str, Any]] = [{"exams": exams, "part": LIVE, "inside": inside} for exams, inside in points]
    rows += [{"exams": exams, "part": PROMISED_PART, "inside": PROMISED} for exams, _ in points]
    scale = charts.span([PROMISED - 0.1, 1.0, *(inside for exams, inside in points if exams >= one.exams / 20)])
    tooltip = charts.tooltips(("exams:Q", "New ratings", ",d"), ("part:N", "Part"), ("inside:Q", "Inside", ".1%"))
    color, dash = _parts([LIVE, PROMISED_PART])
    lines = (
        alt.Chart(charts.data(rows), height=200)
        .mark_line(strokeWidth=2.5, clip=True)
        .encode(
            x=alt.X("exams:Q", title="New ratings", axis=alt.Axis(format=",d", tickCount=6, grid=False)),
            y=alt.Y("inside:Q", title="Inside", scale=scale, axis=alt.Axis(format=".0%", tickCount=4)),
            color=color,
            strokeDash=dash,
            tooltip=tooltip,
        )
    )
    spoken = f"Line chart of the share of new ratings inside the 90% interval. Now {points[-1][1]:.1%}."
    charts.show(lines, spoken, "Live coverage", key="live.coverage")


def _parts(parts: list[str]) -> tuple[alt.Color, alt.StrokeDash]:
    """Colour and dashes of the lines of a chart."""
    legend = alt.Legend(orient="top", symbolType="stroke", symbolSize=300, symbolOpacity=1, columns=2)
    color = alt.Color("part:N", title=None, scale=alt.Scale(domain=parts), legend=legend)
    dashes = alt.Scale(domain=parts, range=[[1, 0], [6, 3], [2, 2]][: len(parts)])
    return color, alt.StrokeDash("part:N", title=None, scale=dashes)


def table(report: LiveReport) -> None:
    """All versions with exams."""
    shown = [one for one in report.versions if one.exams]
    if not shown or (len(shown) == 1 and shown[0].role == "serves"):
        return
    st.header("All versions", anchor=False)
    st.caption(
        "Each on the ratings that it predicted. Shadows, above, compares versions on the same ratings. "
        f"{OWN['hit_rate'].label} and {OWN['shown_rate'].label} are of likes, and of the active version only."
    )
    draw_table([_row(one) for one in shown], "Live figures by version", phone="scroll")


def _row(one: LiveVersion) -> dict[str, object]:
    row: dict[str, object] = {
        "Version": links.Link(str(one.version), links.version_address(one.version)),
        "Model": model_name(one.kind),
        "Role": ROLES[one.role],
        "New ratings": f"{one.exams:,}",
    }
    for name in preferences.without_errors(dict.fromkeys(SHOWN, 0)):
        row[how(name).label] = _value(how(name), one.metrics.get(name))
    return row


def _value(measure: Measure, found: MetricValue | None) -> str:
    return "–" if found is None else measure.show(found.value)


def newest(exams: Sequence[ExamRecord], scale: RatingScale) -> None:
    """The newest exams of the active version."""
    if not exams:
        return
    st.header("Newest exams", anchor=False)
    rows = [_exam(one, scale) for one in exams]
    draw_table(rows, "Newest exams of the active version", phone="stack")


def _exam(one: ExamRecord, scale: RatingScale) -> dict[str, object]:
    row: dict[str, object] = {
        "Time": when(one.at),
        "Person": links.person(one.user_id),
        "Movie": links.movie(one.title or f"Movie {one.movie_id}", one.movie_id),
        "Rating": preferences.shown(one.rating, scale),
    }
    if not scale.are_preferences:
        row |= {"Expected": f"{one.predicted:.1f}", "90% interval": _interval(one)}
    return row | {"Place in list": "–" if one.rank is None else f"{one.rank:,}"}


def _interval(one: ExamRecord) -> Drawn | str:
    return "–" if one.low is None or one.high is None else f"{one.low:.1f} to {one.high:.1f}"
