"""Lists, predictions, explanations and new ratings, answered from memory by the active version."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from threading import Lock, RLock
from typing import TypeVar

import numpy as np

from engine.background import give_way, urgent
from engine.data.arrays import Int32
from engine.data.catalogue import Movie
from engine.errors import InvalidInput, InvalidRating, NotReady, UnknownMovie, UnknownUser
from engine.evaluation.verdict import GOALS
from engine.models.base import NOTHING
from engine.models.version import LearnedCounts, VersionBundle
from engine.recommending.explanations import Explanation, LikeMovie, SimilarMovies
from engine.recommending.fold_in import UserState
from engine.recommending.interview import InterviewQuestion, InterviewState
from engine.recommending.lists import (
    ImaginedItem,
    ListOptions,
    Prediction,
    Predictions,
    RankBy,
    Recommendations,
    WhatIf,
)
from engine.recommending.state import Listener, ServingState
from engine.services.audit import audited, of_user
from engine.services.ratings import ForgettingReceipt, RatingReceipt, RatingRemoval
from engine.services.snapshots import Snapshots
from engine.services.storing import stores
from engine.services.warmup import try_out
from engine.settings import Settings
from engine.training.drift import Drift, UpdateHealth, measure_drift
from store.errors import DamagedVersion, NotStored, NotWritten, StoreClosed, StoreError
from store.notices import NoticeStore
from store.ratings import RatingStore
from store.records import RatingChange, VersionRecord
from store.versions import MLModelManager

log = logging.getLogger(__name__)

T = TypeVar("T")

ROUNDS, FEW = 10, 5
"""So often, at most, a new state catches up with what was rated meanwhile; it is ready after a round of so few."""
MOST_ITEMS = 1000
MOST_QUESTIONS = 100


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
        notices: NoticeStore,
        settings: Settings,
        clock: Callable[[], float],
    ) -> None:
        self._ratings = ratings
        self._notices = notices
        self._snapshots = snapshots
        self._models = models
        self._settings = settings
        self._clock = clock
        self._building = RLock()  # held while a state is made and swapped in; taken before the lock, never after it
        self._lock = Lock()  # held while a rating is written and learned, and for the moment of a swap
        self._state: ServingState | None = None
        self._meanwhile: list[Callable[[ServingState], object]] | None = None
        self._last_rated = 0.0
        self._measuring = Lock()
        self._measured: tuple[int, int, Drift] | None = None

    # -- the version that serves -------------------------------------------------------------------------------------

    def active_version(self) -> int | None:
        """The version that answers now, None before the first."""
        return self._state.version if self._state else None

    def load_active(self) -> None:
        """Serve the store's active version; where it is damaged or can't be built, the best one that can serve.

        That is the one that served last of the others, or else the best of those that never did; the ledger and a
        notice say so. Without any nothing serves, which is no error: the next training changes it.
        """
        with self._building:
            wanted = self._models.active_version()
            if wanted is None:
                self._state = None
                return
            faults: list[str] = []
            for version in self._models.by_merit(wanted, GOALS):
                try:
                    record, bundle = self._load(version)
                    enter = None if version == wanted else partial(self._take_place, version, wanted, faults[0])
                    self.serve(version, bundle, record.data["revision"], enter)
                except (NotWritten, StoreClosed):  # it is the store that fails, so no other version can be read either
                    raise
                except (DamagedVersion, NotStored) as error:
                    log.error("version %d can't serve: %s", version, error)
                    faults.append(str(error))
                except Exception as error:  # whatever is wrong with one version, another may serve
                    log.exception("version %d can't serve", version)
                    faults.append(tell_fault(version, error))
                else:
                    return
            self._state = None
            self._notices.add("error", "versions", f"{faults[0]} No stored version can serve. Train again.")

    def _load(self, version: int) -> tuple[VersionRecord, VersionBundle]:
        stored = self._models.load_model(version)
        record = stored.record
        return record, VersionBundle.from_arrays(record.kind, record.config, stored.arrays)

    def _take_place(self, version: int, wanted: int, fault: str) -> None:
        """Enter a version in the ledger in the place of one that can't serve."""
        told = f"{fault} Version {version} serves in its place."
        try:
            self._models.activate(version, actor="marquee", reason=fault)
            self._notices.add("error", "versions", told, {"version": version, "instead_of": wanted})
        except StoreError as error:  # lists go on all the same; the next start comes to the same
            log.error("%s The ledger could not be told: %s", told, error)

    def try_out(self, bundle: VersionBundle) -> None:
        """Answer with a version as requests would ask it to, before it is stored; nothing is kept.

        Raises:
            Exception: whatever its answers fail with; ValueError where they hold what is no number.
        """
        snapshot = self._snapshots.load()
        for model in (bundle.rating, bundle.ranker):
            model.bind(snapshot.data)
        try_out(ServingState.build(0, bundle, snapshot.data, snapshot.revision, self._settings.personal_from))

    def refresh(self) -> None:
        """Take in what an import changed, with the version that serves already."""
        with self._building:
            state = self._state
            if state is not None:
                self.serve(state.version, state.bundle, self._models.get_version(state.version).data["revision"])

    def serve(
        self, version: int, bundle: VersionBundle, learned: int, enter: Callable[[], object] | None = None
    ) -> None:
        """Build the next state beside the current one, then swap; the ledger has the last word on who serves.

        Args:
            version: what is to serve.
            bundle: the version's models.
            learned: the revision of the store that the version has learned.
            enter: enters the version in the ledger, once its state is built and before it serves. None where that is
                done already: nothing happens then if another one was activated meanwhile.
        """
        with self._building:
            if enter is None and self._models.active_version() != version:
                return
            with self._lock:
                self._meanwhile = []
            try:
                snapshot = self._snapshots.load()
                data, personal_from = snapshot.data, self._settings.personal_from
                for model in (bundle.rating, bundle.ranker):
                    model.bind(data)  # who was forgotten since the training is not to stay in memory with it
                state = ServingState.build(version, bundle, data, snapshot.revision, personal_from)
                self._fold_from_snapshot(state, learned)
                self._warm(state)
                if enter is not None:
                    enter()
                self._catch_up(state)
                with self._lock:
                    for change in self._meanwhile:  # few by now, and nobody can rate during them
                        change(state)
                    self._state = state
            finally:
                with self._lock:
                    self._meanwhile = None
        log.info("version %d serves %d users and %d movies", version, data.n_users, data.n_movies)

    def _catch_up(self, state: ServingState) -> None:
        """Repeat what was changed while a state was being made, until next to nothing comes meanwhile."""
        for _ in range(ROUNDS):
            with self._lock:
                changes, self._meanwhile = self._meanwhile or [], []
            for change in changes:
                change(state)
            if len(changes) <= FEW:
                return

    def _change(self, change: Callable[[ServingState], T]) -> T | None:
        """Change what serves, and what is being made to serve next; the answer of the former. The lock is held."""
        if self._meanwhile is not None:
            self._meanwhile.append(change)
        return None if self._state is None else change(self._state)

    def _warm(self, state: ServingState) -> None:
        """Make one list before anybody asks, so that compiled code is loaded and nobody waits for it."""
        if state.data.n_movies:
            user = state.listen(next(iter(state.users), ""))
            state.annotate(user, state.make_list(user, ListOptions(1), NOTHING))

    def _fold_from_snapshot(self, state: ServingState, learned: int) -> None:
        """Fold in who had a rating changed since the version learned, on either side."""
        data, learner = state.data, state.learner
        for user in self._ratings.users_changed_since(learned).tolist():
            if user < data.n_users:
                give_way()
                rows = data.by_user.of(user)
                learner.update_user_embedding(user, data.items[rows], data.ratings[rows])
        for movie in self._ratings.movies_changed_since(learned).tolist():
            if movie < data.n_movies:
                give_way()
                rows = data.by_movie.of(movie)
                learner.update_movie_embedding(movie, data.users[rows], data.ratings[rows])

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
        self._check_rating(rating)
        started = time.perf_counter()
        self._know(movie_id)
        with urgent(), self._lock:
            try:
                change = self._ratings.put_rating(user_id, movie_id, rating, int(self._clock()))
            except NotStored as error:
                raise UnknownMovie(f"The catalogue has no movie {movie_id!r}.") from error
            before, after = self._learn(user_id, change)
        elapsed = (time.perf_counter() - started) * 1000
        kept = rating if change.rating is None else change.rating
        return RatingReceipt(user_id, movie_id, kept, change.previous, before, after, after is not None, elapsed)

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
        with urgent(), self._lock, contextlib.suppress(NotStored):  # that there is no such rating is what was asked for
            change = self._ratings.delete_rating(user_id, movie_id)
            previous = change.previous
            _, after = self._learn(user_id, change)
        elapsed = (time.perf_counter() - started) * 1000
        return RatingRemoval(user_id, movie_id, previous, after, after is not None, elapsed)

    @audited("user erased", of_user)
    @stores
    def forget(self, user_id: str) -> ForgettingReceipt:
        """Erase a user's ratings and id from the store and from memory; what versions have learned is named.

        Everything that serves is built anew without the user, so it takes as long as after an import.

        Raises:
            UnknownUser: Marquee has never met the user.
        """
        with self._lock:
            try:
                gone = self._ratings.forget_user(user_id)
            except NotStored as error:
                raise UnknownUser(f"There is no user {user_id!r}.") from error
            self._change(lambda state: state.users.pop(user_id, None))
        self._snapshots.forget()
        self.refresh()
        learned = tuple(version for version in self._stored() if self._has_learned(version, gone.user_key))
        return ForgettingReceipt(user_id, gone.ratings, self._clock(), learned, _told(gone.ratings, learned))

    def _stored(self) -> list[int]:
        return [one.version for one in self._models.list_versions() if one.state == "ready"]

    def _has_learned(self, version: int, user: int) -> bool:
        """Whether a version has learned from a user's ratings; of one that says nothing of users it is taken so."""
        try:
            counts = self._models.load_part(version, "counts/").get("counts/users")
        except (DamagedVersion, NotStored):  # it gives up its arrays just now, or they can't be read
            return False
        return counts is None or (user < len(counts) and bool(counts[user]))

    def health(self) -> UpdateHealth:
        """How far what is folded in has drifted from a version trained anew (see ``engine.training.drift``).

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
        self._last_rated = self._clock()
        return self._change(lambda state: state.learn(user_id, change)) or (None, None)

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
        genres_liked: Collection[str] = (),
        include_rated: bool = False,
    ) -> Recommendations:
        """Distinct movies that the user has not rated, best first; anyone gets a list, with a status.

        An unknown id gets what most people like. What a list is to hold is told by the fields of ``ListOptions``.

        Raises:
            NotReady: nothing is trained yet.
            InvalidInput: an argument is outside its range.
        """
        started = time.perf_counter()
        wanted = _checked(
            ListOptions(n, genre, year_from, exclude, diversity, rank_by, genres_liked, include_rated=include_rated)
        )
        state = self._ready()
        user = state.listen(user_id, state.scorer.genres(genres_liked))
        return self._answer(state, user_id, user, wanted, started)

    def recommend_to(self, ratings: Mapping[str, float], wanted: ListOptions) -> Recommendations:
        """A list for somebody who is not stored, out of ratings that are not kept; ``user_id`` is empty.

        Args:
            ratings: by movie id.
            wanted: what the list is to hold.

        Raises:
            NotReady: nothing is trained yet.
            InvalidInput, InvalidRating: an argument is outside its range.
            UnknownMovie: the catalogue has no such movie.
        """
        started = time.perf_counter()
        _checked(wanted)
        state = self._ready()
        imagined = self._imagine(state, {}, ratings)
        user = state.listen_to(imagined, state.scorer.genres(wanted.genres_liked))
        return self._answer(state, "", user, wanted, started)

    def _age(self, state: ServingState) -> float | None:
        """Seconds since the newest rating; None where no time is known."""
        now = self._clock()
        newest = min(max(state.newest, self._last_rated), now)  # the clock may have been ahead
        return now - newest if newest > 0 else None

    def _answer(
        self, state: ServingState, user_id: str, user: Listener, wanted: ListOptions, started: float
    ) -> Recommendations:
        made = state.make_list(user, wanted, NOTHING if wanted.include_rated else user.state.items)
        items = state.annotate(user, made)
        left = user.blend.reason if items else "Every movie that fits has been rated already, or none fits the filters."
        return Recommendations(
            user_id,
            user.blend.status,
            left,
            state.version,
            data_age_s=self._age(state),
            latency_ms=(time.perf_counter() - started) * 1000,
            ratings_count=len(user.state.items),
            items=items,
            price=made.price,
        )

    def what_if(self, user_id: str, changes: Mapping[str, float | None], wanted: ListOptions) -> WhatIf:
        """The list that a user would get with other ratings, beside the one they get; nothing is kept.

        Movies that the user has really rated stay out of both, those whose rating is dropped here included.

        Args:
            user_id: anyone.
            changes: by movie id: another rating or a new one; None drops it.
            wanted: what the list is to hold.

        Raises:
            NotReady: nothing is trained yet.
            InvalidInput, InvalidRating: an argument is outside its range.
            UnknownMovie: the catalogue has no such movie.
        """
        _checked(wanted)
        state = self._ready()
        liked = state.scorer.genres(wanted.genres_liked)
        user = state.listen(user_id, liked)
        now = dict(zip(user.state.items.tolist(), user.state.ratings.tolist(), strict=True))
        other = state.listen_to(
            self._imagine(state, now, changes, user.key), liked, known=user.key >= 0 or bool(changes)
        )
        drop = np.union1d(user.state.items, other.state.items).astype(np.int32)
        before, after = (state.make_list(one, wanted, drop).movies.tolist() for one in (user, other))
        columns = np.array(after, np.int32)
        predicted = zip(user.state.predict(columns).tolist(), other.state.predict(columns).tolist(), strict=True)
        items = tuple(
            ImaginedItem(
                rank + 1,
                state.movie(movie),
                before.index(movie) - rank if movie in before else None,
                predicted_rating=there,
                predicted_before=here,
            )
            for rank, (movie, (here, there)) in enumerate(zip(after, predicted, strict=True))
        )
        left = tuple(state.movie(movie) for movie in before if movie not in after)
        return WhatIf(
            user_id, other.blend.status, other.blend.reason, state.version, len(other.state.items), items, left
        )

    def interview(self, user_id: str, n: int = 1, skipped: Collection[str] = ()) -> InterviewState:
        """What to ask a user, so that few answers tell much; an answer is a rating, given by ``rate``.

        Args:
            user_id: anyone; an unknown id has answered nothing yet.
            n: 1 to 100 questions at most, each as if those before it had been answered.
            skipped: ids of movies that the user does not know.

        Raises:
            NotReady: nothing is trained yet.
            InvalidInput: n is outside its range.
        """
        if not 1 <= n <= MOST_QUESTIONS:
            raise InvalidInput(f"n is {n}, but must be from 1 to {MOST_QUESTIONS}.", field="n")
        state = self._ready()
        user, known = state.state_of(user_id), user_id in state.users
        unknown = np.array([state.movies[movie] for movie in skipped if movie in state.movies], np.int32)
        said = user.items, user.ratings, unknown
        questions = tuple(
            InterviewQuestion(state.movie(one.movie), one.chance, one.teaches)
            for one in state.interview.questions(*said, n)
        )
        confidence = state.interview.confidence(user.items)
        finished = None if questions else state.interview.finished(*said)
        status = state.blend_of(user, known=known).status
        return InterviewState(user_id, status, state.version, len(user.items), confidence, questions, finished)

    def _imagine(
        self, state: ServingState, ratings: dict[int, float], changes: Mapping[str, float | None], user: int = -1
    ) -> UserState:
        """A user, or somebody else, with these ratings by movie key, changed by movie id."""
        changed: dict[int, float | None] = dict(ratings)
        for movie_id, rating in changes.items():
            if rating is not None:
                self._check_rating(rating)
            changed[_key(state, movie_id)] = rating
        kept = sorted((movie, rating) for movie, rating in changed.items() if rating is not None)
        movies, values = ([one[side] for one in kept] for side in (0, 1))
        return state.learner.imagine(np.array(movies, np.int32), np.array(values, np.float32), user)

    def list_with(self, bundle: VersionBundle, user_id: str, n: int = 10) -> list[Movie]:
        """The list that another version would make for a user, out of the ratings as they are now.

        Raises:
            InvalidInput: n is outside its range.
        """
        wanted = _checked(ListOptions(n))
        snapshot = self._snapshots.load()
        state = ServingState.build(0, bundle, snapshot.data, snapshot.revision, self._settings.personal_from)
        user = state.listen(user_id)
        return [state.movie(movie) for movie in state.make_list(user, wanted, user.state.items).movies.tolist()]

    def predict(self, pairs: Sequence[tuple[str, str]]) -> Predictions:
        """The predicted rating of each (user id, movie id); unknown sides fall back and say so.

        Raises:
            NotReady: nothing is trained yet.
        """
        state = self._ready()
        out = []
        for user_id, movie_id in pairs:
            user, movie = state.state_of(user_id), state.movies.get(movie_id, -1)
            column = np.array([movie], np.int32)
            value = user.predict(column)
            interval = state.intervals(value, user, column)[0]
            out.append(Prediction(user_id, movie_id, float(value[0]), interval, _fallback(user, column)))
        return Predictions(state.version, tuple(out))

    def explain(self, user_id: str, movie_id: str, genres_liked: Collection[str] = ()) -> Explanation:
        """Why a movie stands where it does in the user's list: ``baseline + sum(share) + residual == score``.

        Args:
            user_id: anyone.
            movie_id: of the catalogue.
            genres_liked: what the list was asked for with.

        Raises:
            NotReady: nothing is trained yet.
            InvalidInput: no movie has such a genre.
            UnknownMovie: the catalogue has no such movie.
        """
        state = self._ready()
        movie, liked = _key(state, movie_id), state.scorer.genres(genres_liked)
        return state.explain(user_id, state.listen(user_id, liked), movie, liked)

    def similar(self, movie_id: str, n: int = 10) -> SimilarMovies:
        """The movies most like one of the catalogue.

        Raises:
            NotReady: nothing is trained yet.
            InvalidInput: n is outside its range.
            UnknownMovie: the catalogue has no such movie.
        """
        _checked(ListOptions(n))
        state = self._ready()
        movie = _key(state, movie_id)
        basis, found = state.explainer.find_similar_movies(movie, n)
        items = tuple(LikeMovie(state.movie(other), similarity) for other, similarity in found)
        return SimilarMovies(state.movie(movie), basis, items)

    def _check_rating(self, rating: float) -> None:
        low, high = self._settings.scale
        if not (math.isfinite(rating) and low <= rating <= high):
            raise InvalidRating(f"A rating lies between {low:g} and {high:g}; {rating!r} does not.")


def _key(state: ServingState, movie_id: str) -> int:
    if movie_id not in state.movies:
        raise UnknownMovie(f"The catalogue has no movie {movie_id!r}.")
    return state.movies[movie_id]


def tell_fault(version: int, error: Exception) -> str:
    """Why a version can't serve, as a sentence."""
    why = f"{type(error).__name__}: {error}".rstrip(".: ")
    return f"Version {version} can't serve: {why}."


def _checked(wanted: ListOptions) -> ListOptions:
    """What a list is to hold, where it can."""
    if not 1 <= wanted.n <= MOST_ITEMS:
        raise InvalidInput(f"n is {wanted.n}, but must be from 1 to {MOST_ITEMS}.", field="n")
    if not 0 <= wanted.diversity <= 1:
        raise InvalidInput(f"diversity is {wanted.diversity}, but must be from 0 to 1.", field="diversity")
    return wanted


def _told(ratings: int, versions: Sequence[int]) -> str:
    """What was erased, and what is left to do."""
    erased = f"{'1 rating' if ratings == 1 else f'{ratings:,} ratings'} and the id were erased."
    if not versions:
        return f"{erased} No stored version has learned from them."
    named = "Version" if len(versions) == 1 else "Versions"
    which = ", ".join(map(str, versions))
    return f"{erased} {named} {which} learned from them before: train again, then delete what is named here."


def _fallback(user: UserState, movie: Int32) -> str | None:
    """What the prediction could not know."""
    new_user = not len(user.items)
    new_movie = not user.movies.counts_of(movie)[0]
    if new_user and new_movie:
        return "Neither the user nor the movie has ratings: a typical rating."
    if new_user:
        return "The user has no ratings: what people give the movie."
    return "The movie has no ratings: what the user gives." if new_movie else None
