"""Splits of ratings into training and test parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Int32, mix
from engine.data.history import UNKNOWN
from engine.data.order import places_by_time
from engine.data.ratings import Interactions, group
from engine.errors import InvalidInput

ORDERED = 0.5
"""Share of the ratings from which known times tell what came when."""


@dataclass(frozen=True)
class Split:
    """Two disjoint parts of the same ratings."""

    train: Interactions
    test: Interactions


def split_by_user_time(data: Interactions, fraction: float = 0.2, seed: int = 0) -> Split:
    """Each user's last ratings by time are the test part (rounded down, so users with few ratings have none).

    Ties and unknown times are broken at random, by user, movie and seed alone: neither the order of rows nor the
    ratings of others change a user's parts.

    Raises:
        InvalidInput: the fraction is not between 0 and 1, or a part is empty.
    """
    _check_fraction(fraction)
    counts = data.user_counts
    keep = counts - np.floor(counts * fraction).astype(np.int64)
    return _parts(data, place_in_history(data, seed=seed) >= keep[data.users])


def leave_last_out(data: Interactions, n: int = 1) -> Split:
    """Each user's last n ratings by time are the test part; users with n or fewer keep all in training.

    Ties and unknown times are handled as in ``split_by_user_time``.

    Raises:
        InvalidInput: n is not positive, or no user has more than n ratings.
    """
    if n < 1:
        raise InvalidInput(f"n is {n}, but at least 1 rating of each person must be left out.", field="n")
    counts = data.user_counts
    keep = np.where(counts > n, counts - n, counts)
    return _parts(data, place_in_history(data) >= keep[data.users], field="n")


def split_by_time(data: Interactions, fraction: float = 0.2, seed: int = 0) -> Split:
    """The last ratings of all by time are the test part, as if training had stopped at one moment.

    Ties are broken at random. Users and movies may have ratings in one part only.

    Raises:
        InvalidInput: the fraction is not between 0 and 1, a part is empty, or there are no times.
    """
    _check_fraction(fraction)
    if data.timestamps is None:
        raise InvalidInput("A split by time needs the times of the ratings, which are unknown.", field="timestamps")
    order = np.lexsort((_hash_pairs(data, seed), data.timestamps))
    return _parts(data, _mask(order[len(data) - int(len(data) * fraction) :], len(data)))


def split_random(data: Interactions, fraction: float = 0.2, seed: int = 0) -> Split:
    """Random ratings are the test part.

    Raises:
        InvalidInput: the fraction is not between 0 and 1, or a part is empty.
    """
    _check_fraction(fraction)
    drawn = np.random.default_rng(seed).permutation(len(data))[: int(len(data) * fraction)]
    return _parts(data, _mask(drawn, len(data)))


def split_folds(data: Interactions, k: int = 5, seed: int = 0) -> Iterator[Split]:
    """Random splits, k of them; every rating is in exactly one test part, and sizes differ by at most one.

    Raises:
        InvalidInput: k is below 2, or there are fewer ratings than folds.
    """
    if not 2 <= k <= len(data):
        raise InvalidInput(f"{len(data)} ratings can't be split into {k} folds.", field="k")
    folds = np.array_split(np.random.default_rng(seed).permutation(len(data)), k)
    return (_parts(data, _mask(fold, len(data))) for fold in folds)


def assign_folds(data: Interactions, k: int, seed: int = 0) -> NDArray[np.int64]:
    """int64[n]: the fold of each rating in 0..k-1, from its user, its movie and the seed alone.

    So new ratings leave the others in their folds. Fold sizes vary at random.
    """
    return (_hash_pairs(data, seed) % np.uint64(k)).astype(np.int64)


def _hash_pairs(data: Interactions, seed: int = 0) -> NDArray[np.uint64]:
    """uint64[n]: numbers as good as random, of each rating's user and movie and of nothing else."""
    pairs = data.users.astype(np.uint64) << np.uint64(32) | data.items.astype(np.uint64)
    return mix(pairs + mix(np.array([seed], np.uint64)))


def with_order(data: Interactions) -> Interactions:
    """The data, without times where these don't tell an order: fewer than half are known, or all are the same."""
    if data.timestamps is None:
        return data
    known = data.timestamps[data.timestamps != UNKNOWN]
    tells = len(known) >= ORDERED * len(data) and len(known) > 0 and known.min() < known.max()
    return data if tells else replace(data, timestamps=None)


@dataclass(frozen=True)
class HeldOut:
    """Three disjoint parts: ``fit`` to train, ``validation`` to choose and calibrate, ``test`` to evaluate.

    A part is None if there are too few ratings. ``train`` is everything but the test part.
    """

    fit: Interactions
    validation: Interactions | None
    train: Interactions
    test: Interactions | None


def hold_out(data: Interactions, test: float = 0.2, validation: float = 0.1) -> HeldOut:
    """Each user's last ratings by time are the test part, the last ones before those the validation part.

    A share of 0 is no validation part.
    """
    try:
        outer = split_by_user_time(data, test)
    except InvalidInput:
        return HeldOut(data, None, data, None)
    if not validation:
        return HeldOut(outer.train, None, outer.train, outer.test)
    try:
        inner = split_by_user_time(outer.train, validation)
    except InvalidInput:
        return HeldOut(outer.train, None, outer.train, outer.test)
    return HeldOut(inner.train, inner.test, outer.train, outer.test)


def draw_users(data: Interactions, most: int, seed: int = 0) -> NDArray[np.bool_]:
    """bool[n_users]: users drawn at random, as many as have at most this number of ratings together.

    Everybody where that is enough, and one user at least.
    """
    if len(data) <= most:
        return np.ones(data.n_users, bool)
    order = shuffle_users(np.flatnonzero(data.user_counts), seed)
    reached = np.cumsum(data.user_counts[order])
    drawn = np.zeros(data.n_users, bool)
    drawn[order[: max(int(np.searchsorted(reached, most, side="right")), 1)]] = True
    return drawn


def shuffle_users(users: NDArray[Any], seed: int = 0) -> NDArray[Any]:
    """int[n]: these users in random order, each placed by its own number alone, so that others change nothing."""
    keys = users.astype(np.uint64) + np.uint64(1)
    return users[np.argsort(mix(keys + mix(np.array([seed], np.uint64))), kind="stable")]


def sample_users(data: Interactions, most: int, seed: int = 0) -> Interactions:
    """All ratings of the users of ``draw_users``; the data themselves where that is everybody."""
    return data if len(data) <= most else data.subset(draw_users(data, most, seed)[data.users])


def _check_fraction(fraction: float) -> None:
    if not 0 < fraction < 1:
        raise InvalidInput(f"The test fraction is {fraction}, but must be between 0 and 1.", field="fraction")


def place_in_history(data: Interactions, keys: Int32 | None = None, seed: int = 0) -> NDArray[np.int64]:
    """int64[n]: number of earlier ratings by the same user; ties and unknown times are broken at random.

    Args:
        data: the n ratings.
        keys: int32[n], the owner of each rating, if not its user.
        seed: of the order of ties.
    """
    times = data.timestamps if data.timestamps is not None else np.zeros(len(data), np.int64)
    rows = data.by_user if keys is None else group(keys, int(keys.max(initial=-1)) + 1)
    return places_by_time(rows.start, rows.order, times, _hash_pairs(data, seed).view(np.int64))


def _mask(rows: NDArray[np.int64], n: int) -> NDArray[np.bool_]:
    chosen = np.zeros(n, bool)
    chosen[rows] = True
    return chosen


def _parts(data: Interactions, test: NDArray[np.bool_], field: str = "fraction") -> Split:
    if not test.any() or test.all():
        raise InvalidInput(f"{len(data)} ratings are too few to hold some out.", field=field)
    return Split(data.subset(~test), data.subset(test))
