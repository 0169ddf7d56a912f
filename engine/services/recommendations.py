"""Lists, predictions, explanations and interview questions, answered from memory by the version that serves."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.background import give_way
from engine.data.arrays import Int32
from engine.data.catalogue import Movie
from engine.data.history import NOBODY, History
from engine.errors import UnknownMovie, check_range
from engine.models.version import VersionBundle
from engine.recommending.changes import ListChanges, measure_changes
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
from engine.recommending.state import Listener, MadeList, ServingState
from engine.services.answers import AnswerService
from engine.services.ratings import check_rating
from engine.services.scale import StoreScale
from engine.services.serving import ServingService
from engine.services.snapshots import Snapshots

MAX_ITEMS = 1000
MAX_QUESTIONS = 100


@dataclass(eq=False)
class RecommendationService:
    """Answers from the current ``ServingState``, which a request takes once; nothing here waits.

    The answer log keeps the lists of ``recommend`` only: people are shown no others.
    """

    _serving: ServingService
    _snapshots: Snapshots
    _scale: StoreScale
    _answers: AnswerService
    _clock: Callable[[], float]

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
        shown: bool = True,
    ) -> Recommendations:
        """Distinct movies that the user has not rated, best first; every id gets a list, with a status.

        An unknown id gets popular movies. The options are those of ``ListOptions``. The answer log keeps the list
        unless ``shown`` is False: somebody else looks at it.

        Raises:
            NotReady: nothing is trained yet.
            InvalidInput: an argument is outside its range.
        """
        started = time.perf_counter()
        wanted = _checked(
            ListOptions(n, genre, year_from, exclude, diversity, rank_by, genres_liked, include_rated=include_rated)
        )
        state = self._serving.ready()
        user = state.listen(user_id, state.scorer.genres(genres_liked))
        made = state.list_of(user, wanted)
        answer = self._answer(state, user_id, user, wanted, made, started)
        if shown:
            self._answers.keep(state, user, wanted, made)
        return answer

    def recommend_to(self, ratings: Mapping[str, float], wanted: ListOptions) -> Recommendations:
        """A list from ratings that are not stored; ``user_id`` is empty.

        Args:
            ratings: by movie id.
            wanted: options of the list.

        Raises:
            NotReady: nothing is trained yet.
            InvalidInput, InvalidRating: an argument is outside its range.
            UnknownMovie: the catalogue has no such movie.
        """
        started = time.perf_counter()
        _checked(wanted)
        state = self._serving.ready()
        imagined = self._imagine(state, NOBODY, ratings)
        user = state.listen_to(imagined, state.scorer.genres(wanted.genres_liked))
        return self._answer(state, "", user, wanted, state.list_of(user, wanted), started)

    def _age(self, state: ServingState) -> float | None:
        """Seconds since the newest rating; None where unknown."""
        now = self._clock()
        newest = min(max(state.newest, self._serving.last_rated), now)  # the clock may have been ahead
        return now - newest if newest > 0 else None

    def _answer(
        self, state: ServingState, user_id: str, user: Listener, wanted: ListOptions, made: MadeList, started: float
    ) -> Recommendations:
        items = state.annotate(user, made)
        return Recommendations(
            user_id,
            user.blend.status,
            user.blend.reason if items else _why_empty(state, wanted),
            state.version,
            data_age_s=self._age(state),
            latency_ms=(time.perf_counter() - started) * 1000,
            ratings_count=len(user.state.items),
            items=items,
            price=made.price,
        )

    def what_if(self, user_id: str, changes: Mapping[str, float | None], wanted: ListOptions) -> WhatIf:
        """The list with hypothetical ratings, compared with the current one; nothing is stored.

        Movies that the user has rated stay out of both lists, including those whose rating is dropped; a movie that
        only ``changes`` rates is in the current list and leaves it.

        Args:
            user_id: any id.
            changes: hypothetical ratings by movie id; None drops the rating.
            wanted: options of the list.

        Raises:
            NotReady: nothing is trained yet.
            InvalidInput, InvalidRating: an argument is outside its range.
            UnknownMovie: the catalogue has no such movie.
        """
        _checked(wanted)
        state = self._serving.ready()
        liked = state.scorer.genres(wanted.genres_liked)
        user = state.listen(user_id, liked)
        imagined = self._imagine(state, user.state.history, changes, user.key)
        other = state.listen_to(imagined, liked, known=user.key >= 0 or bool(changes))
        rated = user.state.items.astype(np.int32)
        drop = np.union1d(rated, other.state.items).astype(np.int32)
        before = state.make_list(user, wanted, rated).movies.tolist()
        after = state.make_list(other, wanted, drop).movies.tolist()
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
        """The most informative movies to ask a user about; an answer is a rating (``RatingService.rate``).

        Args:
            user_id: any id; an unknown one has answered nothing yet.
            n: at most 1 to 100 questions, each chosen as if those before it had been answered.
            skipped: ids of movies the user does not know.

        Raises:
            NotReady: nothing is trained yet.
            InvalidInput: n is outside its range.
        """
        check_range("n", n, 1, MAX_QUESTIONS)
        state = self._serving.ready()
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
        self, state: ServingState, history: History, changes: Mapping[str, float | None], user: int = -1
    ) -> UserState:
        """A user state with these ratings, changed by movie id; the changed ones are the newest."""
        now = max(int(self._clock()), int(history.times.max(initial=0)) + 1)
        for movie_id, rating in changes.items():
            movie = _key(state, movie_id)
            if rating is None:
                history = history.without(movie)
                continue
            check_rating(rating, self._scale.current)
            if history.rating_of(movie) == np.float32(rating):  # as when it is stored again
                continue
            history = history.with_rating(movie, rating, now)
        return state.learner.imagine(history, user)

    def list_with(self, bundle: VersionBundle, user_id: str, n: int = 10) -> list[Movie]:
        """The list that another version makes for a user from the current ratings.

        Raises:
            InvalidInput: n is outside its range.
        """
        wanted = _checked(ListOptions(n))
        state = self._serving.stage(bundle, self._snapshots.load())
        user = state.listen(user_id)
        return [state.movie(movie) for movie in state.list_of(user, wanted).movies.tolist()]

    def changes(
        self,
        new: tuple[int, VersionBundle],
        old: tuple[int, VersionBundle],
        progress: Callable[[float], object] = float,
    ) -> ListChanges:
        """What a version changes in everybody's list, from the current ratings.

        Args:
            new: number and models of the version.
            old: of the baseline.
            progress: called with the share of the work done; an error that it raises ends the comparison.
        """
        snapshot = self._snapshots.load()
        after, before = (self._serving.stage(models, snapshot, version) for version, models in (new, old))

        def pause(done: float) -> None:
            give_way()
            progress(done)

        return measure_changes(after, before, pause)

    def predict(self, pairs: Sequence[tuple[str, str]]) -> Predictions:
        """The predicted rating of each (user id, movie id); unknown ids fall back, with the reason.

        Raises:
            NotReady: nothing is trained yet.
        """
        state = self._serving.ready()
        out = []
        for user_id, movie_id in pairs:
            user, movie = state.state_of(user_id), state.movies.get(movie_id, -1)
            column = np.array([movie], np.int32)
            value = user.predict(column)
            interval = state.intervals(value, user, column)[0]
            out.append(Prediction(user_id, movie_id, float(value[0]), interval, _fallback(user, column)))
        return Predictions(state.version, tuple(out))

    def explain(self, user_id: str, movie_id: str, genres_liked: Collection[str] = ()) -> Explanation:
        """The explanation of a movie's score: ``baseline + sum(share) + residual == score``.

        Args:
            user_id: any id.
            movie_id: of the catalogue.
            genres_liked: as for the list.

        Raises:
            NotReady: nothing is trained yet.
            InvalidInput: no movie has such a genre.
            UnknownMovie: the catalogue has no such movie.
        """
        state = self._serving.ready()
        movie, liked = _key(state, movie_id), state.scorer.genres(genres_liked)
        return state.explain(user_id, state.listen(user_id, liked), movie, liked)

    def reasons(self, user_id: str, movie_ids: Sequence[str], genres_liked: Collection[str] = ()) -> list[str]:
        """The main reason for each movie's place in a user's list, in a few words; arguments as of ``explain``.

        Raises:
            NotReady, InvalidInput, UnknownMovie: as ``explain``.
        """
        state = self._serving.ready()
        liked = state.scorer.genres(genres_liked)
        user = state.listen(user_id, liked)
        return [state.reason(user, _key(state, movie), liked) for movie in movie_ids]

    def similar(self, movie_id: str, n: int = 10) -> SimilarMovies:
        """The movies most similar to one.

        Raises:
            NotReady: nothing is trained yet.
            InvalidInput: n is outside its range.
            UnknownMovie: the catalogue has no such movie.
        """
        _checked(ListOptions(n))
        state = self._serving.ready()
        movie = _key(state, movie_id)
        basis, found = state.explainer.find_similar_movies(movie, n)
        items = tuple(LikeMovie(state.movie(other), similarity) for other, similarity in found)
        return SimilarMovies(state.movie(movie), basis, items)


def _key(state: ServingState, movie_id: str) -> int:
    if movie_id not in state.movies:
        raise UnknownMovie(f"The catalogue has no movie {movie_id!r}.")
    return state.movies[movie_id]


def _checked(wanted: ListOptions) -> ListOptions:
    check_range("n", wanted.n, 1, MAX_ITEMS)
    check_range("diversity", wanted.diversity, 0, 1)
    return wanted


def _why_empty(state: ServingState, wanted: ListOptions) -> str:
    if not state.movies:
        return "The catalogue is empty. Import ratings, and lists appear."
    if wanted.genre is not None or wanted.year_from is not None or wanted.exclude:
        return f"No {'' if wanted.include_rated else 'unrated '}movie matches the filters."
    return "Every movie has been rated already."


def _fallback(user: UserState, movie: Int32) -> str | None:
    """Why a prediction falls back; None where it does not."""
    new_user = not len(user.items)
    new_movie = not user.movies.counts_of(movie)[0]
    if new_user and new_movie:
        return "Neither the person nor the movie has ratings, so this is a typical rating."
    if new_user:
        return "The person has no ratings, so this is what others give the movie."
    return "The movie has no ratings, so this is what the person gives movies." if new_movie else None
