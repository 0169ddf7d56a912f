"""Translates storage errors into engine errors."""

import errno
from collections.abc import Callable, Mapping
from functools import wraps
from typing import ParamSpec, TypeVar

from engine import errors
from engine.errors import MarqueeError
from store import errors as store_errors
from store.sqlite_errors import translated

P = ParamSpec("P")
T = TypeVar("T")

WORDS: Mapping[type[BaseException], type[MarqueeError]] = {
    store_errors.StoreFull: errors.DiskFull,
    store_errors.StoreBusy: errors.StoreLocked,
    store_errors.StoreReadOnly: errors.StoreNotWritable,
    store_errors.StoreReplaced: errors.StoreReplaced,
    store_errors.StoreDamaged: errors.StoreDamaged,
    store_errors.StoreFailing: errors.StoreFailing,
}
"""The engine's errors, with the same message, for the store's."""
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
    if type(found) in WORDS:
        return WORDS[type(found)](str(found))
    if isinstance(found, store_errors.StoreClosed):
        return errors.NotReady("Marquee is stopping. Try again when it has started.")
    if isinstance(found, OSError) and found.errno is not None and not isinstance(found, ConnectionError | TimeoutError):
        return file_error(found)
    return None


def file_error(error: OSError) -> MarqueeError:
    """The engine error for a file that can't be read or written."""
    if error.errno in FULL:
        return errors.DiskFull("There is no space left for the files. Free some space and try again.")
    why = error.strerror or str(error)
    return errors.StoreFailing(f"A file can't be read or written: {why}. Fix the cause, then try again.")
