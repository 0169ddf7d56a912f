"""Metrics with 95% bootstrap intervals over users: of ratings, of lists, and of all lists together."""

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
"""Digits of a metric: enough for any definition, few enough to drop the noise of summation."""
MIN_USERS = 10
"""Minimum number of users for an interval.

A percentile interval of n users is too narrow by a factor of sqrt((n - 1) / n), and uses quantiles of the normal
distribution instead of Student's t (Hesterberg 2015, "What teachers should know about the bootstrap"). Even without
skew, a 95% interval covers the truth in 90% of cases with ten users, in 84% with five and in 49% with two.
"""

Columns = dict[str, Floats]


@dataclass(frozen=True, slots=True)
class MetricValue:
    """A metric with its 95% bootstrap interval over users; the ends are None for fewer than ten users."""

    value: float
    low: float | None
    high: float | None


def estimate_ratings(
    test: Interactions, columns: Columns, rows: Bools, seed: int, samples: int = 1000
) -> dict[str, MetricValue]:
    """The mean of each column over some test ratings, for ``rmse`` its root; empty without a rating.

    Args:
        test: the test ratings, whose users are drawn.
        columns: float64[n] by metric, the value of each test rating; squared errors under ``rmse``.
        rows: bool[n], the ratings to use.
        seed: random seed of the bootstrap.
        samples: number of draws.
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
    """The mean over users of each list metric; ``per_user``: float64[n_users] by metric, at least one user."""
    table = np.column_stack(list(per_user.values()))
    means = {name: float(values.mean()) for name, values in per_user.items()}
    return _with_intervals(means, table, np.ones_like(table), seed, samples=1000)


def estimate_ratio(name: str, sums: Floats, counts: Floats, seed: int) -> MetricValue:
    """The ratio of two sums, for ``rmse`` its root; both float64[n_users], at least one user."""
    ratio = float(sums.sum() / counts.sum())
    return _with_intervals({name: ratio}, sums[:, None], counts[:, None], seed, samples=1000)[name]


def _with_intervals(
    values: dict[str, float], sums: Floats, counts: Floats, seed: int, samples: int
) -> dict[str, MetricValue]:
    """``sums`` and ``counts``: float64[n_users, m], a column for each value, the ratio of their sums."""
    ends: Floats = np.full((2, len(values)), np.nan)
    if len(sums) >= MIN_USERS:
        ends = np.stack(metrics.bootstrap(sums, counts, seed=seed, samples=samples))
    return {
        name: estimate(*(math.sqrt(one) if name == "rmse" else one for one in (value, *between)))
        for (name, value), between in zip(values.items(), ends.T.tolist(), strict=True)
    }


def estimate(value: float, low: float, high: float) -> MetricValue:
    """A metric and its interval, rounded; NaN ends become None."""
    if math.isnan(low):
        return MetricValue(significant(value, KEPT), None, None)
    value, low, high = (significant(one, KEPT) for one in (value, low, high))
    return MetricValue(value, *around(value, low, high))


def around(value: float, low: float, high: float) -> tuple[float, float]:
    """The interval, widened to contain its estimate, which all draws of few users may miss."""
    return min(low, value), max(high, value)


def estimate_catalogue(lists: NDArray[np.int64], train: Interactions, seed: int) -> dict[str, MetricValue]:
    """The metrics of lists that need no test ratings: novelty, diversity, coverage, Gini index.

    Metrics of the exposure are of all lists together, so each draw counts the lists again.

    Args:
        lists: int64[n_users, k], movie indices, -1 for no movie; at least one user.
        train: the training ratings.
        seed: random seed of the bootstrap.
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
    for draw in draws:  # one at a time, to hold one copy of the lists only
        times = np.bincount(rng.integers(0, users, users), minlength=users)
        drawn = metrics.exposure(lists, train.n_movies, times)
        draw[:] = [formula(drawn) for formula in overall.values()]
    for (name, value), spread in zip(values.items(), draws.T, strict=True):
        # Drawing with replacement repeats lists, which shifts these metrics; only the spread is used.
        low, high = np.clip(value + np.quantile(spread - spread.mean(), [0.025, 0.975]), 0, 1)
        found[name] = estimate(value, float(low), float(high))
    return found
