"""Totals over all ratings: updated at each change, and counted again in the background after an import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock
from weakref import ref

import numpy as np

from engine.background import give_way
from engine.data.arrays import Int64
from engine.data.catalogue import MovieTable
from engine.data.ratings import IdIndex
from engine.data.tallies import Tally
from engine.errors import NotReady
from engine.services.snapshots import DataSnapshot, Snapshots
from store.ratings import RatingStore
from store.records import UNKNOWN_TIME
from store.times import known_times
from store.worker import Worker

MAX_CHANGED = 1_000
"""Users whose changes are applied to figures that were counted before; with more, all ratings are counted again."""
MANY_RATINGS = 2_000_000
"""From here on counting takes longer than a page may, so it is done in the background."""


@dataclass(frozen=True)
class Figures:
    """What the ratings add up to.

    Attributes:
        tally: counts and sums.
        movie_ids: ids by key.
        movies: descriptions by key.
        first, last: Unix seconds of the earliest and the latest rating; None without times.
        revision: of the ratings that are counted.
        at: Unix seconds when they were counted.
        current: whether these are all ratings; otherwise they are being counted again.
    """

    tally: Tally
    movie_ids: IdIndex
    movies: MovieTable
    first: int | None
    last: int | None
    revision: int
    at: float
    current: bool = True


class FiguresService:
    """Counts the ratings once per reading of them, and applies later changes.

    Args:
        ratings: the store.
        snapshots: all ratings as last read.
        clock: Unix seconds.
    """

    def __init__(self, ratings: RatingStore, snapshots: Snapshots, clock: Callable[[], float]) -> None:
        self._ratings = ratings
        self._snapshots = snapshots
        self._clock = clock
        self._counting = Lock()
        self._base: tuple[ref[DataSnapshot], Figures] | None = None  # no copy of ids of users who are deleted later
        self._latest: Figures | None = None
        self.worker: Worker[None] = Worker("figures", self._count_again)
        self._ordered = False

    def open(self) -> None:
        """Start counting in the background."""
        self.worker.start()
        self.prepare()

    def close(self) -> None:
        """End the background thread."""
        self.worker.stop()

    def prepare(self) -> None:
        """Count in the background, so that the next page need not wait."""
        if not self._ordered:
            self._ordered = True
            self.worker.put(None)

    def _count_again(self, _: None) -> None:
        give_way()
        try:
            self._count(self._snapshots.load())
        finally:
            self._ordered = False

    def known(self) -> Figures | None:
        """The figures that were asked for last, at no cost; None before."""
        return self._latest

    def current(self) -> Figures:
        """The figures of the ratings as they are now.

        Of millions of ratings of which many have changed, the figures before the changes: ``current`` is False.

        Raises:
            NotReady: millions of ratings are being read for the first time in this process.
        """
        if self._ordered and not self._snapshots.is_loaded and self._ratings.counts().ratings >= MANY_RATINGS:
            raise NotReady("The ratings are being read for the first time since the start. Try again in a minute.")
        snapshot, revision = self._snapshots.latest(), self._ratings.revision()
        known, same_movies = self._latest, self._snapshots.is_current(snapshot)
        if known is not None and known.revision == revision and known.current and same_movies:
            return known
        base = self._count(snapshot)
        if same_movies and snapshot.revision == revision:
            found = base
        elif same_movies and len(self._ratings.users_changed_since(snapshot.revision)) <= MAX_CHANGED:
            found = self._changed(snapshot, base)
        elif len(snapshot.data) < MANY_RATINGS:
            found = self._count(self._snapshots.load())
        else:
            self.prepare()
            found = replace(base, current=False)
        self._latest = found
        return found

    def _count(self, snapshot: DataSnapshot) -> Figures:
        """The figures of a snapshot, counted once."""
        with self._counting:
            if self._base is None or self._base[0]() is not snapshot:
                self._base = ref(snapshot), _counted(snapshot, self._clock())
            return self._base[1]

    def _changed(self, snapshot: DataSnapshot, base: Figures) -> Figures:
        """The figures with the ratings of changed users replaced."""
        data = snapshot.data
        changed, now = self._ratings.changed_since(snapshot.revision)
        gone = data.by_user.of_all(changed[changed < data.n_users].tolist())
        times = None if data.timestamps is None else data.timestamps[gone]
        size = max(data.n_users, int(changed.max(initial=-1)) + 1), data.n_movies
        old = Tally.of(data.users[gone], data.items[gone], data.ratings[gone], times, *size)
        seen = now.movies < data.n_movies
        dated = known_times(now.rated_at, self._clock())[seen]
        new = Tally.of(now.users[seen], now.movies[seen], now.ratings[seen], dated, *size)
        ends = _ends(dated)
        if len(gone) and times is not None and {base.first, base.last} & set(_ends(times)):
            kept = np.ones(len(data), bool)
            kept[gone] = False
            ends = _ends(np.append(data.timestamps[kept], dated))  # type: ignore[index]  # there are times
        else:
            ends = _both(base, ends)
        return Figures(base.tally - old + new, data.movie_ids, data.movies, *ends, now.revision, self._clock())


def _counted(snapshot: DataSnapshot, at: float) -> Figures:
    data = snapshot.data
    tally = Tally.of(data.users, data.items, data.ratings, data.timestamps, data.n_users, data.n_movies)
    ends = (None, None) if data.timestamps is None else _ends(data.timestamps)
    return Figures(tally, data.movie_ids, data.movies, *ends, snapshot.revision, at)


def _ends(times: Int64) -> tuple[int | None, int | None]:
    known = times[times != UNKNOWN_TIME]
    return (int(known.min()), int(known.max())) if len(known) else (None, None)


def _both(base: Figures, ends: tuple[int | None, int | None]) -> tuple[int | None, int | None]:
    firsts = [one for one in (base.first, ends[0]) if one is not None]
    lasts = [one for one in (base.last, ends[1]) if one is not None]
    return min(firsts, default=None), max(lasts, default=None)
