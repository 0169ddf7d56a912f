"""The history: what ratings and movies were at an earlier revision.

Triggers keep what a rating was before it is changed or deleted; ``store.catalogue`` keeps what movies were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from store import catalogue, revisions
from store.cache import RatingCache, patched, read_grouped
from store.connections import Transaction, overwriting
from store.database import Store
from store.records import MovieRow, RatingArrays
from store.schema import rating_history, users

NOW = np.iinfo(np.int64).max
"""End of the ratings that are there now."""
TYPES = np.int32, np.float32, np.int64, np.int64
VALUES = (
    "SELECT user_id, count(*), group_concat(movie_id), group_concat(rating), group_concat(rated_at), "
    "group_concat({since}){until} FROM {table} WHERE user_id IN (SELECT id FROM users WHERE revision > ?) "
    "GROUP BY user_id ORDER BY user_id"
)
PRESENT = VALUES.format(since="revision", until="", table="ratings")
PAST = VALUES.format(since="since", until=", group_concat(until)", table="rating_history")
MOVIES = (
    "SELECT movie_id, before FROM movie_history WHERE until = (SELECT min(until) FROM movie_history AS later "
    "WHERE later.movie_id = movie_history.movie_id AND later.until > ?)"
)
BEGINS = "SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'history'"
NEEDED = (
    "SELECT min(revision) FROM (SELECT revision FROM answers UNION ALL "
    "SELECT json_extract(data, '$.revision') FROM model_versions WHERE state = 'ready') WHERE revision > 0"
)
CONCERNED = "SELECT DISTINCT user_id FROM rating_history WHERE until <= ?"
PRUNE = "DELETE FROM rating_history WHERE user_id IN (SELECT value FROM json_each(?)) AND until <= ?"
USERS_AT_ONCE = 500


@dataclass(frozen=True)
class Past:
    """Ratings and movies at an earlier revision.

    Attributes:
        ratings: then, sorted by user and movie.
        movies: then, in order of their keys.
        users_changed: int32[n], users with a rating that had changed since the revision that was asked about.
        movies_changed: int32[n], movies with such a rating.
    """

    ratings: RatingArrays
    movies: list[MovieRow]
    users_changed: NDArray[np.int32]
    movies_changed: NDArray[np.int32]


@dataclass(frozen=True)
class _Values:
    """Ratings past and present, in no order: each holds from the revision ``since`` on, and before ``until``."""

    users: NDArray[np.int32]
    movies: NDArray[np.int32]
    ratings: NDArray[np.float32]
    rated_at: NDArray[np.int64]
    since: NDArray[np.int64]
    until: NDArray[np.int64]

    def at(self, revision: int) -> RatingArrays:
        """Those that held at a revision, sorted by user and movie."""
        rows = np.flatnonzero((self.since <= revision) & (revision < self.until))
        rows = rows[np.lexsort((self.movies[rows], self.users[rows]))]
        return RatingArrays(self.users[rows], self.movies[rows], self.ratings[rows], self.rated_at[rows], revision)

    def changed(self, first: int, last: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Users and movies of ratings that came or went after the first revision, up to the last."""
        came, went = ((first < ends) & (ends <= last) for ends in (self.since, self.until))
        rows = came | went
        return np.unique(self.users[rows]), np.unique(self.movies[rows])


def forget(tx: Transaction, user_key: int) -> None:
    """Erase what the ratings of a user were who is being deleted; it comes after the ratings themselves."""
    tx.execute(rating_history.delete().where(rating_history.c.user_id == user_key))


class HistoryStore(Store):
    """Reads the history, and prunes what nothing needs any more."""

    def begins(self) -> int:
        """The revision from which on the history is complete."""
        with self._database.read() as connection:
            return int(connection.exec_driver_sql(BEGINS).scalar_one())

    def at(self, revision: int, learned: int) -> Past:
        """Ratings and movies at a revision from which the history is complete.

        Args:
            revision: the revision.
            learned: an earlier revision, or the same; the answer says what had changed since then.
        """
        current = RatingCache(self._database).load()
        with self._database.read() as connection:
            found = read_grouped(connection, PRESENT, (min(revision, learned),), TYPES)
            gone = read_grouped(connection, PAST, (min(revision, learned),), (*TYPES, np.int64))
            later = connection.execute(select(users.c.id).where(users.c.revision > revision).order_by(users.c.id))
            changed = np.array(list(later.scalars()), np.int32)
            movies = catalogue.movie_rows(connection)
            before = connection.exec_driver_sql(MOVIES, (revision,)).all()
        found.append(np.full(len(found[0]), NOW))
        values = _Values(*(np.concatenate(pair) for pair in zip(found, gone, strict=True)))
        # Users who changed while this was being read are among `changed`, whichever of the two reads came first.
        then = values.at(revision)
        mine = np.isin(then.users, changed)
        fresh = RatingArrays(
            then.users[mine], then.movies[mine], then.ratings[mine], then.rated_at[mine], then.revision
        )
        for key, packed in before:
            movies[key] = catalogue.restored(movies[key], packed)
        return Past(patched(current, fresh, changed), list(movies.values()), *values.changed(learned, revision))

    def prune(self) -> int:
        """Erase what no version and no list in the answer log needs; returns how many ratings that were."""
        with self._database.read() as connection:
            needed = connection.exec_driver_sql(NEEDED).scalar()
            first = revisions.current(connection) if needed is None else int(needed)
            begins = int(connection.exec_driver_sql(BEGINS).scalar_one())
            concerned = list(connection.exec_driver_sql(CONCERNED, (first,)).scalars())
        if first <= begins:
            return 0
        self._database.write(partial(_begin, revision=first), bulk=True)  # first, in case of a crash
        done = 0
        for start in range(0, len(concerned), USERS_AT_ONCE):
            some = concerned[start : start + USERS_AT_ONCE]
            done += self._database.write(partial(_prune, users=some, revision=first), bulk=True)
        return done


def _begin(tx: Transaction, revision: int) -> None:
    tx.exec_driver_sql("UPDATE meta SET value = ? WHERE name = 'history'", (str(revision),))
    tx.exec_driver_sql("DELETE FROM movie_history WHERE until <= ?", (revision,))


def _prune(tx: Transaction, users: Sequence[int], revision: int) -> int:
    with overwriting(tx):
        return int(tx.exec_driver_sql(PRUNE, (str(users), revision)).rowcount)
