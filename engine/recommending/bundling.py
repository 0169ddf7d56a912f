"""A version from a rating model and a ranker: popularity, learned counts, and offsets from folding in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Int32
from engine.data.ratings import Interactions
from engine.models.base import RatingModel, Vector
from engine.models.intervals import Calibration
from engine.models.ranker import Ranker
from engine.models.version import LearnedCounts, LearnedOffsets, VersionBundle
from engine.recommending.cold_start import popularity
from engine.recommending.fold_in import MAX_LEARNED

ALIKE = 1e-3
"""Smaller differences of vectors are rounding errors."""
SAMPLED = 500
"""Maximum users, and movies, from which the spread of predicted ratings is measured."""


def bundle_version(
    model: RatingModel,
    ranker: Ranker,
    data: Interactions,
    calibration: Calibration | None = None,
    check: Callable[[], object] = lambda: None,
) -> VersionBundle:
    """A version from a rating model and a ranker that were fitted on the same ratings.

    Args:
        model: predicts ratings.
        ranker: orders lists.
        data: the ratings.
        calibration: of the intervals; None for predictions without intervals.
        check: called often; may raise to stop.
    """
    return VersionBundle(
        model,
        ranker,
        popularity(data, ranker.weigher.like(data.ratings)),
        calibration,
        LearnedCounts.of(data),
        measure_offsets(model, data, check),
        measure_spread(model, data, ranker.movies_),
    )


def measure_spread(model: RatingModel, data: Interactions, movies: Int32) -> float:
    """Standard deviation of a user's predicted ratings over these movies, in rating units, averaged over users.

    Some users and movies at equal distances stand for all.

    Args:
        model: predicts ratings.
        data: its training ratings.
        movies: int32[m], indices.
    """
    users, some = _some(np.flatnonzero(data.user_counts)), _some(movies).astype(np.int32)
    if not len(users) or not len(some):
        return 0.0
    pairs = np.repeat(users, len(some)).astype(np.int32), np.tile(some, len(users))
    predicted = model.predict_indices(*pairs).reshape(len(users), -1)
    return float(predicted.std(axis=1, dtype=np.float64).mean())


def _some(values: NDArray[Any]) -> NDArray[Any]:
    step = -(-len(values) // SAMPLED) if len(values) else 1
    return values[::step]


def measure_offsets(
    model: RatingModel, data: Interactions, check: Callable[[], object] = lambda: None
) -> LearnedOffsets:
    """Offsets between the learned vectors and those of folding in the same ratings.

    Movies with more than ``MAX_LEARNED`` ratings are never folded in, and have none.

    Args:
        model: after its last epoch.
        data: its training ratings.
        check: called often; may raise to stop.
    """
    users = np.zeros((data.n_users, len(model.user_vector(-1))), np.float32)
    if len(rated := np.flatnonzero(data.user_counts)):
        learned = np.array([model.user_vector(user) for user in rated.tolist()])
        users[rated] = learned - model.fold_in_all(data, rated, check, movies=False)
    movies = np.zeros((data.n_movies, len(model.movie_vector(-1))), np.float32)
    if len(rare := np.flatnonzero((data.movie_counts > 0) & (data.movie_counts <= MAX_LEARNED))):
        learned = np.array([model.movie_vector(movie) for movie in rare.tolist()])
        movies[rare] = learned - model.fold_in_all(data, rare, check, movies=True)
    return LearnedOffsets(users if np.abs(users).max(initial=0) > ALIKE else users[:0], movies)


def offset_of_user(model: RatingModel, data: Interactions, user: int) -> Vector:
    """float[d]: the offset of one user."""
    rows = data.by_user.of(user)
    return model.user_vector(user) - model.fold_in_user(data.items[rows], data.ratings[rows])


def offset_of_movie(model: RatingModel, data: Interactions, movie: int) -> Vector:
    """float[d]: the offset of one movie."""
    rows = data.by_movie.of(movie)
    return model.movie_vector(movie) - model.fold_in_movie(data.users[rows], data.ratings[rows], movie)
