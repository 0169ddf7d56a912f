"""Who rates a movie tells how it will be rated: implicit feedback as features of movies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from engine.data.arrays import Float32, Int32
from engine.data.ratings import Interactions

SMOOTHING = 5.0  # added to the number of ratings of a user or movie, so that the first ones count for less
EXPECTED_PENALTY = 10.0  # ridge penalty of the regression of features on content
FAINT = 1e-3  # share of the largest singular value, below which a feature fades
EXTRA, POWERS = 8, 3  # further columns, and rounds, of the search for singular vectors


class Audience:
    """Features of movies that depend on who rated them, never on how.

    They are the left singular vectors, of the largest singular values, of the matrix of movies and users that holds
    ``1 / sqrt((n_movie + SMOOTHING) (n_user + SMOOTHING))`` where a movie was rated, found by a randomised search
    (Halko, Martinsson and Tropp 2011, algorithm 4.4). Implicit feedback of the other side: in SVD++ (Koren 2008) it is
    a user whom the set of rated movies describes, here it is a movie whom the set of raters does. A movie's features
    are a sum over its raters, so they follow in closed form for any set of raters. Those of a movie without raters are
    unknown, since nobody may have wanted to see it, or it may have come out only now; they are what its content lets
    expect.

    Attributes:
        raters_: float32[n_users + 1, f], what each user adds to the features of a movie; the last row is an average
            rater, in place of an unknown one.
        expected_: float32[1 + c, f], what a constant and the content of a movie let expect of its features, learned by
            ridge regression.
    """

    raters_: Float32
    expected_: Float32

    @classmethod
    def learn(cls, data: Interactions, content: Float32, size: int, seed: int) -> Self:
        """Learn from training ratings.

        Args:
            data: the ratings.
            content: float32[n_movies, c], what is known of every movie beside its raters.
            size: number of features; there are fewer where there are fewer users or movies.
            seed: random seed of the search.
        """
        self = cls()
        by_user, by_movie = (1 / np.sqrt(counts + SMOOTHING) for counts in (data.user_counts, data.movie_counts))
        weights = (by_movie[data.items] * by_user[data.users]).astype(np.float32)
        matrix = sp.csr_array((weights, (data.items, data.users)), (data.n_movies, data.n_users))
        vectors, values = _right_vectors(matrix, size, np.random.default_rng(seed))
        # Features have a mean square of 1, but none is blown up that hardly exists.
        scale = np.sqrt(data.n_movies) * values / (values**2 + (FAINT * values.max(initial=1e-6)) ** 2)
        own = by_user[:, None] * vectors * scale
        average = data.user_counts @ own / max(len(data), 1)
        self.raters_ = np.vstack([own, average]).astype(np.float32)
        rated = data.movie_counts > 0
        known, found = _with_constant(content[rated]), self._of_raters(data)[rated]
        gram = known.T @ known + EXPECTED_PENALTY * np.eye(known.shape[1])
        self.expected_ = np.linalg.solve(gram, known.T @ found).astype(np.float32)
        return self

    def movies(self, data: Interactions, content: Float32) -> Float32:
        """float32[n_movies, f]: the features of every movie of these ratings; ``content`` as in ``learn``."""
        rated = data.movie_counts[:, None] > 0
        return np.where(rated, self._of_raters(data), self.expect(content))

    def _of_raters(self, data: Interactions) -> Float32:
        once = np.ones(len(data), np.float32)
        rated = sp.csr_array((once, (data.items, data.users)), (data.n_movies, data.n_users))
        return _shrunk(rated @ self.raters_[:-1], data.movie_counts)

    def movie(self, users: Int32, content: Float32) -> Float32:
        """float32[1, f]: the features of a movie with this content that these users rated; any may be unknown."""
        if not len(users):
            return self.expect(content)
        nobody = len(self.raters_) - 1
        rows = np.where((users >= 0) & (users < nobody), users, nobody)
        return _shrunk(self.raters_[rows].sum(axis=0, keepdims=True), np.array([len(users)]))

    def expect(self, content: Float32) -> Float32:
        """float32[n, f]: the features of movies that nobody rated; ``content`` is float32[n, c]."""
        return np.asarray(_with_constant(content) @ self.expected_, np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Learned arrays by name."""
        return {"raters": self.raters_, "expected": self.expected_}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self | None:
        """Rebuild from ``arrays()``; None for versions without."""
        if "raters" not in arrays:
            return None
        self = cls()
        self.raters_, self.expected_ = arrays["raters"], arrays["expected"]
        return self


def _with_constant(content: Float32) -> Float32:
    return np.hstack([np.ones((len(content), 1), np.float32), content])


def _shrunk(sums: Float32, counts: NDArray[np.int64]) -> Float32:
    return np.asarray(sums / np.sqrt(counts + SMOOTHING)[:, None], np.float32)


def _right_vectors(
    matrix: sp.csr_array, size: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """float64[n, f]: right singular vectors of a matrix; float64[f]: their singular values, largest first."""
    size = min(size, *matrix.shape)
    width = min(size + EXTRA, *matrix.shape)
    found = matrix @ rng.normal(size=(matrix.shape[1], width)).astype(np.float32)
    turned = matrix.T.tocsr()
    for _ in range(POWERS):
        found = matrix @ np.linalg.qr(turned @ np.linalg.qr(found)[0])[0]
    basis = np.linalg.qr(found)[0]
    vectors, values, _ = np.linalg.svd((turned @ basis).astype(np.float64), full_matrices=False)
    return vectors[:, :size], values[:size]
