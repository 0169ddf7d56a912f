"""Counts and sums of ratings by user, movie, value and month, which can be added and subtracted.

So the figures of millions of ratings follow each change at the cost of the ratings of those who changed one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd

from engine.data.arrays import Float32, Floats, Int32, Int64, Ints

Key = TypeVar("Key", int, float)

EPOCH_YEAR = 1970
DIGITS = 4
"""Ratings are counted by their value, rounded to this many decimals."""


@dataclass(frozen=True)
class Tally:
    """Counts and sums of ratings.

    Attributes:
        user_counts, user_sums: int64 and float64[n_users], number and sum of each user's ratings.
        movie_counts, movie_sums: int64 and float64[n_movies], the same of each movie.
        values: number of ratings by rating.
        months: number of ratings by month, counted from January 1970; undated ratings are left out.
    """

    user_counts: Int64
    user_sums: Floats
    movie_counts: Int64
    movie_sums: Floats
    values: dict[float, int]
    months: dict[int, int]

    @classmethod
    def of(
        cls, users: Int32, items: Int32, ratings: Float32, times: Int64 | None, n_users: int, n_movies: int
    ) -> Tally:
        """Count ratings.

        Args:
            users: int32[n], keys.
            items: int32[n], keys of movies.
            ratings: float32[n].
            times: int64[n] Unix seconds, negative where unknown; None if all are.
            n_users: number of users.
            n_movies: number of movies.
        """
        weights = ratings.astype(np.float64)
        return cls(
            np.bincount(users, minlength=n_users),
            np.bincount(users, weights, n_users).astype(np.float64),
            np.bincount(items, minlength=n_movies),
            np.bincount(items, weights, n_movies).astype(np.float64),
            _counted(ratings),
            {} if times is None else months(times),
        )

    def __add__(self, other: Tally) -> Tally:
        return self._combined(other, 1)

    def __sub__(self, other: Tally) -> Tally:
        return self._combined(other, -1)

    def _combined(self, other: Tally, sign: int) -> Tally:
        return Tally(
            _sum(self.user_counts, other.user_counts, sign),
            _sum(self.user_sums, other.user_sums, sign),
            _sum(self.movie_counts, other.movie_counts, sign),
            _sum(self.movie_sums, other.movie_sums, sign),
            _merged(self.values, other.values, sign),
            _merged(self.months, other.months, sign),
        )

    @property
    def ratings(self) -> int:
        """Number of ratings."""
        return int(self.user_counts.sum())

    @property
    def mean(self) -> float | None:
        """The mean rating; None without ratings."""
        return float(self.movie_sums.sum()) / self.ratings if self.ratings else None

    @property
    def movie_means(self) -> Floats:
        """float64[n_movies], NaN without ratings."""
        return _means(self.movie_sums, self.movie_counts)

    @property
    def user_means(self) -> Floats:
        """float64[n_users], NaN without ratings."""
        return _means(self.user_sums, self.user_counts)


def months(times: Int64) -> dict[int, int]:
    """Number of times (Unix seconds, UTC) by month, counted from January 1970; negative ones are unknown."""
    known = times[times >= 0]
    if not len(known):
        return {}
    # By day first: to turn each of 25 million times into a date takes a second, each day of a century no time.
    days = np.bincount(known // 86_400)
    month = np.arange(len(days)).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    counts = np.bincount(month, weights=days).astype(np.int64)
    return {int(one): int(counts[one]) for one in np.flatnonzero(counts)}


def month_name(month: int) -> str:
    """``1970-01`` for 0."""
    year, rest = divmod(month, 12)
    return f"{EPOCH_YEAR + year}-{rest + 1:02d}"


def _counted(ratings: Float32) -> dict[float, int]:
    found = pd.Series(ratings).value_counts(sort=False)  # by hash: sorting 25 million takes two seconds
    counts: dict[float, int] = {}
    for value, count in zip(found.index.tolist(), found.tolist(), strict=True):
        rating = round(value, DIGITS)
        counts[rating] = counts.get(rating, 0) + count
    return dict(sorted(counts.items()))


def _sum(ours: Ints, theirs: Ints, sign: int) -> Ints:
    made = np.zeros(max(len(ours), len(theirs)), ours.dtype)
    made[: len(ours)] = ours
    made[: len(theirs)] += sign * theirs
    return made


def _merged(ours: dict[Key, int], theirs: dict[Key, int], sign: int) -> dict[Key, int]:
    found = {key: ours.get(key, 0) + sign * theirs.get(key, 0) for key in ours.keys() | theirs.keys()}
    return {key: found[key] for key in sorted(found) if found[key]}


def _means(sums: Floats, counts: Int64) -> Floats:
    found = np.full(len(sums), np.nan)
    np.divide(sums, counts, out=found, where=counts > 0)
    return found
