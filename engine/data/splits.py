"""Parting ratings into what a model learns from and what it is judged on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Int32, mix
from engine.data.ratings import Interactions
from engine.errors import InvalidInput


@dataclass(frozen=True)
class Split:
    """Two disjoint parts of the same ratings."""

    train: Interactions
    test: Interactions


def split_by_user_time(data: Interactions, fraction: float = 0.2) -> Split:
    """Each user's last ratings by time are the test part (rounded down, so a user of few ratings gives none).

    Where times tie or are not known, a seeded draw decides: the order of rows may say something about the movies.

    Raises:
        InvalidInput: the fraction is not between 0 and 1, or leaves one of the parts empty.
    """
    _check_fraction(fraction)
    counts = data.user_counts
    keep = counts - np.floor(counts * fraction).astype(np.int64)
    return _parts(data, place_in_history(data) >= keep[data.users])


def leave_last_out(data: Interactions, n: int = 1) -> Split:
    """Each user's last n ratings by time are the test part; whoever has no more than n keeps them all in training.

    Times that tie or are not known: as in ``split_by_user_time``.

    Raises:
        InvalidInput: n is not positive, or no user has more than n ratings.
    """
    if n < 1:
        raise InvalidInput(f"{n} ratings can't be left out of each user's; at least 1 can.", field="n")
    counts = data.user_counts
    keep = np.where(counts > n, counts - n, counts)
    return _parts(data, place_in_history(data) >= keep[data.users], field="n")


def split_by_time(data: Interactions, fraction: float = 0.2, seed: int = 0) -> Split:
    """The last part of all ratings by time is the test part, as if training had stopped at one moment.

    Of ratings of that very moment a seeded draw decides which come later. Users and movies may have ratings in one part
    only.

    Raises:
        InvalidInput: the fraction is not between 0 and 1 or leaves one of the parts empty, or no times are known.
    """
    _check_fraction(fraction)
    if data.timestamps is None:
        raise InvalidInput("A split by time needs the times of the ratings, and none are known.", field="timestamps")
    order = np.lexsort((np.random.default_rng(seed).permutation(len(data)), data.timestamps))
    return _parts(data, _mask(order[len(data) - int(len(data) * fraction) :], len(data)))


def split_random(data: Interactions, fraction: float = 0.2, seed: int = 0) -> Split:
    """A random part of all ratings is the test part.

    Raises:
        InvalidInput: the fraction is not between 0 and 1, or leaves one of the parts empty.
    """
    _check_fraction(fraction)
    drawn = np.random.default_rng(seed).permutation(len(data))[: int(len(data) * fraction)]
    return _parts(data, _mask(drawn, len(data)))


def split_folds(data: Interactions, k: int = 5, seed: int = 0) -> Iterator[Split]:
    """Every rating is in the test part of exactly one of k random splits; their sizes differ by at most one.

    Raises:
        InvalidInput: k is below 2, or there are fewer ratings than folds.
    """
    if not 2 <= k <= len(data):
        raise InvalidInput(f"{len(data)} ratings can't be parted into {k} folds.", field="k")
    folds = np.array_split(np.random.default_rng(seed).permutation(len(data)), k)
    return (_parts(data, _mask(fold, len(data))) for fold in folds)


def assign_folds(data: Interactions, k: int, seed: int = 0) -> NDArray[np.int64]:
    """int64[n]: the fold of each rating in 0..k-1, which depends on its user, its movie and the seed alone.

    Ratings that come later leave the others in their folds. The folds' sizes differ as chance has it.
    """
    pairs = data.users.astype(np.uint64) << np.uint64(32) | data.items.astype(np.uint64)
    return (mix(pairs + mix(np.array([seed], np.uint64))) % np.uint64(k)).astype(np.int64)


@dataclass(frozen=True)
class HeldOut:
    """Three disjoint parts: ``fit`` is learned from, ``validation`` chooses and calibrates, ``test`` judges.

    A part is None where the ratings are too few to fill it. ``train`` is all but the test part.
    """

    fit: Interactions
    validation: Interactions | None
    train: Interactions
    test: Interactions | None


def hold_out(data: Interactions, test: float = 0.2, validation: float = 0.1) -> HeldOut:
    """Each user's last ratings by time judge; of those before, the last validate."""
    try:
        outer = split_by_user_time(data, test)
    except InvalidInput:
        return HeldOut(data, None, data, None)
    try:
        inner = split_by_user_time(outer.train, validation)
    except InvalidInput:
        return HeldOut(outer.train, None, outer.train, outer.test)
    return HeldOut(inner.train, inner.test, outer.train, outer.test)


def _check_fraction(fraction: float) -> None:
    if not 0 < fraction < 1:
        raise InvalidInput(f"The test fraction {fraction} must lie between 0 and 1.", field="fraction")


def place_in_history(data: Interactions, keys: Int32 | None = None) -> NDArray[np.int64]:
    """int64[n]: how many ratings of its user are earlier than each; of equal or unknown times a draw decides.

    Args:
        data: the n ratings.
        keys: int32[n], whose ratings are counted, where it is not their users'.
    """
    keys = data.users if keys is None else keys
    times = data.timestamps if data.timestamps is not None else np.zeros(len(data), np.int64)
    order = np.lexsort((np.random.default_rng(0).permutation(len(data)), times, keys))
    counts = np.bincount(keys)
    place = np.empty(len(data), np.int64)
    place[order] = np.arange(len(data)) - np.repeat(np.cumsum(counts) - counts, counts)
    return place


def _mask(rows: NDArray[np.int64], n: int) -> NDArray[np.bool_]:
    chosen = np.zeros(n, bool)
    chosen[rows] = True
    return chosen


def _parts(data: Interactions, test: NDArray[np.bool_], field: str = "fraction") -> Split:
    if not test.any() or test.all():
        raise InvalidInput(f"{len(data)} ratings are too few to hold some out.", field=field)
    return Split(data.subset(~test), data.subset(test))
