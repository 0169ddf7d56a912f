"""Intervals and comparisons that hold however often one looks, for figures that grow with each new rating.

An interval of a fixed sample is wrong sooner or later if it is looked at after every rating: the error of at most
``alpha`` here holds for all looks together. Nothing is assumed of the values but their ends, which may differ from
value to value if they are known before it: an error of a prediction of 4 lies between 0 and 3.5 squared. What is
estimated is the mean of the values' expectations so far, given what came before each, so that ratings may depend on
earlier ones and their mean may move.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from engine.data.arrays import Floats

STAKES = np.geomspace(0.05, 8, 12)
"""Rates at which evidence is gathered, in inverse units: the high ones suit a hundred values, the low ones a million.

They are mixed in equal parts, so that none has to be chosen after looking at the values.
"""
CAUTION = 0.5
"""The most that one value may cost, as a share of the capital."""
_TINY = 1e-9
_HALVINGS = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """The moment at which two versions could first be told apart.

    Attributes:
        count: number of differences that it took.
        sign: 1 if they are positive on average, -1 if negative.
    """

    count: int
    sign: int


def confidence_sequence(
    values: Floats, low: ArrayLike, high: ArrayLike, alpha: float = 0.05, *, unit: float | None = None
) -> tuple[Floats, Floats]:
    """Interval of the mean after each value; all of them together hold with a probability of at least 1 - alpha.

    The empirical Bernstein sequence of Howard, Ramdas, McAuliffe and Sekhon (2021), "Time-uniform, nonparametric,
    nonasymptotic confidence sequences", Annals of Statistics 49(2), theorem 4, for a mixture of rates, and with ends
    that may change from value to value. Values whose ends are far apart may count for less in the mean.

    Args:
        values: float64[n], in the order in which they came.
        low: their lower ends: a number or float64[n]; each must be known before its value.
        high: their upper ends.
        alpha: largest probability that an interval is ever wrong.
        unit: a length of the size of the values' range, fixed in advance; by default ``high - low``, if these are
            numbers.

    Returns:
        float64[n] lower ends and float64[n] upper ends.
    """
    n = len(values)
    lows, highs = np.broadcast_to(np.asarray(low, float), n), np.broadcast_to(np.asarray(high, float), n)
    rates = STAKES / (_length(low, high) if unit is None else unit)
    guesses = np.clip(_means_before(values, lows, highs), lows, highs)
    squares = (values - guesses) ** 2
    below = _bound(values, squares, guesses - lows, rates, alpha / 2)
    above = -_bound(-values, squares, highs - guesses, rates, alpha / 2)
    return np.maximum(below, np.minimum.accumulate(lows)), np.minimum(above, np.maximum.accumulate(highs))


def first_difference(differences: Floats, bounds: ArrayLike, alpha: float = 0.05, *, unit: float) -> Difference | None:
    """When paired differences were first told from 0; None if they were not.

    If their expectations are 0, this ever happens with a probability of at most alpha: bets on either sign, whose
    capital reaches 2 / alpha times the stake with a probability of at most alpha / 2 (Ville's inequality). They are
    those of Waudby-Smith and Ramdas (2024), "Estimating means of bounded random variables by betting", Journal of the
    Royal Statistical Society B 86(1), for a mixture of stakes, and tell versions apart somewhat sooner than
    ``confidence_sequence`` leaves 0.

    Args:
        differences: float64[n], in the order in which they came.
        bounds: the largest size of a difference: a number or float64[n]; each must be known before its difference.
        alpha: largest probability of a false alarm at any time.
        unit: a length of the size of the values' range, fixed in advance.
    """
    sizes = np.maximum(np.broadcast_to(np.asarray(bounds, float), len(differences)), _TINY)
    stakes = np.minimum(STAKES[:, None] / unit, CAUTION / sizes)
    goal = np.log(2 / alpha)
    found = []
    for sign in (1, -1):
        capital = _mixed(np.cumsum(np.log1p(stakes * (sign * differences)), axis=1))
        reached = np.flatnonzero(capital >= goal)
        if len(reached):
            found.append(Difference(int(reached[0]) + 1, sign))
    return min(found, key=lambda one: one.count, default=None)


def _length(low: ArrayLike, high: ArrayLike) -> float:
    """The range of values with constant ends."""
    return float(np.asarray(high) - np.asarray(low))


def _means_before(values: Floats, lows: Floats, highs: Floats) -> Floats:
    """float64[n], the mean of the values before each; of none, the middle of the first one's range."""
    if not len(values):
        return values
    sums = np.cumsum(values) - values + (lows[0] + highs[0]) / 2
    return np.asarray(sums / np.arange(1, len(values) + 1))


def _bound(values: Floats, squares: Floats, falls: Floats, rates: Floats, alpha: float) -> Floats:
    """float64[n], the lower end after each value.

    Args:
        values: float64[n].
        squares: float64[n], squared distance from what was guessed.
        falls: float64[n], how far a value can lie below the guess.
        rates: float64[k].
        alpha: largest probability that one is ever wrong.
    """
    falls = np.maximum(falls, _TINY)
    weights = np.minimum(rates[:, None], CAUTION / falls)
    shares = weights * falls
    costs = np.cumsum((-np.log1p(-shares) - shares) / falls**2 * squares, axis=1)
    sums, lengths = np.cumsum(weights * values, axis=1), np.cumsum(weights, axis=1)
    # Each rate alone excludes means below (sums - costs - goal) / lengths; the mixture's end lies above the best of
    # them with a goal raised by log(k), and below the best without one.
    goal = np.log(1 / alpha)
    alone = (sums - costs) / lengths
    lowest = np.max(alone - (goal + np.log(len(rates))) / lengths, axis=0)
    highest = np.max(alone - goal / lengths, axis=0)
    for _ in range(_HALVINGS):
        middle = (lowest + highest) / 2
        excluded = _mixed(sums - costs - middle * lengths) >= goal
        lowest, highest = np.where(excluded, middle, lowest), np.where(excluded, highest, middle)
    return np.asarray(lowest)


def _mixed(logarithms: NDArray[np.float64]) -> Floats:
    """float64[n], the logarithm of the mean over the rates, given float64[k, n]."""
    return np.asarray(logsumexp(logarithms, axis=0) - np.log(len(logarithms)))
