"""Measures with 95% intervals, where there are users enough: of ratings, of lists, and of all lists together."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Bools, Floats
from engine.data.ratings import Interactions
from engine.evaluation import metrics
from engine.rounding import significant

CATALOGUE_DRAWS = 200  # each costs a pass over all lists
KEPT = 12
"""Digits of a measure: the noise of adding goes, and nobody's definition of a measure is missed."""
MIN_USERS = 10
"""Users below whom there is no interval.

A percentile interval of n users is too narrow by a factor of sqrt((n - 1) / n), and takes quantiles of the normal
distribution for those of Student's t (Hesterberg 2015, "What teachers should know about the bootstrap").
Even of users without skew, an interval of 95% then holds the truth in 90% of cases with ten of them, in 84% with five,
in 49% with two; of one user all draws are alike, and it would claim to be certain.
"""

Columns = dict[str, Floats]


@dataclass(frozen=True, slots=True)
class MetricValue:
    """A metric with its 95% bootstrap interval over users; without ends where fewer than ten users were judged."""

    value: float
    low: float | None
    high: float | None


def estimate_ratings(
    test: Interactions, columns: Columns, rows: Bools, seed: int, samples: int = 1000
) -> dict[str, MetricValue]:
    """The mean of each column over some rows of the test part, of ``rmse`` its root; nothing without a row.

    Args:
        test: whose users are drawn.
        columns: float64[n] by metric, a value of each test rating; squared errors under ``rmse``.
        rows: bool[n], which ratings count.
        seed: start of the bootstrap's random numbers.
        samples: how many times to draw.
    """
    if not rows.any():
        return {}
    users = test.users[rows]
    counts = np.bincount(users, minlength=test.n_users).astype(np.float64)
    present = counts > 0
    sums = [np.bincount(users, weights=values[rows], minlength=test.n_users)[present] for values in columns.values()]
    shared = np.repeat(counts[present, None], len(columns), axis=1)
    values = {name: float(column[rows].mean()) for name, column in columns.items()}
    return _with_intervals(values, np.column_stack(sums), shared, seed, samples)


def estimate_lists(per_user: Columns, seed: int) -> dict[str, MetricValue]:
    """The mean over users of each list metric; ``per_user``: float64[n_users] by metric, of one user at least."""
    table = np.column_stack(list(per_user.values()))
    means = {name: float(values.mean()) for name, values in per_user.items()}
    return _with_intervals(means, table, np.ones_like(table), seed, samples=1000)


def estimate_ratio(name: str, sums: Floats, counts: Floats, seed: int) -> MetricValue:
    """The sum of one column over that of another, of ``rmse`` its root; float64[n_users], of one user at least."""
    ratio = float(sums.sum() / counts.sum())
    return _with_intervals({name: ratio}, sums[:, None], counts[:, None], seed, samples=1000)[name]


def _with_intervals(
    values: dict[str, float], sums: Floats, counts: Floats, seed: int, samples: int
) -> dict[str, MetricValue]:
    """``sums`` and ``counts``: float64[n_users, m], a column for each value, which is the ratio of their sums."""
    ends: Floats = np.full((2, len(values)), np.nan)
    if len(sums) >= MIN_USERS:
        ends = np.stack(metrics.bootstrap(sums, counts, seed=seed, samples=samples))
    return {
        name: estimate(*(math.sqrt(one) if name == "rmse" else one for one in (value, *between)))
        for (name, value), between in zip(values.items(), ends.T.tolist(), strict=True)
    }


def estimate(value: float, low: float, high: float) -> MetricValue:
    """A measure and its interval, as they are kept and shown; ends that are not a number are none."""
    if math.isnan(low):
        return MetricValue(significant(value, KEPT), None, None)
    value, low, high = (significant(one, KEPT) for one in (value, low, high))
    return MetricValue(value, *around(value, low, high))


def around(value: float, low: float, high: float) -> tuple[float, float]:
    """An interval wide enough to hold its estimate, which draws of few users may all miss on one side."""
    return min(low, value), max(high, value)


def estimate_catalogue(lists: NDArray[np.int64], train: Interactions, seed: int) -> dict[str, MetricValue]:
    """Novelty, diversity, coverage and Gini index of lists.

    Coverage and Gini are of all lists together, so each draw counts lists again.

    Args:
        lists: int64[n_users, k], movie indices, -1 for no movie; of one user at least.
        train: whose ratings say how well known a movie is.
        seed: start of the bootstrap's random numbers.
    """
    each = {name: one.of_lists(lists, train) for name, one in metrics.METRICS.items() if one.of_lists}
    found = estimate_lists({name: values for name, values in each.items() if values is not None}, seed)
    rng, users = np.random.default_rng(seed), len(lists)
    overall = {name: one.of_exposure for name, one in metrics.METRICS.items() if one.of_exposure}
    shown = metrics.exposure(lists, train.n_movies)
    values = {name: formula(shown) for name, formula in overall.items()}
    if users < MIN_USERS:
        return found | {name: estimate(value, math.nan, math.nan) for name, value in values.items()}
    draws = np.empty((CATALOGUE_DRAWS, len(overall)))
    for draw in draws:  # one at a time: all of them would be as many copies of the lists
        times = np.bincount(rng.integers(0, users, users), minlength=users)
        drawn = metrics.exposure(lists, train.n_movies, times)
        draw[:] = [formula(drawn) for formula in overall.values()]
    for (name, value), spread in zip(values.items(), draws.T, strict=True):
        # Drawing with replacement repeats lists, which shifts these two; the spread around its own mean is kept.
        low, high = np.clip(value + np.quantile(spread - spread.mean(), [0.025, 0.975]), 0, 1)
        found[name] = estimate(value, float(low), float(high))
    return found
