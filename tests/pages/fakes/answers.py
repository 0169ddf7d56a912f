"""The fake answer log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.services.answers import AnswerLogFacts, Shown, ShownItem
from tests.pages.fakes.data import MOVIES, NOW


def shown(number: int, version: int = 2, **options: object) -> Shown:
    """A list of eight movies, a day older than the one before it."""
    movies = (MOVIES * 2)[number % 5 : number % 5 + 8]
    items = tuple(ShownItem(rank, one.movie_id, one.title, 1 / rank) for rank, one in enumerate(movies, start=1))
    return Shown(100 - number, NOW - 86_400 * number, version, 40 - number, dict(options), items)


@dataclass
class FakeAnswers:
    held: dict[str, list[Shown]] = field(
        default_factory=lambda: {
            "42": [
                shown(0),
                shown(1, genre="Drama", year_from=1990, exclude=["1", "2"]),
                *(shown(n, 1) for n in range(2, 9)),
            ]
        }
    )
    is_on: bool = True
    dropped: int = 0

    def facts(self) -> AnswerLogFacts:
        return AnswerLogFacts(sum(map(len, self.held.values())), 4096, 100_000_000, 0, self.dropped)

    def since(self) -> float | None:
        return NOW - 30 * 86_400 if self.is_on else None

    def shown(self, user_id: str, limit: int) -> list[Shown]:
        return self.held.get(user_id, [])[:limit]

    def table(self, user_id: str) -> Iterator[bytes]:
        return iter([b"shown_at\n"])
