"""The answer log: keeps every list that people are given, beside requests, and reads it."""

import json
import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from engine.data.cells import csv_pieces
from engine.errors import UnknownAnswer, UnknownUser
from engine.evaluation.live import FIRST_PLACES
from engine.recommending.lists import ListOptions
from engine.recommending.state import Listener, MadeList, ServingState
from engine.services.audit import audited, of_user
from engine.services.snapshots import Snapshots
from engine.services.storing import stores
from store.answers import Answer, AnswerRecord, AnswerStore, movies_of, pack, scores_of
from store.errors import NotStored, StoreError
from store.ratings import RatingStore
from store.values import ValueStore
from store.worker import Worker

log = logging.getLogger(__name__)

MB = 1_000_000
EVERY_S = 1.0
"""How often waiting answers are written; a kill loses at most those since the last time."""
REPEAT_S = 600.0
"""The same list again within this time is not kept again."""
MAX_WAITING, MAX_WAITING_BYTES = 10_000, 16 * MB
"""Answers in memory that wait to be written; beyond them answers are dropped, and counted."""
BATCH = 200
"""Answers of one transaction: a few milliseconds, for which a rating may have to wait."""
FULL, ROOMY = 0.99, 0.97
"""Parts of the limit at which answers are pruned, and down to which."""
PAGE = 500
SHOWN_S = 30 * 86_400.0
"""A list from before that has not led anybody to rate a movie."""
DEFAULTS = {one.name: one.default for one in fields(ListOptions)}
COLUMNS = ("shown_at", "model_version", "rank", "movie_id", "title", "score")


@dataclass(frozen=True, slots=True)
class ShownItem:
    """One place of a list that was shown."""

    rank: int
    movie_id: str
    title: str
    score: float


@dataclass(frozen=True, slots=True)
class Shown:
    """A list that a user was given.

    Attributes:
        answer_id: its number.
        shown_at: Unix seconds.
        ratings_count: number of the user's ratings then.
        options: those that were not the default.
    """

    answer_id: int
    shown_at: float
    model_version: int
    ratings_count: int
    options: dict[str, Any]
    items: tuple[ShownItem, ...]


@dataclass(frozen=True, slots=True)
class AnswerLogFacts:
    """What the log holds.

    Attributes:
        answers: number of answers kept.
        size_bytes: that they take in the file.
        limit_bytes: the most they may take; 0 if the log is off.
        waiting: answers still to be written.
        dropped: answers since the start that could not be kept.
    """

    answers: int
    size_bytes: int
    limit_bytes: int
    waiting: int
    dropped: int


class AnswerService:
    """Keeps answers in a bounded queue, writes them in batches, and prunes the oldest.

    Args:
        store: where answers are kept.
        values: since when.
        ratings, snapshots: of users and movies.
        limit_mb: megabytes that answers may take; 0 turns the log off and erases it.
        clock: Unix seconds.
    """

    def __init__(
        self,
        store: AnswerStore,
        values: ValueStore,
        ratings: RatingStore,
        snapshots: Snapshots,
        limit_mb: int,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._values = values
        self._ratings = ratings
        self._snapshots = snapshots
        self._limit = limit_mb * MB
        self._clock = clock
        self._lock = Lock()  # held for a moment
        self._waiting: deque[Answer] = deque()
        self._waiting_bytes = 0
        self._dropped = 0
        self._writing = Lock()  # held while answers are written
        self._answers = self._held = 0
        self._opened_at: float | None = None
        self._is_fitted = False
        self._failing = False
        self.worker: Worker[None] = Worker("answers", idle=self._look, every=EVERY_S)

    @property
    def is_on(self) -> bool:
        """Whether answers are kept."""
        return self._limit > 0

    def open(self) -> None:
        """Start writing."""
        self._opened_at = self._clock()
        self.worker.start()

    def close(self) -> None:
        """Write what waits, and stop."""
        self.worker.stop()
        try:
            if self._waiting:
                self.flush()
        except StoreError as error:
            log.warning("%d answers could not be kept at the stop: %s", len(self._waiting), error)

    # -- keeping -----------------------------------------------------------------------------------------------------

    def keep(self, state: ServingState, user: Listener, wanted: ListOptions, made: MadeList) -> None:
        """Keep the list that a user of the store is given; it takes microseconds and never waits for the store.

        Lists for ids that are not in the store are nobody's, and not kept.

        Args:
            state: made the list.
            user: the user.
            wanted: options of the request.
            made: the list.
        """
        if not self._limit or user.key < 0:
            return
        answer = Answer(
            user_key=user.key,
            at=self._clock(),
            version=state.version,
            revision=user.state.revision,
            ratings_count=len(user.state.items),
            options=_options(wanted),
            places=pack(made.movies, made.scores[made.movies]),
        )
        with self._lock:
            self._put(answer)

    def _put(self, answer: Answer) -> None:
        if len(self._waiting) >= MAX_WAITING or self._waiting_bytes + answer.size > MAX_WAITING_BYTES:
            self._dropped += 1
            return
        self._waiting.append(answer)
        self._waiting_bytes += answer.size

    def _take(self) -> list[Answer]:
        with self._lock:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH))]
            self._waiting_bytes -= sum(one.size for one in batch)
        return batch

    def _put_back(self, batch: Sequence[Answer]) -> None:
        """Before those that came meanwhile."""
        with self._lock:
            later = list(self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0
            for one in (*batch, *later):
                self._put(one)

    # -- writing -----------------------------------------------------------------------------------------------------

    def _fit(self) -> None:
        """Measure the log, and fit it to the limit, which may have changed since the last start."""
        self._answers, self._held = self._store.held()
        was_on = self._values.read().get("since") is not None
        if was_on != self.is_on:
            self._values.write({"since": self._opened_at if self.is_on else None})
        self._prune()
        self._is_fitted = True

    def _look(self) -> None:
        try:
            self.flush()
        except StoreError as error:  # the answers wait; a full queue drops the newest
            if not self._failing:
                log.warning("answers can't be kept at the moment: %s", error)
            self._failing = True
        else:
            self._failing = False

    def flush(self) -> None:
        """Write the answers that wait.

        Raises:
            StoreError: they can't be written; they wait on.
        """
        with self._writing:
            if not self._is_fitted:
                self._fit()
            while batch := self._take():
                try:
                    new = self._without_repeats(batch)
                    if new:
                        self._answers += self._store.add(new)
                except BaseException:
                    self._put_back(batch)
                    raise
                self._held += sum(one.size for one in new)
                self._prune()

    def _without_repeats(self, batch: Sequence[Answer]) -> list[Answer]:
        """The answers that differ from the last one that the user was given, or come long after it."""
        last: dict[int, Answer] = dict(self._store.last_of({one.user_key for one in batch}))
        new = []
        for one in batch:
            before = last.get(one.user_key)
            if before is None or not _is_repeat(one, before):
                last[one.user_key] = one
                new.append(one)
        return new

    def _prune(self) -> None:
        """Erase the oldest answers if the log is full; a stop does not wait for that, and the next start goes on."""
        if self._held <= self._limit * FULL:
            return
        count, held = self._store.held()  # users who were deleted have left room
        left = count if not self._limit else round(count * (1 - self._limit * ROOMY / held)) if held else 0
        while left > 0 and not self.worker.stopping.is_set():
            left -= self._store.prune(min(left, BATCH)) or left
        self._answers, self._held = self._store.held()
        if self._limit:
            self._values.write({"since": self._store.first_at() or self._clock()})

    # -- reading -----------------------------------------------------------------------------------------------------

    def facts(self) -> AnswerLogFacts:
        """What the log holds now."""
        return AnswerLogFacts(self._answers, self._held, self._limit, len(self._waiting), self._dropped)

    def since(self) -> float | None:
        """Time from which on all lists are kept, in Unix seconds; None if the log is off."""
        return self._values.read().get("since", self._opened_at) if self.is_on else None

    def was_shown(self, user_key: int, movie_key: int, until: float) -> bool | None:
        """Whether a movie was among the first ten of any list that a user was given in the ``SHOWN_S`` before a time.

        Args:
            user_key: the user.
            movie_key: the movie.
            until: Unix seconds.

        Returns:
            None if the log is off.
        """
        if not self.is_on:
            return None
        with self._lock:
            waiting = [one for one in self._waiting if one.user_key == user_key and one.at <= until]
        if any(movie_key in movies_of(one.places)[:FIRST_PLACES] for one in waiting):
            return True
        since = until - SHOWN_S
        return self._store.was_shown(user_key, movie_key, first=FIRST_PLACES, since=since, until=until)

    @stores
    def shown(self, user_id: str, limit: int = 20, *, before: int | None = None) -> list[Shown]:
        """Lists that a user was given, newest first.

        Args:
            user_id: the user.
            limit: maximum number of lists.
            before: only lists older than the one of this number.

        Raises:
            UnknownUser: there is no such user.
        """
        key = self._ratings.user_key(user_id)
        if key is None:
            raise UnknownUser(f"Nobody has the id {user_id!r}.")
        self.flush()
        return self._in_words(self._store.of_user(key, limit, before=before))

    def get(self, answer_id: int) -> tuple[AnswerRecord, str, Shown]:
        """One list: as it is stored, whose it is, and in words.

        Raises:
            UnknownAnswer: the log has no such list.
        """
        self.flush()
        try:
            found, user_id = self._store.get(answer_id)
        except NotStored as error:
            raise UnknownAnswer(str(error)) from error
        return found, user_id, self._in_words([found])[0]

    @audited("data exported", of_user)
    def table(self, user_id: str) -> Iterator[bytes]:
        """Every list that a user was given, newest first, as chunks of a CSV file with times in UTC.

        Raises:
            UnknownUser: there is no such user.
        """
        return csv_pieces(COLUMNS, _rows(self._all(user_id, self.shown(user_id, PAGE))))

    def _all(self, user_id: str, page: Sequence[Shown]) -> Iterator[Shown]:
        while page:
            yield from page
            page = self.shown(user_id, PAGE, before=page[-1].answer_id)

    def _in_words(self, found: Sequence[AnswerRecord]) -> list[Shown]:
        ids, movies = self._snapshots.movies()
        out = []
        for one in found:
            keys, scores = movies_of(one.places).tolist(), scores_of(one.places).tolist()
            items = tuple(
                ShownItem(rank, str(ids.raw(key)), str(movies.titles[key]), score)
                for rank, (key, score) in enumerate(zip(keys, scores, strict=True), start=1)
            )
            options = json.loads(one.options or "{}")
            out.append(Shown(one.answer_id, one.at, one.version, one.ratings_count, options, items))
        return out


def _rows(lists: Iterator[Shown]) -> Iterator[list[object]]:
    for one in lists:
        time = datetime.fromtimestamp(one.shown_at, UTC).isoformat(timespec="milliseconds")
        for item in one.items:
            yield [time, one.model_version, item.rank, item.movie_id, item.title, item.score]


def _options(wanted: ListOptions) -> str | None:
    """The options that are not the default, as JSON; None if all are."""
    given: Mapping[str, Any] = {
        name: value for name, default in DEFAULTS.items() if (value := getattr(wanted, name)) and value != default
    }
    return json.dumps(given, separators=(",", ":"), default=sorted) if given else None


def _is_repeat(new: Answer, before: Answer) -> bool:
    """Whether a page that was drawn again shows the same list."""
    same = (new.version, new.options) == (before.version, before.options)
    half = len(new.places) // 2
    movies = len(new.places) == len(before.places) and new.places[:half] == before.places[:half]
    return same and movies and abs(new.at - before.at) < REPEAT_S
