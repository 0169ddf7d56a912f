"""What every factorisation shares, however it was learned: predictions, folding in, and its arrays."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Arrays, Float32, Int32, Int64, check_lengths
from engine.data.ratings import Interactions
from engine.models.base import ModelConfig, RatingModel, Vector, expect
from engine.models.ridge import fold_in_owners
from engine.models.shrinkage import Penalty
from engine.models.svd_kernels import predict_pairs


class Factorization(RatingModel):
    """``mean + user bias + movie bias + user factors . movie factors``.

    Attributes:
        mean_: mean of the training ratings.
        user_bias_, movie_bias_: [n_users], [n_movies].
        user_factors_, movie_factors_: [n_users, factors], [n_movies, factors]; zeros without ratings.
        penalties_: penalties for folding in users, and movies.
    """

    leaves_out = "exact"
    config_type: ClassVar[type[ModelConfig]]
    mean_: float
    user_bias_: NDArray[Any]
    movie_bias_: NDArray[Any]
    user_factors_: NDArray[Any]
    movie_factors_: NDArray[Any]
    penalties_: tuple[Penalty, Penalty]

    def _predict(self, users: Int32, movies: Int32) -> Float32:
        learned = self.user_bias_, self.movie_bias_, self.user_factors_, self.movie_factors_
        return predict_pairs(users, movies, self.mean_, *learned, *self.scale_)

    @property
    def _factors(self) -> int:
        return int(self.user_factors_.shape[1])

    @property
    def _learned_users(self) -> int:
        return len(self.user_bias_)

    def get_user_embedding(self, user_id: Hashable) -> Float32:
        """float32[factors]: the user's factors; zeros for an unknown user."""
        user = self.find_user(user_id)
        return _row(self.user_factors_, user)

    def get_movie_embedding(self, movie_id: Hashable) -> Float32:
        """float32[factors]: the movie's factors; zeros for an unknown movie."""
        movie = self.find_movie(movie_id)
        return _row(self.movie_factors_, movie)

    def user_vector(self, user: int) -> Vector:
        """float[1 + factors]: a user's bias and factors; zeros for an unknown user."""
        if not 0 <= user < len(self.user_bias_):
            return np.zeros(1 + self._factors, self.user_factors_.dtype)
        return np.concatenate([self.user_bias_[user : user + 1], self.user_factors_[user]])

    def biases_and_factors(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """float[n, 1 + factors] of users, and of movies: bias and factors of each."""
        return (
            np.column_stack([self.user_bias_, self.user_factors_]),
            np.column_stack([self.movie_bias_, self.movie_factors_]),
        )

    def fold_in_user(self, movies: Int32, ratings: Float32) -> Vector:
        """float[1 + factors]: the bias and factors that fit these ratings best, with the movies fixed.

        Ridge regression of the residuals on ``[1, movie factors]``. Each rating adds ``regularization`` to the penalty,
        as in gradient descent: the normal equations of alternating least squares (Zhou, Wilkinson, Schreiber and Pan
        2008, "Large-scale parallel collaborative filtering for the Netflix prize"). A constant part is added, a normal
        prior with learned variances: see ``engine.models.shrinkage``.

        Raises:
            ValueError: there are not as many movies as ratings.
        """
        check_lengths(movies=movies, ratings=ratings)
        known = (movies >= 0) & (movies < len(self.movie_bias_))
        movies, ratings = movies[known], ratings[known]
        target = ratings - self.mean_ - self.movie_bias_[movies]
        return self._solve(self.movie_factors_[movies], target, self.penalties_[0])

    def fold_in_without_each(self, movies: Int32, ratings: Float32) -> NDArray[Any]:
        """float[n, 1 + factors]: the vectors of ``fold_in_user`` with each rating left out in turn.

        For n known ratings let D be their rows ``[1, movie factors]``, y their residuals and P the diagonal penalty of
        n - 1 ratings, which all n regressions share: ``B = D'D + P``, ``w = B^-1 D'y`` and ``z_i = B^-1 d_i``. By the
        rank-one downdate of Sherman and Morrison (1950) the vector without rating i is
        ``w - z_i (y_i - d_i . w) / (1 - d_i . z_i)``.

        Raises:
            ValueError: there are not as many movies as ratings.
        """
        check_lengths(movies=movies, ratings=ratings)
        known = np.flatnonzero((movies >= 0) & (movies < len(self.movie_bias_)))
        out = np.tile(self.fold_in_user(movies, ratings), (len(movies), 1))  # unknown movies change nothing
        if len(known) < 2:
            out[known] = 0
            return out
        design = _design(self.movie_factors_[movies[known]])
        target = ratings[known] - self.mean_ - self.movie_bias_[movies[known]]
        gram = design.T @ design
        gram[np.diag_indices_from(gram)] += self.penalties_[0].diagonal(design.shape[1], len(known) - 1)
        solved = np.linalg.solve(gram, np.c_[design.T @ target, design.T]).T
        together, each = solved[0], solved[1:]
        missed = (target - design @ together) / (1 - np.einsum("nf,nf->n", design, each))
        out[known] = together - each * missed[:, None]
        return out

    def fold_in_movie(self, users: Int32, ratings: Float32, movie: int = -1) -> Vector:  # noqa: ARG002
        """float[1 + factors]: the movie's bias and factors that fit these ratings best, with the users fixed.

        The same regression as for users, with its own prior. Ratings of unknown users tell of the bias alone.

        Raises:
            ValueError: there are not as many users as ratings.
        """
        check_lengths(users=users, ratings=ratings)
        known = (users >= 0) & (users < len(self.user_bias_))
        rows = np.where(known, users, 0)
        factors = np.where(known[:, None], self.user_factors_[rows], 0)
        target = ratings - self.mean_ - np.where(known, self.user_bias_[rows], 0)
        return self._solve(factors, target, self.penalties_[1])

    def fold_in_all(
        self, data: Interactions, owners: Int64, check: Callable[[], object], *, movies: bool
    ) -> NDArray[Any]:
        """As the base class, compiled and on all processors; equal to one at a time but for rounding."""
        rows, others = (data.by_movie, data.users) if movies else (data.by_user, data.items)
        bias, factors = (self.user_bias_, self.user_factors_) if movies else (self.movie_bias_, self.movie_factors_)
        penalty = self.penalties_[int(movies)]
        return fold_in_owners(owners, rows, others, data.ratings, self.mean_, bias, factors, penalty, check)

    def _solve(self, factors: NDArray[Any], target: NDArray[Any], penalty: Penalty) -> Vector:
        """float[1 + factors]: ridge regression of the target on ``[1, factors]``; zeros without a rating."""
        if not len(target):
            return np.zeros(1 + self._factors, self.user_factors_.dtype)
        design = _design(factors)
        diagonal = penalty.diagonal(design.shape[1], len(target))
        if len(target) < design.shape[1]:
            # The smaller equivalent system, with P the penalty: P^-1 D' (D P^-1 D' + I)^-1 y.
            weighted = design / diagonal
            solved = weighted.T @ np.linalg.solve(weighted @ design.T + np.eye(len(target)), target)
        else:
            solved = np.linalg.solve(design.T @ design + np.diag(diagonal), design.T @ target)
        return np.asarray(solved, self.user_factors_.dtype)

    def predict_vector(self, vector: Vector, movies: Int32) -> Float32:
        """float32[n]: predicted ratings of a user with this bias and these factors, clipped to the scale."""
        bias, factors = vector[:1], vector[1:].reshape(1, -1)
        learned = bias, self.movie_bias_, factors, self.movie_factors_
        return predict_pairs(np.zeros(len(movies), np.int32), movies, self.mean_, *learned, *self.scale_)

    def movie_vector(self, movie: int) -> Vector:
        """float[1 + factors]: a movie's bias and factors; zeros for an unknown movie."""
        if not 0 <= movie < len(self.movie_bias_):
            return np.zeros(1 + self._factors, self.movie_factors_.dtype)
        return np.concatenate([self.movie_bias_[movie : movie + 1], self.movie_factors_[movie]])

    def unclipped(self, users: NDArray[Any], movies: NDArray[Any]) -> Float32:
        """float32[n]: mean, biases and the product of the factors, not clipped."""
        values = self.mean_ + users[:, 0] + movies[:, 0] + (users[:, 1:] * movies[:, 1:]).sum(axis=1)
        return np.asarray(values, np.float32)

    def arrays(self) -> Arrays:
        """Learned arrays; ``constants`` are the mean, the scale, and the lowest and highest rating learned."""
        return {
            "constants": np.array([self.mean_, *self.scale_, *self.given_], np.float64),
            "penalties": np.array([penalty.values() for penalty in self.penalties_]),
            "user_bias": self.user_bias_,
            "movie_bias": self.movie_bias_,
            "user_factors": np.ascontiguousarray(self.user_factors_),
            "movie_factors": np.ascontiguousarray(self.movie_factors_),
        }

    @classmethod
    def from_arrays(cls, config: ModelConfig, arrays: Arrays) -> Self:
        """Rebuild a model from ``arrays()``."""
        model = cls(cls.config_type.model_validate(config.model_dump()))  # type: ignore[call-arg]  # as ``build``
        model._take(arrays)
        return model

    def _take(self, arrays: Arrays) -> None:
        """Store what was learned."""
        mean, low, high, *given = arrays["constants"].tolist()
        lowest, highest = given or (low, high)
        self.mean_, self.scale_, self.given_ = mean, (low, high), (lowest, highest)
        users, movies = arrays["penalties"].tolist()
        self.penalties_ = Penalty(*users), Penalty(*movies)
        self.user_bias_, self.movie_bias_ = arrays["user_bias"], arrays["movie_bias"]
        self.user_factors_, self.movie_factors_ = arrays["user_factors"], arrays["movie_factors"]
        expect(self.user_factors_, len(self.user_bias_), self._factors)
        expect(self.movie_factors_, len(self.movie_bias_), self._factors)


def _design(factors: NDArray[Any]) -> NDArray[np.float64]:
    """float64[n, 1 + f]: a column of ones before the factors."""
    design = np.ones((len(factors), 1 + factors.shape[1]))
    design[:, 1:] = factors
    return design


def _row(factors: NDArray[Any], index: int) -> Float32:
    return factors[index].astype(np.float32) if index >= 0 else np.zeros(factors.shape[1], np.float32)
