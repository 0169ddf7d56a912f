"""Intervals around predicted ratings that hold what they promise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Arrays, Float32, check_lengths

USER_EDGES = (20, 100)
"""Ratings of a user that part new, light and heavy users."""
MOVIE_EDGES = (5, 50)
"""Ratings of a movie that part rare, known and popular movies."""
LEVEL = 0.9
"""The part of new ratings that intervals promise to hold."""
MIN_RATINGS = 50
"""Held-out ratings below which no interval is promised."""
MIN_IN_GROUP = 100
"""Held-out ratings below which a group is calibrated together with others."""


@dataclass(frozen=True)
class Calibration:
    """Half-widths of intervals by group of user history and movie popularity.

    Split-conformal prediction (Lei, G'Sell, Rinaldo, Tibshirani and Wasserman 2018, "Distribution-free predictive
    inference for regression") with groups (Mondrian conformal prediction, Vovk, Gammerman and Shafer 2005): of the n
    absolute errors of a group on ratings the model has not seen, the ceil((n + 1) level)-th smallest covers a new error
    with a chance of at least ``level``, whatever the model. Where that place is beyond n, only the whole scale is sure.
    Groups of few errors keep the promise together: their errors count in parts of what is expected of each group.

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
        """Learn from ratings that the model has not seen; None where there are fewer than 50.

        Args:
            predicted: float32[n], in the scale.
            actual: float32[n].
            user_counts: int[n], how many ratings the model learned of each row's user.
            movie_counts: int[n], and of its movie.
            scale: the lowest and highest rating.
            level: the part of new ratings to cover.

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
        """float32[n] twice: the lower and the upper end, inside the scale.

        Raises:
            ValueError: there are not as many counts as predictions.
        """
        check_lengths(predicted=predicted, user_counts=user_counts, movie_counts=movie_counts)
        width = self.widths[np.digitize(user_counts, USER_EDGES), np.digitize(movie_counts, MOVIE_EDGES)]
        low, high = self.scale
        lower = np.clip(predicted - width, low, high).astype(np.float32)
        return lower, np.clip(predicted + width, low, high).astype(np.float32)

    def arrays(self) -> Arrays:
        """What was learned, by name."""
        return {"widths": self.widths, "constants": np.array([*self.scale, self.level])}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The calibration that ``arrays()`` was taken from."""
        low, high, level = arrays["constants"].tolist()
        return cls(arrays["widths"], (low, high), level)


def _widths(
    errors: NDArray[np.float64], users: NDArray[Any], movies: NDArray[Any], level: float, widest: float
) -> NDArray[np.float64]:
    """float64[3, 3]: the quantile of each group's errors.

    Groups of too few errors share one factor among those of their users: it is the quantile of their errors, each over
    its group's expected width. A group is expected to differ from all by as much as its users and its movies do. None
    is narrower than that of all its users, since too few errors show that it may be.
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
    """The ceil((n + 1) level)-th smallest error; ``widest`` where there are too few for the level."""
    rank = math.ceil(round((len(errors) + 1) * level, 6))  # 100 * 0.55 is a hair above 55
    return widest if rank > len(errors) else float(np.partition(errors, rank - 1)[rank - 1])
