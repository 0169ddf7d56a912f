"""Parting ratings into what a model learns from and what it is judged on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.dataset.interactions import Interactions
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
    if not 0 < fraction < 1:
        raise InvalidInput(f"The test fraction {fraction} must lie between 0 and 1.", field="fraction")
    times = data.timestamps if data.timestamps is not None else np.zeros(len(data), np.int64)
    order = np.lexsort((np.random.default_rng(0).permutation(len(data)), times, data.users))
    counts = data.user_counts
    starts = np.cumsum(counts) - counts
    place = np.empty(len(data), np.int64)
    place[order] = np.arange(len(data)) - np.repeat(starts, counts)
    keep = counts - np.floor(counts * fraction).astype(np.int64)
    return _parts(data, place >= keep[data.users])


def split_random(data: Interactions, fraction: float = 0.2, seed: int = 0) -> Split:
    """A random part of all ratings is the test part.

    Raises:
        InvalidInput: the fraction is not between 0 and 1, or leaves one of the parts empty.
    """
    if not 0 < fraction < 1:
        raise InvalidInput(f"The test fraction {fraction} must lie between 0 and 1.", field="fraction")
    test = np.zeros(len(data), bool)
    test[np.random.default_rng(seed).permutation(len(data))[: int(len(data) * fraction)]] = True
    return _parts(data, test)


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


def _parts(data: Interactions, test: NDArray[np.bool_]) -> Split:
    if not test.any() or test.all():
        raise InvalidInput(f"{len(data)} ratings are too few to hold some out.", field="fraction")
    return Split(data.subset(~test), data.subset(test))
