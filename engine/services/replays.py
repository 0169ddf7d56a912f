"""Replays of lists that users were given: made again from the version and the ratings as they were."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

import numpy as np

from engine.errors import NotReplayable
from engine.models.version import VersionBundle
from engine.recommending.exams import fold_changed
from engine.recommending.lists import ListOptions
from engine.recommending.state import ServingState
from engine.services.answers import AnswerService, Shown
from engine.services.history import HistoryService
from engine.services.serving import ServingService
from engine.services.storing import stores
from engine.services.version_records import find_version
from store.answers import AnswerRecord, movies_of, scores_of
from store.errors import DamagedVersion, NotStored
from store.records import VersionRecord
from store.versions import MLModelManager

WRITING = "an import was being written then, of which it knew only a part"
TOLERANCE = 1e-5
"""By which scores may differ, relative to the best: ratings are folded in in another order."""


@dataclass(frozen=True, slots=True)
class ReplayedItem:
    """One place of a list that was made again.

    Attributes:
        shown_score: the score in the list that was shown; None if the movie was not in it.
        reason: the main reason for its place, in a few words.
    """

    rank: int
    movie_id: str
    title: str
    score: float
    shown_score: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class PastRating:
    """A rating as it was."""

    movie_id: str
    title: str
    rating: float


@dataclass(frozen=True, slots=True)
class Replay:
    """A list that a user was given, made again.

    Attributes:
        user_id: the user.
        shown: the list, from the answer log.
        is_exact: whether the same movies are in the same places, with the same scores.
        items: the list as it was made now.
        ratings: those of the user that it was made from, the best first.
    """

    user_id: str
    shown: Shown
    is_exact: bool
    items: tuple[ReplayedItem, ...]
    ratings: tuple[PastRating, ...]


@dataclass(eq=False)
class ReplayService:
    """Makes lists again, one at a time: each needs the ratings of then in memory beside those of now."""

    _answers: AnswerService
    _history: HistoryService
    _models: MLModelManager
    _serving: ServingService

    def __post_init__(self) -> None:
        self._replaying = Lock()

    @stores
    def replay(self, answer_id: int) -> Replay:
        """Make a list again that a user was given; ``answer_id`` is its number in the answer log.

        Raises:
            UnknownAnswer: the log has no such list.
            NotReplayable: the message says why.
        """
        answer, user_id, shown = self._answers.get(answer_id)
        with self._replaying:
            self._check(answer)
            items, ratings, is_exact = self._again(answer, shown, *self._version(answer.version))
            self._check(answer)  # somebody may have been deleted meanwhile
        return Replay(user_id, shown, is_exact, items, ratings)

    def _check(self, answer: AnswerRecord) -> None:
        gap = self._history.gap(answer.revision) if answer.revision else WRITING
        if gap is not None:
            raise NotReplayable(f"This list can't be made again: {gap}.")

    def _version(self, version: int) -> tuple[VersionRecord, VersionBundle]:
        try:
            record = find_version(self._models, version)
            arrays = self._models.load_model(version).arrays
        except (NotStored, DamagedVersion) as error:
            raise NotReplayable(f"This list can't be made again. {error}") from error
        return record, VersionBundle.from_arrays(record.kind, record.config, arrays)

    def _again(
        self, answer: AnswerRecord, shown: Shown, record: VersionRecord, bundle: VersionBundle
    ) -> tuple[tuple[ReplayedItem, ...], tuple[PastRating, ...], bool]:
        past = self._history.at(answer.revision, answer.at, learned=record.data["revision"])
        state = self._serving.stage(bundle, past.snapshot, record.version)
        fold_changed(state.learner, past.users_changed, past.movies_changed)
        wanted = ListOptions(**shown.options)
        liked = state.scorer.genres(wanted.genres_liked)
        user = state.listen_to(state.learner.state(answer.user_key), liked, key=answer.user_key)
        made = state.list_of(user, wanted)
        then = dict(zip(movies_of(answer.places).tolist(), scores_of(answer.places).tolist(), strict=True))
        movies = made.movies.tolist()
        items = []
        for rank, key in enumerate(movies, start=1):
            movie, score = state.movie(key), float(made.scores[key])
            reason = state.reason(user, key, liked)
            items.append(ReplayedItem(rank, movie.movie_id, movie.title, score, then.get(key), reason))
        kept = np.array(list(then.values()), np.float32)
        near = TOLERANCE * float(np.abs(kept).max(initial=0))
        same = movies == list(then) and np.allclose(made.scores[made.movies], kept, rtol=0, atol=near)
        return tuple(items), _ratings(state, answer.user_key), bool(same)


def _ratings(state: ServingState, user: int) -> tuple[PastRating, ...]:
    """A user's ratings, the best first."""
    history = state.data.history(user)
    order = np.argsort(-history.ratings, kind="stable").tolist()
    found = ((state.movie(int(history.items[place])), float(history.ratings[place])) for place in order)
    return tuple(PastRating(movie.movie_id, movie.title, rating) for movie, rating in found)
