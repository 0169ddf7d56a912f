"""Waiting for a store that another program has locked: requests wait for seconds, workers until it is free."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import TypeVar

from store.errors import StoreBusy

T = TypeVar("T")

AGAIN_S = 0.25


class _Patience(threading.local):
    """Event that ends the wait of this thread; None if it does not wait."""

    end: Event | None = None


_of_thread = _Patience()


@contextmanager
def patient(end: Event | None) -> Iterator[None]:
    """Inside, writes of this thread wait for a locked store until ``end`` is set; with None they do not wait.

    A thread that holds a lock which requests need must not wait, or the requests would wait too.
    """
    before, _of_thread.end = _of_thread.end, end
    try:
        yield
    finally:
        _of_thread.end = before


def is_patient() -> bool:
    """Whether this thread waits for a locked store."""
    return _of_thread.end is not None


def outlast(call: Callable[[], T], busy: type[Exception] = StoreBusy) -> T:
    """Call a function; in a patient thread, repeat it for as long as the store is locked.

    Args:
        call: must change nothing if it raises ``busy``.
        busy: the error it raises if the store is locked.
    """
    while True:
        try:
            return call()
        except busy:
            if _of_thread.end is None or _of_thread.end.wait(AGAIN_S):
                raise
