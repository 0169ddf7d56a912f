"""The ranker (EASE): a linear model from a user's ratings to every movie's score, with its solver."""

import ctypes
import os
from typing import Any, Self

import numba as nb
import numpy as np
import scipy.sparse as sp
from numba.extending import get_cython_function_address
from numpy.typing import NDArray
from pydantic import Field
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it carries no types

from engine.data.arrays import Arrays, Float32, Int32, check_lengths
from engine.data.catalogue import MovieTable
from engine.data.ratings import Interactions, check_interactions
from engine.models.base import ModelConfig, Ranker, expect

HIGH = 0.75  # place in the used range at which a rating weighs 1
RARE = 0.005  # ends of the scale with a smaller share of the ratings are not in use


class ItemSimilarityConfig(ModelConfig):
    """Hyperparameters of the ranker."""

    l2: float = Field(200, gt=0, le=1e6, title="L2", description="Ridge penalty; each training tunes it.")
    min_ratings: int = Field(
        4, ge=1, le=1000, title="Minimum ratings", description="Movies with fewer ratings get no similarities."
    )
    max_movies: int = Field(
        12_000, ge=10, le=40_000, title="Maximum movies", description="Only the most rated movies get similarities."
    )
    rating_power: float = Field(
        2.0, ge=0, le=10, description="Weight of high ratings over low ones; 0 weighs all equally."
    )
    popularity_discount: float = Field(0.1, ge=0, le=1, description="How strongly less rated movies are raised.")
    genre_weight: float = Field(0.5, ge=0, le=100, description="Weight of shared genres, as a multiple of L2.")
    year_weight: float = Field(0.2, ge=0, le=100, description="Weight of close years, as a multiple of L2.")


def _add_rows(weights: Float32, rows: Int32, scale: Float32) -> Float32:
    out = np.zeros(weights.shape[1], np.float32)
    for n in range(len(rows)):
        row, factor = weights[rows[n]], scale[n]
        for i in range(len(out)):
            out[i] += factor * row[i]
    return out


_weighted_rows = nb.njit(nogil=True, fastmath=True, cache=True)(_add_rows)


class ItemSimilarityRanker(Ranker):
    """EASE on ratings weighted by their height, with a discount for popular movies.

    A rating weighs ``(place / 0.75) ** rating_power``, with its place from 0 to 1 in the used range of ratings, so that
    likes, which use one end of the scale only, don't weigh 0. With G the weighted co-occurrence of movies and P the
    inverse of G + l2 (I + L), the weights are ``B[j, i] = -P[j, i] / P[i, i]``, 0 on the diagonal (Steck,
    "Embarrassingly shallow autoencoders for sparse data", WWW 2019). L is the similarity of genres and years, which
    counts as if l2 more users had rated by them (Jeunen, Van Balen and Goethals, "Closed-form models for collaborative
    filtering with side-information", RecSys 2020). A user's scores are ``x B`` with x the user's weighted history, so
    each past rating's share in a score is exact. Column i of B is divided by
    ``((n_i + 1) / (max n + 1)) ** popularity_discount``, with n the diagonal of G.

    Attributes:
        movies_: int32[m], the index of each movie with weights.
        weights_: float32[m, m], row j is what a rating of movie j adds to every movie's score.
        position_: int32[n_movies], each movie's row in the weights, -1 without one.
        range_: lowest and highest rating in use.
    """

    config: ItemSimilarityConfig

    def __init__(self, config: ItemSimilarityConfig | None = None) -> None:
        self.config = config or ItemSimilarityConfig()

    def fit(self, data: Interactions) -> Self:
        """Learn from ratings: time grows with the cube of the number of movies kept, memory with its square.

        Raises:
            InvalidInput: the data are no ``Interactions``.
        """
        check_interactions(data)
        return self.solve(self.co_occurrence(data))

    def co_occurrence(self, data: Interactions) -> Float32:
        """float32[m, m]: G, the weighted co-occurrence of the kept movies; the first of two steps of ``fit``."""
        self.range_ = _range_in_use(data)
        self._keep(data)
        columns = self.position_[data.items]
        kept = columns >= 0
        history = sp.csr_matrix(
            (self.weigh(data.ratings[kept]), (data.users[kept], columns[kept])),
            (data.n_users, len(self.movies_)),
            np.float32,
        )
        self.bind(data)
        self.table_ = data.movies
        gram: Float32 = (history.T @ history).toarray()
        return gram

    def solve(self, gram: Float32) -> Self:
        """Compute the weights for the config's penalty, content weights and discount; overwrites G."""
        config = self.config
        popularity = np.diag(gram) + 1
        raised = (popularity / popularity.max()) ** -config.popularity_discount
        add_likeness(gram, self.table_, self.movies_, config.l2 * config.genre_weight, config.l2 * config.year_weight)
        self.weights_ = _solve(gram, config.l2)
        self.weights_ *= raised.astype(np.float32)
        return self

    def _keep(self, data: Interactions) -> None:
        counts = data.movie_counts
        # If no movie has enough ratings, those with the most still get similarities.
        enough = np.flatnonzero(counts >= min(self.config.min_ratings, max(int(counts.max()), 1)))
        most_rated = enough[np.argsort(-counts[enough], kind="stable")[: self.config.max_movies]]
        self.movies_ = np.sort(most_rated).astype(np.int32)
        self.position_ = np.full(data.n_movies, -1, np.int32)
        self.position_[self.movies_] = np.arange(len(self.movies_), dtype=np.int32)

    def weigh(self, ratings: Float32) -> Float32:
        """float32[n]: the weight of each rating."""
        low, high = self.range_
        if high == low:
            return np.ones(len(ratings), np.float32)
        part = ((np.clip(ratings, low, high) - low) / (high - low) / HIGH).astype(np.float32)
        weights: Float32 = part ** np.float32(self.config.rating_power)
        return weights

    def _rows(self, items: Int32, ratings: Float32) -> tuple[NDArray[np.intp], Int32, Float32]:
        """The entries of a history with similarities, their rows, and their weights."""
        check_lengths(items=items, ratings=ratings)
        known = np.flatnonzero((items >= 0) & (items < len(self.position_)))
        rows = self.position_[items[known]]
        known, rows = known[rows >= 0], rows[rows >= 0]
        return known, rows, self.weigh(ratings[known])

    def count_known(self, items: Int32) -> int:
        """Number of movies in a history with similarities."""
        return len(self._rows(items, np.zeros(len(items), np.float32))[1])

    def score_history(self, items: Int32, ratings: Float32) -> Float32:
        """float32[n_movies]: the scores for a history; 0 for movies without similarities.

        Raises:
            ValueError: there are not as many movies as ratings.
        """
        _, rows, weight = self._rows(items, ratings)
        scores = np.zeros(len(self.position_), np.float32)
        scores[self.movies_] = _weighted_rows(self.weights_, rows, weight)
        return scores

    def shares(self, items: Int32, ratings: Float32, movie: int) -> Float32:
        """float32[len(items)]: each past rating's share in one movie's score; they sum to the score.

        Raises:
            ValueError: there are not as many movies as ratings.
        """
        out = np.zeros(len(items), np.float32)
        column = self.position_[movie] if 0 <= movie < len(self.position_) else -1
        if column >= 0:
            known, rows, weight = self._rows(items, ratings)
            out[known] = weight * self.weights_[rows, column]
        return out

    def arrays(self) -> Arrays:
        """Learned arrays by name."""
        return {
            "weights": self.weights_,
            "movies": self.movies_,
            "constants": np.array([len(self.position_), *self.range_], np.float64),
        }

    @classmethod
    def from_arrays(cls, config: ModelConfig, arrays: Arrays) -> Self:
        """Rebuild a ranker from ``arrays()``."""
        ranker = cls(ItemSimilarityConfig.model_validate(config.model_dump()))
        n_movies, low, high = arrays["constants"].tolist()
        ranker.range_ = (low, high)
        ranker.weights_, ranker.movies_ = arrays["weights"], arrays["movies"]
        expect(ranker.weights_, len(ranker.movies_), len(ranker.movies_))
        ranker.position_ = np.full(int(n_movies), -1, np.int32)
        ranker.position_[ranker.movies_] = np.arange(len(ranker.movies_), dtype=np.int32)
        return ranker


def _range_in_use(data: Interactions) -> tuple[float, float]:
    """Lowest and highest rating in use; the scale if there are no ratings."""
    if not len(data):
        return data.scale
    low, high = np.quantile(data.ratings, [RARE, 1 - RARE], method="inverted_cdf").tolist()
    return low, high


def _solve(gram: NDArray[Any], l2: float) -> Float32:
    """EASE's weights from the co-occurrence matrix, in place."""
    matrix = np.ascontiguousarray(gram, np.float32)
    matrix[np.diag_indices_from(matrix)] += np.float32(l2)
    try:
        invert(matrix)
    except np.linalg.LinAlgError as error:
        raise np.linalg.LinAlgError(f"The co-occurrence matrix can't be inverted; raise l2. {error}") from error
    return _weights(matrix)


def _weights_from_upper(upper: Float32) -> Float32:
    size = len(upper)
    for j in range(size):
        for i in range(j):
            upper[j, i] = upper[i, j]
    diagonal = np.diag(upper).copy()
    for j in range(size):
        for i in range(size):
            upper[j, i] = -upper[j, i] / diagonal[i]
        upper[j, j] = 0
    return upper


_weights = nb.njit(nogil=True, cache=True)(_weights_from_upper)


YEARS_APART = 10.0  # years at which the similarity of two movies falls to 1/e
ROWS_AT_ONCE = 1024  # bounds the extra memory


def likeness(table: MovieTable, some: NDArray[Any], others: NDArray[Any], genre: float, year: float) -> Float32:
    """float32[m, n]: ``genre * cosine of the genres + year * exp(-(years apart / 10) ** 2)``.

    Movies without genres, or year, have 0 in that term.

    Args:
        table: the whole catalogue.
        some: int[m], indices of movies.
        others: int[n], indices of movies.
        genre: weight of the genres.
        year: weight of the years.
    """
    found = np.zeros((len(some), len(others)), np.float32)
    if genre:
        found += np.float32(genre) * (_unit_genres(table, some) @ _unit_genres(table, others).T)
    if year:
        mine, theirs = (table.years[movies].astype(np.float32) / np.float32(YEARS_APART) for movies in (some, others))
        alike = np.exp(-((mine[:, None] - theirs) ** 2))
        found += np.float32(year) * np.nan_to_num(alike, copy=False)  # NaN where a year is unknown
    return found


def add_likeness(gram: Float32, table: MovieTable, movies: Int32, genre: float, year: float) -> None:
    """Add the similarity of all pairs of these movies to float32[m, m], in place.

    Both of its terms are positive semi-definite, so the matrix stays invertible.
    """
    if not genre and not year:
        return
    for start in range(0, len(movies), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        gram[rows] += likeness(table, movies[rows], movies, genre, year)


def _unit_genres(table: MovieTable, movies: NDArray[Any]) -> Float32:
    genres: Float32 = table.genres[movies].astype(np.float32)
    genres /= np.maximum(np.sqrt(genres.sum(1, keepdims=True)), 1)
    return genres


LAPACK = "scipy.linalg.cython_lapack"
Pointer = ctypes.c_void_p
# SciPy's wrappers of LAPACK hold the interpreter lock while they work, seconds here, in which no request is answered.
# A foreign function of ctypes releases it.
_signature = ctypes.CFUNCTYPE(None, Pointer, Pointer, Pointer, Pointer, Pointer)
_factorise = _signature(get_cython_function_address(LAPACK, "spotrf"))
_invert_factor = _signature(get_cython_function_address(LAPACK, "spotri"))


def invert(matrix: Float32) -> None:
    """Invert a positive definite matrix in place; only the upper triangle of the result is valid.

    Cholesky factorisation by LAPACK's ``spotrf`` and ``spotri``, in n^3 multiplications.

    Args:
        matrix: float32[n, n], C-contiguous and symmetric.

    Raises:
        numpy.linalg.LinAlgError: the matrix is not positive definite.
        ValueError: it has another type or layout.
    """
    if matrix.dtype != np.float32 or not matrix.flags.c_contiguous or matrix.shape[0] != matrix.shape[1]:
        raise ValueError("a square, C-contiguous matrix of float32 is expected")
    count, info = ctypes.c_int(len(matrix)), ctypes.c_int(0)
    # LAPACK's lower triangle by columns is the upper one by rows.
    lower, size, status = ctypes.byref(ctypes.c_char(b"L")), ctypes.byref(count), ctypes.byref(info)
    with threadpool_limits(os.cpu_count(), user_api="blas"):  # servers limit BLAS to one thread
        for step in (_factorise, _invert_factor):
            if info.value == 0:
                step(lower, size, matrix.ctypes.data, size, status)
    if info.value != 0:
        raise np.linalg.LinAlgError(f"The matrix is not positive definite (LAPACK info {info.value}).")
