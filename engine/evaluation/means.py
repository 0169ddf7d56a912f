"""Plain means as a predictor: what every version has to beat on new ratings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.data.history import History
from engine.data.ratings import Interactions

MOVIE_SHRINKAGE, USER_SHRINKAGE = 25.0, 10.0
"""Ratings at which an offset counts half."""


@dataclass(eq=False)
class MeanRatings:
    """Overall mean, plus the shrunken offsets of the movie and of the user; each rating is learned at once.

    ``b_m = sum(r - mu) / (25 + n_m)`` over the movie's ratings and ``b_u = sum(r - mu - b_m) / (10 + n_u)`` over the
    user's: Koren, "Factor in the neighbors: scalable and accurate collaborative filtering" (ACM TKDD 4, 1, 2010),
    section 2.1.

    Attributes:
        sums, counts: float64[n_movies], sum and number of each movie's ratings.
        total, number: sum and number of all ratings.
        scale: lowest and highest rating.
    """

    sums: NDArray[np.float64]
    counts: NDArray[np.float64]
    total: float
    number: int
    scale: tuple[float, float]

    @classmethod
    def of(cls, data: Interactions) -> MeanRatings:
        """The means of these ratings."""
        sums = np.bincount(data.items, data.ratings, data.n_movies).astype(np.float64)
        counts = np.bincount(data.items, minlength=data.n_movies).astype(np.float64)
        return cls(sums, counts, float(sums.sum()), len(data), data.scale)

    def predict(self, history: History, movie: int) -> float:
        """The expected rating of a movie by a user with this history, inside the scale.

        Before the first rating it is the middle of the scale.
        """
        if not self.number:
            return float(np.mean(self.scale))
        mean = self.total / self.number
        known = history.items < len(self.counts)
        items = history.items[known]
        rest = history.ratings[known].astype(np.float64) - mean - self._offsets(items, mean)
        user = float(rest.sum()) / (USER_SHRINKAGE + len(items))
        own = float(self._offsets(np.array([movie]), mean)[0]) if 0 <= movie < len(self.counts) else 0.0
        return float(np.clip(mean + own + user, *self.scale))

    def learn(self, movie: int, rating: float | None, previous: float | None) -> None:
        """Add, change or remove (``rating`` is None) one rating; movies that came later are left out."""
        if not 0 <= movie < len(self.counts):
            return
        change = (rating or 0.0) - (previous or 0.0)
        more = (rating is not None) - (previous is not None)
        self.sums[movie] += change
        self.counts[movie] += more
        self.total += change
        self.number += more

    def _offsets(self, movies: NDArray[np.integer], mean: float) -> NDArray[np.float64]:
        counts = self.counts[movies]
        return np.asarray((self.sums[movies] - counts * mean) / (MOVIE_SHRINKAGE + counts), np.float64)
