"""Explanations of a score and of a predicted rating: numbers that add up to both, and supporting evidence."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import scipy.sparse as sp

from engine.data.arrays import Float32, Floats, divide
from engine.data.catalogue import Movie
from engine.data.ratings import Interactions
from engine.models.base import Method, Vector, top
from engine.models.ease import likeness
from engine.models.ranker import Ranker
from engine.recommending.cold_start import Status
from engine.recommending.fold_in import UserState
from engine.recommending.scoring import Shares

Basis = Literal["ratings", "content"]

MAX_SIMILAR = 5
ALIKE = 1e-6  # smaller cosines are rounding errors
CONTENT_WEIGHTS = 0.7, 0.3
"""Weights of genres and year in the similarity of unrated movies."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """The exact share of one past rating in a score."""

    movie_id: str
    title: str
    rating: float
    share: float


@dataclass(frozen=True, slots=True)
class SimilarMovie:
    """A rated movie that resembles the recommended one; ``similarity`` is a cosine in [-1, 1]."""

    movie_id: str
    title: str
    rating: float
    similarity: float


@dataclass(frozen=True, slots=True)
class LikeMovie:
    """A movie that resembles another; ``similarity`` is in 0..1."""

    movie: Movie
    similarity: float


@dataclass(frozen=True, slots=True)
class SimilarMovies:
    """The movies most similar to one, most similar first.

    ``basis``: ``ratings``, the cosine of the users' weighted ratings, or ``content``, genres and year, for a movie that
    nobody has rated.
    """

    movie: Movie
    basis: Basis
    items: tuple[LikeMovie, ...]


@dataclass(frozen=True, slots=True)
class GenreMatch:
    """How the user rates the movie's genres, in rating units.

    Each genre has the difference between the user's mean in it and overall, and the number of ratings in it.
    """

    score: float
    genres: tuple[tuple[str, float, int], ...]


@dataclass(frozen=True, slots=True)
class SimilarUser:
    """A user of similar taste who rated the movie; ``similarity`` is a cosine in [-1, 1]."""

    user_id: str
    rating: float
    similarity: float


@dataclass(frozen=True, slots=True)
class RatingExplanation:
    """Parts of a predicted rating: ``baseline + sum(share) + residual == predicted_rating``.

    A share is how much lower the prediction would be without that one rating. Ratings that agree replace each other, so
    what many say together is in no share.

    Attributes:
        baseline: the prediction for a user without ratings.
        contributions: of every past rating, largest share first.
        residual: ``level + together + learned + clipped``.
        level: how much higher than others the user rates: the mean prediction for the user's rated movies, minus the
            mean prediction for a user without ratings.
        together: the joint effect of the ratings beyond level and shares.
        learned: what training learned of the user beyond the folded-in vector; no rating changes it.
        clipped: what the ends of the scale cut off the prediction and the baseline.
        method: ``exact`` for shares by formula, ``measured`` for leaving out each rating in turn.
    """

    predicted_rating: float
    baseline: float
    contributions: tuple[Contribution, ...]
    residual: float
    level: float
    together: float
    learned: float
    clipped: float
    method: Method


@dataclass(frozen=True, slots=True)
class Explanation:
    """Parts of a score: ``baseline + sum(share) + residual == score``; ``rating`` explains the predicted rating.

    ``from_rating``: the part of the residual that the predicted rating adds; the rest is the rounding error.
    ``by_neighbours``: too few people rated the movie to compare it, so its score comes from movies of similar genres
    and years. ``genres_liked``: its genres that the user says they like, which raise the baseline.
    ``text`` says all of this in words, ``summary`` the main reason in one sentence.
    """

    user_id: str
    movie_id: str
    title: str
    status: Status
    score: float
    baseline: float
    contributions: tuple[Contribution, ...]
    residual: float
    from_rating: float
    by_neighbours: bool
    predicted_rating: float
    interval: tuple[float, float] | None
    rating: RatingExplanation
    similar_rated_movies: tuple[SimilarMovie, ...]
    genre_match: GenreMatch
    similar_users: tuple[SimilarUser, ...]
    text: str
    model_version: int
    genres_liked: tuple[str, ...] = ()
    summary: str = ""


class ExplainerService:
    """Explains scores and predicted ratings from the loaded ratings.

    Args:
        data: the ratings, which similarities of movies and users are based on.
        ranker: weighs ratings, so that a low one counts less than a high one.
    """

    def __init__(self, data: Interactions, ranker: Ranker) -> None:
        self._data = data
        self._weigher = ranker.weigher

    # Made on first use: few requests need them, and with 25 million ratings they take a second.

    @cached_property
    def _weights(self) -> Float32:
        return self._weigher.like(self._data.ratings)

    @cached_property
    def _by_user(self) -> sp.csr_array:
        rows = self._data.by_user
        columns = self._weights[rows.order], self._data.items[rows.order], rows.start
        return sp.csr_array(columns, (self._data.n_users, self._data.n_movies))

    @cached_property
    def _by_movie(self) -> sp.csc_array:
        rows = self._data.by_movie
        columns = self._weights[rows.order], self._data.users[rows.order], rows.start
        return sp.csc_array(columns, (self._data.n_users, self._data.n_movies))

    @cached_property
    def _user_norms(self) -> Floats:
        return np.sqrt(np.bincount(self._data.users, self._weights**2, self._data.n_users))

    @cached_property
    def _movie_norms(self) -> Floats:
        return np.sqrt(np.bincount(self._data.items, self._weights**2, self._data.n_movies))

    def explain_recommendation(self, state: UserState, parts: Shares) -> tuple[Contribution, ...]:
        """Every past rating with its share in a score, largest first (ties by movie key)."""
        return self._contributions(state, parts.shares.tolist())

    def leading(self, state: UserState, baseline: float, shares: Float32) -> Contribution | None:
        """The past rating with the largest share in a score; None where the baseline exceeds all that support it."""
        if shares.max(initial=0) <= 0 or baseline > shares[shares > 0].sum():
            return None
        first = int(shares.argmax())
        return self._contribution(int(state.items[first]), float(state.ratings[first]), float(shares[first]))

    def explain_rating(self, state: UserState, movie: int) -> RatingExplanation:
        """Split a predicted rating into shares by leaving out each past rating.

        A share is the difference between two folded-in users, with the rating and without: exactly what removing the
        rating changes.
        """
        model, vector = state.movies.model, state.movies.vector(movie).reshape(1, -1)
        folded, unknown = model.fold_in_user(state.items, state.ratings), model.user_vector(-1)
        served, together, nobody = model.unclipped(np.array([state.vector, folded, unknown]), vector).tolist()
        without = model.unclipped(model.fold_in_without_each(state.items, state.ratings), vector)
        shares = (together - without.astype(np.float64)).tolist()
        predicted = float(state.predict(np.array([movie], np.int32))[0])
        baseline, level = float(np.clip(nobody, *model.given_)), _level(state, folded, unknown)
        return RatingExplanation(
            predicted_rating=predicted,
            baseline=baseline,
            contributions=self._contributions(state, shares),
            residual=predicted - baseline - sum(shares),
            level=level,
            together=together - nobody - level - sum(shares),
            learned=served - together,
            clipped=(predicted - served) - (baseline - nobody),
            method=model.leaves_out,
        )

    def _contributions(self, state: UserState, shares: Iterable[float]) -> tuple[Contribution, ...]:
        each = zip(state.items.tolist(), state.ratings.tolist(), shares, strict=True)
        largest = sorted(each, key=lambda one: -abs(one[2]))
        return tuple(self._contribution(*one) for one in largest)

    def _contribution(self, movie: int, rating: float, share: float) -> Contribution:
        return Contribution(self._movie_id(movie), self._title(movie), rating, share)

    def find_similar_rated_movies(self, state: UserState, movie: int, n: int = MAX_SIMILAR) -> tuple[SimilarMovie, ...]:
        """The rated movies most similar to this one, by the cosine of the users' weighted ratings, above 0."""
        inside = state.items[state.items < self._data.n_movies]
        if not len(inside) or movie >= self._data.n_movies:
            return ()
        dots = self._by_movie[:, inside].T @ self._by_movie[:, [movie]].toarray().ravel()
        cosine = divide(dots, self._movie_norms[inside] * self._movie_norms[movie])
        best = [k for k in np.argsort(-cosine, kind="stable") if cosine[k] > ALIKE and inside[k] != movie][:n]
        return tuple(
            SimilarMovie(self._movie_id(m), self._title(m), state.history.rating_of(m) or 0.0, float(cosine[k]))
            for k, m in ((k, int(inside[k])) for k in best)
        )

    def find_similar_movies(self, movie: int, n: int) -> tuple[Basis, list[tuple[int, float]]]:
        """The movies most similar to one, as (index, similarity), most similar first, above 0.

        By the cosine of the users' weighted ratings; for a movie that nobody has rated by genres and year.
        """
        basis: Basis
        if self._movie_norms[movie]:
            dots = np.asarray(self._by_movie.T @ self._by_movie[:, [movie]].toarray().ravel(), np.float32)
            basis, alike = "ratings", divide(dots, self._movie_norms * self._movie_norms[movie])
        else:
            everything = np.arange(self._data.n_movies)
            basis, alike = "content", likeness(self._data.movies, np.array([movie]), everything, *CONTENT_WEIGHTS)[0]
        best = top(np.where(alike > ALIKE, alike, -np.inf).astype(np.float32), n, drop=np.array([movie], np.int32))
        return basis, [(int(other), min(float(alike[other]), 1.0)) for other in best]

    def get_genre_match_score(self, state: UserState, movie: int) -> GenreMatch:
        """How far above their mean the user rates the movie's genres, in rating units; 0 without evidence."""
        table = self._data.movies
        inside = state.items < self._data.n_movies
        items, ratings = state.items[inside], state.ratings[inside]
        rows = []
        for genre in np.flatnonzero(table.genres[movie]):
            has = table.genres[items, genre]
            count = int(has.sum())
            lift = float(ratings[has].mean() - state.mean) if count else 0.0
            rows.append((table.genre_names[genre], lift, count))
        counted = [(lift, count) for _, lift, count in rows if count]
        score = sum(lift * count for lift, count in counted) / sum(count for _, count in counted) if counted else 0.0
        return GenreMatch(score, tuple(rows))

    def get_similar_users_influence(
        self, user: int, state: UserState, movie: int, n: int = MAX_SIMILAR
    ) -> tuple[SimilarUser, ...]:
        """The most similar users who rated the movie, by the cosine of weighted ratings, above 0."""
        rows = self._data.by_movie.of(movie)
        raters, given = self._data.users[rows], self._data.ratings[rows]
        taste = self._taste(state)
        cosine = divide(self._by_user[raters] @ taste, self._user_norms[raters] * np.sqrt(float(taste @ taste)))
        best = [k for k in np.argsort(-cosine, kind="stable") if cosine[k] > ALIKE and raters[k] != user][:n]
        return tuple(
            SimilarUser(str(self._data.user_ids.raw(int(raters[k]))), float(given[k]), float(cosine[k])) for k in best
        )

    def _taste(self, state: UserState) -> Float32:
        taste = np.zeros(self._data.n_movies, np.float32)
        inside = state.items < self._data.n_movies
        taste[state.items[inside]] = self._weigher.like(state.ratings[inside])
        return taste

    def _movie_id(self, movie: int) -> str:
        return str(self._data.movie_ids.raw(movie))

    def _title(self, movie: int) -> str:
        return str(self._data.movies.titles[movie])


def _level(state: UserState, folded: Vector, unknown: Vector) -> float:
    """Mean prediction for the user's rated movies minus that for an unknown user; 0 without ratings."""
    if not len(state.items):
        return 0.0
    movies = np.array([state.movies.vector(movie) for movie in state.items.tolist()])
    mine, anybodys = (state.movies.model.unclipped(user.reshape(1, -1), movies) for user in (folded, unknown))
    return float((mine - anybodys).mean())
