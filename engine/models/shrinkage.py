"""Penalties for folding in, learned from users and movies kept out of a factorisation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Floats
from engine.data.ratings import Interactions
from engine.data.splits import place_in_history

T = TypeVar("T")

STEPS = (1, 3, 5, 10, 20)
"""Numbers of first ratings after which the others are predicted."""
KEPT_OUT = 3
"""One in three users, and one in three movies, is kept out."""
MAX_KEPT_OUT = 200
"""Maximum users, or movies, to predict."""
MAX_RATINGS = 50_000
"""Maximum training ratings of the factorisation, in whole users."""
MAX_JUDGED = 50
"""Maximum predicted ratings of each user or movie."""
MIN_KEPT_OUT = 20
"""Minimum users, or movies, to learn from."""
BIAS, FACTORS = 8.0, 8.0
"""Start of the search, and the values for too little data."""
RATIO, MAX_STEPS = 2.0, 6
DIGITS = 6
"""Digits to which errors are rounded before comparison, so that every processor decides alike."""


@dataclass(frozen=True)
class Penalty:
    """The ridge penalty of a regression on ``[1, factors]``: a constant, the prior, and a term for each rating.

    Attributes:
        bias, factors: the constants, in ratings: a bias is halved if its penalty equals its number of ratings. They are
            the ratio of the variance of a rating to that of the bias, or factor, among newcomers.
        bias_each, factors_each: the term of each rating, the regularization of the training.
    """

    bias: float
    factors: float
    bias_each: float
    factors_each: float

    def diagonal(self, size: int, ratings: int) -> Floats:
        """float64[size]: penalties of the bias, then of each factor, for this number of ratings."""
        # The lower bound keeps the equations solvable without regularization.
        out = np.full(size, max(self.factors + self.factors_each * ratings, 1e-6))
        out[0] = max(self.bias + self.bias_each * ratings, 1e-6)
        return out

    def scale_bias(self, ratio: float) -> Penalty:
        """The penalty with the constant of the bias scaled."""
        return replace(self, bias=self.bias * ratio)

    def scale_factors(self, ratio: float) -> Penalty:
        """The penalty with the constant of the factors scaled."""
        return replace(self, factors=self.factors * ratio)

    def values(self) -> list[float]:
        """The four numbers, as stored."""
        return [self.bias, self.factors, self.bias_each, self.factors_each]


@dataclass(frozen=True)
class Side:
    """The other side of a factorisation: biases float[n] and factors float[n, f]."""

    bias: NDArray[Any]
    factors: NDArray[Any]


@dataclass(frozen=True)
class _Step:
    """The first n ratings of m newcomers, and up to t later ones of each to predict, without the penalty.

    Attributes:
        left: float64[m, n], residuals of the first ratings.
        inner: float64[m, n, n], products of the factors of the first ratings.
        wanted: float64[m, t], residuals of the later ratings.
        outer: float64[m, t, n], products of the factors of each later rating and the first ones.
        there: bool[m, t], whether a later rating exists.
    """

    left: Floats
    inner: Floats
    wanted: Floats
    outer: Floats
    there: NDArray[np.bool_]

    def error(self, penalty: Penalty) -> float:
        """Squared error on the later ratings, relative to the error without the first ones."""
        count = self.left.shape[1]
        bias, factors = penalty.diagonal(2, count).tolist()
        kernel = 1 / bias + self.inner / factors + np.eye(count)
        dual = np.linalg.solve(kernel, self.left[:, :, None])
        predicted = dual.sum(axis=1) / bias + (self.outer @ dual)[:, :, 0] / factors
        missed, everything = (values[self.there] for values in (self.wanted - predicted, self.wanted))
        return float(np.mean(missed**2) / np.mean(everything**2))


@dataclass(frozen=True)
class KeptOut:
    """Training ratings of a factorisation, and those of users, and of movies, kept out of it."""

    learned: Interactions
    of_users: Interactions
    of_movies: Interactions

    @classmethod
    def draw(cls, data: Interactions, seed: int) -> Self:
        """Keep out a third of the users and a third of the movies; ratings of both are not used."""
        rng = np.random.default_rng(seed)
        users = rng.permutation(np.flatnonzero(data.user_counts))
        out, rest = users[: len(users) // KEPT_OUT], users[len(users) // KEPT_OUT :]
        rest = rest[np.cumsum(data.user_counts[rest]) <= MAX_RATINGS]
        movies = rng.permutation(np.flatnonzero(data.movie_counts))
        new_user, old_user = np.isin(data.users, out[:MAX_KEPT_OUT]), np.isin(data.users, rest)
        new_movie = np.isin(data.items, movies[: len(movies) // KEPT_OUT])
        return cls(
            data.subset(old_user & ~new_movie), data.subset(new_user & ~new_movie), data.subset(old_user & new_movie)
        )


def learn_prior(kept_out: Interactions, other: Side, mean: float, start: Penalty, *, movies: bool) -> Penalty:
    """The penalty with which the first ratings of newcomers predict their later ones best.

    Newcomers are users (or movies) unknown to the other side's factors, so these fit their ratings no better than those
    of anyone to come. The constants are the variances of an empirical Bayes prior (Gelman et al., "Bayesian Data
    Analysis", chapter 5), found by cross-validation.

    Args:
        kept_out: the ratings of newcomers.
        other: the other side of the factorisation, by index.
        mean: the overall mean of the factorisation.
        start: start of the search, and the result for too little data.
        movies: whether the newcomers are movies.
    """
    keys, others = (kept_out.items, kept_out.users) if movies else (kept_out.users, kept_out.items)
    order = np.lexsort((place_in_history(kept_out, keys), keys))
    begins = np.flatnonzero(np.append(True, np.diff(keys[order]) != 0)[: len(keys)])
    left = kept_out.ratings[order].astype(np.float64) - mean - other.bias[others[order]]
    if not (np.isfinite(left).all() and np.isfinite(other.factors).all() and left.any()):
        return start  # the factorisation diverged, or there are no residuals
    steps = list(_steps(begins, left, other.factors[others[order]].astype(np.float64)))
    if not steps:
        return start

    def error(penalty: Penalty) -> float:
        return round(float(np.mean([step.error(penalty) for step in steps])), DIGITS)

    best = start
    for _ in range(2):
        best = climb(error, best, Penalty.scale_bias, takes_ties=True)
        best = climb(error, best, Penalty.scale_factors, takes_ties=True)
    return best


def _steps(begins: NDArray[np.int64], left: Floats, factors: Floats) -> Iterator[_Step]:
    """A step for each number of first ratings that enough newcomers exceed.

    Args:
        begins: int64[m], the first row of each newcomer.
        left: float64[n], residuals of the ratings, in order of newcomer and time.
        factors: float64[n, f], factors of the other side of each rating.
    """
    length = np.diff(np.append(begins, len(left)))
    for count in STEPS:
        chosen = length > count
        if chosen.sum() < MIN_KEPT_OUT:
            return
        first = begins[chosen][:, None] + np.arange(count)
        later = begins[chosen][:, None] + count + np.arange(MAX_JUDGED)
        there = later < (begins + length)[chosen][:, None]
        later = np.where(there, later, 0)
        known = factors[first]
        transposed = known.transpose(0, 2, 1)
        if left[later][there].any():
            yield _Step(left[first], known @ transposed, left[later], factors[later] @ transposed, there)


def climb(cost: Callable[[T], float], start: T, scale: Callable[[T, float], T], *, takes_ties: bool = False) -> T:
    """Hill climbing to a low cost, up or else down from ``start``, in steps of a constant ratio.

    Args:
        cost: of a value; called once for each.
        start: the first value.
        scale: a value times a ratio.
        takes_ties: whether a step up to the same cost is taken.
    """
    best, lowest = start, cost(start)
    for ratio in (RATIO, 1 / RATIO):
        for _ in range(MAX_STEPS):
            there = scale(best, ratio)
            found = cost(there)
            if found > lowest or (found == lowest and not (takes_ties and ratio > 1)):
                break
            best, lowest = there, found
        if best != start:
            break
    return best
