"""Lists, predictions, explanations and new ratings, answered from memory by the active version."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from threading import Lock, RLock

import numpy as np
from numpy.typing import NDArray

from engine.cold_start import Blend, blend, blended_scores
from engine.dataset.interactions import Float32, Int32, Interactions
from engine.drift import Drift, measure_drift
from engine.errors import InvalidInput, InvalidRating, NotReady, UnknownMovie, UnknownUser
from engine.explaining import ExplainerService, sentence, take_apart
from engine.models.bundle import LearnedCounts, VersionBundle
from engine.ranking import candidates, diversify, price_variety, top
from engine.realtime import RealtimeLearner, UserState
from engine.services.snapshot import Snapshots
from engine.services.storing import stores
from engine.settings import Settings
from engine.types import (
    Explanation,
    Movie,
    Prediction,
    Predictions,
    RankBy,
    RatingReceipt,
    RatingRemoval,
    Recommendations,
    RecommendedItem,
    UpdateHealth,
)
from store.errors import NotStored
from store.models import MLModelManager
from store.ratings import RatingStore
from store.records import RatingChange

log = logging.getLogger(__name__)

MOST_ITEMS = 1000


@dataclass(frozen=True)
class ServingState:
    """What one version serves with. Replaced whole when a version is activated or data is imported.

    Attributes:
        popularity: float32[n_movies], 0 for movies that came after the training.
        users, movies: raw id to key; users rated for the first time since are added by the writer alone.
    """

    version: int
    bundle: VersionBundle
    data: Interactions
    revision: int
    learner: RealtimeLearner
    explainer: ExplainerService
    popularity: Float32
    newest: float
    users: dict[str, int]
    movies: dict[str, int]

    @classmethod
    def build(cls, version: int, bundle: VersionBundle, data: Interactions, revision: int) -> ServingState:
        """Put a version and the ratings together."""
        popularity = np.zeros(data.n_movies, np.float32)
        popularity[: len(bundle.popularity)] = bundle.popularity[: data.n_movies]
        return cls(
            version,
            bundle,
            data,
            revision,
            RealtimeLearner(bundle, data),
            ExplainerService(data, bundle.ranker),
            popularity,
            float(data.timestamps.max()) if data.timestamps is not None and len(data) else 0.0,
            {str(user): key for key, user in enumerate(data.user_ids.ids)},
            {str(movie): key for key, movie in enumerate(data.movie_ids.ids)},
        )


@dataclass(frozen=True)
class _Listener:
    """A user as a request sees it: the state now and how its list is blended."""

    user_id: str
    key: int
    state: UserState
    blend: Blend
    scores: Float32 = field(repr=False)


class ServingService:
    """The one way to recommend, predict, explain and rate.

    Readers take the current ``ServingState`` once and never wait. Whoever writes (a rating, a swap of the state) holds
    the lock, so that no rating falls between the old state and the new.
    """

    def __init__(
        self,
        ratings: RatingStore,
        snapshots: Snapshots,
        models: MLModelManager,
        settings: Settings,
        clock: Callable[[], float],
    ) -> None:
        self._ratings = ratings
        self._snapshots = snapshots
        self._models = models
        self._settings = settings
        self._clock = clock
        self._building = RLock()  # held while a state is made and swapped in; taken before the lock, never after it
        self._lock = Lock()  # held while a rating is written and learned, and for the moment of a swap
        self._state: ServingState | None = None
        self._last_rated = 0.0
        self._measuring = Lock()
        self._measured: tuple[int, int, Drift] | None = None

    # -- the version that serves -------------------------------------------------------------------------------------

    def active_version(self) -> int | None:
        """The version that answers now, None before the first."""
        return self._state.version if self._state else None

    def load_active(self) -> None:
        """Serve the store's active version; where it is damaged, the store falls back to an intact one.

        Without any version nothing serves, which is no error: the first training changes it.
        """
        with self._building:
            try:
                stored = self._models.load_model()
            except NotStored:
                self._state = None
                return
            bundle = VersionBundle.from_arrays(stored.record.kind, stored.record.config, stored.arrays)
            self.serve(stored.record.version, bundle, stored.record.data["revision"])

    def refresh(self) -> None:
        """Take in what an import changed, with the version that serves already."""
        with self._building:
            state = self._state
            if state is not None:
                self.serve(state.version, state.bundle, self._models.get_version(state.version).data["revision"])

    def serve(self, version: int, bundle: VersionBundle, learned: int) -> None:
        """Build the next state beside the current one, then swap; the ledger has the last word on who serves.

        Args:
            version: what is to serve; nothing happens where another one was activated meanwhile.
            bundle: the version's models.
            learned: the revision of the store that the version has learned.
        """
        with self._building:
            if self._models.active_version() != version:
                return
            snapshot = self._snapshots.load()
            state = ServingState.build(version, bundle, snapshot.data, snapshot.revision)
            self._fold_from_snapshot(state, learned)
            self._warm(state)
            with self._lock:
                # What was rated while the state was being built; few, and nobody can rate during it.
                self._fold_from_store(state)
                self._state = state
        log.info("version %d serves %d users and %d movies", version, snapshot.data.n_users, snapshot.data.n_movies)

    def _warm(self, state: ServingState) -> None:
        """Make one list before anybody asks, so that compiled code is loaded and nobody waits for it."""
        if state.data.n_movies:
            user = self._listener(state, next(iter(state.users), ""))
            self._annotate(state, user, top(user.scores, 1), user.scores)

    def _fold_from_snapshot(self, state: ServingState, learned: int) -> None:
        """Fold in who had a rating changed since the version learned, on either side."""
        data, learner = state.data, state.learner
        for user in self._ratings.users_changed_since(learned).tolist():
            if user < data.n_users:
                rows = data.by_user.of(user)
                learner.update_user_embedding(user, data.items[rows], data.ratings[rows])
        for movie in self._ratings.movies_changed_since(learned).tolist():
            if movie < data.n_movies:
                rows = data.by_movie.of(movie)
                learner.update_movie_embedding(movie, data.users[rows], data.ratings[rows])

    def _fold_from_store(self, state: ServingState) -> None:
        """Fold in what came after the snapshot; of movies an import has just brought, its end takes note."""
        for user in self._ratings.users_changed_since(state.revision).tolist():
            stored = self._ratings.user_ratings(user)
            inside = stored.movies < state.data.n_movies
            state.learner.update_user_embedding(user, stored.movies[inside], stored.ratings[inside])
            if user >= state.data.n_users:
                state.users[self._ratings.user_ids()[user]] = user
        for movie in self._ratings.movies_changed_since(state.revision).tolist():
            if movie < state.data.n_movies:
                rated = self._ratings.movie_ratings(movie)
                state.learner.update_movie_embedding(movie, rated.users, rated.ratings)

    def _ready(self) -> ServingState:
        if self._state is None:
            if self._ratings.counts().ratings == 0:
                raise NotReady("There are no ratings yet. Import the demo data or your own, then train a model.")
            raise NotReady("No model is trained yet. Start a training; the first one takes about a minute.")
        return self._state

    # -- real time ---------------------------------------------------------------------------------------------------

    @stores
    def rate(self, user_id: str, movie_id: str, rating: float) -> RatingReceipt:
        """Store a rating durably and let the user's next list know it; rating again replaces.

        Raises:
            InvalidRating: not a number inside the scale.
            UnknownMovie: the catalogue has no such movie.
        """
        low, high = self._settings.scale
        if not (math.isfinite(rating) and low <= rating <= high):
            raise InvalidRating(f"A rating lies between {low:g} and {high:g}; {rating:g} does not.")
        started = time.perf_counter()
        self._know(movie_id)
        with self._lock:
            try:
                change = self._ratings.put_rating(user_id, movie_id, rating, int(self._clock()))
            except NotStored as error:
                raise UnknownMovie(f"The catalogue has no movie {movie_id!r}.") from error
            before, after = self._learn(user_id, change)
        elapsed = (time.perf_counter() - started) * 1000
        return RatingReceipt(user_id, movie_id, rating, change.previous, before, after, after is not None, elapsed)

    @stores
    def unrate(self, user_id: str, movie_id: str) -> RatingRemoval:
        """Take a rating away durably and let the user's next list know it; without a rating nothing happens.

        Raises:
            UnknownUser: Marquee has never met the user.
            UnknownMovie: the catalogue has no such movie.
        """
        started = time.perf_counter()
        if self._ratings.user_key(user_id) is None:
            raise UnknownUser(f"There are no ratings of the user {user_id!r}.")
        if self._ratings.movie_key(movie_id) is None:
            raise UnknownMovie(f"The catalogue has no movie {movie_id!r}.")
        self._know(movie_id)
        previous = after = None
        with self._lock, contextlib.suppress(NotStored):  # that there is no such rating is what was asked for
            change = self._ratings.delete_rating(user_id, movie_id)
            previous = change.previous
            _, after = self._learn(user_id, change)
        elapsed = (time.perf_counter() - started) * 1000
        return RatingRemoval(user_id, movie_id, previous, after, after is not None, elapsed)

    def health(self) -> UpdateHealth:
        """How far what is folded in has drifted from a version trained anew; ``engine.drift`` says how it is measured.

        Takes a second or two after a change of the ratings, and nothing after that.

        Raises:
            NotReady: nothing is trained yet.
        """
        state = self._ready()
        drift = None if state.bundle.counts is None else self._drift(state.version, state.bundle.counts)
        return UpdateHealth(
            state.version,
            state.learner.folded_users,
            state.learner.folded_movies,
            None if drift is None else drift.since,
            None if drift is None else drift.gap,
            None if drift is None else drift.overlap,
            0 if drift is None else drift.users,
            0 if drift is None else drift.held_out,
            "fine" if drift is None else drift.advice,
        )

    def _drift(self, version: int, counts: LearnedCounts) -> Drift:
        """Measured once for each state of the ratings; who asks meanwhile waits for it."""
        with self._measuring:
            snapshot = self._snapshots.load()
            if self._measured is None or self._measured[:2] != (version, snapshot.revision):
                self._measured = version, snapshot.revision, measure_drift(snapshot.data, counts)
            return self._measured[2]

    def _know(self, movie_id: str) -> None:
        """Take in a movie that an import still going has just brought."""
        state = self._state
        if state is not None and movie_id not in state.movies and self._ratings.movie_key(movie_id) is not None:
            self.refresh()

    def _learn(self, user_id: str, change: RatingChange) -> tuple[float | None, float | None]:
        """Fold user and movie in; the prediction before and after. The lock is held."""
        state, user, movie = self._state, change.user_key, change.movie_key
        if state is None or movie >= state.data.n_movies:
            return None, None
        column = np.array([movie], np.int32)
        known = state.learner.state(user)
        before = known.predict(column)[0]
        if change.rating is None:
            known = state.learner.unrate(user, movie)
        elif change.rating != change.previous:  # the store has noted no change of the same rating; nor does this
            known = state.learner.rate(user, movie, change.rating)
        after = known.predict(column)[0]
        state.users[user_id] = user
        self._last_rated = self._clock()
        return float(before), float(after)

    # -- answers -----------------------------------------------------------------------------------------------------

    def recommend(
        self,
        user_id: str,
        n: int = 10,
        *,
        genre: str | None = None,
        year_from: int | None = None,
        exclude: Collection[str] = (),
        diversity: float = 0.0,
        rank_by: RankBy = "ranker",
    ) -> Recommendations:
        """At most n distinct movies that the user has not rated, best first; anyone gets a list, with a status.

        Args:
            user_id: anyone; an unknown id gets what most people like.
            n: 1 to 1000.
            genre: only movies of this genre.
            year_from: only movies of this year or later; movies of unknown year are left out.
            exclude: movie ids to leave out.
            diversity: 0 orders by score alone, 1 by unlikeness of genres alone.
            rank_by: ``ranker`` orders by what the user is likely to want, ``rating`` by predicted rating.

        Raises:
            NotReady: nothing is trained yet.
            InvalidInput: an argument is outside its range.
        """
        started = time.perf_counter()
        if not 1 <= n <= MOST_ITEMS:
            raise InvalidInput(f"n is {n}, but must be from 1 to {MOST_ITEMS}.", field="n")
        if not 0 <= diversity <= 1:
            raise InvalidInput(f"diversity is {diversity}, but must be from 0 to 1.", field="diversity")
        state = self._ready()
        user = self._listener(state, user_id)
        scores = user.scores if rank_by == "ranker" else self._all_ratings(state, user)
        left_out = np.array([state.movies[movie] for movie in exclude if movie in state.movies], np.int32)
        drop = np.concatenate([user.state.items, left_out])
        allowed = candidates(state.data.movies, genre=genre, year_from=year_from)
        chosen = top(np.where(allowed, scores, -np.inf).astype(np.float32), n if diversity == 0 else 5 * n, drop=drop)
        price = None
        if diversity > 0 and len(chosen):
            plain = chosen[:n]
            chosen = diversify(chosen, scores, state.data.movies.genres, n, diversity)
            both = np.concatenate([chosen, plain]).astype(np.int32)
            predicted = user.state.predict(both).reshape(2, -1)
            price = price_variety(chosen, plain, scores, predicted, state.data.movies.genres)
        items = self._annotate(state, user, chosen, scores)
        age = max(self._clock() - max(state.newest, self._last_rated), 0.0)
        elapsed = (time.perf_counter() - started) * 1000
        reason = (
            user.blend.reason if items else "Every movie that fits has been rated already, or none fits the filters."
        )
        return Recommendations(
            user_id, user.blend.status, reason, state.version, age, elapsed, len(user.state.items), items, price
        )

    def list_with(self, bundle: VersionBundle, user_id: str, n: int = 10) -> list[Movie]:
        """The list that another version would make for a user, out of the ratings as they are now.

        Raises:
            InvalidInput: n is outside its range.
        """
        if not 1 <= n <= MOST_ITEMS:
            raise InvalidInput(f"n is {n}, but must be from 1 to {MOST_ITEMS}.", field="n")
        snapshot = self._snapshots.load()
        state = ServingState.build(0, bundle, snapshot.data, snapshot.revision)
        user = self._listener(state, user_id)
        chosen = top(user.scores, n, drop=user.state.items)
        ids = [str(snapshot.data.movie_ids.raw(int(movie))) for movie in chosen]
        return [snapshot.data.movies.movie(int(movie), name) for movie, name in zip(chosen, ids, strict=True)]

    def predict(self, pairs: Sequence[tuple[str, str]]) -> Predictions:
        """The predicted rating of each (user id, movie id); unknown sides fall back and say so.

        Raises:
            NotReady: nothing is trained yet.
        """
        state = self._ready()
        out = []
        for user_id, movie_id in pairs:
            user, movie = self._listener_state(state, user_id), state.movies.get(movie_id, -1)
            column = np.array([movie], np.int32)
            value = user.predict(column)
            interval = self._intervals(state, value, user, column)[0]
            out.append(Prediction(user_id, movie_id, float(value[0]), interval, _fallback(user, column)))
        return Predictions(state.version, tuple(out))

    def explain(self, user_id: str, movie_id: str) -> Explanation:
        """Why a movie stands where it does in the user's list: ``baseline + sum(share) + residual == score``.

        Raises:
            NotReady: nothing is trained yet.
            UnknownMovie: the catalogue has no such movie.
        """
        state = self._ready()
        if movie_id not in state.movies:
            raise UnknownMovie(f"The catalogue has no movie {movie_id!r}.")
        movie, user = state.movies[movie_id], self._listener(state, user_id)
        column = np.array([movie], np.int32)
        predicted = user.state.predict(column)
        parts = take_apart(
            state.bundle.ranker, user.state, state.popularity, user.blend, movie, float(user.scores[movie])
        )
        contributions = state.explainer.explain_recommendation(user.state, parts)
        match = state.explainer.get_genre_match_score(user.state, movie)
        return Explanation(
            user_id,
            movie_id,
            str(state.data.movies.titles[movie]),
            user.blend.status,
            parts.score,
            parts.baseline,
            contributions,
            parts.residual,
            float(predicted[0]),
            self._intervals(state, predicted, user.state, column)[0],
            state.explainer.find_similar_rated_movies(user.state, movie),
            match,
            state.explainer.get_similar_users_influence(user.key, user.state, movie),
            sentence(parts, contributions, match, predicted=float(predicted[0])),
            state.version,
        )

    # -- parts of an answer ------------------------------------------------------------------------------------------

    def _listener_state(self, state: ServingState, user_id: str) -> UserState:
        return state.learner.state(state.users.get(user_id, -1))

    def _listener(self, state: ServingState, user_id: str) -> _Listener:
        key = state.users.get(user_id, -1)
        user = state.learner.state(key)
        informative = state.bundle.ranker.count_known(user.items)
        how = blend(len(user.items), informative, known=key >= 0, personal_from=self._settings.personal_from)
        scores = blended_scores(state.bundle.ranker, state.popularity, how, user.items, user.ratings)
        return _Listener(user_id, key, user, how, scores)

    def _all_ratings(self, state: ServingState, user: _Listener) -> Float32:
        return user.state.predict(np.arange(state.data.n_movies, dtype=np.int32))

    def _annotate(
        self, state: ServingState, user: _Listener, chosen: NDArray[np.int64], scores: Float32
    ) -> tuple[RecommendedItem, ...]:
        columns = chosen.astype(np.int32)
        predicted = user.state.predict(columns)
        intervals = self._intervals(state, predicted, user.state, columns)
        items = []
        for rank, (column, rating, interval) in enumerate(zip(columns, predicted, intervals, strict=True), start=1):
            movie = state.data.movies.movie(int(column), str(state.data.movie_ids.raw(int(column))))
            items.append(
                RecommendedItem(
                    rank,
                    movie.movie_id,
                    movie.title,
                    movie.year,
                    movie.genres,
                    float(scores[column]),
                    float(rating),
                    interval,
                    self._confidence(interval),
                )
            )
        return tuple(items)

    def _intervals(
        self, state: ServingState, predicted: Float32, user: UserState, movies: Int32
    ) -> list[tuple[float, float] | None]:
        if state.bundle.calibration is None:
            return [None] * len(predicted)
        counts = np.full(len(predicted), len(user.items)), user.movies.counts_of(movies)
        low, high = state.bundle.calibration.interval(predicted, *counts)
        return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]

    def _confidence(self, interval: tuple[float, float] | None) -> float | None:
        low, high = self._settings.scale
        return None if interval is None else 1 - (interval[1] - interval[0]) / (high - low)


def _fallback(user: UserState, movie: Int32) -> str | None:
    """What the prediction could not know."""
    new_user = not len(user.items)
    new_movie = not user.movies.counts_of(movie)[0]
    if new_user and new_movie:
        return "Neither the user nor the movie has ratings: the mean of all ratings."
    if new_user:
        return "The user has no ratings: what people give the movie."
    return "The movie has no ratings: what the user gives." if new_movie else None
