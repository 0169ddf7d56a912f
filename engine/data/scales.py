"""Scale of the ratings in files, known, declared or seen in their values, and what they become in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.data.scale import RatingScale

MIN_ROWS = 8
"""Ratings with halves that tell half stars from a few harsh ratings out of 10."""
MIN_USERS = 20
MIN_STARS = 100
"""People and ratings from which whole numbers from 1 to 5 are stars."""
STEPS = (1.0, 0.5, 0.25, 0.1, 0.05)
USUAL = (
    (0.5, 5.0),
    (1.0, 5.0),
    (0.0, 5.0),
    (1.0, 10.0),
    (0.0, 10.0),
    (0.0, 20.0),
    (0.0, 100.0),
    (1.0, 100.0),
    (0.0, 1.0),
    (-10.0, 10.0),
)


@dataclass(frozen=True)
class Values:
    """Distinct ratings in files, how often each comes, and by how many people they were given."""

    values: NDArray[np.float64]
    counts: NDArray[np.int64]
    users: int

    @property
    def low(self) -> float:
        """The lowest rating."""
        return float(self.values.min())

    @property
    def high(self) -> float:
        """The highest rating."""
        return float(self.values.max())

    def are_multiples_of(self, step: float) -> bool:
        """Whether all ratings are multiples of a step."""
        return bool(np.all(np.abs(self.values / step - np.round(self.values / step)) < 1e-6))

    def lie_in(self, scale: RatingScale) -> bool:
        """Whether all ratings are on a scale."""
        return scale.low <= self.low and self.high <= scale.high


def step_of(values: Values, scale: RatingScale) -> RatingScale:
    """The scale with a step that its ratings are multiples of."""
    step = next((step for step in STEPS if step <= scale.step and values.are_multiples_of(step)), 0.01)
    return scale if step == scale.step else RatingScale(scale.low, scale.high, min(step, scale.step))


def certain(values: Values, store: RatingScale, *, is_free: bool) -> tuple[RatingScale, str] | None:
    """The scale that ratings of unknown origin are surely on, and whether ``seen`` or ``store`` gives it.

    Args:
        values: the ratings.
        store: scale of the store.
        is_free: whether the store has no ratings yet, so that its scale says nothing.
    """
    low, high, whole = values.low, values.high, values.are_multiples_of(1.0)
    if not is_free and not values.lie_in(store):
        return None
    if high <= 5 and low >= 0 and values.are_multiples_of(0.5) and not whole and values.counts.sum() >= MIN_ROWS:
        return RatingScale(0.5 if low > 0 else 0.0, 5.0, 0.5), "seen"
    used = set(values.values.tolist()) == {1.0, 2.0, 3.0, 4.0, 5.0}
    if used and values.users >= MIN_USERS and values.counts.sum() >= MIN_STARS:
        return RatingScale(1.0, 5.0, 1.0), "seen"
    if not is_free and values.lie_in(store) and _is_like(values, store):
        return store, "store"
    return None


def _is_like(values: Values, store: RatingScale) -> bool:
    """Whether ratings could hardly be on another scale than the store's: beyond its middle, on its step, not stars."""
    if store.high <= 5:
        halves = values.are_multiples_of(0.5) and not values.are_multiples_of(1.0)
        return store.low >= 0 and halves
    plausible = suggested(values)
    return plausible is not None and plausible.high == store.high and values.are_multiples_of(store.step)


def suggested(values: Values) -> RatingScale | None:
    """A plausible scale of ratings of unknown origin; None where nothing is."""
    low, high = values.low, values.high
    if low < 0:
        return RatingScale.between(-10.0, 10.0) if low >= -10 and high <= 10 else None
    if set(values.values.tolist()) <= {0.0, 1.0}:
        return RatingScale(0.0, 1.0, 1.0)
    if high <= 5:
        if values.are_multiples_of(1.0):
            return RatingScale(1.0 if low >= 1 else 0.0, 5.0, 1.0)
        return RatingScale(0.5 if low >= 0.5 else 0.0, 5.0, 0.5)
    if high <= 10:
        return RatingScale(1.0 if low >= 1 else 0.0, 10.0, 1.0)
    return RatingScale(0.0, 20.0, 1.0) if high <= 20 else RatingScale(0.0, 100.0, 1.0) if high <= 100 else None


def choices(values: Values) -> list[RatingScale]:
    """Usual scales that hold all ratings, the plausible one first."""
    found = [suggested(values), *(RatingScale.between(*ends) for ends in USUAL)]
    return list({scale.ends: scale for scale in found if scale is not None and values.lie_in(scale)}.values())


def are_stars(scale: RatingScale) -> bool:
    """Whether a scale counts stars up to five."""
    return scale.high == 5 and scale.low in (0.0, 0.5, 1.0)


def convert(values: NDArray[np.float64], found: RatingScale, store: RatingScale) -> NDArray[np.float64]:
    """Ratings of one scale on another: in a straight line, end to end; stars stay what they are.

    Args:
        values: float64[n], ratings on ``found``.
        found: their scale.
        store: the scale they are wanted on.
    """
    if found.ends == store.ends:
        return values
    if are_stars(found) and are_stars(store):
        return np.maximum(values, store.low)
    share = (values - found.low) / (found.high - found.low)
    return np.round(store.low + share * (store.high - store.low), 4)


def describe(found: RatingScale, store: RatingScale) -> str:
    """What becomes of a rating, in words."""
    if found.ends == store.ends:
        return "Ratings stay as they are."
    if are_stars(found) and are_stars(store):
        return (
            f"Stars stay as they are; 0 becomes {store.low:g}." if found.low < store.low else "Stars stay as they are."
        )
    return f"{found.low:g} to {found.high:g} becomes {store.low:g} to {store.high:g}, in a straight line."


def examples(values: Sequence[float], found: RatingScale, store: RatingScale) -> list[list[float]]:
    """Pairs of a rating and what becomes of it, the highest first."""
    inside = sorted({value for value in values if found.low <= value <= found.high}, reverse=True)
    picked = inside if len(inside) <= 4 else [inside[round(place * (len(inside) - 1) / 3)] for place in range(4)]
    return [[value, float(convert(np.array([value]), found, store)[0])] for value in picked]
