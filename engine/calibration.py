"""Intervals around predicted ratings that hold what they promise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.dataset.interactions import Float32
from engine.models.base import Arrays

USER_EDGES = (20, 100)
"""Ratings of a user that part new, light and heavy users."""
MOVIE_EDGES = (5, 50)
"""Ratings of a movie that part rare, known and popular movies."""
FEWEST = 50
"""Held-out ratings below which no interval is promised."""
FEWEST_IN_GROUP = 100
"""Held-out ratings below which a group takes its parent's width."""


@dataclass(frozen=True)
class Calibration:
    """Half-widths of intervals by group of user history and movie popularity.

    Split-conformal prediction (Lei, G'Sell, Rinaldo, Tibshirani and Wasserman 2018, "Distribution-free predictive
    inference for regression") with groups (Mondrian conformal prediction, Vovk, Gammerman and Shafer 2005): of the n
    absolute errors of a group on ratings the model has not seen, the ceil((n + 1) level)-th smallest covers a new error
    with a chance of at least ``level``, whatever the model. Where that place is beyond n, only the whole scale is sure.

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
        level: float = 0.9,
    ) -> Self | None:
        """Learn from ratings that the model has not seen; None where there are fewer than 50.

        Args:
            predicted: float32[n], in the scale.
            actual: float32[n].
            user_counts: int[n], how many ratings the model learned of each row's user.
            movie_counts: int[n], and of its movie.
            scale: the lowest and highest rating.
            level: the part of new ratings to cover.
        """
        errors = np.abs(actual.astype(np.float64) - predicted)
        if len(errors) < FEWEST:
            return None
        users, movies = np.digitize(user_counts, USER_EDGES), np.digitize(movie_counts, MOVIE_EDGES)
        widest = scale[1] - scale[0]
        everyone = _quantile(errors, level, widest)
        widths = np.empty((len(USER_EDGES) + 1, len(MOVIE_EDGES) + 1))
        for user in range(widths.shape[0]):
            of_user = errors[users == user]
            parent = _quantile(of_user, level, widest) if len(of_user) >= FEWEST_IN_GROUP else everyone
            for movie in range(widths.shape[1]):
                group = errors[(users == user) & (movies == movie)]
                enough = len(group) >= FEWEST_IN_GROUP
                widths[user, movie] = _quantile(group, level, widest) if enough else parent
        return cls(widths, scale, level)

    def interval(
        self, predicted: Float32, user_counts: NDArray[Any], movie_counts: NDArray[Any]
    ) -> tuple[Float32, Float32]:
        """float32[n] twice: the lower and the upper end, inside the scale."""
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


def _quantile(errors: NDArray[np.float64], level: float, widest: float) -> float:
    """The ceil((n + 1) level)-th smallest error; ``widest`` where there are too few for the level."""
    rank = math.ceil(round((len(errors) + 1) * level, 6))  # 100 * 0.55 is a hair above 55
    return widest if rank > len(errors) else float(np.partition(errors, rank - 1)[rank - 1])
