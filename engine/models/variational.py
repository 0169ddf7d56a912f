"""Matrix factorisation by variational Bayes, with priors learned from features."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numba as nb
import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from engine.data.arrays import Float32, Int32
from engine.data.ratings import Interactions, Rows, group

Float64 = NDArray[np.float64]

FIRST_SPREAD = 0.3  # standard deviation of the initial factors
PRIOR_PENALTY = 10.0  # ridge penalty of the priors' regression on features


@dataclass(frozen=True)
class Side:
    """The vectors of all users, or of all movies: bias and factors.

    Attributes:
        means: float64[n, 1 + factors], posterior means.
        covariances: float64[n, 1 + factors, 1 + factors], posterior covariances.
        weights: float64[f, 1 + factors]; the prior mean of a vector is ``features @ weights``.
        precision: float64[1 + factors, 1 + factors], of the prior.
    """

    means: Float64
    covariances: Float64
    weights: Float64
    precision: Float64


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
        raters_: the users' part of folding in movies: float32[n_users + 1, 1 + factors], their means, and
            float32[n_users + 1, h], the lower halves of their covariances; the last row is a user without ratings.
            None before ``remember_raters``, and for versions of earlier releases.
    """

    raters_: tuple[Float32, Float32] | None = None

    def __init__(self, factors: int, iterations: int, seed: int) -> None:
        self.factors, self.iterations, self.seed = factors, iterations, seed

    def fit(self, data: Interactions, user_features: Float32, movie_features: Float32) -> Self:
        """Train; features are float32[n, f] for every user and movie of the data."""
        for _ in self.turns(data, user_features, movie_features):
            pass
        return self

    def turns(self, data: Interactions, user_features: Float32, movie_features: Float32) -> Generator[int, None, None]:
        """Train, yielding after each round; usable after each."""
        rng = np.random.default_rng(self.seed)
        self.mean_, self.noise_ = data.mean, max(float(np.var(data.ratings)) / 2, 1e-6)
        targets = data.ratings - np.float32(self.mean_)
        features = _with_constant(user_features), _with_constant(movie_features)
        known = data.user_counts > 0, data.movie_counts > 0
        # Priors under which products of factors vary as much as the ratings. Narrower ones can keep all factors at 0.
        variance = max(float(np.sqrt(np.var(data.ratings) / self.factors)), 1e-3)
        users, movies = (self._first(rng, side, variance) for side in features)
        for turn in range(self.iterations):
            movies, _ = self._update(data.by_movie, data.users, targets, users, movies, features[1])
            users, error = self._update(data.by_user, data.items, targets, movies, users, features[0])
            if turn:  # priors learned from the random initial vectors would be noise
                movies = _learn_prior(movies, features[1], known[1])
                users = _learn_prior(users, features[0], known[0])
                self.noise_ = max(error / len(data), 1e-6)
            self.users_, self.movies_ = users, movies
            yield turn + 1
        stored = _as_stored(movies.means, movies.covariances)  # as later fold-ins see the movies
        self.users_, _ = self._update(data.by_user, data.items, targets, stored, users, features[0])

    def _first(self, rng: np.random.Generator, features: Float64, variance: float) -> Side:
        size = 1 + self.factors
        means = np.zeros((len(features), size))
        means[:, 1:] = rng.normal(0, FIRST_SPREAD, (len(features), self.factors))
        nothing = np.zeros((len(features), size, size))
        return Side(means, nothing, np.zeros((features.shape[1], size)), np.eye(size) / variance)

    def _update(
        self, rows: Rows, others: Int32, targets: Float32, other: Side, side: Side, features: Float64
    ) -> tuple[Side, float]:
        """One side's posteriors with the other side fixed, and the expected sum of squared errors."""
        prior = features @ side.weights
        moments = _moments(other.means, other.covariances)
        means, covariances = np.empty_like(side.means), np.empty_like(side.covariances)
        error = _posteriors(
            rows.start, rows.order, others, targets, *moments, prior, side.precision, self.noise_, means, covariances
        )
        return Side(means, covariances, side.weights, side.precision), float(error)

    def fold_in(self, users: Int32, movies: Int32, ratings: Float32, features: Float32) -> Float64:
        """float64[m, 1 + factors]: posterior means of m users from their ratings, with the movies fixed.

        Args:
            users: int32[n], in 0..m-1.
            movies: int32[n], indices of learned movies.
            ratings: float32[n].
            features: float32[m, f], of the users.
        """
        used, places = np.unique(movies, return_inverse=True)
        rated = _as_stored(self.movies_.means[used], self.movies_.covariances[used])
        rows = group(users, len(features))
        return self._fold(rated, rows, places.astype(np.int32), ratings, self.users_, features).means

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
        means, lower = self.raters_
        nobody = len(means) - 1
        rows = np.where((users >= 0) & (users < nobody), users, nobody)
        raters = _unpacked(means[rows], lower[rows])
        own, every = np.arange(len(ratings), dtype=np.int32), group(np.zeros(len(ratings), np.int32), 1)
        vector: Float64 = self._fold(raters, every, own, ratings, self.movies_, features).means[0]
        return vector

    def remember_raters(self, nobody: Float32) -> None:
        """Set ``raters_``; ``nobody``: float32[1, f], the features of a user without ratings."""
        nothing = _as_stored(self.movies_.means[:0], self.movies_.covariances[:0])
        none = np.empty(0, np.int32)
        newcomer = self._fold(nothing, group(none, 1), none, np.empty(0, np.float32), self.users_, nobody)
        means = np.vstack([self.users_.means, newcomer.means]).astype(np.float32)
        self.raters_ = means, _packed(np.concatenate([self.users_.covariances, newcomer.covariances]))

    def _fold(self, other: Side, rows: Rows, others: Int32, ratings: Float32, side: Side, features: Float32) -> Side:
        """Posteriors of groups of ratings; ``others``: int32[n], each rating's row of the other side."""
        n, size = len(features), 1 + self.factors
        blank = replace(side, means=np.empty((n, size)), covariances=np.empty((n, size, size)))
        targets = ratings - np.float32(self.mean_)
        return self._update(rows, others, targets, other, blank, _with_constant(features))[0]

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
            stored |= {"user_means": self.raters_[0], "user_covariances": self.raters_[1]}
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
            model.raters_ = arrays["user_means"], arrays["user_covariances"]
        model.users_ = Side(nothing, nothing, arrays["user_weights"], arrays["user_precision"])
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
    return Side(means.astype(np.float64), covariances, nothing, nothing)


def _with_constant(features: Float32) -> Float64:
    return np.hstack([np.ones((len(features), 1)), features])


def _learn_prior(side: Side, features: Float64, known: NDArray[np.bool_]) -> Side:
    """The prior that fits the posteriors of the rows with ratings: ridge regression and its residual variance."""
    rows, means = features[known], side.means[known]
    gram = rows.T @ rows + PRIOR_PENALTY * np.eye(rows.shape[1])
    weights = np.asarray(np.linalg.solve(gram, rows.T @ means), np.float64)
    left = (means - rows @ weights) ** 2 + np.diagonal(side.covariances[known], axis1=1, axis2=2)
    return replace(side, weights=weights, precision=np.diag(1 / np.maximum(left.mean(axis=0), 1e-6)))


def _turned(side: Side, turn: Float64) -> Side:
    return Side(
        side.means @ turn, turn.T @ side.covariances @ turn, side.weights @ turn, turn.T @ side.precision @ turn
    )


def _moments_of(means: Float64, covariances: Float64) -> tuple[Float32, Float32, Float32]:
    """Moments of each vector v with bias v[0], and of w, the same with 1 in place of the bias.

    Returns:
        The means: float32[n, K] of w; float32[n, K (K + 1) / 2] of the lower half of w w'; float32[n, K + 1] of v[0] w
        and, at the end, of v[0] squared. They are read once per rating, so their size decides the time.
    """
    n, size = means.shape
    first, second = np.ones((n, size), np.float32), np.empty((n, size * (size + 1) // 2), np.float32)
    mixed = np.empty((n, size + 1), np.float32)
    for row in range(n):
        bias, place = means[row, 0], 0
        mixed[row, 0] = bias
        mixed[row, size] = bias * bias + covariances[row, 0, 0]
        for a in range(size):
            if a:
                first[row, a] = means[row, a]
                mixed[row, a] = bias * means[row, a] + covariances[row, a, 0]
            for b in range(a + 1):
                product = means[row, a] * means[row, b] + covariances[row, a, b]
                second[row, place] = first[row, a] if b == 0 else product
                place += 1
    return first, second, mixed


def _posteriors_of(
    start: NDArray[np.int64],
    order: NDArray[np.int64],
    others: Int32,
    targets: Float32,
    first: Float32,
    second: Float32,
    mixed: Float32,
    prior: Float64,
    precision: Float64,
    noise: float,
    means: Float64,
    covariances: Float64,
) -> float:
    """Fill the means and covariances of one side; returns the expected sum of squared errors afterwards.

    The expectation of a rating y by the owner of v is ``v . w + v0``, with w and the bias v0 of the other side: linear
    regression of ``y - v0`` on w, both given by their moments.
    """
    size = means.shape[1]
    gram, right = np.empty((size, size)), np.empty(size)
    sums, half = np.empty(size, np.float32), np.empty(size * (size + 1) // 2, np.float32)
    total = 0.0
    for owner in range(len(means)):
        rows = order[start[owner] : start[owner + 1]]
        total += _add_ratings(rows, others, targets, first, second, mixed, sums, half)
        place = 0
        for a in range(size):
            right[a] = sums[a] / noise
            for b in range(size):
                right[a] += precision[a, b] * prior[owner, b]
            for b in range(a + 1):
                gram[a, b] = gram[b, a] = half[place] / noise + precision[a, b]
                place += 1
        _invert(gram, covariances[owner])
        for a in range(size):
            means[owner, a] = 0
            for b in range(size):
                means[owner, a] += covariances[owner, a, b] * right[b]
        total += _explained(means[owner], covariances[owner], sums, half)
    return total


def _sums_of_ratings(
    rows: NDArray[np.int64],
    others: Int32,
    targets: Float32,
    first: Float32,
    second: Float32,
    mixed: Float32,
    sums: Float32,
    half: Float32,
) -> float:
    """Fill the right side of the regression and the lower half of its left side; returns the targets' squares."""
    size = len(sums)
    squares = 0.0
    sums[:] = 0
    half[:] = 0
    for row in rows:
        other, y = others[row], targets[row]
        squares += y * y - 2 * y * mixed[other, 0] + mixed[other, size]
        for a in range(len(half)):
            half[a] += second[other, a]
        for a in range(size):
            sums[a] += y * first[other, a] - mixed[other, a]
    return squares


def _change_of_error(mean: Float64, covariance: Float64, sums: Float32, half: Float32) -> float:
    """Change of the expected sum of squared errors by a vector with this posterior."""
    change, place = 0.0, 0
    for a in range(len(mean)):
        change -= 2 * mean[a] * sums[a]
        for b in range(a + 1):
            change += half[place] * (mean[a] * mean[b] + covariance[a, b]) * (1 if a == b else 2)
            place += 1
    return change


def _inverse_of(matrix: Float64, out: Float64) -> None:
    """Invert a positive definite matrix by Gauss-Jordan elimination, without pivots."""
    size = len(matrix)
    out[:] = matrix
    for k in range(size):
        scale = 1 / out[k, k]
        out[k, k] = 1
        for j in range(size):
            out[k, j] *= scale
        for i in range(size):
            if i != k:
                factor = out[i, k]
                out[i, k] = 0
                for j in range(size):
                    out[i, j] -= factor * out[k, j]


_moments = nb.njit(nogil=True, cache=True)(_moments_of)
_invert = nb.njit(nogil=True, fastmath=True, cache=True)(_inverse_of)
_add_ratings = nb.njit(nogil=True, fastmath=True, cache=True)(_sums_of_ratings)
_explained = nb.njit(nogil=True, fastmath=True, cache=True)(_change_of_error)
_posteriors = nb.njit(nogil=True, fastmath=True, cache=True)(_posteriors_of)
