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

NO_INTERVAL = "too few users for an interval"


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


def tiles(metrics: Mapping[str, MetricValue], baselines: Sequence[Baseline] = ()) -> None:
    """The key metrics as tiles, each with its 95% interval, and that of the most popular movies where it is known."""
    known = of_everyone(baselines)
    grid = st.grid(4, min_column_width=140, border=True)
    for name in (name for name in KEY_MEASURES if name in metrics):
        how, value = measure(name), metrics[name]
        with grid.cell():
            st.metric(
                how.label,
                how.show(value.value),
                how.between(value),
                delta_color="off",
                delta_arrow="off",
                help=f"{how.meaning} Below: the 95% interval over users, if there are at least ten.",
            )
            if name in known:
                st.caption(f"Popular movies: {how.show(known[name].popularity)}")


def of_everyone(baselines: Sequence[Baseline]) -> dict[str, Baseline]:
    """The baselines of all users, by metric."""
    return {one.metric: one for one in baselines if one.segment == ALL}


def same(found: MetricDifference) -> bool:
    """Whether the value is identical for every user."""
    return not (found.difference or found.low or found.high) and found.p_value == 1


def rows(metrics: Mapping[str, MetricValue], before: Mapping[str, MetricValue] | None = None) -> list[dict[str, Any]]:
    """Rows of a table: metric, value, interval, and the previous version's value if given."""
    table = []
    for name, value in metrics.items():
        how = measure(name)
        row = {
            "Metric": how.label,
            "Value": how.show(value.value),
            "95% interval": how.between(value),
        }
        if before is not None:
            row["Previous version"] = how.show(before[name].value) if name in before else "–"
        table.append(row | {"Meaning": f"{how.meaning} {how.direction}".strip()})
    return table


def beside(baselines: Sequence[Baseline]) -> list[dict[str, Any]]:
    """Rows of a table: list metrics of all users, then the quality of lists of each segment, beside the baselines."""
    shown = [one for one in baselines if one.segment == ALL or one.metric == TOLD]
    return [_beside(measure(one.metric), one) for one in shown]


def _beside(how: Measure, found: Baseline) -> dict[str, str]:
    interval = "" if found.low is None or found.high is None else f" ({how.change(found.low, found.high)})"
    return {
        "Metric": how.label if found.segment == ALL else f"{how.label}, {in_words(found.segment)}",
        "Value": how.show(found.value),
        "Popular movies": how.show(found.popularity),
        "Gain over them": how.change(found.difference) + interval,
        "Random list": "–" if found.random is None else how.show(found.random),
    }
