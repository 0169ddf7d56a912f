"""Translates storage errors into engine errors."""

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
"""A full disk, quota or file size limit."""


def stores(use_case: Callable[P, T]) -> Callable[P, T]:
    """Decorator of use cases that write: storage errors are raised as engine errors."""

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
    """The engine error for a storage error; None for any other error."""
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
    """The engine error for a file that can't be read or written."""
    if error.errno in FULL:
        return DiskFull("There is no space left for the files. Free some space and try again.")
    why = error.strerror or str(error)
    return StoreFailing(f"A file can't be read or written: {why}. Fix the cause, then try again.")
