"""The store's errors in the engine's words, for whoever asked."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from engine import errors
from engine.errors import DiskFull, MarqueeError, NotReady, StoreLocked, StoreNotWritable
from store.errors import StoreBusy, StoreClosed, StoreDamaged, StoreFull, StoreReadOnly, StoreReplaced
from store.sqlite_errors import translated

P = ParamSpec("P")
T = TypeVar("T")


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
        case StoreReplaced():
            return errors.StoreReplaced(str(found))
        case StoreDamaged():
            return errors.StoreDamaged(str(found))
        case StoreClosed():
            return NotReady("Marquee is stopping. Try again when it has started.")
    return None
