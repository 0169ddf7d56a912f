"""Inputs of the networks for a user, a movie and the pair: features, embeddings and their products."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Float32, Int32
from engine.data.features import RESOLUTION, SHRINK, FeatureEngineer
from engine.data.ratings import Interactions
from engine.models.audience import Audience
from engine.models.base import join_arrays, part_of
from engine.models.variational import VariationalFactorization

CONTENT = frozenset({"genre", "year", "year_squared", "popularity", "popularity_squared"})
"""Families of movie features in ``FeatureEngineer.movie_content``."""
ATTRIBUTES = frozenset({"genre", "year", "popularity"})
"""Families of movie features in ``FeatureEngineer.attributes_``."""


@dataclass(frozen=True)
class Knowledge:
    """Inputs of one side: a row for every user, or for every movie and at the end one for any other.

    Attributes:
        inputs: float32[n, d], own inputs.
        factors: float32[n, k + a], multiplied with the other side's: factors, and tastes or attributes.
        base: float32[n], this side's term in the factorisation's prediction.
    """

    inputs: Float32
    factors: Float32
    base: Float32


@dataclass(frozen=True)
class PairInputs:
    """Inputs of pairs, made from two ``Knowledge`` tables.

    The products of factors one by one, tastes times attributes summed over the genres and one by one for the others,
    and last the factorisation's prediction.

    Attributes:
        factors: k, the length of the embeddings.
        genres: number of tastes for genres.
        others: number of tastes for other attributes.
        resolution: smaller spreads of an input are rounding errors.
    """

    factors: int
    genres: int
    others: int
    resolution: float

    @property
    def count(self) -> int:
        """Number of inputs of a pair."""
        return self.factors + 1 + self.others + 1

    def of(self, users: Knowledge, movies: Knowledge, user: Int32, movie: Int32) -> tuple[Float32, Float32]:
        """float32[n, d]: inputs of users, movies and pairs; float32[n]: the factorisation's prediction."""
        pairs = self.sums(users.factors[user] * movies.factors[movie], users.base[user] + movies.base[movie])
        return np.hstack([users.inputs[user], movies.inputs[movie], pairs]), pairs[:, -1]

    def level(self, spread: Float32, users: int) -> Float32:
        """float32[d]: the scale of each input: its spread, and for factors of one kind a common one.

        A factor without information has almost no spread. Divided by its own spread it would weigh as much as the
        others, and a small rotation of the factors would drown everything.

        Args:
            spread: float32[d], the standard deviation of each input.
            users: number of users' inputs.
        """
        level, k = spread.copy(), self.factors
        end = len(spread) - self.count
        for group in (slice(users - k, users), slice(end - k, end), slice(end, end + k)):
            level[group] = np.sqrt(np.mean(spread[group] ** 2))
        return np.where(level > self.resolution, level, np.float32(1))

    def sums(self, products: Float32, base: Float32) -> Float32:
        """float32[n, count]: inputs of pairs from the products of both sides' factors and the sum of their bases."""
        k, genres = self.factors, self.genres
        pairs = np.empty((len(products), self.count), np.float32)
        pairs[:, :k] = products[:, :k]
        pairs[:, k] = products[:, k : k + genres].sum(axis=1)
        pairs[:, k + 1 : -1] = products[:, k + genres :]
        pairs[:, -1] = base + products[:, :k].sum(axis=1)
        return pairs


class Embeddings:
    """Features and factorisation of one set of ratings, into which users and movies can be folded.

    Attributes:
        engineer_: the features.
        factorization_: the factorisation.
        pairs_: inputs of pairs.
        users_: a row for every user; after ``learn`` only.
        audience_: features of movies by who rated them, if any.
    """

    engineer_: FeatureEngineer
    factorization_: VariationalFactorization
    pairs_: PairInputs
    users_: Knowledge
    audience_: Audience | None = None

    @classmethod
    def learn(
        cls,
        data: Interactions,
        factors: int,
        iterations: int,
        seed: int,
        reference: Embeddings | None = None,
        audience: int = 0,
    ) -> Self:
        """Learn from training ratings.

        Args:
            data: training ratings.
            factors: length of the embeddings.
            iterations: rounds over users and movies.
            seed: random seed.
            reference: aligns the factors with its own.
            audience: number of features of a movie that tell who rated it.
        """
        self = cls()
        self.engineer_ = engineer = FeatureEngineer().fit(data)
        features, tastes = engineer.users(data.users, data.items, data.ratings, data.timestamps, data.n_users)
        content = engineer.movie_content()[:-1]
        if audience:
            self.audience_ = Audience.learn(data, content, audience, seed)
            content = np.hstack([content, self.audience_.movies(data, content)])
        noise = engineer.user_noise(data.users, data.items, data.ratings, data.n_users)
        self.factorization_ = VariationalFactorization(factors, iterations, seed).fit(
            data, engineer.user_choices(features), content, noise
        )
        if reference is not None:
            self.factorization_.align(reference.factorization_)
        self.users_ = self._user_rows(features, tastes, self.factorization_.users_.means)
        self._bind()
        return self

    def _bind(self) -> None:
        genres = len(self.engineer_.vocabulary_)
        others = self.engineer_.attributes_.shape[1] - genres
        low, high = self.engineer_.scale_
        self.pairs_ = PairInputs(self.factorization_.factors, genres, others, RESOLUTION * max(high - low, 1e-6))

    def movies(self) -> Knowledge:
        """A row for every movie, and at the end one for any other."""
        other = self._expected(self.engineer_.movie_content()[-1:])
        vectors = np.vstack([self.factorization_.movies_.means, other]).astype(np.float32)
        return _movie_rows(self.engineer_.movies_, vectors, self.engineer_.attributes_)

    def new_movies(self) -> Knowledge:
        """The rows of ``movies`` as if nobody had rated any."""
        rows = _movie_features(self.engineer_, slice(None), np.empty(0, np.float32))
        return _movie_rows(rows, self._expected(self._columns(rows, CONTENT)), self._columns(rows, ATTRIBUTES))

    def _columns(self, rows: Float32, families: frozenset[str]) -> Float32:
        """float32[n, c]: the columns of movies' features that belong to some families."""
        return rows[:, [one.name.partition(":")[0] in families for one in self.engineer_.movie_features_]]

    def _expected(self, content: Float32) -> Float32:
        """float32[n, 1 + k]: the vectors of movies that nobody rated."""
        known = content if self.audience_ is None else np.hstack([content, self.audience_.expect(content)])
        return self.factorization_.prior_of_movie(known).astype(np.float32)

    def fold_in(self, movies: Int32, ratings: Float32) -> Knowledge:
        """The row of a user with these ratings of learned movies, with the movies fixed."""
        return self.fold_in_users(np.zeros(len(movies), np.int32), movies, ratings, 1)

    def fold_in_without(self, left_out: NDArray[np.int64], movies: Int32, ratings: Float32) -> Knowledge:
        """The row of a user with all these ratings but one, for each rating left out.

        Args:
            left_out: int64[m], positions in the ratings.
            movies: int32[n], indices of learned movies.
            ratings: float32[n].
        """
        kept = np.arange(len(movies)) != left_out[:, None]
        users, rows = (side.astype(np.int32) for side in np.nonzero(kept))
        return self.fold_in_users(users, movies[rows], ratings[rows], len(left_out))

    def fold_in_users(self, users: Int32, movies: Int32, ratings: Float32, n_users: int) -> Knowledge:
        """The rows of several users with these ratings of learned movies.

        Args:
            users: int32[n], in 0..n_users-1.
            movies: int32[n], indices of learned movies.
            ratings: float32[n].
            n_users: number of users; those without ratings get a row too.
        """
        features, tastes = self.engineer_.users(users, movies, ratings, None, n_users)
        choices = self.engineer_.user_choices(features)
        noise = self.engineer_.user_noise(users, movies, ratings, n_users)
        vectors = self.factorization_.fold_in(users, movies, ratings, choices, noise)
        return self._user_rows(features, tastes, vectors)

    def remember_raters(self) -> None:
        """Keep the users' part of folding in movies."""
        none = np.empty(0, np.int32)
        features, _ = self.engineer_.users(none, none, np.empty(0, np.float32), None, 1)
        self.factorization_.remember_raters(self.engineer_.user_choices(features))

    def fold_in_movie(self, users: Int32, ratings: Float32, movie: int) -> Knowledge:
        """The row of a movie with these ratings, with the users fixed.

        Args:
            users: int32[n], who rated it; any may be unknown.
            ratings: float32[n].
            movie: its index, for genres, year and age; an unknown movie has none.
        """
        engineer = self.engineer_
        row = _movie_features(engineer, movie if 0 <= movie < len(engineer.movies_) - 1 else -1, ratings)
        content = self._columns(row, CONTENT)
        known = content if self.audience_ is None else np.hstack([content, self.audience_.movie(users, content)])
        vector = self.factorization_.fold_in_movie(users, ratings, known)[None].astype(np.float32)
        return _movie_rows(row, vector, self._columns(row, ATTRIBUTES))

    def _user_rows(self, features: Float32, tastes: Float32, vectors: NDArray[np.float64]) -> Knowledge:
        means = vectors.astype(np.float32)
        base = np.float32(self.factorization_.mean_) + means[:, 0]
        return Knowledge(
            np.hstack([self.engineer_.user_inputs(features), means]), np.hstack([means[:, 1:], tastes]), base
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays for folding in, by name."""
        parts = {"features": self.engineer_.arrays(), "factorization": self.factorization_.arrays()}
        return join_arrays(parts | ({"audience": self.audience_.arrays()} if self.audience_ else {}))

    @classmethod
    def from_arrays(cls, factors: int, iterations: int, seed: int, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild embeddings from ``arrays()``, for folding in."""
        self = cls()
        learned = part_of(arrays, "factorization")
        self.engineer_ = FeatureEngineer.from_arrays(part_of(arrays, "features"))
        self.factorization_ = VariationalFactorization.from_arrays(factors, iterations, seed, learned)
        self.audience_ = Audience.from_arrays(part_of(arrays, "audience"))
        self._bind()
        return self


def _movie_rows(features: Float32, vectors: Float32, attributes: Float32) -> Knowledge:
    """Rows of movies, from their features, biases and factors, and attributes."""
    factors = np.hstack([vectors[:, 1:], attributes])
    return Knowledge(np.hstack([features, vectors]), factors, np.ascontiguousarray(vectors[:, 0]))


def _movie_features(engineer: FeatureEngineer, of: int | slice, ratings: Float32) -> Float32:
    """float32[n, f]: features of a movie, or of several, with these ratings, by the formulas of training.

    They stay in the range of the learned movies: where all have about as many ratings, one without any would be far
    outside, and what is expected of it with it.
    """
    rows = np.atleast_2d(engineer.movies_[of]).copy()
    names = [one.name for one in engineer.movie_features_]
    place = names.index("popularity")
    known = engineer.movie_features_[place]
    centre = float((engineer.movies_[:-1, place] * known.scale + known.mean).mean())  # of all movies, as when learned
    popularity = float(np.log1p(len(ratings)))
    values = {"popularity": popularity, "popularity_squared": (popularity - centre) ** 2}
    values |= {one.name: one.fill for one in engineer.movie_features_ if one.name in ("mean", "spread")}
    if len(ratings):
        above = ratings - engineer.mean_
        level = float(above.sum()) / (len(ratings) + SHRINK)
        squares = float(((above - level) ** 2).sum()) + SHRINK * engineer.noise_
        values |= {"mean": level, "spread": float(np.sqrt(squares / (len(ratings) + SHRINK)))}
    for place, one in enumerate(engineer.movie_features_):
        if one.name in values:
            learned = engineer.movies_[:-1, place]
            value = np.float32((values[one.name] - one.mean) / one.scale)
            rows[:, place] = np.clip(value, learned.min(initial=0), learned.max(initial=0)) if len(learned) else value
    return rows
