"""Rating scale: its ends, and the step between the ratings that people choose from."""

from __future__ import annotations

import math
from dataclasses import dataclass

MAX_VALUES = 21
STEPS = (1.0, 0.5, 0.1, 0.01)
"""Usual steps, coarsest first."""
DIGITS = 9


@dataclass(frozen=True, slots=True)
class RatingScale:
    """A range of ratings and the step between those that forms offer; ratings between two steps are valid.

    Attributes:
        low, high: the lowest and highest rating.
        step: distance of two neighbouring values, counted from ``low``.

    Raises:
        ValueError: the ends are not finite numbers in order, or the step is not above 0 and at most their distance.
    """

    low: float
    high: float
    step: float

    def __post_init__(self) -> None:
        for name in ("low", "high", "step"):  # whole numbers would give the same ratings another fingerprint
            object.__setattr__(self, name, float(getattr(self, name)))
        span = self.high - self.low
        if not (math.isfinite(span) and 0 < self.step <= span * (1 + 1e-9)):
            raise ValueError(f"{self.low:g} to {self.high:g} in steps of {self.step:g} is not a rating scale.")

    @classmethod
    def between(cls, low: float, high: float) -> RatingScale:
        """The scale with these ends and the coarsest usual step that divides both; without one, 100 steps.

        Raises:
            ValueError: the ends are not finite numbers in order.
        """
        steps = (step for step in STEPS if all(_is_whole(end / step) for end in (low, high)))
        return cls(low, high, next(steps, (high - low) / 100))

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and highest rating."""
        return self.low, self.high

    @property
    def decimals(self) -> int:
        """Decimals that write every step exactly, at most 2."""
        return next((n for n in (0, 1) if _is_whole(self.low * 10**n) and _is_whole(self.step * 10**n)), 2)

    @property
    def are_preferences(self) -> bool:
        """Whether it is that of likes, plays and thumbs."""
        return are_preferences(self.ends)

    def values(self) -> tuple[float, ...] | None:
        """The ratings to choose from, lowest first; None where there are more than 21."""
        steps = (self.high - self.low) / self.step
        if steps > MAX_VALUES - 1 + 1e-6:
            return None
        return tuple(dict.fromkeys(self.snap(self.low + n * self.step) for n in range(math.ceil(steps - 1e-6) + 1)))

    def snap(self, rating: float) -> float:
        """The nearest rating to choose from; of a rating outside the scale, its end."""
        rating = min(max(rating, self.low), self.high)
        nearest = min(round(self.low + round((rating - self.low) / self.step) * self.step, DIGITS), self.high)
        return self.high if self.high - rating < abs(nearest - rating) else nearest


def _is_whole(value: float) -> bool:
    return math.isfinite(value) and abs(value - round(value)) < 1e-6


def are_preferences(ends: tuple[float, ...]) -> bool:
    """Whether ratings between these ends are preferences: likes, plays and thumbs."""
    return ends == PREFERENCES.ends


PREFERENCES = RatingScale(0.0, 1.0, 1.0)
"""What somebody liked, played or bought is 1; what they did not like is 0."""
STARS = RatingScale(0.5, 5.0, 0.5)
"""Half stars: the scale of a store for which nothing else was chosen."""
