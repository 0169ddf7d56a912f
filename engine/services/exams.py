"""Exams: each new rating is predicted in the background from the state before it, and the predictions are stored."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from time import monotonic

from engine.background import give_way, step_back
from engine.recommending.exams import Predicted, place_in_list, predict
from engine.recommending.fold_in import UserState
from engine.recommending.state import ServingState
from engine.services.serving import ServingService
from engine.services.shadows import ShadowService
from store.errors import StoreError
from store.exams import MEANS, Answer, Exam, ExamStore, LearnedSpan
from store.records import RatingChange
from store.worker import Worker, nothing

log = logging.getLogger(__name__)

MAX_WAITING = 10_000
"""Changes of ratings that may wait; beyond, shadows are read again instead of following each one."""
MAX_HELD_BYTES, MAX_HELD = 64 * 2**20, 1_000
"""Memory, and number, of the states that waiting exams hold; exams beyond are dropped and counted."""
MOMENT_BYTES = 8
"""Of one movie in a state: its count and its place."""
FIRST_S = 0.05
"""Pause before the first exam of a batch, in which the answer to its rating goes out."""
BATCH, WRITE_S, QUIET_S = 400, 10.0, 1.0
"""Exams, and seconds, after which they are written; at once after a quiet second, as a rating waits for the disk."""
PRUNE_S = 3600.0
MAX_STOP_S = 5.0
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class ExamFacts:
    """How exams go, since the start.

    Attributes:
        taken: exams stored.
        dropped: new ratings that were no exam, as too many waited or the store could not write.
        waiting: exams not stored yet.
        shadows: versions that predict beside the one that serves, newest first.
        too_large: those that would, but for ``MARQUEE_SHADOW_MEMORY``.
    """

    taken: int
    dropped: int
    waiting: int
    shadows: tuple[int, ...]
    too_large: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Event:
    """A change of a rating. ``before``: the user just before a new rating; None where it is no exam."""

    state: ServingState
    change: RatingChange
    at: int
    now: int
    before: UserState | None


class ExamService:
    """Takes new ratings as exams. ``open`` and ``close`` frame the worker thread.

    ``note`` is called while the rating is stored, in the order of all changes, and only keeps what was known before.
    Imports never call it. The worker predicts first and lets the shadows learn afterwards.

    Args:
        serving: calls ``note``.
        store: keeps exams.
        shadows: the shadow versions and the means.
        days: how long exams are kept.
        clock: Unix seconds.
        was_shown: whether a user had been shown a movie before a time; None where nobody knows.
    """

    def __init__(
        self,
        serving: ServingService,
        store: ExamStore,
        shadows: ShadowService,
        days: int,
        clock: Callable[[], float],
        was_shown: Callable[[int, int, float], bool | None],
    ) -> None:
        self._serving = serving
        self._store = store
        self._shadows = shadows
        self._days = days
        self._clock = clock
        self._was_shown = was_shown
        self.on_written: Callable[[], None] = nothing
        """Called in the worker's thread after exams were written, and at the start."""
        self._events: deque[_Event] = deque()
        self._rows: list[Exam] = []
        self._working = Lock()  # held while exams are worked on
        self._counting = Lock()
        self._held = self._taken = self._dropped = 0
        self._ordered = self._begun = False
        self._written_at = self._pruned_at = -PRUNE_S
        self._stop_at = float("inf")
        self._spans: dict[int, LearnedSpan | None] = {}
        self.worker: Worker[None] = Worker(
            "exams", self._work, begin=step_back, idle=self._rest, every=QUIET_S, died=self._lose, waits=True
        )
        serving.witness = self.note

    def open(self) -> None:
        """Start the worker, which reads the shadows first."""
        self.worker.start()
        self.worker.put(None)

    def close(self) -> None:
        """Work on the exams that wait, for some seconds at most, write them, and stop."""
        self._stop_at = monotonic() + MAX_STOP_S
        self.worker.stop()
        with self._working:
            with self._store_may_fail():
                if self._events:
                    self._drain()
            self._write()

    def facts(self) -> ExamFacts:
        """How exams go."""
        shadows = self._shadows
        waiting = self._held + len(self._rows)
        return ExamFacts(self._taken, self._dropped, waiting, shadows.versions, shadows.too_large)

    # -- while a rating is stored ------------------------------------------------------------------------------------

    def note(self, state: ServingState, change: RatingChange, at: int) -> None:
        """Keep what an exam needs. Needs ``ServingService.writing``.

        Args:
            state: serves, and has not learned the change.
            change: as stored.
            at: its Unix time, as models know it.
        """
        if change.rating == change.previous:
            return
        new = change.previous is None
        if len(self._events) >= MAX_WAITING:
            self._shadows.lapse()
            self._count(dropped=int(new))
            return
        before = None
        if new and change.movie_key < state.data.n_movies:
            if self._held < _room(state):
                before = state.learner.state(change.user_key)
                self._count(held=1)
            else:
                self._count(dropped=1)
        self._events.append(_Event(state, change, at, int(self._clock()), before))
        if not self._ordered:
            self._ordered = True
            self.worker.put(None)

    def forget(self, user_key: int) -> None:
        """Drop everything of a user who was deleted from the store; shadows are read again without them."""
        with self._working:
            self._rows = [row for row in self._rows if row.user_key != user_key]
            with self._serving.writing:  # nothing is noted meanwhile, and the order stays
                gone = [one for one in self._events if one.change.user_key == user_key]
                self._events = deque(one for one in self._events if one.change.user_key != user_key)
            self._count(held=-sum(one.before is not None for one in gone))
            self._shadows.drop()

    def _count(self, *, held: int = 0, dropped: int = 0) -> None:
        with self._counting:
            self._held += held
            self._dropped += dropped

    # -- in the worker's thread --------------------------------------------------------------------------------------

    def _work(self, _: None) -> None:
        self.worker.stopping.wait(FIRST_S)
        with self._store_may_fail():
            self._go()

    def _rest(self) -> None:
        with self._store_may_fail():
            self._go(quiet=True)
            oldest = int(self._clock() - self._days * DAY_S)
            if monotonic() - self._pruned_at > PRUNE_S and not self._store.prune(oldest):
                self._pruned_at = monotonic()

    @contextmanager
    def _store_may_fail(self) -> Iterator[None]:
        """Go on with what waits at the next turn where the store can't be read or written."""
        try:
            yield
        except StoreError as error:
            log.error("%d changes wait to be exams: %s", len(self._events), error)

    def _go(self, *, quiet: bool = False) -> None:
        """Work on what waits, write what is due, and pick the shadows again."""
        with self._working:
            self._ordered = False
            self._drain()
            due = quiet or len(self._rows) >= BATCH or monotonic() - self._written_at > WRITE_S
            written = self._write() if due else 0
        if written or not self._begun:
            self._begun = True
            self.on_written()

    def settle(self) -> None:
        """Look which versions there are, work on everything that waits, and write it, all in the caller's thread."""
        with self._working:
            self._drain(at_once=True)
            self._write()

    def _drain(self, *, at_once: bool = False) -> None:
        self._shadows.renew(self._serving.state, at_once=at_once)
        while self._events and monotonic() < self._stop_at:
            give_way()
            event = self._events.popleft()
            if event.before is not None:
                try:
                    self._examine(event, event.before)
                finally:
                    self._count(held=-1)
            self._shadows.learn(event.change, event.at)

    def _examine(self, event: _Event, before: UserState) -> None:
        """Predict one new rating, by the version that served and by all beside it."""
        state, change = event.state, event.change
        span = self._span(state.version)
        if span is None or span.outside or change.rating is None or self._store.was_withdrawn(change, span):
            return
        give_way()  # before each step: a rating that is being stored waits for one at most
        served = _answer(state.version, predict(before, change.movie_key, state.bundle.calibration))
        give_way()
        place = place_in_list(state, before, change.movie_key, key=change.user_key, known=not change.new_user)
        others = [
            _answer(version, found)
            for version, found in self._shadows.predict(change)
            if version != state.version and (own := self._span(version)) and not self._store.was_withdrawn(change, own)
        ]
        if (means := self._shadows.means(before.history, change)) is not None:
            others.append(Answer(MEANS, means, None, None))
        shown = self._was_shown(change.user_key, change.movie_key, event.now + 1)  # which is in whole seconds
        about = event.now, change.user_key, change.movie_key, change.rating
        self._rows.append(Exam(*about, served, place, shown, tuple(others)))

    def _span(self, version: int) -> LearnedSpan | None:
        if version not in self._spans:
            self._spans[version] = self._store.learned(version)
        return self._spans[version]

    def _write(self) -> int:
        """Write the exams in hand; they are kept for another try where the store can't, as far as there is room."""
        rows, self._rows = self._rows, []
        self._written_at = monotonic()
        try:
            written = self._store.add(rows)
        except StoreError as error:
            log.error("%d exams could not be written yet: %s", len(rows), error)
            self._rows = rows[-MAX_HELD:]
            self._count(dropped=len(rows) - len(self._rows))
            return 0
        self._taken += written
        return written

    def _lose(self, _: None, __: str) -> None:
        """After a crash: the exam in hand is lost, and shadows are read again."""
        self._shadows.drop()
        self._count(dropped=1)


def _room(state: ServingState) -> int:
    """Number of states of users that may wait: each may hold a moment of all movies."""
    return max(min(MAX_HELD, MAX_HELD_BYTES // (MOMENT_BYTES * (state.data.n_movies + 1))), 8)


def _answer(version: int, found: Predicted) -> Answer:
    low, high = found.interval or (None, None)
    return Answer(version, found.rating, low, high)
