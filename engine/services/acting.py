"""Who acts: whoever sent the request that is answered, or uses the console; Marquee itself where it is neither."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who asks for something.

    Attributes:
        name: of the key; ``no key`` where none is set.
        address: of the computer, where it is known.
    """

    name: str
    address: str | None = None


MARQUEE = Actor("marquee")
NO_KEY = "no key"

_acting: ContextVar[Actor | None] = ContextVar("acting", default=None)
_elsewhere: Callable[[], Actor | None] = lambda: None  # noqa: E731  # replaced by ``ask``


def act_as(actor: Actor) -> None:
    """Say who acts in this context, which is that of a request and of the threads that work for it."""
    _acting.set(actor)


def ask(elsewhere: Callable[[], Actor | None]) -> None:
    """Name a function that knows who acts outside of requests, as the console does in threads of its own."""
    global _elsewhere
    _elsewhere = elsewhere


def actor() -> Actor:
    """Who acts now."""
    return _acting.get() or _elsewhere() or MARQUEE
