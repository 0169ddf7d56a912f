"""How often movies are in people's lists: counted in the background when a page asks, once per version and data."""

from __future__ import annotations

import logging
from collections.abc import Callable
from weakref import ref

from engine.background import give_way, step_back
from engine.errors import Cancelled
from engine.recommending.reach import Reach, count_places, some_people
from engine.recommending.state import ServingState
from engine.services.serving import ServingService
from store.ratings import RatingStore
from store.worker import Worker

log = logging.getLogger(__name__)

MAX_PEOPLE = 1_000
"""Lists that are made. Of 1,000 drawn at random, a movie in 1% of all lists is missed by one count in 20,000."""
MAX_AGE_S = 300.0
"""Age at which the lists are made again where ratings have changed."""


class ReachService:
    """Counts the first places of lists of people drawn at random.

    Args:
        serving: the version that serves.
        ratings: the store, for its revision.
        clock: Unix seconds.
    """

    def __init__(self, serving: ServingService, ratings: RatingStore, clock: Callable[[], float]) -> None:
        self._serving = serving
        self._ratings = ratings
        self._clock = clock
        self._known: tuple[ref[ServingState], int, Reach] | None = None  # a state that is replaced can be freed
        self._ordered = False
        self.worker: Worker[None] = Worker("reach", self._count, begin=step_back)

    def open(self) -> None:
        """Start the background thread, which waits until somebody asks."""
        self.worker.start()

    def close(self) -> None:
        """End the background thread, also amid a count."""
        self.worker.stop()

    def current(self) -> Reach | None:
        """The reach of all movies; None until it is counted for the first time, which a call begins.

        It is of the version that serves; after new ratings it may be up to five minutes old.

        Raises:
            NotReady: nothing is trained yet.
        """
        state, known = self._serving.ready(), self._known
        if known is None or known[2].version != state.version:
            self._order()
            return None
        old = self._clock() - known[2].at > MAX_AGE_S and known[1] != self._ratings.revision()
        if known[0]() is not state or old:
            self._order()
        return known[2]

    def _order(self) -> None:
        if not self._ordered:
            self._ordered = True
            self.worker.put(None)

    def _count(self, _: None) -> None:
        try:
            state, revision = self._serving.ready(), self._ratings.revision()
            people, out_of = some_people(state, MAX_PEOPLE)
            places = count_places(state, people.tolist(), self._pause)
            self._known = ref(state), revision, Reach(state.version, len(people), out_of, places, self._clock())
        except Cancelled:
            log.info("counting lists was interrupted by the stop")
        finally:
            self._ordered = False

    def _pause(self) -> None:
        if self.worker.stopping.is_set():
            raise Cancelled("Marquee is stopping.")
        give_way()
