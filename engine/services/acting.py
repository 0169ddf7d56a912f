"""The current actor: the sender of a request, a user of the console, or Marquee itself."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """An actor of the audit log.

    Attributes:
        name: of the key; ``no key`` where none is set.
        address: of the computer, where known.
    """

    name: str
    address: str | None = None


MARQUEE = Actor("marquee")
NO_KEY = "no key"

_acting: ContextVar[Actor | None] = ContextVar("acting", default=None)
_elsewhere: Callable[[], Actor | None] = lambda: None  # noqa: E731  # replaced by ``ask``


def act_as(actor: Actor) -> None:
    """Set the actor of this context: a request and the threads that work for it."""
    _acting.set(actor)


def ask(elsewhere: Callable[[], Actor | None]) -> None:
    """Set the function that knows the actor outside of requests, such as in the threads of the console."""
    global _elsewhere
    _elsewhere = elsewhere


def actor() -> Actor:
    """The current actor."""
    return _acting.get() or _elsewhere() or MARQUEE
