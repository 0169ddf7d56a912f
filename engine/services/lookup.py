"""Statistics and search over one state of the ratings, each worked out when it is first asked for."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from engine.data.catalogue import Movie, MovieTable
from engine.data.identifiers import composed
from engine.services.snapshots import DataSnapshot
from store.records import UNKNOWN_TIME


@dataclass(frozen=True, slots=True)
class UserSummary:
    """A user as found by search."""

    user_id: str
    ratings_count: int
    mean_rating: float


@dataclass(frozen=True, slots=True)
class RatedMovie:
    """A past rating of one user; ``rated_at`` in Unix seconds, None where unknown."""

    movie: Movie
    rating: float
    rated_at: int | None


@dataclass(frozen=True, slots=True)
class DataStatistics:
    """Counts of what the store holds; ``genres`` maps a genre to its number of movies."""

    users: int
    movies: int
    ratings: int
    density: float
    mean_rating: float | None
    first_rated_at: int | None
    last_rated_at: int | None
    rating_counts: dict[float, int]
    genres: dict[str, int]


class Titles:
    """The titles of a catalogue as search compares them: without case and accents."""

    def __init__(self, table: MovieTable) -> None:
        self.table = table

    @cached_property
    def folded(self) -> list[str]:
        """One text a movie, by key."""
        return [_folded(str(title)) for title in self.table.titles]


class Lookup:
    """What people ask of a snapshot.

    Args:
        snapshot: the ratings as they are.
        before: the lookup of an earlier snapshot, whose titles are taken over where the catalogue is the same.
    """

    def __init__(self, snapshot: DataSnapshot, before: Lookup | None = None) -> None:
        self.snapshot = snapshot
        self._data = snapshot.data
        self.titles = Titles(snapshot.data.movies)
        if before is not None and before.titles.table is snapshot.data.movies:
            self.titles = before.titles

    @cached_property
    def statistics(self) -> DataStatistics:
        """Counts and spread of the ratings."""
        data = self._data
        rated = data.timestamps[data.timestamps != UNKNOWN_TIME] if data.timestamps is not None else np.empty(0)
        values, counts = np.unique(data.ratings, return_counts=True)
        users = int((data.user_counts > 0).sum())
        return DataStatistics(
            users=users,
            movies=data.n_movies,
            ratings=len(data),
            density=len(data) / (users * data.n_movies) if len(data) else 0.0,
            mean_rating=data.mean if len(data) else None,
            first_rated_at=int(rated.min()) if len(rated) else None,
            last_rated_at=int(rated.max()) if len(rated) else None,
            rating_counts={float(value): int(count) for value, count in zip(values, counts, strict=True)},
            genres=dict(zip(data.movies.genre_names, data.movies.genres.sum(0).tolist(), strict=True)),
        )

    def users(self, text: str, limit: int) -> list[UserSummary]:
        """Users whose id contains a text, the exact id first, then those with the most ratings."""
        wanted, names = composed(text.strip()).casefold(), self._user_names
        exact = [key for key, name in enumerate(names) if name == wanted]
        others = (key for key in self._active if wanted in names[key] and names[key] != wanted)
        counts, sums = self._data.user_counts, self._sums
        return [
            UserSummary(str(self._data.user_ids.raw(key)), int(counts[key]), float(sums[key] / max(counts[key], 1)))
            for key in _first(limit, exact, others)
        ]

    def movies(self, text: str, limit: int) -> list[Movie]:
        """Movies whose title contains a text, that id first, then the most rated."""
        wanted, titles = _folded(text.strip()), self.titles.folded
        exact = [key] if (key := self._data.movie_ids.index(composed(text.strip()))) >= 0 else []
        others = (key for key in self._popular if wanted in titles[key] and key not in exact)
        found = _first(limit, exact, others)
        return [self._data.movies.movie(key, str(self._data.movie_ids.raw(key))) for key in found]

    @cached_property
    def _user_names(self) -> list[str]:
        return [str(user).casefold() for user in self._data.user_ids.ids]

    @cached_property
    def _sums(self) -> NDArray[np.float64]:
        weights = self._data.ratings.astype(np.float64)
        return np.bincount(self._data.users, weights=weights, minlength=self._data.n_users).astype(np.float64)

    @cached_property
    def _active(self) -> Sequence[int]:
        """Users by their number of ratings, most first; where it is the same, the older key first."""
        return _descending(self._data.user_counts)

    @cached_property
    def _popular(self) -> Sequence[int]:
        """Movies by their number of ratings, most first."""
        return _descending(self._data.movie_counts)


def _descending(counts: NDArray[np.int64]) -> Sequence[int]:
    found: list[int] = np.argsort(-counts, kind="stable").tolist()
    return found


def _first(limit: int, exact: Iterable[int], others: Iterable[int]) -> list[int]:
    return list(islice(chain(exact, others), max(limit, 0)))


def _folded(text: str) -> str:
    """Lower case without accents."""
    if text.isascii():
        return text.lower()
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
