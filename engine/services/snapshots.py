"""The store's ratings as training arrays; keys are indices, so nothing is mapped."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np
import pandas as pd

from engine.data.catalogue import MovieTable
from engine.data.ratings import IdIndex, Interactions
from engine.errors import Cancelled
from engine.services.scale import StoreScale
from store.connections import Transaction
from store.ratings import RatingStore
from store.records import UNKNOWN_TIME, MovieRow, RatingArrays
from store.times import known_times, latest, next_time


class Outdated(Cancelled):
    """A user in ratings read earlier was deleted, or the scale has changed; nothing learned from them may be kept."""


@dataclass(frozen=True)
class DataSnapshot:
    """All ratings at one revision of the store."""

    data: Interactions
    revision: int


@dataclass(frozen=True)
class _Catalogue:
    """The movies at a number of changes to the catalogue."""

    changes: int
    ids: IdIndex
    table: MovieTable


class Snapshots:
    """Reads the ratings, later only the changes; shared by all services, with one copy of the arrays.

    A time that can't be true, such as one after tomorrow, is unknown to everything that reads ratings here: earlier
    releases, and clocks that were wrong, left some in the store.

    Args:
        ratings: where they are stored.
        scale: of the ratings.
        clock: Unix seconds.
    """

    def __init__(self, ratings: RatingStore, scale: StoreScale, clock: Callable[[], float] = time.time) -> None:
        self._ratings = ratings
        self._scale = scale
        self._clock = clock
        self._lock = Lock()
        self._latest: DataSnapshot | None = None
        self._movies: _Catalogue | None = None
        self._users = IdIndex(pd.Index([], dtype=object))
        self._comes_true: int | None = None

    def load(self) -> DataSnapshot:
        """The current ratings. Users and movies are read last: both only grow, so every key is covered."""
        with self._lock:
            catalogue = self._ratings.catalogue()
            known = self._latest
            if known is None or self._movies is None or self._movies.changes != catalogue or not self._is_fresh(known):
                self._latest = known = self._read()
            return known

    @property
    def is_loaded(self) -> bool:
        """Whether ``latest`` returns at once."""
        return self._latest is not None

    def latest(self) -> DataSnapshot:
        """The ratings as last read, so without later changes, but never with a deleted user; read now if never before.

        Reading 25 million ratings again takes seconds; changes since then are few, and in the store.
        """
        with self._lock:
            known = self._latest
        return self.load() if known is None else known

    def is_current(self, snapshot: DataSnapshot) -> bool:
        """Whether its movies and its scale are those of the store; its ratings may have changed."""
        with self._lock:
            known, changes = self._movies, self._ratings.catalogue()
        same = known is not None and known.changes == changes and snapshot.data.movies is known.table
        return same and snapshot.data.scale == self._scale.current.ends

    def users(self) -> IdIndex:
        """Ids of the current users, by key."""
        with self._lock:
            self._read_users()
            return self._users

    def movies(self) -> tuple[IdIndex, MovieTable]:
        """Ids and descriptions of the current movies, by key; cheaper than ``load`` after a rating."""
        with self._lock:
            found = self._catalogue()
        return found.ids, found.table

    def _is_fresh(self, known: DataSnapshot) -> bool:
        """Whether neither the ratings nor their scale have changed."""
        unchanged = known.revision == self._ratings.revision() and known.data.scale == self._scale.current.ends
        return unchanged and not self._times_came_true()

    def user_ratings(self, user_key: int) -> RatingArrays:
        """The current ratings of a user, sorted by movie."""
        found = self._ratings.user_ratings(user_key)
        return replace(found, rated_at=known_times(found.rated_at, self._clock()))

    def check(self, snapshot: DataSnapshot, *, tx: Transaction | None = None) -> None:
        """Check that no user in a snapshot was deleted since it was read; within ``tx`` this holds until its end.

        Raises:
            Outdated: one of them was, or the ratings are on another scale.
        """
        if snapshot.data.scale != self._scale.current.ends:
            raise Outdated("The rating scale was changed meanwhile.")
        if any(user < snapshot.data.n_users for user in self._ratings.forgotten_since(snapshot.revision, tx=tx)):
            raise Outdated("A person in these ratings was deleted meanwhile.")

    def forget(self) -> None:
        """Drop cached users, in memory and beside the store, after an id was deleted whose key stays."""
        with self._lock:  # no reader, so no stale copy is written
            self._ratings.erase_traces()
            self._latest, self._users = None, IdIndex(pd.Index([], dtype=object))

    def _read(self) -> DataSnapshot:
        loaded = self._ratings.load()
        self._read_users()
        movies = self._catalogue()
        now = self._clock()
        self._comes_true = next_time(loaded.rated_at, now)
        about = self._users, (movies.ids, movies.table), self._scale
        return DataSnapshot(interactions(loaded, *about, now), loaded.revision)

    def _read_users(self) -> None:
        if len(self._users) != self._ratings.counts().users:
            self._users = IdIndex(pd.Index(np.array(self._ratings.user_ids(), dtype=object)))

    def _times_came_true(self) -> bool:
        """Whether times that were in the future at the last read have passed, as the clock was behind."""
        return self._comes_true is not None and self._comes_true <= latest(self._clock())

    def _catalogue(self) -> _Catalogue:
        changes = self._ratings.catalogue()
        if self._movies is None or self._movies.changes != changes:
            ids, table = tabulate(self._ratings.movies())
            self._movies = _Catalogue(changes, ids, table)
        return self._movies


def tabulate(movies: Sequence[MovieRow]) -> tuple[IdIndex, MovieTable]:
    """Ids and descriptions of movies as stored."""
    table = MovieTable.build(
        [movie.title or f"Movie {movie.external_id}" for movie in movies],
        [movie.year for movie in movies],
        ["|".join(movie.genres) for movie in movies],
        [movie.removed for movie in movies],
    )
    return IdIndex(pd.Index(np.array([movie.external_id for movie in movies], dtype=object))), table


def interactions(
    found: RatingArrays, users: IdIndex, movies: tuple[IdIndex, MovieTable], scale: StoreScale, now: float
) -> Interactions:
    """Ratings as stored, as training arrays; ``now``: Unix seconds, to tell which of their times can be true."""
    times = known_times(found.rated_at, now)
    known = times if (times != UNKNOWN_TIME).any() else None
    return Interactions(found.users, found.movies, found.ratings, known, users, *movies, scale.current.ends)
