"""The fake answer log and its replays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.errors import NotReplayable
from engine.services.answers import AnswerLogFacts, Shown, ShownItem
from engine.services.replays import PastRating, Replay, ReplayedItem
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

    def shown(self, user_id: str, limit: int = 20, *, before: int | None = None) -> list[Shown]:
        found = self.held.get(user_id, [])
        return [one for one in found if before is None or one.answer_id < before][:limit]

    def table(self, user_id: str) -> Iterator[bytes]:
        return iter([b"shown_at\n"])


@dataclass
class FakeReplays:
    """Makes every list again as it was, but those of version 1, which is gone."""

    answers: FakeAnswers
    is_exact: bool = True

    def replay(self, answer_id: int) -> Replay:
        user_id, found = next(
            (user, one) for user, lists in self.answers.held.items() for one in lists if one.answer_id == answer_id
        )
        if found.model_version == 1:
            raise NotReplayable("This list can't be made again. Version 1 was deleted.")
        items = tuple(
            ReplayedItem(one.rank, one.movie_id, one.title, one.score, one.score, f"Because of place {one.rank}")
            for one in found.items
        )
        rated = tuple(PastRating(one.movie_id, one.title, 4.5) for one in MOVIES)
        return Replay(user_id, found, self.is_exact, items, rated if self.is_exact else ())
