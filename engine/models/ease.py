"""The ranker (EASE): a linear model from a user's ratings to every movie's score, with its solver."""

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numba as nb
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from engine.data.arrays import Arrays, Float32, Int32
from engine.data.catalogue import MovieTable
from engine.data.history import History
from engine.data.ratings import Interactions, check_interactions
from engine.errors import NotSolvable
from engine.models.base import ModelConfig, expect
from engine.models.co_occurrence import co_occurrence
from engine.models.lapack import invert
from engine.models.mixing import Part
from engine.models.ranker import Ranker, RankerConfig
from engine.models.sequences import learn_following
from engine.models.smoothing import learn_smoothed
from engine.parallel import run_all

LIGHT = ("recency", "dislike", "rating_weight", "next_weight", "factor_weight", "popularity_discount")
"""Settings that leave the weights of what people rated together as they are."""


class ItemSimilarityConfig(RankerConfig):
    """Hyperparameters of EASE."""

    kind: ClassVar[str] = "ease"

    l2: float = Field(200, gt=0, le=1e6, title="L2", description="Ridge penalty; each training tunes it.")
    next_weight: float = Field(
        0.0, ge=0, le=1, description="Share of the weights that comes from what people rated next."
    )
    factor_weight: float = Field(
        0.0, ge=0, le=1, description="Share of the weights that comes from factors of movies, learned by ALS."
    )
    max_movies: int = Field(
        12_000, ge=10, le=40_000, title="Maximum movies", description="Only the most rated movies get similarities."
    )


def _add_rows(weights: Float32, rows: Int32, scale: Float32) -> Float32:
    out = np.zeros(weights.shape[1], np.float32)
    whole = len(rows) // 4 * 4
    for n in range(0, whole, 4):  # four at a time read and write the sums a quarter as often
        a, b, c, d = weights[rows[n]], weights[rows[n + 1]], weights[rows[n + 2]], weights[rows[n + 3]]
        of_a, of_b, of_c, of_d = scale[n], scale[n + 1], scale[n + 2], scale[n + 3]
        for i in range(len(out)):
            out[i] += of_a * a[i] + of_b * b[i] + of_c * c[i] + of_d * d[i]
    for n in range(whole, len(rows)):
        row, factor = weights[rows[n]], scale[n]
        for i in range(len(out)):
            out[i] += factor * row[i]
    return out


_weighted_rows = nb.njit(nogil=True, fastmath=True, cache=True)(_add_rows)


class ItemSimilarityRanker(Ranker):
    """EASE on ratings weighted by their height, with a discount for popular movies.

    With G the weighted co-occurrence of movies (``RatingWeigher.like``) and P the inverse of G + l2 (I + L), the
    weights are ``B[j, i] = -P[j, i] / P[i, i]``, 0 on the diagonal (Steck, "Embarrassingly shallow autoencoders for
    sparse data", WWW 2019). L is the similarity of genres and years, which counts as if l2 more users had rated by them
    (Jeunen, Van Balen and Goethals, "Closed-form models for collaborative filtering with side-information", RecSys
    2020). A part of the weights, ``next_weight``, comes from what people rated next (``engine.models.sequences``), and
    another, ``factor_weight``, from factors of movies (``engine.models.smoothing``). A user's scores are ``x B`` with x
    the user's weighted history, so each past rating's share in a score is exact. Before that,
    column i of B is divided by ``((n_i + 1) / (max n + 1)) ** popularity_discount``, with n the diagonal of G.

    Attributes:
        weights_: float32[m, m], row j is what a rating of movie j adds to every movie's score.
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
        gram = self.co_occurrence(data)
        popularity = np.diag(gram).copy()
        weights = self.together(gram)
        if self._follows(data):
            self.following(data).mix_into(weights, self.config.next_weight)
        if self.config.factor_weight:
            learn_smoothed(self, data).mix_into(weights, self.config.factor_weight)
        return self._raise_rare(weights, popularity)

    @classmethod
    def variants(cls, data: Interactions, max_movies: int) -> Callable[[RankerConfig], Ranker]:
        """As the base class; the matrices of each penalty are computed once."""
        return _Variants(data, max_movies)

    def co_occurrence(self, data: Interactions) -> Float32:
        """float32[m, m]: G, the weighted co-occurrence of the kept movies; the first step of ``fit``."""
        self._keep(data, self.config.max_movies)
        columns = self.position_[data.items]
        kept = columns >= 0
        self.bind(data)
        likes = self.weigher.like(data.ratings[kept])
        return co_occurrence(data.users[kept], columns[kept], likes, data.n_users, len(self.movies_))

    def together(self, gram: Float32) -> Float32:
        """float32[m, m]: the weights of what people rated together, before the discount; overwrites G."""
        config, l2 = self.config, self.config.l2
        add_likeness(gram, self.data_.movies, self.movies_, l2 * config.genre_weight, l2 * config.year_weight)
        return _solve(gram, l2)

    def _follows(self, data: Interactions) -> bool:
        return self.config.next_weight > 0 and data.timestamps is not None

    def following(self, data: Interactions) -> Part:
        """The weights of what people rated next, before the discount."""
        columns = self.position_[data.items]
        return learn_following(data, columns, len(self.movies_), self.weigher.like, self.config.l2)

    def _raise_rare(self, weights: Float32, popularity: Float32) -> Self:
        """Set the weights, with less popular movies raised; ``popularity``: float32[m], the diagonal of G."""
        share = (popularity + 1) / (popularity.max(initial=0) + 1)
        self.weights_ = weights
        self.weights_ *= (share**-self.config.popularity_discount).astype(np.float32)
        return self

    def score_history(self, history: History) -> Float32:
        """float32[n_movies]: the scores for a history; 0 for movies without similarities."""
        known = self.known(history)
        scores = np.zeros(len(self.position_), np.float32)
        rows, weights = self.position_[history.items[known]], self.weigher.weights_of(history)[known]
        scores[self.movies_] = _weighted_rows(self.weights_, rows, weights)
        return scores

    def shares(self, history: History, movie: int) -> Float32:
        """float32[len(history)]: each rating's share in one movie's score; they sum to the score."""
        out = np.zeros(len(history), np.float32)
        column = self.position_[movie] if 0 <= movie < len(self.position_) else -1
        if column >= 0:
            known = self.known(history)
            rows = self.position_[history.items[known]]
            out[known] = self.weigher.weights_of(history)[known] * self.weights_[rows, column]
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
        ranker.weights_ = arrays["weights"]
        ranker._place(arrays["movies"], int(n_movies))
        expect(ranker.weights_, len(ranker.movies_), len(ranker.movies_))
        return ranker


class _Variants:
    """Rankers of several settings on the same ratings."""

    def __init__(self, data: Interactions, max_movies: int) -> None:
        self._data, self._max_movies = data, max_movies
        self._gram: tuple[object, Float32] | None = None
        self._kept: ItemSimilarityRanker | None = None
        self._together: tuple[object, Float32] | None = None
        self._following: dict[float, Part] = {}
        self._smoothed: Part | None = None

    def __call__(self, config: RankerConfig) -> ItemSimilarityRanker:
        values = config.model_dump()
        limited = min(int(values["max_movies"]), self._max_movies)
        ranker = ItemSimilarityRanker(ItemSimilarityConfig.model_validate(values | {"max_movies": limited}))
        counted = ranker.config.rating_power, ranker.config.min_ratings, limited
        if self._gram is None or self._gram[0] != counted:
            self._gram, self._following, self._smoothed = (counted, ranker.co_occurrence(self._data)), {}, None
            self._kept = ranker
        else:
            assert self._kept is not None  # set together with the gram
            ranker._keep_as(self._kept)
            ranker.bind(self._data)
        same = ranker.config.model_copy(update=dict.fromkeys(LIGHT, 0.0))
        if self._together is None or self._together[0] != same:
            self._together = same, ranker.together(self._gram[1].copy())
        weights = self._together[1].copy()
        if ranker._follows(self._data):
            self._learned(ranker).mix_into(weights, ranker.config.next_weight)
        if ranker.config.factor_weight:
            self._smoothed = learn_smoothed(ranker, self._data) if self._smoothed is None else self._smoothed
            self._smoothed.mix_into(weights, ranker.config.factor_weight)
        return ranker._raise_rare(weights, np.diag(self._gram[1]))

    def _learned(self, ranker: ItemSimilarityRanker) -> Part:
        l2 = ranker.config.l2
        if l2 not in self._following:
            self._following = {l2: ranker.following(self._data)}
        return self._following[l2]


def _solve(gram: NDArray[Any], l2: float) -> Float32:
    """EASE's weights from the co-occurrence matrix, in place."""
    matrix = np.ascontiguousarray(gram, np.float32)
    matrix[np.diag_indices_from(matrix)] += np.float32(l2)
    try:
        invert(matrix)
    except np.linalg.LinAlgError as error:
        raise NotSolvable(f"Similarities can't be computed with l2 = {l2:g}. Raise l2, or leave it on auto.") from error
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

    def add(start: int) -> None:
        rows = slice(start, start + ROWS_AT_ONCE)
        gram[rows] += likeness(table, movies[rows], movies, genre, year)

    run_all(add, range(0, len(movies), ROWS_AT_ONCE))


def _unit_genres(table: MovieTable, movies: NDArray[Any]) -> Float32:
    genres: Float32 = table.genres[movies].astype(np.float32)
    genres /= np.maximum(np.sqrt(genres.sum(1, keepdims=True)), 1)
    return genres
