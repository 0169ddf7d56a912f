"""Live quality: figures of exams with intervals that hold however often one looks, and comparisons of shadows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.data.arrays import Bools, Floats, Int64
from engine.evaluation.intervals import MetricValue
from engine.evaluation.sequential import confidence_sequence, first_difference
from engine.rounding import significant

LEVEL = 0.05
"""Significance level of an interval over all looks."""
POINTS = 60
"""Maximum points of a curve."""
FIRST_PLACES = 10

Outcome = Literal["better", "worse", "no difference shown"]


@dataclass(frozen=True)
class Taken:
    """Exams of one version, oldest first. In rating units; NaN: none.

    Attributes:
        at: int64[n], Unix seconds.
        ratings, predicted, low, high, means: float64[n], the rating, its prediction with the 90% interval, and what the
            plain means predict.
        places: float64[n], of the movie in the user's list; NaN where the version did not serve, or it was in no list.
        shown: float64[n], whether the user had been shown the movie; NaN where the version did not serve, or nobody
            knows.
        served: bool[n], whether the version served.
    """

    at: Int64
    ratings: Floats
    predicted: Floats
    low: Floats
    high: Floats
    means: Floats
    places: Floats
    shown: Floats
    served: Bools

    def __len__(self) -> int:
        return len(self.ratings)

    def errors(self, scale: tuple[float, float]) -> Bounded:
        """The absolute error of each exam; no rating of the scale is further from the prediction than its end."""
        furthest = np.maximum(self.predicted - scale[0], scale[1] - self.predicted)
        return Bounded(np.abs(self.ratings - self.predicted), furthest, scale[1] - scale[0])

    def columns(self, scale: tuple[float, float], relevant_from: float) -> dict[str, Bounded]:
        """By metric, a value of each exam that has one; squared errors under ``rmse``."""
        errors = self.errors(scale)
        known = ~np.isnan(self.low)
        inside = (self.ratings >= self.low) & (self.ratings <= self.high)
        liked = self.served & (self.ratings >= relevant_from)
        return {
            "rmse": errors.squared(),
            "mae": errors,
            "interval_coverage": Bounded.of_bools(inside[known]),
            "hit_rate": Bounded.of_bools(self.places[liked] <= FIRST_PLACES),
            "shown_rate": Bounded.of_bools(self.shown[liked & ~np.isnan(self.shown)] > 0),
        }


@dataclass(frozen=True)
class Bounded:
    """float64[n] values from 0 to ``most`` (float64[n], known before each); ``unit``: the range of all."""

    values: Floats
    most: Floats
    unit: float

    @classmethod
    def of_bools(cls, values: Bools) -> Bounded:
        """1 for true, 0 for false."""
        return cls(values.astype(np.float64), np.ones(len(values)), 1.0)

    def squared(self) -> Bounded:
        """The squares."""
        return Bounded(self.values**2, self.most**2, self.unit**2)

    def bounds(self) -> tuple[Floats, Floats]:
        """float64[n] twice: the interval of the mean after each value, which holds at all of them together."""
        return confidence_sequence(self.values, 0.0, self.most, LEVEL, unit=self.unit)


@dataclass(frozen=True, slots=True)
class LivePoint:
    """A version's figures after its first ``exams`` exams, the last of them at ``at`` (Unix seconds).

    ``low`` and ``high``: interval of the RMSE that holds at all points at once, 95%. ``means``: RMSE of the plain means
    on the same ratings; None without any.
    """

    exams: int
    at: int
    rmse: float
    low: float
    high: float
    means: float | None
    coverage: float | None


@dataclass(frozen=True, slots=True)
class LiveComparison:
    """A shadow version beside the one that serves, on the ratings that both predicted.

    Attributes:
        version, baseline: the shadow, and the version that serves.
        exams: ratings that both predicted.
        rmse, baseline_rmse: on these ratings; None before the first.
        outcome: ``better`` once the shadow's errors are lower beyond doubt, ``worse`` once higher.
        told_after: number of exams after which the two could be told apart; None as long as they can't.
        text: the same in a sentence.
    """

    version: int
    baseline: int
    exams: int
    rmse: float | None
    baseline_rmse: float | None
    outcome: Outcome
    told_after: int | None
    text: str


def measure(
    taken: Taken, scale: tuple[float, float], relevant_from: float, *, bounded: bool = True
) -> dict[str, MetricValue]:
    """The error, coverage of the 90% interval, and shares of likes that were listed and shown, as far as known.

    Args:
        taken: the exams.
        scale: lowest and highest rating, which bound the errors.
        relevant_from: lowest rating that counts as a like.
        bounded: with 95% intervals that hold at any number of exams (a confidence sequence).
    """
    found = {}
    for name, column in taken.columns(scale, relevant_from).items():
        if len(column.values):
            low = high = None
            if bounded:
                lows, highs = column.bounds()
                low, high = float(lows[-1]), float(highs[-1])
            found[name] = _rooted(float(column.values.mean()), low, high, root=name == "rmse")
    return found


def measure_means(taken: Taken) -> dict[str, float]:
    """RMSE and MAE of the plain means on the same exams, as far as they took them; empty without any."""
    errors = (taken.ratings - taken.means)[~np.isnan(taken.means)]
    if not len(errors):
        return {}
    return {"rmse": significant(float(np.sqrt((errors**2).mean()))), "mae": significant(float(np.abs(errors).mean()))}


def curve(taken: Taken, scale: tuple[float, float]) -> tuple[LivePoint, ...]:
    """The figures after more and more exams, at most ``POINTS`` of them, with one interval for all; oldest first."""
    if not len(taken):
        return ()
    squared = taken.errors(scale).squared()
    lows, highs = squared.bounds()
    known, has = ~np.isnan(taken.means), ~np.isnan(taken.low)
    means = np.cumsum(np.where(known, (taken.ratings - taken.means) ** 2, 0.0))
    inside = np.cumsum((taken.ratings >= taken.low) & (taken.ratings <= taken.high))
    counts, intervals, sums = np.cumsum(known), np.cumsum(has), np.cumsum(squared.values)
    ends = np.unique(np.linspace(min(10, len(taken)), len(taken), POINTS).astype(np.int64)) - 1
    return tuple(
        LivePoint(
            end + 1,
            int(taken.at[end]),
            float(np.sqrt(sums[end] / (end + 1))),
            float(np.sqrt(max(lows[end], 0.0))),
            float(np.sqrt(highs[end])),
            float(np.sqrt(means[end] / counts[end])) if counts[end] else None,
            float(inside[end] / intervals[end]) if intervals[end] else None,
        )
        for end in ends.tolist()
    )


def compare_live(
    version: int,
    baseline: int,
    ratings: Floats,
    shadow: Floats,
    served: Floats,
    scale: tuple[float, float],
    alpha: float,
) -> LiveComparison:
    """A paired sequential comparison of squared errors: it may be looked at after every rating.

    Args:
        version: the shadow.
        baseline: the version that serves.
        ratings: float64[n], the ratings, oldest first.
        shadow: float64[n], predictions of the shadow.
        served: float64[n], predictions of the version that serves.
        scale: lowest and highest rating.
        alpha: how often at most equal versions are ever told apart.
    """
    names = f"Version {version}", f"version {baseline}"
    if not len(ratings):
        text = f"{names[0]} has predicted no new rating beside {names[1]} yet."
        return LiveComparison(version, baseline, 0, None, None, "no difference shown", None, text)
    ours, theirs = (ratings - shadow) ** 2, (ratings - served) ** 2
    # (r - s)^2 - (r - b)^2 = (b - s) (2 r - s - b), and r lies on the scale: its size is known before the rating.
    both = shadow + served
    most = np.abs(served - shadow) * np.maximum(np.abs(2 * scale[0] - both), np.abs(2 * scale[1] - both))
    first = first_difference(ours - theirs, most, alpha, unit=(scale[1] - scale[0]) ** 2)
    outcome: Outcome = "no difference shown"
    if first is not None:
        outcome = "better" if first.sign < 0 else "worse"
    told, exams = None if first is None else first.count, len(ratings)
    errors = significant(float(np.sqrt(ours.mean()))), significant(float(np.sqrt(theirs.mean())))
    text = _tell(names, outcome, told, exams, errors)
    return LiveComparison(version, baseline, exams, *errors, outcome, told, text)


def has_dipped(live: MetricValue, offline: float) -> bool:
    """Whether a live error with an interval is above the offline figure beyond doubt."""
    return live.low is not None and significant(live.low) > significant(offline)


def _tell(names: Sequence[str], outcome: Outcome, told: int | None, exams: int, errors: tuple[float, float]) -> str:
    figures = f"RMSE {errors[0]:.4f} beside {errors[1]:.4f} on {exams:,} new ratings"
    if told is None:
        return f"{names[0]} and {names[1]} can't be told apart yet: {figures}."
    return f"{names[0]} is {outcome} than {names[1]}: {figures}. The first {told:,} ratings were enough to tell."


def _rooted(value: float, low: float | None, high: float | None, *, root: bool) -> MetricValue:
    if root:
        value, low, high = value**0.5, low and max(low, 0.0) ** 0.5, high and high**0.5
    return MetricValue(significant(value), low, high)
