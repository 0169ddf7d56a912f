"""Plurals and lists for sentences."""

from collections.abc import Iterable


def counted(number: int, noun: str, nouns: str | None = None) -> str:
    """``1 rating``, ``55,000 ratings``; ``nouns`` where the plural takes more than an s."""
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"


def listed(things: Iterable[object]) -> str:
    """``3, 2 and 1``; nothing for nothing."""
    *first, last = [str(thing) for thing in things] or [""]
    return f"{', '.join(first)} and {last}" if first else last
