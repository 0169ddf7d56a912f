"""The ratings of one user, with their times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Float32, Int32, Int64, check_lengths

UNKNOWN = -1
"""Time of a rating whose time is unknown: it counts as older than all others."""


@dataclass(frozen=True)
class History:
    """The ratings of one user. Immutable.

    Attributes:
        items: int32[n], the rated movies, in order of key.
        ratings: float32[n].
        times: int64[n], Unix seconds; ``UNKNOWN`` where unknown.
    """

    items: Int32
    ratings: Float32
    times: Int64

    @classmethod
    def of(cls, items: Int32, ratings: Float32, times: Int64 | None = None) -> History:
        """A history; without times, none of its ratings is newer than another.

        Raises:
            ValueError: the arrays are not equally long.
        """
        times = np.full(len(items), UNKNOWN, np.int64) if times is None else times
        check_lengths(items=items, ratings=ratings, times=times)
        return cls(items, ratings, times)

    def __len__(self) -> int:
        return len(self.items)

    def rating_of(self, movie: int) -> float | None:
        """The rating of a movie; None if there is none."""
        found = np.flatnonzero(self.items == movie)
        return float(self.ratings[found[0]]) if len(found) else None

    def with_rating(self, movie: int, rating: float, time: int = UNKNOWN) -> History:
        """The history with one rating added or replaced."""
        kept = self.without(movie)
        items = np.append(kept.items, np.int32(movie))
        added = History(items, np.append(kept.ratings, np.float32(rating)), np.append(kept.times, np.int64(time)))
        return added.subset(np.argsort(items))

    def without(self, movie: int) -> History:
        """The history without the rating of a movie."""
        return self.subset(self.items != movie)

    def subset(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> History:
        """Some of the ratings; ``rows`` is a mask, or row numbers."""
        return History(self.items[rows], self.ratings[rows], self.times[rows])

    def recency(self, power: float) -> Float32:
        """float32[n]: the weight of each rating by its age, as ``weigh_by_recency`` gives it."""
        return weigh_by_recency(np.zeros(len(self), np.int32), self.times, power)


NOBODY = History.of(np.empty(0, np.int32), np.empty(0, np.float32))
"""The history of a user without ratings."""


def weigh_by_recency(owners: Int32, times: Int64, power: float) -> Float32:
    """float32[n]: ``(1 + rank) ** -power``, with each rating's rank from its owner's newest one, which has 0.

    Ratings of equal times share their mean rank.

    Args:
        owners: int32[n].
        times: int64[n].
        power: 0 weighs all equally.
    """
    if not power or not len(times):
        return np.ones(len(times), np.float32)
    return np.asarray((1 + rank_from_newest(owners, times)) ** -power, np.float32)


def rank_from_newest(owners: Int32, times: Int64) -> NDArray[np.float64]:
    """float64[n]: how many ratings of the same owner are newer; equal times share their mean rank."""
    order = np.lexsort((-times, owners))
    sorted_owners, sorted_times = owners[order], times[order]
    places = np.arange(len(order))
    first_of_owner = _starts(sorted_owners[1:] != sorted_owners[:-1])
    first_of_tie = _starts((sorted_owners[1:] != sorted_owners[:-1]) | (sorted_times[1:] != sorted_times[:-1]))
    tie = np.cumsum(first_of_tie) - 1
    middle = np.bincount(tie, places) / np.bincount(tie)
    start = np.flatnonzero(first_of_owner)[np.cumsum(first_of_owner) - 1]
    ranks = np.empty(len(order))
    ranks[order] = middle[tie] - start
    return ranks


def _starts(changes: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.concatenate([[True], changes])
