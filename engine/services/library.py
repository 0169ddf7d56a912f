"""The catalogue and its ratings: statistics, search, one user's ratings, and everything as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from engine.data.catalogue import Movie
from engine.data.identifiers import composed
from engine.data.scale import STARS, RatingScale
from engine.errors import UnknownMovie, UnknownUser
from engine.services.scale import StoreScale
from engine.services.snapshots import DataSnapshot, Snapshots
from store.ratings import RatingStore
from store.records import UNKNOWN_TIME, Counts


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
    """Counts of what the store holds; ``genres`` maps a genre to its number of movies, ``scale`` is that of ratings."""

    users: int
    movies: int
    ratings: int
    density: float
    mean_rating: float | None
    first_rated_at: int | None
    last_rated_at: int | None
    rating_counts: dict[float, int]
    genres: dict[str, int]
    scale: RatingScale = STARS


NO_DATA = DataStatistics(0, 0, 0, 0.0, None, None, None, {}, {})


class LibraryService:
    """Reads what is stored."""

    def __init__(self, ratings: RatingStore, snapshots: Snapshots, scale: StoreScale) -> None:
        self._ratings = ratings
        self._scale = scale
        self._snapshots = snapshots
        self._lookup: Lookup | None = None

    def statistics(self, *, fresh: bool = True) -> DataStatistics:
        """Counts and distributions of what is stored.

        Args:
            fresh: read changes first; otherwise the last result is returned at no cost.
        """
        known = self._look() if fresh else self._lookup
        return replace(NO_DATA if known is None else known.statistics, scale=self._scale.current)

    def counts(self) -> Counts:
        """How many users, movies and ratings are stored; cheaper than ``statistics``."""
        return self._ratings.counts()

    def search_users(self, text: str = "", limit: int = 20) -> list[UserSummary]:
        """Users whose id contains a text, the exact id first, then those with the most ratings."""
        return self._look().users(text, limit)

    def _look(self) -> Lookup:
        """The lookup of the current ratings."""
        snapshot, known = self._snapshots.load(), self._lookup
        if known is None or known.snapshot is not snapshot:
            self._lookup = known = Lookup(snapshot)
        return known

    def movie(self, movie_id: str) -> Movie:
        """One movie.

        Raises:
            UnknownMovie: the catalogue has no such movie.
        """
        data = self._snapshots.load().data
        key = data.movie_ids.index(movie_id)
        if key < 0 or data.movies.removed[key]:
            raise UnknownMovie(f"The catalogue has no movie {movie_id!r}.")
        return data.movies.movie(key, movie_id)

    def sites(self, movie_id: str) -> dict[str, str]:
        """A movie's ids elsewhere, by site (imdb, tmdb, trakt, letterboxd); empty for an unknown movie."""
        return self._ratings.sites_of(movie_id)

    def user_ratings(self, user_id: str) -> list[RatedMovie]:
        """The ratings of a user, newest first.

        Raises:
            UnknownUser: there is no such user.
        """
        key = self._ratings.user_key(user_id)
        if key is None:
            raise UnknownUser(f"There are no ratings of the user {user_id!r}.")
        data, rated = self._snapshots.load().data, self._snapshots.user_ratings(key)
        return [
            RatedMovie(
                data.movies.movie(movie, str(data.movie_ids.raw(movie))),
                float(rated.ratings[place]),
                None if rated.rated_at[place] == UNKNOWN_TIME else int(rated.rated_at[place]),
            )
            for place in np.argsort(-rated.rated_at, kind="stable")
            if (movie := int(rated.movies[place])) < data.n_movies
        ]


class Lookup:
    """Statistics and search of one snapshot, each computed on first use."""

    def __init__(self, snapshot: DataSnapshot) -> None:
        self.snapshot = snapshot
        self._data = snapshot.data

    @cached_property
    def statistics(self) -> DataStatistics:
        """Counts and spread of the ratings."""
        data = self._data
        rated = data.timestamps[data.timestamps != UNKNOWN_TIME] if data.timestamps is not None else np.empty(0)
        values, counts = np.unique(data.ratings, return_counts=True)
        users = int((data.user_counts > 0).sum())
        return DataStatistics(
            users=users,
            movies=data.movies.shown,
            ratings=len(data),
            density=len(data) / (users * data.movies.shown) if len(data) else 0.0,
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

    @cached_property
    def _user_names(self) -> list[str]:
        return [str(user).casefold() for user in self._data.user_ids.ids]

    @cached_property
    def _sums(self) -> NDArray[np.float64]:
        weights = self._data.ratings.astype(np.float64)
        return np.bincount(self._data.users, weights=weights, minlength=self._data.n_users).astype(np.float64)

    @cached_property
    def _active(self) -> Sequence[int]:
        """Users with ratings by their number, most first; where it is the same, the older key first."""
        counts = self._data.user_counts
        found: list[int] = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)].tolist()
        return found


def _first(limit: int, exact: Iterable[int], others: Iterable[int]) -> list[int]:
    return list(islice(chain(exact, others), max(limit, 0)))
