"""The store's errors in the engine's words, for whoever asked."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from engine.errors import DiskFull, NotReady
from store.errors import StoreClosed, StoreFull

P = ParamSpec("P")
T = TypeVar("T")


def stores(use_case: Callable[P, T]) -> Callable[P, T]:
    """Marks a use case that writes: a full disk becomes ``DiskFull``, a store that closes ``NotReady``."""

    @wraps(use_case)
    def translated(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return use_case(*args, **kwargs)
        except StoreFull as error:
            raise DiskFull(str(error)) from error
        except StoreClosed as error:
            raise NotReady("Marquee is stopping. Try again when it has started.") from error

    return translated
