"""Charts of a study: RMSE by trial, what it depends on, and every trial's hyperparameters as a line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import altair as alt

from engine.types import Study, TrialReport
from pages.ui import charts

KINDS = ("A trial", "The defaults", "Given up")
RMSE = "RMSE"
SPREAD = 10.0  # the greatest value is so many times the least: such an axis is drawn by factors
BAR_PX, FRAME_PX = 30, 50


def show(value: Any) -> str:
    """A hyperparameter's value, short."""
    if isinstance(value, (tuple, list)):
        return "-".join(map(str, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def title(name: str) -> str:
    """A hyperparameter's name as people read it."""
    return name.replace("_", " ").capitalize()


def by_trial(study: Study, *, key: str) -> None:
    """RMSE of every finished trial, and the best so far as a line. The defaults stand out."""
    rows = trial_rows(study.history)
    y = alt.Y(
        "rmse:Q",
        title="Mean RMSE over folds",
        scale=charts.span([row["rmse"] for row in rows], margin=0.08),
        axis=alt.Axis(tickCount=5, format=".3f"),
    )
    x = alt.X(
        "trial:Q",
        title="Trial",
        scale=alt.Scale(domain=[0, max(row["trial"] for row in rows) + 1]),
        axis=alt.Axis(format="d", tickMinStep=1, grid=False),
    )
    domain = alt.Scale(domain=list(KINDS[:2]))
    color = alt.Color("kind:N", title=None, scale=domain, legend=alt.Legend(orient="top"))
    shape = alt.Shape("kind:N", title=None, scale=alt.Scale(domain=list(KINDS[:2]), range=["circle", "diamond"]))
    tooltip = [
        alt.Tooltip("trial:Q", title="Trial"),
        alt.Tooltip("rmse:Q", title=RMSE, format=".4f"),
        alt.Tooltip("told:N", title="Hyperparameters"),
    ]
    base = alt.Chart(charts.data(rows), height=260).encode(x=x)
    line = base.mark_line(interpolate="step-after", strokeWidth=1.5, opacity=0.5).encode(
        y=alt.Y("best:Q", title="Mean RMSE over folds")
    )
    points = base.mark_point(filled=True, size=90, opacity=1).encode(y=y, color=color, shape=shape, tooltip=tooltip)
    best = min(rows, key=lambda row: float(row["rmse"]))
    told = f"Chart of the RMSE of {len(rows)} finished trials. The best is trial {best['trial']}: {best['rmse']:.4f}."
    charts.show(alt.layer(line, points), told, key=key)


def trial_rows(history: Sequence[TrialReport]) -> list[dict[str, Any]]:
    """A row for each finished trial, with the lowest RMSE up to it."""
    rows: list[dict[str, Any]] = []
    best = math.inf
    for trial in history:
        if trial.rmse is None:
            continue
        best = min(best, trial.rmse)
        told = ", ".join(f"{title(name).lower()} {show(value)}" for name, value in trial.hyperparameters.items())
        kind = KINDS[1] if trial.defaults else KINDS[0]
        rows.append({"trial": trial.number, "rmse": trial.rmse, "best": best, "kind": kind, "told": told})
    return rows


def importance(study: Study, *, key: str) -> None:
    """The part of the trials' RMSE that each hyperparameter explains."""
    rows = [{"name": title(name), "part": part} for name, part in study.importance.items()]
    chart = (
        alt.Chart(charts.data(rows), height=BAR_PX * len(rows) + FRAME_PX)
        .mark_bar(cornerRadiusEnd=3, height=14)
        .encode(
            x=alt.X(
                "part:Q",
                title="Part of the differences between trials",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format=".0%", tickCount=5, grid=False),
                stack=False,
            ),
            y=alt.Y("name:N", title=None, sort=None),
            tooltip=[alt.Tooltip("name:N", title="Hyperparameter"), alt.Tooltip("part:Q", title="Part", format=".0%")],
        )
    )
    told = ", ".join(f"{row['name']} {row['part']:.0%}" for row in rows)
    charts.show(chart, f"Bar chart of what the RMSE of trials depends on: {told}.", key=key)


def parallel(study: Study, *, key: str) -> None:
    """Each finished trial as a line across one axis for each hyperparameter and one for RMSE; darker is better."""
    lines, ends = parallel_rows(study.history)
    order = list(dict.fromkeys(row["axis"] for row in lines))
    x = alt.X(
        "axis:N",
        sort=order,
        title=None,
        scale=alt.Scale(padding=0.35),
        axis=alt.Axis(labelAngle=0, orient="top", grid=True, domain=False, ticks=False, labelLimit=110),
    )
    y = alt.Y("place:Q", title=None, axis=None, scale=alt.Scale(domain=[-0.06, 1.06], nice=False))
    rmse = alt.Color(
        "rmse:Q",
        title=RMSE,
        scale=charts.span([row["rmse"] for row in lines]),
        legend=alt.Legend(orient="bottom", format=".3f", tickCount=3, gradientThickness=10),
        sort="descending",
    )
    wide = alt.StrokeWidth("kind:N", scale=alt.Scale(domain=list(KINDS[:2]), range=[1.6, 3.5]), legend=None)
    dash = alt.StrokeDash("kind:N", scale=alt.Scale(domain=list(KINDS[:2]), range=[[1, 0], [6, 3]]), legend=None)
    tooltip = [
        alt.Tooltip("trial:N", title="Trial"),
        alt.Tooltip("axis:N", title="Axis"),
        alt.Tooltip("told:N", title="Value"),
        alt.Tooltip("rmse:Q", title=RMSE, format=".4f"),
    ]
    drawn = (
        alt.Chart(charts.data(lines), height=300)
        .mark_line(opacity=0.8, point=alt.OverlayMarkDef(size=30))
        .encode(x=x, y=y, color=rmse, detail="trial:N", strokeWidth=wide, strokeDash=dash, tooltip=tooltip)
    )
    labels = alt.Chart(charts.data(ends)).mark_text(dx=6, align="left", fontSize=11).encode(x=x, y=y, text="told:N")
    best = min(lines, key=lambda row: float(row["rmse"]))
    told = (
        f"Parallel coordinates of {len({row['trial'] for row in lines})} finished trials over {', '.join(order)}. "
        f"The best is trial {best['trial']}; the dashed line has the defaults."
    )
    charts.show(alt.layer(drawn, labels), told, key=key)


def parallel_rows(history: Sequence[TrialReport]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A point for each finished trial on each axis, its place from 0 to 1, and the labels at the axes' ends."""
    finished = [trial for trial in history if trial.rmse is not None]
    columns: dict[str, list[Any]] = {
        title(name): [trial.hyperparameters[name] for trial in finished] for name in finished[0].hyperparameters
    }
    columns[RMSE] = [trial.rmse for trial in finished]
    lines: list[dict[str, Any]] = []
    ends: list[dict[str, Any]] = []
    for axis, values in columns.items():
        placed, labels = places(values)
        ends += [{"axis": axis, "place": place, "told": told} for place, told in labels]
        lines += [
            {
                "trial": trial.number,
                "rmse": trial.rmse,
                "kind": KINDS[1] if trial.defaults else KINDS[0],
                "axis": axis,
                "place": place,
                "told": show(value) if axis != RMSE else f"{value:.4f}",
            }
            for trial, value, place in zip(finished, values, placed, strict=True)
        ]
    return lines, ends


def places(values: Sequence[Any]) -> tuple[list[float], list[tuple[float, str]]]:
    """Where values stand on an axis from 0 to 1, and the labels at its ends, or at every one of few choices."""
    if not all(isinstance(value, (int, float)) for value in values):
        choices = sorted({show(value) for value in values})
        at = {choice: n / max(len(choices) - 1, 1) for n, choice in enumerate(choices)}
        return [at[show(value)] for value in values], [(place, choice) for choice, place in at.items()]
    low, high = min(values), max(values)
    if low == high:
        return [0.5] * len(values), [(0.5, show(low))]
    by_factors = low > 0 and high / low >= SPREAD
    on = math.log if by_factors else float
    first, last = on(low), on(high)
    return [(on(value) - first) / (last - first) for value in values], [(0.0, show(low)), (1.0, show(high))]
