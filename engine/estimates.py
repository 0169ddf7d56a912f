"""Measures with 95% intervals: of ratings, of lists, and of all lists together."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from engine import metrics
from engine.dataset.interactions import Interactions
from engine.metrics import Bools, Floats
from engine.types import MetricValue

CATALOGUE_DRAWS = 200  # each costs a pass over all lists

Columns = dict[str, Floats]


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
    lows, highs = metrics.bootstrap(np.column_stack(sums), shared, seed=seed, samples=samples)
    found = {
        name: MetricValue(float(values[rows].mean()), float(low), float(high))
        for (name, values), low, high in zip(columns.items(), lows, highs, strict=True)
    }
    if "rmse" in found:
        mse = found["rmse"]
        found["rmse"] = MetricValue(math.sqrt(mse.value), math.sqrt(mse.low), math.sqrt(mse.high))
    return found


def estimate_lists(per_user: Columns, seed: int) -> dict[str, MetricValue]:
    """The mean over users of each list metric; ``per_user``: float64[n_users] by metric, of one user at least."""
    table = np.column_stack(list(per_user.values()))
    lows, highs = metrics.bootstrap(table, np.ones_like(table), seed=seed)
    return {
        name: MetricValue(float(values.mean()), float(low), float(high))
        for (name, values), low, high in zip(per_user.items(), lows, highs, strict=True)
    }


def estimate_catalogue(lists: NDArray[np.int64], train: Interactions, seed: int) -> dict[str, MetricValue]:
    """Novelty, diversity, coverage and Gini index of lists.

    Coverage and Gini are of all lists together, so draws count lists anew.

    Args:
        lists: int64[n_users, k], movie indices, -1 for no movie; of one user at least.
        train: whose ratings say how well known a movie is.
        seed: start of the bootstrap's random numbers.
    """
    per_user = {"novelty": metrics.novelty(lists, train.movie_counts, train.n_users)}
    if train.movies.genre_names:  # without any genre, lists would seem to be all alike
        per_user["diversity"] = metrics.diversity(lists, train.movies.genres)
    found = estimate_lists(per_user, seed)
    rng, users = np.random.default_rng(seed), len(lists)
    shown = metrics.exposure(lists, train.n_movies)
    draws = np.empty((CATALOGUE_DRAWS, 2))
    for draw in draws:  # one at a time: all of them would be as many copies of the lists
        times = np.bincount(rng.integers(0, users, users), minlength=users)
        drawn = metrics.exposure(lists, train.n_movies, times)
        draw[:] = metrics.coverage(drawn), metrics.gini(drawn)
    values = {"coverage": metrics.coverage(shown), "gini": metrics.gini(shown)}
    for (name, value), spread in zip(values.items(), draws.T, strict=True):
        # Drawing with replacement repeats lists, which shifts these two; the spread around its own mean is kept.
        low, high = np.clip(value + np.quantile(spread - spread.mean(), [0.025, 0.975]), 0, 1)
        found[name] = MetricValue(value, float(low), float(high))
    return found
