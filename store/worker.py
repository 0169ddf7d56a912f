"""Background threads with a queue of orders, restarted after a crash."""

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
PAUSE_S, MAX_PAUSE_S = 1.0, 60.0


class _Stop:
    """The order to end."""


def nothing(*_: object) -> None:
    """Do nothing: the default of callbacks."""


class Worker(Generic[T]):
    """Thread that works through a queue of orders. Call ``start`` once and ``stop`` once.

    An error that ``work`` does not handle ends the loop, and the worker is dead: readiness reports it and ``on_death``
    is called. After a pause the loop starts again with the next order; the pause grows while the loop keeps dying
    before anything is done.

    Args:
        name: of the thread, also used in readiness and notices.
        work: carries out one order.
        begin: called in the thread before the first order.
        idle: called whenever no order has come for ``every`` seconds.
        every: seconds without an order before the worker is idle.
        died: cleans up after a crash; takes the order in hand (or None) and the reason.
        waits: whether writes in this thread wait for as long as another program has the store locked.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[T], None] = nothing,
        *,
        begin: Callable[[], None] = nothing,
        idle: Callable[[], None] = nothing,
        every: float | None = None,
        died: Callable[[T | None, str], None] = nothing,
        waits: bool = False,
    ) -> None:
        self.name = name
        self.on_death: Callable[[str, str], None] = nothing
        """Called with the name and the reason of a crash; the composition root sets it."""
        self.queue: queue.PriorityQueue[tuple[int, int, T | _Stop]] = queue.PriorityQueue()
        self.stopping = Event()
        self._work = work
        self._begin: Callable[[], None] | None = begin
        self._idle = idle
        self._every = every
        self._clean_up = died
        self._waits = waits
        self._order = count()
        self._in_hand: T | None = None
        self._dead = False
        self._deaths = 0
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start working through the queue."""
        self._thread.start()

    def put(self, order: T, priority: int = BULK) -> None:
        """Queue an order; orders of one priority are carried out first in, first out."""
        self.queue.put((priority, next(self._order), order))

    def stop(self, timeout_s: float | None = None) -> None:
        """Carry out the queued orders and end, waiting for that up to ``timeout_s`` (None: as long as it takes)."""
        self.stopping.set()
        self.queue.put((LAST, next(self._order), _Stop()))
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def is_alive(self) -> bool:
        """Whether orders are carried out: not before the start, after the end, or between a crash and the restart."""
        return self._thread.is_alive() and not self._dead

    def is_current(self) -> bool:
        """Whether the caller runs in this worker's thread."""
        return current_thread() is self._thread

    # -- the thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            try:
                self._loop()
            except BaseException as error:  # noqa: BLE001  # the thread's outermost loop: no crash may go unnoticed
                self._die(error)
            else:
                return
            if self.stopping.wait(min(PAUSE_S * 2 ** (self._deaths - 1), MAX_PAUSE_S)):
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
        log.critical("the worker %s crashed and will restart after a pause", self.name, exc_info=error)
        try:
            if self._deaths == 1:
                self.on_death(self.name, reason)
            self._clean_up(order, reason)
        except BaseException:  # as above
            log.exception("cleaning up after the worker %s failed", self.name)
