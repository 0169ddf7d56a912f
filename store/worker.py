"""Threads for work in the background: each takes orders one after the other, and begins again where its loop dies."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable
from itertools import count
from threading import Event, Thread, current_thread
from typing import Generic, TypeVar

from store.patience import patient

log = logging.getLogger(__name__)

T = TypeVar("T")

URGENT, BULK, LAST = 0, 1, 2
PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0


class _Stop:
    """The order to end."""


def _nothing(*_: object) -> None:
    """What a worker does where it was not told anything else."""


class Worker(Generic[T]):
    """A thread with its queue of orders. ``start`` once, ``stop`` once.

    An error that the work itself does not handle ends the loop. The worker is dead then: readiness says so, ``tell``
    is called, and after a pause the loop begins again with the next order. The pause is longer each time the loop dies
    without having done anything in between.

    Args:
        name: what the thread is called, in readiness and notices too.
        work: does one order.
        begin: called in the thread before the first order.
        idle: called whenever no order has come for ``every`` seconds.
        every: how long it waits for an order before it is idle.
        died: clears up after a death: takes the order that was in hand, None where there was none, and the reason.
        waits: whether its writes wait for as long as another program has the store locked.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[T], None] = _nothing,
        *,
        begin: Callable[[], None] = _nothing,
        idle: Callable[[], None] = _nothing,
        every: float | None = None,
        died: Callable[[T | None, str], None] = _nothing,
        waits: bool = False,
    ) -> None:
        self.name = name
        self.tell: Callable[[str, str], None] = _nothing
        """Called with the name and the reason of a death; set by whoever keeps notices."""
        self.queue: queue.PriorityQueue[tuple[int, int, T | _Stop]] = queue.PriorityQueue()
        self.stopping = Event()
        self._work = work
        self._begin: Callable[[], None] | None = begin
        self._idle = idle
        self._every = every
        self._clear_up = died
        self._waits = waits
        self._order = count()
        self._in_hand: T | None = None
        self._dead = False
        self._deaths = 0
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to take orders."""
        self._thread.start()

    def put(self, order: T, priority: int = BULK) -> None:
        """Give an order; those of the same priority are done in turn."""
        self.queue.put((priority, next(self._order), order))

    def stop(self, longest_s: float | None = None) -> None:
        """Do the orders that wait, end, and wait for that, at most so many seconds; None waits as long as it takes."""
        self.stopping.set()
        self.queue.put((LAST, next(self._order), _Stop()))
        if self._thread.is_alive():
            self._thread.join(longest_s)

    def is_alive(self) -> bool:
        """Whether orders are taken: not before the start, not after the end, and not while it is dead."""
        return self._thread.is_alive() and not self._dead

    def is_current(self) -> bool:
        """Whether this is called in the worker's own thread."""
        return current_thread() is self._thread

    # -- the thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            try:
                self._loop()
            except BaseException as error:  # noqa: BLE001  # the thread's outermost loop: nothing may end it in silence
                self._die(error)
            else:
                return
            if self.stopping.wait(min(PAUSE_S * 2 ** (self._deaths - 1), LONGEST_PAUSE_S)):
                return
            self._dead = False

    def _loop(self) -> None:
        with patient(self.stopping if self._waits else None):
            if self._begin is not None:
                self._begin()
                self._begin = None
            while True:
                try:
                    order = self.queue.get(timeout=self._every)[2]
                except queue.Empty:
                    self._idle()
                else:
                    if isinstance(order, _Stop):
                        return
                    self._in_hand = order
                    self._work(order)
                    self._in_hand = None
                self._deaths = 0

    def _die(self, error: BaseException) -> None:
        self._dead = True
        self._deaths += 1
        reason = f"{type(error).__name__}: {error}".rstrip(": ")
        order, self._in_hand = self._in_hand, None
        log.critical("the worker %s has died and begins again after a pause", self.name, exc_info=error)
        try:
            if self._deaths == 1:
                self.tell(self.name, reason)
            self._clear_up(order, reason)
        except BaseException:  # as above
            log.exception("what the worker %s left behind could not be cleared up", self.name)
