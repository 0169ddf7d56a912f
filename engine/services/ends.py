"""The ends of background work: each is stored in the end, however long the store can't be written to."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from threading import Lock
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")

AGAIN_S = 1.0
"""Seconds between two attempts to store what could not be stored."""


class Ends(Generic[T]):
    """Ends that are to be stored, by the number of the run, study or job.

    Args:
        store: stores one end in one transaction; what it raises means that nothing was stored.
        what: the work that ends, for the log, such as ``training run``.
    """

    def __init__(self, store: Callable[[int, T], None], what: str) -> None:
        self._store = store
        self._what = what
        self._lock = Lock()
        self._waiting: dict[int, T] = {}

    def put(self, number: int, end: T) -> None:
        """Store an end now, or else with a later ``settle``; until then ``of`` tells it."""
        try:
            self._store(number, end)
        except Exception:  # whatever it is, a later attempt may succeed
            log.exception("the end of %s %d could not be stored yet; it is tried again", self._what, number)
            self._waiting[number] = end

    def of(self, number: int) -> T | None:
        """The end of one that has ended and whose row does not say so yet."""
        return self._waiting.get(number)

    def numbers(self) -> Collection[int]:
        """Those that have ended and whose rows do not say so yet."""
        return frozenset(self._waiting)

    def drop(self, number: int) -> None:
        """Store this end no more: the work has begun again."""
        self._waiting.pop(number, None)

    def settle(self) -> None:
        """Try to store every end that waits. Raises nothing, and leaves it to another thread that is at it already."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            for number, end in list(self._waiting.items()):
                self._store(number, end)
                self.drop(number)
        except Exception:  # whatever it is, the next attempt may succeed
            log.exception("the end of %s %d could not be stored yet; it is tried again", self._what, number)
        finally:
            self._lock.release()
