"""Alternating least squares on one machine: what the job on Spark learns, for small data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Floats, Int32
from engine.data.ratings import Interactions, Rows

AT_ONCE = 2**22
"""Numbers of the equations that are held at once."""
SWEEPS = 3
"""Turns in which the biases of movies and users settle."""


@dataclass
class Biases:
    """Mean, and the biases of users (float64[n_users]) and movies (float64[n_movies])."""

    mean: float
    users: Floats
    movies: Floats

    def residuals(self, data: Interactions) -> Floats:
        """float64[n]: what mean and biases leave of each rating."""
        return np.asarray(data.ratings - self.mean - self.users[data.users] - self.movies[data.items], np.float64)


def learn_biases(data: Interactions, penalty: float) -> Biases:
    """Shrunken means of what is left of each movie's ratings, then of each user's, in turn.

    Args:
        data: the ratings.
        penalty: how many ratings at 0 are added to each user's and each movie's.
    """
    found = Biases(data.mean, np.zeros(data.n_users), np.zeros(data.n_movies))
    target = data.ratings.astype(np.float64) - data.mean
    for _ in range(SWEEPS):
        left = np.bincount(data.items, target - found.users[data.users], data.n_movies)
        found.movies = left / (data.movie_counts + penalty)
        left = np.bincount(data.users, target - found.movies[data.items], data.n_users)
        found.users = left / (data.user_counts + penalty)
    return found


def learn_factors(
    data: Interactions, target: Floats, factors: int, turns: int, penalty: float, seed: int
) -> tuple[Floats, Floats]:
    """float64[n_users, factors] and float64[n_movies, factors]: products near the targets, by regressions in turn.

    The penalty of each vector is multiplied by its number of ratings, as in Spark: Zhou, Wilkinson, Schreiber and Pan,
    "Large-scale parallel collaborative filtering for the Netflix Prize" (AAIM 2008).
    """
    rng = np.random.default_rng(seed)
    users = rng.standard_normal((data.n_users, factors))
    users /= np.linalg.norm(users, axis=1, keepdims=True)
    users[data.user_counts == 0] = 0
    movies = np.zeros((data.n_movies, factors))
    for _ in range(turns):
        _solve(data.by_movie, data.users, target, users, penalty, movies)
        _solve(data.by_user, data.items, target, movies, penalty, users)
    return users, movies


def _solve(rows: Rows, others: Int32, target: Floats, fixed: Floats, penalty: float, out: Floats) -> None:
    """One side's ridge regressions, in place; those without ratings stay as they are."""
    counts, size = np.diff(rows.start), fixed.shape[1]
    owners = np.flatnonzero(counts)
    blocks = np.cumsum(counts[owners]) * size * size // AT_ONCE
    for block in np.split(owners, np.flatnonzero(np.diff(blocks)) + 1):
        _solve_block(block, rows, others, target, fixed, penalty, out)


def _solve_block(
    owners: NDArray[np.intp], rows: Rows, others: Int32, target: Floats, fixed: Floats, penalty: float, out: Floats
) -> None:
    if not len(owners):
        return
    begins, ends = rows.start[owners], rows.start[owners + 1]
    taken = rows.order[begins[0] : ends[-1]]  # owners between these have no ratings
    design, wanted, starts = fixed[others[taken]], target[taken], begins - begins[0]
    gram = np.add.reduceat(design[:, :, None] * design[:, None, :], starts)
    right = np.add.reduceat(design * wanted[:, None], starts)
    np.einsum("nii->ni", gram)[...] += penalty * (ends - begins)[:, None]
    out[owners] = np.linalg.solve(gram, right[:, :, None])[:, :, 0]
