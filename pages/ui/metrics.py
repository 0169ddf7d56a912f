"""Metrics as shown: name, meaning, digits and interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from engine.evaluation.baselines import ALL, TOLD, Baseline
from engine.evaluation.differences import MetricDifference
from engine.evaluation.intervals import MetricValue
from engine.evaluation.metrics import METRICS
from engine.evaluation.segments import in_words
from pages.ui import ranges
from pages.ui.escape import markup
from pages.ui.tables import Drawn


@dataclass(frozen=True)
class Floor:
    """What a metric reaches without knowing anybody's taste, and how."""

    value: float
    of: str


NO_INTERVAL = "without an interval"
DRAWN = (
    "The bar is the 95% interval over people. Floor and dashed line: what the most popular movies, or each movie's mean"
    " rating, reach without knowing anybody's taste."
)


@dataclass(frozen=True)
class Measure:
    """How a metric is shown. ``better``: higher, lower, or None if neither."""

    label: str
    meaning: str
    better: str | None
    percent: bool = False

    def show(self, value: float) -> str:
        """The value as text."""
        return f"{value:.1%}" if self.percent else f"{value:.4f}"

    def between(self, found: MetricValue | MetricDifference) -> str:
        """The interval as text, with signs for a difference; or why there is none."""
        if found.low is None or found.high is None:
            return NO_INTERVAL
        if isinstance(found, MetricDifference):
            return self.change(found.low, found.high)
        return f"{self.show(found.low)} to {self.show(found.high)}"

    def change(self, *values: float) -> str:
        """A signed difference, or the ends of its interval; in points if the metric is a percentage."""
        shown = " to ".join(f"{100 * value:+z.1f}" if self.percent else f"{value:+z.4f}" for value in values)
        return f"{shown} points" if self.percent else shown

    @property
    def direction(self) -> str:
        """Which way is better, as a sentence; empty if neither."""
        return f"{self.better.capitalize()} is better." if self.better else ""


MEASURES = {name: Measure(one.label, one.meaning, one.better, one.unit == "%") for name, one in METRICS.items()}
KEY_MEASURES = ("rmse", "ndcg_at_k", "hit_rate_at_k", "interval_coverage")


def measure(name: str) -> Measure:
    """How to show a metric; an unknown one keeps its own name."""
    return MEASURES.get(name, Measure(name.replace("_", " "), "", None))


def tile(how: Measure, value: MetricValue, below: str) -> None:
    """A metric as a tile with its interval; ``below`` says of what the interval is."""
    st.metric(
        how.label,
        how.show(value.value),
        how.between(value),
        delta_color="off",
        delta_arrow="off",
        help=f"{how.meaning} {below}",
    )


def tiles(metrics: Mapping[str, MetricValue], known: Mapping[str, Floor]) -> None:
    """The key metrics as tiles, each with its 95% interval, and the floor where it is known."""
    names = [name for name in KEY_MEASURES if name in metrics]
    grid = st.grid(max(len(names), 1), min_column_width=140, border=True)
    for name in names:
        how, value = measure(name), metrics[name]
        with grid.cell():
            tile(how, value, "Below: the 95% interval over people, if there are at least ten.")
            if name in known:
                st.caption(f"{known[name].of.capitalize()}: {how.show(known[name].value)}")


def of_everyone(baselines: Sequence[Baseline]) -> dict[str, Baseline]:
    """The baselines of all users, by metric."""
    return {one.metric: one for one in baselines if one.segment == ALL}


def same(found: MetricDifference) -> bool:
    """Whether the value is identical for every user."""
    return not (found.difference or found.low or found.high) and found.p_value == 1


def rows(
    metrics: Mapping[str, MetricValue],
    before: Mapping[str, MetricValue] | None = None,
    floor: Mapping[str, Floor] | None = None,
) -> list[dict[str, Any]]:
    """Rows of a table: metric, value and interval, and beside them what is given to hold them against.

    Args:
        metrics: by name.
        before: those of the previous version; adds its values and the differences.
        floor: what somebody who knows nobody reaches, by metric.
    """
    table = []
    for name, value in metrics.items():
        how, least = measure(name), (floor or {}).get(name)
        row = {
            "Metric": explained(name),
            "Value": how.show(value.value),
            "95% interval": ranges.value(value, [] if least is None else [least.value], how.between(value)),
        }
        if before is not None:
            old = before.get(name)
            row["Previous version"] = "–" if old is None else how.show(old.value)
            row["Change"] = "–" if old is None else how.change(value.value - old.value)
        if floor:
            row["Floor"] = "–" if least is None else f"{how.show(least.value)}, {least.of}"
        table.append(row)
    return table


def explained(name: str) -> object:
    """A metric's name, which opens its meaning."""
    how = measure(name)
    if not how.meaning:
        return how.label
    about = markup(f"{how.meaning} {how.direction}".strip())
    return Drawn(f'<details class="mq-help"><summary>{markup(how.label)}</summary><p>{about}</p></details>', how.label)


def floors(baselines: Sequence[Baseline], protocol: Mapping[str, Any]) -> dict[str, Floor]:
    """What knows nobody, by metric: the most popular movies for lists, each movie's mean for predicted ratings."""
    found = {name: Floor(one.popularity, "popular movies") for name, one in of_everyone(baselines).items()}
    mean = protocol.get("movie_mean_rmse")
    return found | ({"rmse": Floor(mean, "each movie's mean")} if isinstance(mean, float) else {})


def beside(baselines: Sequence[Baseline]) -> list[dict[str, Any]]:
    """Rows of a table: the quality of everybody's lists, then of each group of users, beside the baselines."""
    return [_beside(measure(one.metric), one) for one in baselines if one.metric == TOLD]


def _beside(how: Measure, found: Baseline) -> dict[str, Any]:
    gain = MetricDifference(
        found.value, found.popularity, found.difference, found.low, found.high, 1.0, found.users, found.verdict
    )
    return {
        "People": "Everybody" if found.segment == ALL else in_words(found.segment).capitalize(),
        how.label: how.show(found.value),
        "Popular movies": how.show(found.popularity),
        "Gain": how.change(found.difference),
        "95% interval": ranges.difference(gain, how.between(gain)),
        "Random list": "–" if found.random is None else how.show(found.random),
    }
