"""Calibrated intervals around predicted ratings."""

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Arrays, Float32, check_lengths

USER_EDGES = (20, 100)
"""Numbers of ratings that separate new, light and heavy users."""
MOVIE_EDGES = (5, 50)
"""Numbers of ratings that separate rare, known and popular movies."""
LEVEL = 0.9
"""Share of new ratings that intervals promise to cover."""
MIN_RATINGS = 50
"""Minimum held-out ratings for intervals."""
MIN_IN_GROUP = 100
"""Minimum held-out ratings for a group to be calibrated by itself."""


@dataclass(frozen=True)
class Calibration:
    """Half-widths of intervals by group of user history and movie popularity.

    Split-conformal prediction (Lei, G'Sell, Rinaldo, Tibshirani and Wasserman 2018, "Distribution-free predictive
    inference for regression") with groups (Mondrian conformal prediction, Vovk, Gammerman and Shafer 2005): of a
    group's n absolute errors on unseen ratings, the ceil((n + 1) level)-th smallest covers a new error with a
    probability of at least ``level``, for any model. If that rank is beyond n, only the whole scale is certain. Small
    groups are calibrated together, with errors relative to the width expected of each group.

    Attributes:
        widths: float64[3, 3], by user group and movie group, in rating units.
        scale: the lowest and highest rating.
        level: the promised coverage.
    """

    widths: NDArray[np.float64]
    scale: tuple[float, float]
    level: float

    @classmethod
    def fit(
        cls,
        predicted: Float32,
        actual: Float32,
        user_counts: NDArray[Any],
        movie_counts: NDArray[Any],
        scale: tuple[float, float],
        level: float = LEVEL,
    ) -> Self | None:
        """Calibrate on ratings that the model has not seen; None for fewer than 50.

        Args:
            predicted: float32[n], in the scale.
            actual: float32[n].
            user_counts: int[n], learned ratings of each row's user.
            movie_counts: int[n], learned ratings of its movie.
            scale: the lowest and highest rating.
            level: share of new ratings to cover.

        Raises:
            ValueError: the columns are not of one length.
        """
        check_lengths(predicted=predicted, actual=actual, user_counts=user_counts, movie_counts=movie_counts)
        errors = np.abs(actual.astype(np.float64) - predicted)
        if len(errors) < MIN_RATINGS:
            return None
        groups = np.digitize(user_counts, USER_EDGES), np.digitize(movie_counts, MOVIE_EDGES)
        return cls(_widths(errors, *groups, level, scale[1] - scale[0]), scale, level)

    def interval(
        self, predicted: Float32, user_counts: NDArray[Any], movie_counts: NDArray[Any]
    ) -> tuple[Float32, Float32]:
        """float32[n] twice: lower and upper ends, inside the scale.

        Raises:
            ValueError: there are not as many counts as predictions.
        """
        check_lengths(predicted=predicted, user_counts=user_counts, movie_counts=movie_counts)
        width = self.widths[np.digitize(user_counts, USER_EDGES), np.digitize(movie_counts, MOVIE_EDGES)]
        low, high = self.scale
        lower = np.clip(predicted - width, low, high).astype(np.float32)
        return lower, np.clip(predicted + width, low, high).astype(np.float32)

    def arrays(self) -> Arrays:
        """Learned arrays by name."""
        return {"widths": self.widths, "constants": np.array([*self.scale, self.level])}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Rebuild a calibration from ``arrays()``."""
        low, high, level = arrays["constants"].tolist()
        return cls(arrays["widths"], (low, high), level)


def _widths(
    errors: NDArray[np.float64], users: NDArray[Any], movies: NDArray[Any], level: float, widest: float
) -> NDArray[np.float64]:
    """float64[3, 3]: the quantile of each group's errors.

    Small groups of the same users share one factor: the quantile of their errors relative to each group's expected
    width, which differs from the overall width by as much as those of its users and its movies do. None is narrower
    than that of all its users, since too few errors could justify it.
    """
    everyone = _quantile(errors, level, widest)

    def expected(chosen: NDArray[np.bool_]) -> float:
        return _quantile(errors[chosen], level, widest) if chosen.sum() >= MIN_IN_GROUP else everyone

    of_user = np.array([expected(users == user) for user in range(len(USER_EDGES) + 1)])
    of_movie = np.array([expected(movies == movie) for movie in range(len(MOVIE_EDGES) + 1)])
    widths = np.clip(of_user[:, None] + of_movie - everyone, everyone / 4, widest)
    relative = errors / np.maximum(widths[users, movies], 1e-9)
    for user in range(len(of_user)):
        counts = np.bincount(movies[users == user], minlength=len(of_movie))
        few = counts < MIN_IN_GROUP
        pools = (users == user) & few[movies], users == user, np.ones(len(errors), bool)
        pool = next((one for one in pools if one.sum() >= MIN_IN_GROUP), pools[-1])
        widths[user, few] = np.maximum(widths[user, few] * _quantile(relative[pool], level, np.inf), of_user[user])
        for movie in np.flatnonzero(~few):
            widths[user, movie] = _quantile(errors[(users == user) & (movies == movie)], level, widest)
    return np.asarray(np.minimum(widths, widest), np.float64)


def _quantile(errors: NDArray[np.float64], level: float, widest: float) -> float:
    """The ceil((n + 1) level)-th smallest error; ``widest`` if there are too few."""
    rank = math.ceil(round((len(errors) + 1) * level, 6))  # 100 * 0.55 is a hair above 55
    return widest if rank > len(errors) else float(np.partition(errors, rank - 1)[rank - 1])
