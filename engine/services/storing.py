"""The store's errors in the engine's words, for whoever asked."""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from engine.errors import (
    DiskFull,
    MarqueeError,
    NotReady,
    StoreDamaged,
    StoreFailing,
    StoreLocked,
    StoreNotWritable,
    StoreReplaced,
)
from store import errors
from store.errors import StoreBusy, StoreClosed, StoreFull, StoreReadOnly
from store.sqlite_errors import translated

P = ParamSpec("P")
T = TypeVar("T")

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""A disk, a quota or a limit on files that is used up."""


def stores(use_case: Callable[P, T]) -> Callable[P, T]:
    """Marks a use case that writes: what keeps the store from it is raised as the engine's error."""

    @wraps(use_case)
    def told(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return use_case(*args, **kwargs)
        except Exception as error:
            found = in_words(error)
            if found is None:
                raise
            raise found from error

    return told


def in_words(error: BaseException) -> MarqueeError | None:
    """The engine's error for one that the store's state is to blame for; None for any other."""
    if isinstance(error, MarqueeError):
        return None
    found = translated(error)
    match found:
        case StoreFull():
            return DiskFull(str(found))
        case StoreBusy():
            return StoreLocked(str(found))
        case StoreReadOnly():
            return StoreNotWritable(str(found))
        case errors.StoreReplaced():
            return StoreReplaced(str(found))
        case errors.StoreDamaged():
            return StoreDamaged(str(found))
        case errors.StoreFailing():
            return StoreFailing(str(found))
        case StoreClosed():
            return NotReady("Marquee is stopping. Try again when it has started.")
        case OSError() if found.errno is not None and not isinstance(found, ConnectionError | TimeoutError):
            return file_error(found)
    return None


def file_error(error: OSError) -> MarqueeError:
    """The engine's error where the system lets a file not be read or written."""
    if error.errno in FULL:
        return DiskFull("There is no space left for the files. Free some space and try again.")
    why = error.strerror or str(error)
    return StoreFailing(f"A file can't be read or written: {why}. Mend what keeps Marquee from it, then try again.")
