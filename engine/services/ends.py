"""Ends of background work, stored as soon as the store can be written to."""

import logging
from collections.abc import Callable, Collection
from threading import Lock
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")

AGAIN_S = 1.0
"""Seconds between attempts to store an end."""


class Ends(Generic[T]):
    """Ends waiting to be stored, by the number of the run, study or job.

    Args:
        store: stores one end in one transaction; an error means that nothing was stored.
        what: the kind of work, for the log, such as ``training run``.
    """

    def __init__(self, store: Callable[[int, T], None], what: str) -> None:
        self._store = store
        self._what = what
        self._lock = Lock()
        self._waiting: dict[int, T] = {}

    def put(self, number: int, end: T) -> None:
        """Store an end now, or else in a later ``settle``; until then ``of`` returns it."""
        try:
            self._store(number, end)
        except Exception:  # a later attempt may succeed
            log.exception("the end of %s %d could not be stored yet; retrying", self._what, number)
            self._waiting[number] = end

    def of(self, number: int) -> T | None:
        """The end of work whose row does not have it yet."""
        return self._waiting.get(number)

    def numbers(self) -> Collection[int]:
        """Numbers of work that has ended, but not in its row yet."""
        return frozenset(self._waiting)

    def drop(self, number: int) -> None:
        """Discard an end: the work has been resumed."""
        self._waiting.pop(number, None)

    def settle(self) -> None:
        """Try to store every waiting end. Raises nothing; returns at once if another thread is doing it."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            for number, end in list(self._waiting.items()):
                self._store(number, end)
                self.drop(number)
        except Exception:  # a later attempt may succeed
            log.exception("the end of %s %d could not be stored yet; retrying", self._what, number)
        finally:
            self._lock.release()
