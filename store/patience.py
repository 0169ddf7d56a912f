"""How long a thread waits while another program has the store locked: a request for seconds, a worker to the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import TypeVar

from store.errors import StoreBusy

T = TypeVar("T")

AGAIN_S = 0.25


class _Patience(threading.local):
    """What ends the waiting of this thread; None where it does not wait."""

    end: Event | None = None


_of_thread = _Patience()


@contextmanager
def patient(end: Event | None) -> Iterator[None]:
    """Inside, what this thread writes waits for a locked store until ``end`` is set; with None it does not wait.

    Whoever holds a lock that requests need does not wait meanwhile, or they would wait as well.
    """
    before, _of_thread.end = _of_thread.end, end
    try:
        yield
    finally:
        _of_thread.end = before


def is_patient() -> bool:
    """Whether this thread waits."""
    return _of_thread.end is not None


def outlast(call: Callable[[], T], busy: type[Exception] = StoreBusy) -> T:
    """Call, and in a thread that waits again and again for as long as the store is locked.

    Args:
        call: changes nothing where it raises ``busy``.
        busy: what it raises where the store is locked.
    """
    while True:
        try:
            return call()
        except busy:
            if _of_thread.end is None or _of_thread.end.wait(AGAIN_S):
                raise
