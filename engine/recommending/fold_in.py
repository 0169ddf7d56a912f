"""Instant updates: the current state of users and movies, on top of a version that never changes.

Users and movies are folded in by closed form, each on the *version's* vectors of the other side. What training learned
of them beyond that is kept, so that only new ratings move a prediction. The state of a user follows from the version
and the user's stored ratings, that of a movie from the version and the movie's, so updates in any order and from any
threads end in the same state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Float32, Int32, Int64
from engine.data.history import UNKNOWN, History
from engine.data.ratings import Interactions
from engine.models.base import RatingModel, Vector
from engine.models.intervals import Calibration
from engine.models.version import RatingParts, VersionBundle

MAX_LEARNED = 1000
"""A movie with more learned ratings keeps its vector: one more rating changes little, and costs time."""
PARTS = 256
"""Parts of an overlay; a change copies one of them."""
NO_MOMENT = 0
"""Stands for a revision where the ratings are those of none."""

State = TypeVar("State")


@dataclass(frozen=True)
class FoldedMovies:
    """All movies at one moment: the version's vectors, replaced for movies that were folded in. Immutable.

    Attributes:
        model: the version's rating model.
        counts: int32[n_movies + 1], ratings behind each movie's vector; the last entry is any other movie.
        places: int32[n_movies + 1], row in ``vectors``, -1 for the version's vector.
        vectors: float[capacity, d]; rows from ``used`` on belong to later moments.
        used: number of rows of this moment.
    """

    model: RatingModel
    counts: Int32
    places: Int32
    vectors: NDArray[Any]
    used: int

    @classmethod
    def none(cls, model: RatingModel, learned: Int32) -> Self:
        """No movie folded in; ``learned``: int32[n_movies], learned ratings of each."""
        places = np.full(len(learned) + 1, -1, np.int32)
        empty = model.movie_vector(-1)[None][:0]
        return cls(model, np.append(learned, np.int32(0)), places, empty, 0)

    def put(self, movie: int, vector: Vector, count: int) -> FoldedMovies:
        """The next moment, with a new vector of one movie; only the latest moment may be extended."""
        counts, places, vectors, used = self.counts.copy(), self.places.copy(), self.vectors, self.used
        if used == len(vectors):  # double the capacity, dropping replaced rows
            kept = np.flatnonzero(places >= 0)
            roomy = np.empty((2 * len(kept) + 16, len(vector)), vector.dtype)
            roomy[: len(kept)] = vectors[places[kept]]
            places[kept] = np.arange(len(kept), dtype=np.int32)
            vectors, used = roomy, len(kept)
        vectors[used] = vector
        counts[movie], places[movie] = count, used
        return FoldedMovies(self.model, counts, places, vectors, used + 1)

    def predict(self, user: Vector, movies: Int32) -> Float32:
        """float32[n]: predicted ratings of a user with this vector, inside the scale; any index may be unknown."""
        found = self.model.predict_vector(user, movies)
        places = self.places[self._rows(movies)]
        folded = places >= 0
        if folded.any():
            found[folded] = self.model.predict_vectors(user, self.vectors[places[folded]])
        return found

    def vector(self, movie: int) -> Vector:
        """float[d]: a movie's vector, learned or folded in."""
        place = int(self.places[movie]) if 0 <= movie < len(self.places) - 1 else -1
        return self.model.movie_vector(movie) if place < 0 else self.vectors[place]

    def counts_of(self, movies: Int32) -> Int32:
        """int32[n]: ratings behind each movie's vector; 0 for an unknown movie."""
        return self.counts[self._rows(movies)]

    def _rows(self, movies: Int32) -> Int32:
        other = np.int32(len(self.places) - 1)
        return np.where((movies >= 0) & (movies < other), movies, other)


@dataclass(frozen=True)
class UserState:
    """One user, and all movies, at one moment. Immutable.

    Attributes:
        history: the user's ratings.
        vector: of the rating model.
        movies: the movies at that moment.
        revision: of the store, whose ratings up to it, and no later ones, are in users and movies; ``NO_MOMENT`` where
            they are those of no single revision, as while an import is being written.
    """

    history: History
    vector: Vector
    movies: FoldedMovies
    revision: int = NO_MOMENT

    @property
    def items(self) -> Int32:
        """int32[n]: the user's rated movies."""
        return self.history.items

    @property
    def ratings(self) -> Float32:
        """float32[n]: the user's ratings."""
        return self.history.ratings

    @property
    def mean(self) -> float:
        """The mean of the user's ratings; 0 without any."""
        return float(self.ratings.mean()) if len(self.ratings) else 0.0

    def predict(self, movies: Int32) -> Float32:
        """float32[n]: the user's predicted ratings of these movies.

        Without any rating of the user they stay inside the range of the learned ratings.
        """
        found = self.movies.predict(self.vector, movies)
        return found if len(self.items) else np.clip(found, *self.movies.model.given_)

    def intervals(
        self, calibration: Calibration | None, predicted: Float32, movies: Int32
    ) -> list[tuple[float, float] | None]:
        """The calibrated interval of each of these predicted ratings (float32[n]); None without a calibration."""
        if calibration is None:
            return [None] * len(predicted)
        low, high = calibration.interval(
            predicted, np.full(len(predicted), len(self.items)), self.movies.counts_of(movies)
        )
        return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


@dataclass(frozen=True)
class _FoldedUser:
    """A user's state without the movies, so that old moments of these can be freed."""

    history: History
    vector: Vector


@dataclass(frozen=True)
class MovieState:
    """The users who rated a movie, in order of key (int32[n]), and their ratings (float32[n]). Immutable."""

    users: Int32
    ratings: Float32


class Overlay(Generic[State]):
    """An immutable map from keys to states: ``put`` returns the next one, and copies one of its parts."""

    def __init__(self, parts: tuple[dict[int, State], ...] = tuple({} for _ in range(PARTS))) -> None:
        self._parts = parts

    def get(self, key: int) -> State | None:
        """The state of a key; None if there is none."""
        return self._parts[key % PARTS].get(key)

    def put(self, key: int, state: State) -> Overlay[State]:
        """The map with a new state of one key."""
        place = key % PARTS
        part = {**self._parts[place], key: state}
        return Overlay((*self._parts[:place], part, *self._parts[place + 1 :]))

    def __len__(self) -> int:
        return sum(map(len, self._parts))


@dataclass(frozen=True)
class _Moment:
    """All differences from the version. Immutable: readers hold one, a writer creates the next."""

    users: Overlay[_FoldedUser]
    movies: Overlay[MovieState]
    folded: FoldedMovies
    revision: int


class RealtimeLearner:
    """Folds users and movies into a version by closed form.

    Readers never wait: they take the current moment, which one assignment replaces as a whole, so a state shows both
    sides of a rating or neither. Writers take turns. The caller decides what the ratings are: the serving service holds
    its lock around the store's write and the update, so that both happen in the same order.

    Movies with more than ``MAX_LEARNED`` learned ratings keep their vectors, as do all movies of a model of an earlier
    release that can't fold movies in. A version that learned elsewhere holds movies alone: users are folded in from all
    of their ratings, and of movies only those that it has not learned.

    Args:
        bundle: the version, or those parts of it that predict ratings.
        data: the ratings as loaded; later changes are in the overlays.
        revision: of the store, which the ratings are those of.
    """

    def __init__(self, bundle: VersionBundle | RatingParts, data: Interactions, revision: int = NO_MOMENT) -> None:
        self.bundle = bundle
        self.data = data
        self._writing = Lock()
        self._learned = _learned_counts(bundle, data)
        self._holds_users = bundle.counts is None or len(bundle.counts.users) > 0
        self._now = _Moment(Overlay(), Overlay(), FoldedMovies.none(bundle.rating, self._learned), revision)

    # -- reading -----------------------------------------------------------------------------------------------------

    def state(self, user: int) -> UserState:
        """The current state of a user; an unknown user has no ratings and a neutral vector."""
        now = self._now
        found = now.users.get(user)
        if found is not None:
            return UserState(found.history, found.vector, now.folded, now.revision)
        history = self.data.history(user)
        if self._holds_users:
            return UserState(history, self.bundle.rating.user_vector(self._known(user)), now.folded, now.revision)
        return UserState(history, self._folded_user(user, history), now.folded, now.revision)

    def _known(self, user: int) -> int:
        return user if 0 <= user < self.data.n_users else -1

    def imagine(self, history: History, user: int = -1) -> UserState:
        """The state of a user with these ratings, which are not stored.

        Args:
            history: the ratings.
            user: the user's key if the version may have learned the user.
        """
        return UserState(history, self._folded_user(user, history), self._now.folded)

    def movie_state(self, movie: int) -> MovieState:
        """The ratings of a movie, as of the last update of movies."""
        found = self._now.movies.get(movie)
        if found is not None:
            return found
        if not 0 <= movie < self.data.n_movies:
            return MovieState(np.empty(0, np.int32), np.empty(0, np.float32))
        rows = self.data.by_movie.of(movie)
        return MovieState(self.data.users[rows], self.data.ratings[rows])

    @property
    def folded_users(self) -> int:
        """Number of users with ratings changed since training."""
        return len(self._now.users)

    @property
    def folded_movies(self) -> int:
        """Number of movies with a new vector since training."""
        return int((self._now.folded.places >= 0).sum())

    # -- writing -----------------------------------------------------------------------------------------------------

    def update_user_embedding(self, user: int, items: Int32, ratings: Float32, times: Int64 | None = None) -> UserState:
        """Fold in a user from all of the user's ratings; their order of arrival makes no difference.

        Args:
            user: the user's key; may be new.
            items: int32[n], all movies the user has rated, in order of key.
            ratings: float32[n].
            times: int64[n], Unix seconds; None where unknown.
        """
        with self._writing:
            self._now = self._with_user(self._now, user, History.of(items, ratings, times))
        return self.state(user)

    def update_movie_embedding(self, movie: int, users: Int32, ratings: Float32) -> MovieState:
        """Fold in a movie from all of its ratings.

        Args:
            movie: the movie's key; may be unknown to the version.
            users: int32[n], all users who rated it, in order of key.
            ratings: float32[n].

        Raises:
            ValueError: the data have no such movie.
        """
        if self._folds(movie):
            with self._writing:
                self._now = self._with_movie(self._now, movie, users, ratings)
        return self.movie_state(movie)

    def rate(
        self, user: int, movie: int, rating: float, time: int = UNKNOWN, *, revision: int = NO_MOMENT
    ) -> UserState:
        """Add or replace one rating, and update the user and the movie in one moment.

        Args:
            user: the user's key.
            movie: the movie's key.
            rating: the rating.
            time: Unix seconds.
            revision: of the store, that brought the rating.
        """
        return self._change(user, movie, rating, time, revision)

    def unrate(self, user: int, movie: int, *, revision: int = NO_MOMENT) -> UserState:
        """Remove one rating, as if it had never been given; arguments as of ``rate``."""
        return self._change(user, movie, None, UNKNOWN, revision)

    def _change(self, user: int, movie: int, rating: float | None, time: int, revision: int) -> UserState:
        with self._writing:
            mine = self.state(user).history
            changed = mine.without(movie) if rating is None else mine.with_rating(movie, rating, time)
            now = self._with_user(self._now, user, changed)
            if self._folds(movie):
                its = self.movie_state(movie)
                now = self._with_movie(now, movie, *_changed(its.users, its.ratings, user, rating))
            follows = now.revision and revision == now.revision + 1
            self._now = replace(now, revision=revision if follows else NO_MOMENT)
            return self.state(user)

    def _folds(self, movie: int) -> bool:
        if not 0 <= movie < len(self._learned):
            raise ValueError(f"there is no movie {movie} among {len(self._learned)}")
        most = MAX_LEARNED if self._holds_users else 0
        return self.bundle.rating.folds_movies and bool(self._learned[movie] <= most)

    def _with_user(self, now: _Moment, user: int, history: History) -> _Moment:
        return replace(now, users=now.users.put(user, _FoldedUser(history, self._folded_user(user, history))))

    def _folded_user(self, user: int, history: History) -> Vector:
        vector = self.bundle.rating.fold_in_user(history.items, history.ratings)
        return vector if self.bundle.offsets is None else vector + self.bundle.offsets.of_user(user)

    def _with_movie(self, now: _Moment, movie: int, users: Int32, ratings: Float32) -> _Moment:
        vector = self.bundle.rating.fold_in_movie(users, ratings, movie)
        if self.bundle.offsets is not None:
            vector = vector + self.bundle.offsets.of_movie(movie)
        folded = now.folded.put(movie, vector, len(users))
        return replace(now, movies=now.movies.put(movie, MovieState(users, ratings)), folded=folded)


def _learned_counts(bundle: VersionBundle | RatingParts, data: Interactions) -> Int32:
    """int32[n_movies]: learned ratings of each movie; today's counts for a version of an earlier release."""
    if bundle.counts is None:
        return data.movie_counts.astype(np.int32)
    counts = np.zeros(data.n_movies, np.int32)
    known = bundle.counts.movies[: data.n_movies]
    counts[: len(known)] = known
    return counts


def _changed(keys: Int32, ratings: Float32, key: int, rating: float | None) -> tuple[Int32, Float32]:
    """Keys in order and their ratings, with one rating set, or removed if it is None."""
    others = keys != key
    keys, ratings = keys[others], ratings[others]
    if rating is not None:
        keys, ratings = np.append(keys, np.int32(key)), np.append(ratings, np.float32(rating))
    order = np.argsort(keys)
    return keys[order], ratings[order]
