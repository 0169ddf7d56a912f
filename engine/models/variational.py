"""Matrix factorisation by variational Bayes, with priors learned from features."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from engine.data.arrays import Float32, Int32, Int64
from engine.data.ratings import Interactions, Rows, group
from engine.models.variational_kernels import fill_moments, fill_posteriors
from engine.parallel import run_all

Float64 = NDArray[np.float64]

FIRST_SPREAD = 0.3  # standard deviation of the initial factors
PRIOR_PENALTY = 10.0  # ridge penalty of the priors' regression on features
STRIDE, FIRST_STRIDES = 1.5, 4  # over-relaxation of the movies' means, and the number of rounds without
OWNER_COST = 30  # time of a posterior without ratings, in ratings
BLOCK_COST, MAX_BLOCKS = 1 << 14, 64  # time of what one thread does at a time, in ratings; number of such pieces


@dataclass(frozen=True)
class Side:
    """The vectors of all users, or of all movies: bias and factors.

    Attributes:
        means: float64[n, 1 + factors], posterior means.
        covariances: float64[n, 1 + factors, 1 + factors], posterior covariances.
        weights: float64[f, 1 + factors]; the prior mean of a vector is ``features @ weights``.
        precision: float64[1 + factors, 1 + factors], of the prior.
        noise: float64[n], variance of ratings around expectation, as a multiple of the average; 1 for movies.
    """

    means: Float64
    covariances: Float64
    weights: Float64
    precision: Float64
    noise: Float64


@dataclass(frozen=True)
class Grouped:
    """Ratings in the order of their owners: all users, or all movies.

    Attributes:
        start: int64[n + 1]; an owner's ratings are those from ``start[owner]`` to ``start[owner + 1]``.
        others: int32[m], the row of the other side.
        targets: float32[m], the rating minus the mean.
    """

    start: Int64
    others: Int32
    targets: Float32

    @classmethod
    def by(cls, rows: Rows, others: Int32, targets: Float32) -> Self:
        """Group ratings."""
        return cls(rows.start, others[rows.order], targets[rows.order])

    def blocks(self) -> Iterator[tuple[int, int]]:
        """First owner and end of pieces that take about equally long."""
        cost = self.start + OWNER_COST * np.arange(len(self.start))
        ends = np.searchsorted(cost, np.linspace(0, cost[-1], _pieces(int(cost[-1])) + 1))
        return pairwise(np.unique(ends).tolist())


class VariationalFactorization:
    """``mean + user bias + movie bias + user factors . movie factors`` with a normal posterior for every vector.

    Mean-field variational Bayes (Lim and Teh 2007, "Variational Bayesian approach to movie rating prediction"): users
    and movies alternate, each vector's posterior in closed form from the first two moments of the other side. The prior
    mean of a vector is a linear function of features, learned along with it (Agarwal and Chen 2009, "Regression-based
    latent factor models"), so users and movies with few ratings start from their features. The variances of the noise
    and of the priors are learned too (empirical Bayes), so there is no penalty to tune.

    Users are updated last, so a user's vector follows from the user's ratings and the movies' posteriors alone, and
    ``fold_in`` repeats it exactly.

    Args:
        factors: length of the vectors without the bias.
        iterations: rounds over both sides.
        seed: random seed of the initial factors.

    Attributes:
        mean_: of the training ratings.
        noise_: variance of a rating around its expectation.
        users_, movies_: posteriors.
        raters_: the users' part of folding in movies: float32[n_users + 1, 1 + factors], their means,
            float32[n_users + 1, h], the lower halves of their covariances, and float32[n_users + 1], their noise; the
            last row is a user without ratings.
            None before ``remember_raters``, and for versions of earlier releases.
    """

    raters_: tuple[Float32, Float32, Float32] | None = None

    def __init__(self, factors: int, iterations: int, seed: int) -> None:
        self.factors, self.iterations, self.seed = factors, iterations, seed

    def fit(
        self, data: Interactions, user_features: Float32, movie_features: Float32, user_noise: Float64 | None = None
    ) -> Self:
        """Train.

        Args:
            data: ratings.
            user_features: float32[n_users, f].
            movie_features: float32[n_movies, f].
            user_noise: float64[n_users], how noisy the ratings of each user are, as a multiple of the average variance;
                1 for everybody by default.
        """
        for _ in self.turns(data, user_features, movie_features, user_noise):
            pass
        return self

    def turns(
        self, data: Interactions, user_features: Float32, movie_features: Float32, user_noise: Float64 | None = None
    ) -> Generator[int, None, None]:
        """Train, yielding after each round; usable after each."""
        rng = np.random.default_rng(self.seed)
        self.mean_, self.noise_ = data.mean, max(float(np.var(data.ratings)) / 2, 1e-6)
        targets = data.ratings - np.float32(self.mean_)
        of_users = Grouped.by(data.by_user, data.items, targets)
        of_movies = Grouped.by(data.by_movie, data.users, targets)
        features = _with_constant(user_features), _with_constant(movie_features)
        known = data.user_counts > 0, data.movie_counts > 0
        # Priors under which products of factors vary as much as the ratings. Narrower ones can keep all factors at 0.
        variance = max(float(np.sqrt(np.var(data.ratings) / self.factors)), 1e-3)
        users, movies = (self._first(rng, side, variance) for side in features)
        users = users if user_noise is None else replace(users, noise=user_noise)
        for turn in range(self.iterations):
            before = movies.means.copy()
            movies, _ = self._update(of_movies, users, movies, features[1])
            if turn >= FIRST_STRIDES:
                np.add(before, STRIDE * (movies.means - before), out=movies.means)
            users, error = self._update(of_users, movies, users, features[0])
            if turn:  # priors learned from the random initial vectors would be noise
                movies = _learn_prior(movies, features[1], known[1])
                users = _learn_prior(users, features[0], known[0])
                self.noise_ = max(error / len(data), 1e-6)
            self.users_, self.movies_ = users, movies
            yield turn + 1
        stored = _as_stored(movies.means, movies.covariances)  # as later fold-ins see the movies
        self.users_, _ = self._update(of_users, stored, users, features[0])

    def _first(self, rng: np.random.Generator, features: Float64, variance: float) -> Side:
        size = 1 + self.factors
        means = np.zeros((len(features), size))
        means[:, 1:] = rng.normal(0, FIRST_SPREAD, (len(features), self.factors))
        nothing = np.zeros((len(features), size, size))
        weights, precision = np.zeros((features.shape[1], size)), np.eye(size) / variance
        return Side(means, nothing, weights, precision, np.ones(len(features)))

    def _update(self, ratings: Grouped, other: Side, side: Side, features: Float64) -> tuple[Side, float]:
        """One side's posteriors with the other side fixed, and the expected sum of squared errors.

        Errors are divided by the noise of ``side``, and that of ``other`` must be 1 for them to be of use. The
        posteriors are written over those of ``side``.
        """
        prior, errors = features @ side.weights, np.empty(len(features))
        moments, noise = _moments(other), self.noise_ * side.noise

        def fill(ends: tuple[int, int]) -> None:
            start, others, targets = ratings.start, ratings.others, ratings.targets
            precision, means, covariances = side.precision, side.means, side.covariances
            fill_posteriors(
                *ends, start, others, targets, *moments, prior, precision, noise, means, covariances, errors
            )

        run_all(fill, ratings.blocks())
        return side, float((errors / side.noise).sum())

    def fold_in(
        self, users: Int32, movies: Int32, ratings: Float32, features: Float32, noise: Float64 | None = None
    ) -> Float64:
        """float64[m, 1 + factors]: posterior means of m users from their ratings, with the movies fixed.

        Args:
            users: int32[n], in 0..m-1.
            movies: int32[n], indices of learned movies.
            ratings: float32[n].
            features: float32[m, f], of the users.
            noise: float64[m], of the users, as in ``fit``.
        """
        used, places = np.unique(movies, return_inverse=True)
        rated = _as_stored(self.movies_.means[used], self.movies_.covariances[used])
        rows = group(users, len(features))
        side = replace(self.users_, noise=np.ones(len(features)) if noise is None else noise)
        return self._fold(rated, rows, places.astype(np.int32), ratings, side, features).means

    def fold_in_movie(self, users: Int32, ratings: Float32, features: Float32) -> Float64:
        """float64[1 + factors]: a movie's posterior mean from these ratings, with the users fixed.

        Args:
            users: int32[n], indices of users; any other number is an unknown user.
            ratings: float32[n].
            features: float32[1, f], of the movie.

        Raises:
            ValueError: ``raters_`` is None.
        """
        if self.raters_ is None:
            raise ValueError("this version was stored without its users' posteriors")
        means, lower, noise = self.raters_
        nobody = len(means) - 1
        rows = np.where((users >= 0) & (users < nobody), users, nobody)
        raters = replace(_unpacked(means[rows], lower[rows]), noise=noise[rows].astype(np.float64))
        own, every = np.arange(len(ratings), dtype=np.int32), group(np.zeros(len(ratings), np.int32), 1)
        side = replace(self.movies_, noise=np.ones(1))
        vector: Float64 = self._fold(raters, every, own, ratings, side, features).means[0]
        return vector

    def remember_raters(self, nobody: Float32) -> None:
        """Set ``raters_``; ``nobody``: float32[1, f], the features of a user without ratings."""
        nothing = _as_stored(self.movies_.means[:0], self.movies_.covariances[:0])
        none = np.empty(0, np.int32)
        side = replace(self.users_, noise=np.ones(1))
        newcomer = self._fold(nothing, group(none, 1), none, np.empty(0, np.float32), side, nobody)
        means = np.vstack([self.users_.means, newcomer.means]).astype(np.float32)
        covariances = np.concatenate([self.users_.covariances, newcomer.covariances])
        self.raters_ = means, _packed(covariances), np.append(self.users_.noise, 1).astype(np.float32)

    def _fold(self, other: Side, rows: Rows, others: Int32, ratings: Float32, side: Side, features: Float32) -> Side:
        """Posteriors of groups of ratings; ``others``: int32[n], each rating's row of the other side."""
        n, size = len(features), 1 + self.factors
        blank = replace(side, means=np.empty((n, size)), covariances=np.empty((n, size, size)))
        grouped = Grouped.by(rows, others, ratings - np.float32(self.mean_))
        return self._update(grouped, other, blank, _with_constant(features))[0]

    def prior_of_movie(self, features: Float32) -> Float64:
        """float64[n, 1 + factors]: prior means of movies with these features."""
        return np.asarray(_with_constant(features) @ self.movies_.weights)

    def align(self, reference: VariationalFactorization) -> None:
        """Rotate the factors towards those of another factorisation of nearly the same ratings.

        A rotation changes factors, but not their products. Orthogonal Procrustes problem (Schonemann 1966, "A
        generalized solution of the orthogonal Procrustes problem").
        """
        own = np.vstack([self.users_.means, self.movies_.means])[:, 1:]
        wanted = np.vstack([reference.users_.means, reference.movies_.means])[:, 1:]
        turn = np.eye(1 + self.factors)
        turn[1:, 1:] = scipy.linalg.orthogonal_procrustes(own, wanted)[0]
        self.users_, self.movies_ = _turned(self.users_, turn), _turned(self.movies_, turn)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays for folding in, by name, in float32; only the lower halves of covariances."""
        stored: dict[str, NDArray[Any]] = {
            "constants": np.array([self.mean_, self.noise_]),
            "movie_means": self.movies_.means.astype(np.float32),
            "movie_covariances": _packed(self.movies_.covariances),
            "user_weights": self.users_.weights,
            "user_precision": self.users_.precision,
        }
        if self.raters_ is not None:
            stored |= dict(zip(("user_means", "user_covariances", "user_noise"), self.raters_, strict=True))
            stored |= {"movie_weights": self.movies_.weights, "movie_precision": self.movies_.precision}
        return stored

    @classmethod
    def from_arrays(cls, factors: int, iterations: int, seed: int, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild a factorisation from ``arrays()``, for folding in."""
        model = cls(factors, iterations, seed)
        model.mean_, model.noise_ = arrays["constants"].tolist()
        nothing = np.empty((0, 1 + factors))
        weights, precision = arrays.get("movie_weights", nothing), arrays.get("movie_precision", nothing)
        learned = _unpacked(arrays["movie_means"], arrays["movie_covariances"])
        model.movies_ = replace(learned, weights=weights, precision=precision)
        if "user_means" in arrays:
            means = arrays["user_means"]
            noise = arrays.get("user_noise", np.ones(len(means), np.float32))
            model.raters_ = means, arrays["user_covariances"], noise
        model.users_ = Side(nothing, nothing, arrays["user_weights"], arrays["user_precision"], np.empty(0))
        return model


def _as_stored(means: Float64, covariances: Float64) -> Side:
    """Posteriors as loaded from the store, so that folding in is the same before and after saving."""
    return _unpacked(means.astype(np.float32), _packed(covariances))


def _packed(covariances: Float64) -> Float32:
    """float32[n, h]: the lower halves of symmetric matrices."""
    first, second = np.tril_indices(covariances.shape[1])
    return covariances[:, first, second].astype(np.float32)


def _unpacked(means: Float32, lower: Float32) -> Side:
    """Posteriors without a prior, from means and the lower halves of covariances."""
    n, size = means.shape
    covariances = np.empty((n, size, size))
    first, second = np.tril_indices(size)
    covariances[:, first, second] = covariances[:, second, first] = lower
    nothing = np.empty((0, size))
    return Side(means.astype(np.float64), covariances, nothing, nothing, np.ones(n))


def _with_constant(features: Float32) -> Float64:
    return np.hstack([np.ones((len(features), 1)), features])


def _learn_prior(side: Side, features: Float64, known: NDArray[np.bool_]) -> Side:
    """The prior that fits the posteriors of the rows with ratings: ridge regression and its residual variance."""
    rows, means = features[known], side.means[known]
    gram = rows.T @ rows + PRIOR_PENALTY * np.eye(rows.shape[1])
    weights = np.asarray(np.linalg.solve(gram, rows.T @ means), np.float64)
    left = (means - rows @ weights) ** 2 + np.diagonal(side.covariances, axis1=1, axis2=2)[known]
    return replace(side, weights=weights, precision=np.diag(1 / np.maximum(left.mean(axis=0), 1e-6)))


def _turned(side: Side, turn: Float64) -> Side:
    covariances, precision = turn.T @ side.covariances @ turn, turn.T @ side.precision @ turn
    return Side(side.means @ turn, covariances, side.weights @ turn, precision, side.noise)


def _moments(side: Side) -> tuple[Float32, Float32, Float32]:
    """The three moments of every row, as ``fill_moments`` describes them."""
    means, covariances, noise = side.means, side.covariances, side.noise
    n, size = means.shape
    shapes = (n, size), (n, size * (size + 1) // 2), (n, size + 1)
    first, second, mixed = (np.empty(shape, np.float32) for shape in shapes)
    ends = np.linspace(0, n, _pieces(n * OWNER_COST) + 1).astype(int).tolist()
    run_all(lambda piece: fill_moments(*piece, means, covariances, noise, first, second, mixed), pairwise(ends))
    return first, second, mixed


def _pieces(cost: int) -> int:
    """Number of pieces to divide work into, by its time in ratings."""
    return max(min(cost // BLOCK_COST, MAX_BLOCKS), 1)
