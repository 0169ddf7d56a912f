"""Charts of a study: its metric by trial, importance of hyperparameters, and all trials in parallel coordinates."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import altair as alt

from engine.evaluation.metrics import METRICS
from engine.models.base import titled
from engine.rounding import significant
from engine.services.studies import Study, TrialReport
from engine.training.tuning import Goal
from pages.ui import charts

KINDS = ("Trial", "Defaults", "Stopped early")
PALE = 1.25  # extends the colour scale beyond the worst value: the theme's palest colours have too little contrast
SPREAD = 10.0  # ratio of the largest to the smallest value from which an axis is logarithmic
BAR_PX, FRAME_PX = 30, 50
AXIS_PX = 76  # minimum width for axis names side by side


def show(value: Any) -> str:
    """A hyperparameter's value in short."""
    if isinstance(value, (tuple, list)):
        return "-".join(map(str, value))
    return f"{significant(value, 3):,.10g}" if isinstance(value, float) else str(value)


def label_of(study: Study) -> str:
    """The name of a study's metric: ``RMSE``."""
    return METRICS[study.goal].label


def by_trial(study: Study, *, key: str) -> None:
    """The metric of each finished trial, and a line for the best so far; the defaults stand out."""
    rows, label = trial_rows(study.history, study.goal), label_of(study)
    title = f"Mean {label} over folds"
    y = alt.Y(
        "value:Q",
        title=title,
        scale=charts.span([row["value"] for row in rows], margin=0.08),
        axis=alt.Axis(tickCount=5, format=".4f"),
    )
    x = alt.X(
        "trial:Q",
        title="Trial",
        scale=alt.Scale(domain=[-0.5, _axis_length(study) - 0.5], nice=False),
        axis=alt.Axis(format="d", tickMinStep=1, grid=False),
    )
    domain = alt.Scale(domain=list(KINDS))
    used = [kind for kind in KINDS if any(row["kind"] == kind for row in rows)]
    color = alt.Color("kind:N", title=None, scale=domain, legend=alt.Legend(orient="top", values=used))
    shapes = alt.Scale(domain=list(KINDS), range=["circle", "diamond", "circle"])
    shape = alt.Shape("kind:N", title=None, scale=shapes)
    filled = alt.condition(f"datum.kind === '{KINDS[2]}'", alt.value(0), alt.value(1))  # a hollow point
    tooltip = charts.tooltips(("trial:Q", "Trial"), ("value:Q", label, ".4f"), ("values:N", "Hyperparameters"))
    base = alt.Chart(charts.data(rows), height=260).encode(x=x)
    line = base.mark_line(interpolate="step-after", strokeWidth=1.5, opacity=0.5).encode(y=alt.Y("best:Q", title=title))
    points = base.mark_point(filled=True, size=90, opacity=1).encode(
        y=y, color=color, stroke=color, shape=shape, fillOpacity=filled, tooltip=tooltip
    )
    finished = [row for row in rows if row["kind"] != KINDS[2]]
    best, stopped = _best(finished, study.goal), len(rows) - len(finished)
    spoken = f"{label} of {len(finished)} finished trials. The best is trial {best['trial']}: {best['value']:.4f}."
    spoken += f" Hollow: {stopped} stopped early, at the mean of the folds they finished." if stopped else ""
    charts.show(alt.layer(line, points), spoken, f"{label} by trial", key=key)


def _axis_length(study: Study) -> int:
    """Length of the trial axis; a running study leaves room for the trials to come."""
    tried = max(trial.number for trial in study.history) + 1
    return max(tried, study.trials) if not study.state.is_finished else tried


def _best(rows: Sequence[dict[str, Any]], goal: Goal) -> dict[str, Any]:
    return max(rows, key=lambda row: METRICS[goal].sign * float(row["value"]))


def trial_rows(history: Sequence[TrialReport], goal: Goal) -> list[dict[str, Any]]:
    """A row for each finished trial, with the best value so far, and for each that was stopped early.

    The latter stand at the mean of the folds they finished; without any, at the worst value of the others.
    """
    rows: list[dict[str, Any]] = []
    better = max if METRICS[goal].sign > 0 else min
    best: float | None = None
    values = [trial.value for trial in history if trial.value is not None]
    worst = (min if METRICS[goal].sign > 0 else max)(values, default=None)
    for trial in history:
        kind, value = KINDS[1] if trial.defaults else KINDS[0], trial.value
        if value is not None:
            best = value if best is None else better(best, value)
        elif trial.state == "pruned" and worst is not None:
            done = [fold.value for fold in trial.folds]
            kind, value = KINDS[2], sum(done) / len(done) if done else worst
        else:
            continue
        told = ", ".join(f"{titled(name).lower()} {show(one)}" for name, one in trial.hyperparameters.items())
        rows.append({"trial": trial.number, "value": value, "best": best, "kind": kind, "values": told})
    return rows


def importance(study: Study, *, key: str) -> None:
    """Share of the differences between trials that each hyperparameter explains."""
    rows = [{"name": titled(name), "part": part} for name, part in study.importance.items()]
    chart = (
        alt.Chart(charts.data(rows), height=BAR_PX * len(rows) + FRAME_PX)
        .mark_bar(cornerRadiusEnd=3, height=14)
        .encode(
            x=alt.X(
                "part:Q",
                title="Share of the differences between trials",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format=".0%", tickCount=5, grid=False),
                stack=False,
            ),
            y=alt.Y("name:N", title=None, sort=None),
            tooltip=charts.tooltips(("name:N", "Hyperparameter"), ("part:Q", "Share", ".0%")),
        )
    )
    spoken = ", ".join(f"{row['name']} {row['part']:.0%}" for row in rows)
    charts.show(chart, f"Importance for the {label_of(study)}: {spoken}.", "Importance", key=key)


def parallel(study: Study, *, key: str) -> None:
    """Each trial as a line across an axis for each hyperparameter and one for the metric; dotted: stopped early."""
    drawn, ends = parallel_rows(study.history, study.goal)
    label, sign = label_of(study), METRICS[study.goal].sign
    lines = [row for row in drawn if row["kind"] != KINDS[2]]
    order = list(dict.fromkeys(row["axis"] for row in drawn))
    narrow = f"width < {AXIS_PX * len(order)}"  # evaluated in the browser, which knows the width
    x = alt.X(
        "axis:N",
        sort=order,
        title=None,
        scale=alt.Scale(padding=0.35),
        axis=alt.Axis(
            labelAngle=alt.ExprRef(f"{narrow} ? -90 : 0"),
            labelAlign=alt.ExprRef(f"{narrow} ? 'left' : 'center'"),
            labelBaseline=alt.ExprRef(f"{narrow} ? 'middle' : 'bottom'"),
            orient="top",
            grid=True,
            domain=False,
            ticks=False,
            labelLimit=110,
        ),
    )
    low, high = (end(row["value"] for row in lines) for end in (min, max))
    pale = PALE * (high - low)
    y = alt.Y("place:Q", title=None, axis=None, scale=alt.Scale(domain=[-0.1, 1.1], nice=False))
    value = alt.Color(
        "value:Q",
        title=label,
        scale=alt.Scale(domain=[low, high + pale] if sign < 0 else [low - pale, high], nice=False, zero=False),
        legend=alt.Legend(orient="bottom", format=".3f", values=sorted({low, (low + high) / 2, high})),
        sort="descending" if sign < 0 else "ascending",
    )
    wide = alt.StrokeWidth("kind:N", scale=alt.Scale(domain=list(KINDS[:2]), range=[1.6, 3.5]), legend=None)
    dash = alt.StrokeDash("kind:N", scale=alt.Scale(domain=list(KINDS[:2]), range=[[1, 0], [6, 3]]), legend=None)
    tooltip = charts.tooltips(("trial:N", "Trial"), ("axis:N", "Axis"), ("label:N", "Value"), ("value:Q", label, ".4f"))
    pruned = [row for row in drawn if row["kind"] == KINDS[2]]
    faint = (
        alt.Chart(charts.data(pruned))
        .mark_line(opacity=0.6, strokeWidth=1.2, strokeDash=[1, 3])
        .encode(x=x, y=y, detail="trial:N", tooltip=[*tooltip[:3], alt.Tooltip("kind:N", title="State")])
    )
    finished = (
        alt.Chart(charts.data(lines), height=300)
        .mark_line(point=alt.OverlayMarkDef(size=30))
        .encode(x=x, y=y, color=value, detail="trial:N", strokeWidth=wide, strokeDash=dash, tooltip=tooltip)
    )
    layers = [*([faint] if pruned else []), finished, *_labels(ends, x, y)]
    best = _best(lines, study.goal)
    spoken = (
        f"Parallel coordinates of {len({row['trial'] for row in lines})} finished trials over {', '.join(order)}. "
        f"The best is trial {best['trial']}; the dashed line shows the defaults."
        + (f" Dotted: {len({row['trial'] for row in pruned})} stopped early." if pruned else "")
    )
    charts.show(alt.layer(*layers), spoken, f"Hyperparameters and {label}", key=key)


def _labels(ends: list[dict[str, Any]], x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Labels above and below the axes, where no line crosses them, and beside the axes for values in between."""
    above = [end for end in ends if end["place"] == 1]
    below = [end for end in ends if end["place"] == 0]
    beside = [end for end in ends if 0 < end["place"] < 1]
    marks: tuple[tuple[list[dict[str, Any]], dict[str, Any]], ...] = (
        (above, {"dy": -11, "align": "center"}),
        (below, {"dy": 12, "align": "center"}),
        (beside, {"dx": 7, "dy": -8, "align": "left"}),
    )
    return [
        alt.Chart(charts.data(rows)).mark_text(fontSize=11, **how).encode(x=x, y=y, text="label:N")
        for rows, how in marks
        if rows
    ]


def parallel_rows(history: Sequence[TrialReport], goal: Goal) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A point for each trial on each axis, placed from 0 to 1, and the labels of the axes.

    The last axis is the metric. Trials stopped early have no value, so no point on it; failed and running ones are left
    out.
    """
    label = METRICS[goal].label
    finished = [trial for trial in history if trial.value is not None]
    drawn = [*finished, *(trial for trial in history if trial.state == "pruned" and trial.value is None)]
    columns: dict[str, list[Any]] = {
        titled(name): [trial.hyperparameters[name] for trial in drawn] for name in drawn[0].hyperparameters
    }
    columns[label] = [trial.value for trial in finished]
    lines: list[dict[str, Any]] = []
    ends: list[dict[str, Any]] = []
    for axis, values in columns.items():
        placed, labels = places(values, "{:.3f}".format if axis == label else show)
        ends += [{"axis": axis, "place": place, "label": shown} for place, shown in labels]
        lines += [
            {
                "trial": trial.number,
                "value": trial.value,
                "kind": KINDS[2] if trial.value is None else KINDS[1] if trial.defaults else KINDS[0],
                "axis": axis,
                "place": place,
                "label": show(value) if axis != label else f"{value:.4f}",
            }
            for trial, value, place in zip(drawn, values, placed, strict=False)  # the metric has finished trials only
        ]
    return lines, ends


def places(values: Sequence[Any], show: Callable[[Any], str] = show) -> tuple[list[float], list[tuple[float, str]]]:
    """Positions of values on an axis from 0 to 1, and labels for its ends, or for each choice."""
    if not all(isinstance(value, (int, float)) for value in values):
        choices = sorted({show(value) for value in values})
        at = {choice: n / max(len(choices) - 1, 1) for n, choice in enumerate(choices)}
        return [at[show(value)] for value in values], [(place, choice) for choice, place in at.items()]
    low, high = min(values), max(values)
    if low == high:
        return [0.5] * len(values), [(0.5, show(low))]
    on = math.log if low > 0 and high / low >= SPREAD else float
    first, last = on(low), on(high)
    return [(on(value) - first) / (last - first) for value in values], [(0.0, show(low)), (1.0, show(high))]
