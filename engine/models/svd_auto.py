"""Choice of a factorisation's factors and regularization on ratings held out from its training ratings."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from engine.data.arrays import Float32
from engine.data.ratings import Interactions
from engine.data.splits import assign_folds, sample_users
from engine.models.shrinkage import climb
from engine.rounding import settle

HELD_OUT = 10
"""One in ten ratings is held out."""
MAX_RATINGS = 1_000_000
"""Maximum ratings to choose on, in whole users."""
MIN_JUDGED = 100
"""Minimum held-out ratings; with fewer the start is the choice."""
MIN_FACTORS, MAX_FACTORS = 8, 128
MIN_REGULARIZATION, MAX_REGULARIZATION = 0.0125, 0.4
DIGITS = 4
"""Digits of an error, as a part of the ratings' spread, that decide; a tie goes to the value tried first."""
FASTER, MAX_RATE = 2.0, 0.04
"""Trials take that many times fewer epochs, with a learning rate as many times higher, at most the maximum."""


@dataclass(frozen=True)
class Size:
    """What is chosen: length of the vectors, and the penalty of each rating."""

    factors: int = MIN_FACTORS
    regularization: float = 0.1

    def scale_factors(self, ratio: float) -> "Size":
        """The most factors for a ratio above 1, else the fewest."""
        return replace(self, factors=MAX_FACTORS if ratio > 1 else MIN_FACTORS)

    def scale_regularization(self, ratio: float) -> "Size":
        """Another penalty, within the limits."""
        wanted = round(self.regularization * ratio, 6)
        return replace(self, regularization=float(np.clip(wanted, MIN_REGULARIZATION, MAX_REGULARIZATION)))


Predict = Callable[[Interactions, Interactions, Size], Float32]
"""Train on the first ratings and predict the second: float32[n], or NaN where training diverged."""


def choose_size(
    data: Interactions, predict: Predict, seed: int, *, factors: int | None = None, regularization: float | None = None
) -> Size:
    """The size that predicts held-out ratings best.

    The regularization is doubled or halved as long as that helps, with the fewest factors; then the most factors are
    tried, then both again. Few factors with little regularization suit many ratings, and many factors with much
    regularization suit few. Sizes in between differ by too little to be told apart on the way from one to the other.

    Args:
        data: training ratings; those of other users are not read if there are more than a million.
        predict: trains and predicts.
        seed: of the held-out ratings and the sample.
        factors: a number that is fixed, or None to choose it.
        regularization: the same.
    """
    start = Size()
    start = Size(factors or start.factors, start.regularization if regularization is None else regularization)
    data = sample_users(data, MAX_RATINGS, seed)
    judged = assign_folds(data, HELD_OUT, seed) == 0
    train, test = data.subset(~judged), data.subset(judged)
    if len(test) < MIN_JUDGED or not len(train) or not (spread := float(test.ratings.std(dtype=np.float64))):
        return start

    @cache
    def cost(size: Size) -> float:
        error = (predict(train, test, size) - test.ratings).astype(np.float64)
        rmse = float(np.sqrt(np.mean(error**2)))
        return settle(rmse / spread, 1, DIGITS) if np.isfinite(rmse) else float("inf")

    best = start
    for _ in range(2):
        if regularization is None:
            best = climb(cost, best, Size.scale_regularization)
        if factors is None:
            best = climb(cost, best, Size.scale_factors)
    return best
