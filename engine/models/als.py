"""The ranker for large catalogues: factors of users and movies from who rated what, by alternating least squares."""

import math
from collections.abc import Callable, Generator
from copy import copy
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from engine.data.arrays import Arrays, Float32, Floats, Int32, Int64
from engine.data.history import History
from engine.data.ratings import Interactions, check_interactions, group
from engine.data.splits import sample_users
from engine.models.als_kernels import gram_of, improve, products, pull, solve
from engine.models.base import ModelConfig, expect
from engine.models.hyperparameters import Seed
from engine.models.ranker import Ranker, RankerConfig
from engine.parallel import run_all

MAX_RATINGS = 1_000_000
"""Ratings, in whole users, from which rankers of several settings are made to compare them."""
LIGHT = ("recency", "dislike", "rating_weight", "genre_weight", "year_weight", "popularity_discount")
"""Settings that leave the factors as they are."""
MAX_KEPT = 8
"""Fits that are kept while settings are compared."""
BLOCKS = 64
"""Parts of a side, of about as many ratings each, that threads take in turn."""
FIRST_SPREAD = 0.01
"""The first factors of movies are drawn between 0 and this."""


class ImplicitALSConfig(RankerConfig):
    """Hyperparameters of implicit-feedback ALS."""

    kind: ClassVar[str] = "als"

    factors: int = Field(64, ge=1, le=512, description="Length of the vector of each person and movie.")
    epochs: int = Field(10, ge=1, le=200, description="Number of turns, each over all people and all movies.")
    confidence: float = Field(
        3.0, gt=0, le=10_000, description="Weight of a rated movie beside one that was not rated, which has 1."
    )
    regularization: float = Field(
        0.45, gt=0, le=100, description="Penalty, as a multiple of what ratings at random would need."
    )
    popularity_discount: float = Field(0.0, ge=0, le=1, description="How strongly less rated movies are raised.")
    max_movies: int = Field(
        1_000_000, ge=10, le=10_000_000, title="Maximum movies", description="Only the most rated movies get factors."
    )
    seed: Seed = 0


class ImplicitALSRanker(Ranker):
    """Factors of users and movies whose products are near 1 where a movie was rated, and near 0 elsewhere.

    With w the weight of each rating (``RatingWeigher.like``), 0 where there is none, and c the confidence, factors x
    and y minimise the sum over all pairs of ``(x . y) ** 2 + c w (1 - x . y) ** 2`` and a penalty. This is the loss of
    Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback datasets" (ICDM 2008), in the form of Rendle,
    Krichene, Zhang and Koren, "Revisiting the performance of iALS on item recommendation benchmarks" (RecSys 2022).
    Users and movies alternate, and each vector takes a few conjugate gradient steps from where it was (Takács, Pilászy
    and Tikk, "Applications of the conjugate gradient method for implicit feedback collaborative filtering", RecSys
    2011). ``Penalty`` says how vectors are penalised.

    Lists need the movies' factors alone: the vector of a history is ``A^-1 sum(c w_i y_i)`` with
    ``A = Y'Y + sum(c |w_i| y_i y_i') + penalty``, for learned users as for newcomers; a rating that counts against a
    movie (w < 0) wants a product of -1. A rating's share is its term of the sum, with A kept. The score of movie m is
    multiplied by ``((n_m + 1) / (max n + 1)) ** -popularity_discount``, with n the sum of its squared weights, as in
    EASE.

    Attributes:
        factors_: float32[m, k].
        gram_: float64[k, k], ``Y'Y``.
        raised_: float32[m], by what the popularity discount multiplies each movie's scores.
        penalty_: of the users' vectors.
    """

    config: ImplicitALSConfig
    config_type: ClassVar[type[ImplicitALSConfig]] = ImplicitALSConfig

    def __init__(self, config: ImplicitALSConfig | None = None) -> None:
        self.config = config or ImplicitALSConfig()

    def fit(self, data: Interactions) -> Self:
        """Learn from ratings, in a time that grows with their number.

        Raises:
            InvalidInput: the data are no ``Interactions``.
        """
        for _ in self.turns(data):
            pass
        return self

    def turns(self, data: Interactions) -> Generator[int, None, None]:
        """Train, yielding after each epoch; usable after each.

        All processors are used; the result is the same, bit for bit, for any number of them.

        Raises:
            InvalidInput: the data are no ``Interactions``.
        """
        check_interactions(data)
        config = self.config
        self._keep(data, config.max_movies)
        rows = self.position_[data.items]
        kept = np.flatnonzero(rows >= 0)
        rows, owners, weights = rows[kept], data.users[kept], self.weigher.like(data.ratings[kept])
        n_users, n_movies = data.n_users, len(self.movies_)
        self._raise_rare(np.bincount(rows, weights.astype(np.float64) ** 2, n_movies).astype(np.float64))
        weights *= np.float32(config.confidence)
        by_user, by_movie = _Side.of(owners, rows, weights, n_users), _Side.of(rows, owners, weights, n_movies)
        of_users, of_movies = Penalty.of(config, len(rows), by_user.active, by_movie.active)
        draw = np.random.default_rng(config.seed).random((n_movies, config.factors), np.float32)
        movies, users = draw * np.float32(FIRST_SPREAD), np.zeros((n_users, config.factors), np.float32)
        self.bind(data)
        self.penalty_ = of_users
        for epoch in range(config.epochs):
            by_user.improve(users, movies, of_users)
            by_movie.improve(movies, users, of_movies)
            self.factors_, self.gram_ = movies, gram(movies)
            yield epoch + 1

    def average_user(self, data: Interactions) -> Floats:
        """float64[k, k]: the matrix A of a user with as many ratings as the average one, of movies as often rated.

        Args:
            data: the training ratings.
        """
        rows = self.position_[data.items]
        counts = np.bincount(rows[rows >= 0], minlength=len(self.movies_)).astype(np.float64)
        ratings = counts.sum() / max(int((data.user_counts > 0).sum()), 1)
        shares = counts / max(counts.sum(), 1)
        rated = (self.factors_.T * shares) @ self.factors_.astype(np.float64)
        penalty = self.penalty_.each * ratings + self.penalty_.least
        return np.asarray(
            self.gram_ + self.config.confidence * ratings * rated + penalty * np.eye(len(rated)), np.float64
        )

    @classmethod
    def variants(cls, data: Interactions, max_movies: int) -> Callable[[RankerConfig], Ranker]:
        """As the base class; of more than ``MAX_RATINGS`` ratings, those of users drawn at random are used.

        The factors are learned once for all weights of a history, and discounts.
        """
        return _Variants(sample_users(data, MAX_RATINGS), max_movies)

    def _raise_rare(self, popularity: Floats) -> None:
        """Set the discount; ``popularity``: float64[m], the sum of each movie's squared weights."""
        self.popularity_ = popularity
        share = (popularity + 1) / (popularity.max(initial=0) + 1)
        self.raised_ = (share**-self.config.popularity_discount).astype(np.float32)

    def score_history(self, history: History) -> Float32:
        """float32[n_movies]: the scores for a history; 0 for movies without factors."""
        _, rows, weights = self._rows(history)
        scores = np.zeros(len(self.position_), np.float32)
        if len(rows):
            vector = self._solve(rows, weights, pull(rows, weights, self.factors_))
            scores[self.movies_] = products(self.factors_, vector.astype(np.float32)) * self.raised_
        return scores

    def shares(self, history: History, movie: int) -> Float32:
        """float32[len(history)]: each rating's share in one movie's score, with A kept; they sum to the score."""
        out = np.zeros(len(history), np.float32)
        row = self.position_[movie] if 0 <= movie < len(self.position_) else -1
        known, rows, weights = self._rows(history)
        if row >= 0 and len(rows):
            wanted = self._solve(rows, weights, self.factors_[row].astype(np.float64)).astype(np.float32)
            out[known] = weights * products(self.factors_[rows], wanted) * self.raised_[row]
        return out

    def _rows(self, history: History) -> tuple[NDArray[np.intp], Int32, Float32]:
        """The places in a history of movies with factors, their rows, and their weights times the confidence."""
        known = self.known(history)
        weights = self.weigher.weights_of(history)[known] * np.float32(self.config.confidence)
        return known, self.position_[history.items[known]], weights

    def _solve(self, rows: Int32, weights: Float32, right: Floats) -> Floats:
        """float64[k]: ``A^-1 right`` for a history."""
        penalty = self.penalty_.each * len(rows) + self.penalty_.least
        return solve(rows, weights, self.factors_, self.gram_, penalty, right)

    def arrays(self) -> Arrays:
        """Learned arrays by name."""
        return {
            "factors": self.factors_,
            "raised": self.raised_,
            "movies": self.movies_,
            "penalty": np.array([self.penalty_.each, self.penalty_.least]),
            "constants": np.array([len(self.position_), *self.range_], np.float64),
        }

    @classmethod
    def from_arrays(cls, config: ModelConfig, arrays: Arrays) -> Self:
        """Rebuild a ranker from ``arrays()``."""
        ranker = cls(cls.config_type.model_validate(config.model_dump()))
        n_movies, low, high = arrays["constants"].tolist()
        ranker.range_ = (low, high)
        ranker.penalty_ = Penalty(*arrays["penalty"].tolist())
        ranker.factors_, ranker.raised_ = arrays["factors"], arrays["raised"]
        ranker._place(arrays["movies"], int(n_movies))
        expect(ranker.factors_, len(ranker.movies_), ranker.config.factors)
        expect(ranker.raised_, len(ranker.movies_))
        ranker.gram_ = gram(ranker.factors_)
        return ranker


class _Variants:
    """Rankers of several settings on the same ratings."""

    def __init__(self, data: Interactions, max_movies: int) -> None:
        self._data, self._max_movies = data, max_movies
        self._learned: dict[ImplicitALSConfig, ImplicitALSRanker] = {}

    def __call__(self, config: RankerConfig) -> ImplicitALSRanker:
        wanted = ImplicitALSConfig.model_validate(config.model_dump())
        limited = {"max_movies": min(wanted.max_movies, self._max_movies)}
        same = wanted.model_copy(update=limited | dict.fromkeys(LIGHT, 0.0))
        if same not in self._learned:
            while len(self._learned) >= MAX_KEPT:
                del self._learned[next(iter(self._learned))]
            self._learned[same] = ImplicitALSRanker(same).fit(self._data)
        ranker = copy(self._learned[same])
        ranker.config = wanted.model_copy(update=limited)
        ranker._raise_rare(ranker.popularity_)
        return ranker


@dataclass(frozen=True)
class Penalty:
    """The penalty of a vector: ``each`` for each of its ratings, and ``least``.

    With n ratings it is ``strength * (n + others / confidence)``, as Rendle et al. found best, others being how many
    movies (of a user) or users (of a movie) there are. The two sides' penalties act by their geometric mean: directions
    in which the weighted ratings vary less than that vanish, as by the nuclear norm. Ratings spread at random vary
    by ``sqrt(mean number per user) + sqrt(mean number per movie)`` in all directions, which is the size of the singular
    values of a sparse random matrix. The strength makes the mean penalty ``regularization`` times that. So one value
    suits data of any size: on the demo data, on halves, quarters and eighths of its users, and on its 300 most rated
    movies, 0.4 to 0.5 is best, while the strength differs by a factor of four.
    """

    each: float
    least: float

    @classmethod
    def of(cls, config: ImplicitALSConfig, ratings: int, users: int, movies: int) -> tuple[Self, Self]:
        """The penalties of users' and of movies' vectors, for these numbers of ratings and of their owners."""
        users, movies = max(users, 1), max(movies, 1)
        per_user, per_movie = ratings / users, ratings / movies
        of_user, of_movie = per_user + movies / config.confidence, per_movie + users / config.confidence
        noise = config.confidence * (math.sqrt(per_user) + math.sqrt(per_movie))
        strength = config.regularization * noise / math.sqrt(of_user * of_movie)
        return cls(strength, strength * movies / config.confidence), cls(strength, strength * users / config.confidence)


@dataclass(frozen=True)
class _Side:
    """The ratings of all users, or of all movies.

    Attributes:
        start: int64[n + 1]; the ratings of owner k are at ``start[k]:start[k + 1]``.
        others: int32[ratings], the other side's rows.
        weights: float32[ratings], already multiplied by the confidence.
        active: number of owners with ratings.
    """

    start: Int64
    others: Int32
    weights: Float32
    active: int

    @classmethod
    def of(cls, owners: Int32, others: Int32, weights: Float32, n: int) -> Self:
        """Sort ratings by owner."""
        rows = group(owners, n)
        return cls(rows.start, others[rows.order], weights[rows.order], int(np.count_nonzero(np.diff(rows.start))))

    def improve(self, vectors: Float32, fixed: Float32, penalty: Penalty) -> None:
        """Move all vectors of this side towards their optimum, in place.

        Args:
            vectors: float32[n, k], of this side.
            fixed: float32[others, k], of the other side.
            penalty: of this side's vectors.
        """
        square = gram(fixed).astype(np.float32)
        marks = np.searchsorted(self.start, np.linspace(0, self.start[-1], BLOCKS + 1)[1:-1])
        ends = np.unique([0, *marks, len(vectors)])

        def work(block: int) -> None:
            part = ends[block], ends[block + 1]
            improve(*part, self.start, self.others, self.weights, square, penalty.each, penalty.least, fixed, vectors)

        run_all(work, range(len(ends) - 1))


def gram(factors: Float32) -> Floats:
    """float64[k, k]: ``Y'Y``, summed in a fixed order."""
    blocks = np.array_split(factors, BLOCKS)
    parts: dict[int, Floats] = {}

    def work(block: int) -> None:
        parts[block] = gram_of(blocks[block])

    run_all(work, range(BLOCKS))
    return np.asarray(sum(parts[block] for block in range(BLOCKS)), np.float64)
