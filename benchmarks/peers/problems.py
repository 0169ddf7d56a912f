"""The same training ratings, test ratings and users for every model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import demo_interactions, interactions
from benchmarks.simulated import simulate
from engine.data.ratings import Interactions
from engine.data.splits import split_random

TEST_PART = 0.2
RELEVANT_FROM = 4.0
LIST_LENGTH = 10
SIMULATED = {"1m": (1_000_000, 6_040, 3_706), "10m": (10_000_000, 69_878, 10_677)}
"""Ratings, users and movies in the proportion of MovieLens 1M and 10M."""
SIZES = ("demo", *SIMULATED)


@dataclass(frozen=True)
class Problem:
    """A random 80/20 split.

    Attributes:
        train: what models learn.
        test: test ratings, of the same users and movies.
        users: int64[n], users whose lists are evaluated; each has a test rating of 4 or more.
    """

    train: Interactions
    test: Interactions
    users: NDArray[np.int64]


def pose(size: str, n_users: int, seed: int = 0) -> Problem:
    """The problem of a size (one of ``SIZES``), with lists of at most ``users`` users."""
    data = demo_interactions() if size == "demo" else interactions(simulate(*SIMULATED[size], seed))
    return part(data, n_users, seed)


def part(data: Interactions, n_users: int, seed: int) -> Problem:
    """Split ratings and draw the users."""
    split = split_random(data, TEST_PART, seed)
    judged = np.unique(split.test.users[split.test.ratings >= RELEVANT_FROM]).astype(np.int64)
    drawn = np.random.default_rng(seed).permutation(judged)[:n_users]
    return Problem(split.train, split.test, np.sort(drawn))


def describe(problem: Problem) -> dict[str, int]:
    """Numbers of ratings, users and movies."""
    train = problem.train
    return {
        "train_ratings": len(train),
        "test_ratings": len(problem.test),
        "users": train.n_users,
        "movies": train.n_movies,
        "users_listed": len(problem.users),
    }


def tiny() -> Problem:
    """A problem for warming up: imports, compilation, first allocations."""
    return part(interactions(simulate(400, 20, 40)), 3, 0)
