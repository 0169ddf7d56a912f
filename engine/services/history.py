"""Ratings and movies as they were at an earlier revision of the store, from its history."""

from __future__ import annotations

from dataclasses import dataclass

from engine.data.arrays import Int32
from engine.data.ratings import IdIndex
from engine.services.scale import StoreScale
from engine.services.snapshots import DataSnapshot, Snapshots, interactions, tabulate
from store.history import HistoryStore
from store.ratings import RatingStore


@dataclass(frozen=True)
class PastData:
    """Ratings and movies at an earlier revision.

    Attributes:
        snapshot: all ratings then.
        users_changed: int32[n], users with a rating that had changed since a version learned.
        movies_changed: int32[n], movies with such a rating.
    """

    snapshot: DataSnapshot
    users_changed: Int32
    movies_changed: Int32


@dataclass(eq=False)
class HistoryService:
    """Puts past ratings together, which takes as long as reading those that changed since."""

    _store: HistoryStore
    _ratings: RatingStore
    _snapshots: Snapshots
    _scale: StoreScale

    def gap(self, revision: int, users: int | None = None) -> str | None:
        """Why the ratings at a revision can't be put together, in words that follow a colon; None where they can.

        Args:
            revision: of the store.
            users: how many users there were then, where that is known.
        """
        if any(users is None or key < users for key in self._ratings.forgotten_since(revision)):
            return "a person was deleted since, and their ratings had a part in it"
        if revision < self._store.begins():
            return "what the ratings were then is no longer kept"
        return None

    def at(
        self, revision: int, now: float, *, learned: int | None = None, size: tuple[int, int] | None = None
    ) -> PastData:
        """Ratings and movies at a revision without a ``gap``.

        Args:
            revision: of the store.
            now: the time then in Unix seconds, which tells times of ratings that could be true.
            learned: an earlier revision; the answer says what had changed since then. The same by default.
            size: how many users and movies there were then, where that is known. Later ones have no ratings.
        """
        past = self._store.at(revision, revision if learned is None else learned)
        users, movies = self._snapshots.users(), past.movies
        if size is not None:
            users, movies = IdIndex(users.ids[: size[0]]), movies[: size[1]]
        data = interactions(past.ratings, users, tabulate(movies), self._scale, now)
        return PastData(DataSnapshot(data, revision), past.users_changed, past.movies_changed)

    def prune(self) -> int:
        """Erase what no stored version and no list in the answer log needs; returns how many past ratings that were."""
        return self._store.prune()
