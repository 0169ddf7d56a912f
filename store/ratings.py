"""Ratings, users and movies: single ratings by hand, bulk writes for imports, arrays for training."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from store import answers, catalogue, exams, golden, history, imports, revisions
from store.bulk_ratings import DELETED_KEYS, UPSERT, BulkRatings, next_key, shortest_decimals
from store.cache import RatingCache, ratings_of_changed
from store.connections import Transaction, overwriting
from store.errors import NotStored, StoreError
from store.records import UNKNOWN_TIME, Counts, Forgotten, FoundUser, MovieRow, RatingArrays, RatingChange
from store.schema import movies, ratings, users
from store.times import time_by_hand

DELETED_ID = "\x1fforgotten {} {}"
"""Replaces the id of a deleted user, with key and revision of the first rating; earlier releases left the latter out.
Ids from outside hold no control characters. ``DELETED_KEYS`` finds it."""
FIRST = (
    "SELECT min(first) FROM (SELECT min(revision) AS first FROM ratings WHERE user_id = ? "
    "UNION ALL SELECT min(since) FROM rating_history WHERE user_id = ?)"
)
FORGOTTEN = (
    f"SELECT id FROM users WHERE id IN ({DELETED_KEYS}) AND revision > ? "
    "AND CAST(substr(external_id, length(id) + 13) AS INTEGER) <= ?"
)
USERS = "SELECT id FROM users WHERE external_id = ?"
CLAIM = "UPDATE ratings SET import_id = NULL WHERE user_id = ? AND movie_id = ? AND import_id IS NOT NULL"
"""A rating that is given again by hand stays when the import that brought it is undone."""
MOVIES = "SELECT id FROM movies WHERE external_id = ? AND NOT removed"


FOUND = (
    "SELECT external_id, (SELECT count(*) FROM ratings WHERE user_id = users.id), "
    "(SELECT avg(rating) FROM ratings WHERE user_id = users.id) FROM users "
)
LIKE = (
    f"{FOUND} WHERE external_id COLLATE NOCASE BETWEEN ? AND ? AND external_id <> ? "
    "AND EXISTS (SELECT 1 FROM ratings WHERE user_id = users.id) ORDER BY external_id COLLATE NOCASE LIMIT ?"
)
OF_MOVIE = (
    "SELECT user_id, rating, rated_at FROM (SELECT id FROM users WHERE revision > ?) AS changed "
    "CROSS JOIN ratings ON ratings.user_id = changed.id AND ratings.movie_id = ?"
)
"""Begins with the few users that changed: no index leads from a movie to its ratings."""
LAST = "\U0010ffff"
"""Follows every other character."""


class RatingStore(BulkRatings):
    """The ratings and what they refer to. Keys are dense integers from 0, assigned in order and never reused."""

    # -- single ratings ----------------------------------------------------------------------------------------------

    def put_rating(self, user_id: str, movie_id: str, rating: float, rated_at: int) -> RatingChange:
        """Write a rating by hand; durable on return. It replaces the stored rating, whatever the time of that.

        The same rating again changes nothing, not even its time.

        Args:
            user_id: any id; a new user gets a key.
            movie_id: a movie of the catalogue.
            rating: a finite number.
            rated_at: the current time in Unix seconds. If the stored rating is later, the new one is dated a second
                after it, so that importing an earlier export again does not undo it.

        Raises:
            NotStored: there is no such movie.
            ValueError: the rating is not a finite number.
        """
        with np.errstate(over="ignore"):
            value = float(shortest_decimals(np.array([rating], np.float64).astype(np.float32))[0])

        def work(tx: Transaction) -> RatingChange:
            movie = _key(tx, MOVIES, movie_id)
            if movie is None:
                raise NotStored(f"There is no movie {movie_id!r}.")
            user, new_user = _key(tx, USERS, user_id), False
            previous, before = (None, None) if user is None else _rating(tx, user, movie)
            if user is None:
                user, new_user = next_key(tx, users), True
                tx.execute(users.insert().values(id=user, external_id=user_id, revision=0))
            row = user, movie, value, time_by_hand(rated_at, before)
            if previous == value:
                tx.exec_driver_sql(CLAIM, (user, movie))
                return RatingChange(user, movie, value, previous, row[3], revisions.current(tx), False)
            if tx.exec_driver_sql(UPSERT.format(f"(?, ?, ?, ?, NULL, {revisions.NEXT})"), row).rowcount != 1:
                raise StoreError("The rating was not written.")  # never acknowledge what is not there
            revision = revisions.advance(tx, [user], [movie], 1 if previous is None else 0)
            return RatingChange(user, movie, value, previous, row[3], revision, new_user)

        return self._database.write(work)

    def delete_rating(self, user_id: str, movie_id: str) -> RatingChange:
        """Delete one rating.

        Raises:
            NotStored: there is no such rating.
        """

        def work(tx: Transaction) -> RatingChange:
            user, movie = _key(tx, USERS, user_id), _key(tx, MOVIES, movie_id)
            previous = None if user is None or movie is None else _rating(tx, user, movie)[0]
            if user is None or movie is None or previous is None:
                raise NotStored(f"{user_id!r} has not rated {movie_id!r}.")
            tx.execute(ratings.delete().where(ratings.c.user_id == user, ratings.c.movie_id == movie))
            revision = revisions.advance(tx, [user], [movie], -1)
            exams.withdraw(tx, revision, self._database.clock(), (user, movie))
            return RatingChange(user, movie, None, previous, UNKNOWN_TIME, revision, False)

        return self._database.write(work)

    # -- deleting users ----------------------------------------------------------------------------------------------

    def forget_user(self, user_id: str) -> Forgotten:
        """Erase a user's ratings and id, overwriting their bytes in the file. ``erase_traces`` completes it.

        Ratings that imports replaced go too, what the history of imports holds of the user, golden people, exams, and
        the lists that they were given. The key stays taken, so that nobody else inherits what a version has learned
        under it.

        Raises:
            NotStored: there is no such user.
        """

        def work(tx: Transaction) -> Forgotten:
            user = _key(tx, USERS, user_id)
            if user is None:
                raise NotStored(f"Nobody has the id {user_id!r}.")
            with overwriting(tx):
                first = tx.exec_driver_sql(FIRST, (user, user)).scalar()
                rated = tx.execute(select(ratings.c.movie_id).where(ratings.c.user_id == user)).scalars().all()
                tx.execute(ratings.delete().where(ratings.c.user_id == user))
                history.forget(tx, user)
                imports.forget(tx, user, user_id)
                golden.forget(tx, user)
                exams.forget(tx, user)
                answers.forget(tx, user)
                nobody = DELETED_ID.format(user, revisions.current(tx) + 1 if first is None else first)
                tx.execute(users.update().where(users.c.id == user).values(external_id=nobody))
                revision = revisions.advance(tx, [user], rated, -len(rated))
            return Forgotten(user, len(rated), revision)

        return self._database.write(work)

    def forgotten_since(self, revision: int, *, tx: Transaction | None = None) -> list[int]:
        """Keys of the users deleted after a revision who had rated by then.

        Within ``tx`` the answer holds until it is committed.
        """
        with self._database.read(tx) as connection:
            return list(connection.exec_driver_sql(FORGOTTEN, (revision, revision)).scalars())

    def erase_traces(self) -> None:
        """Erase what the cache and the log still hold of deleted users.

        The checkpoint goes as far as other readers allow, and may take seconds beside heavy writing.
        """
        RatingCache(self._database).clear()
        self._database.checkpoint()

    # -- reading -----------------------------------------------------------------------------------------------------

    def load(self) -> RatingArrays:
        """All ratings, sorted by user and movie; a cache provides what has not changed since the last time."""
        return RatingCache(self._database).load()

    def user_ratings(self, user_key: int) -> RatingArrays:
        """Ratings of one user, sorted by movie."""
        with self._database.read() as connection:
            columns = select(ratings.c.movie_id, ratings.c.rating, ratings.c.rated_at)
            rows = connection.execute(columns.where(ratings.c.user_id == user_key).order_by(ratings.c.movie_id)).all()
            revision = revisions.current(connection)
        return RatingArrays(
            np.full(len(rows), user_key, np.int32),
            np.array([row[0] for row in rows], np.int32),
            np.array([row[1] for row in rows], np.float32),
            np.array([row[2] for row in rows], np.int64),
            revision,
        )

    def raters(self) -> frozenset[str]:
        """Ids of the users who have ratings."""
        rated = "SELECT external_id FROM users WHERE EXISTS (SELECT 1 FROM ratings WHERE user_id = users.id)"
        with self._database.read() as connection:
            return frozenset(connection.exec_driver_sql(rated).scalars())

    def user_ids(self) -> list[str]:
        """Ids of all users, in order of their keys."""
        with self._database.read() as connection:  # as one value, which is read in a tenth of the time of rows
            every = connection.exec_driver_sql("SELECT json_group_array(external_id ORDER BY id) FROM users")
            return list(json.loads(every.scalar_one()))

    def movies(self) -> list[MovieRow]:
        """All movies, in order of their keys, with the removed ones: their keys stay taken."""
        with self._database.read() as connection:
            return list(catalogue.movie_rows(connection).values())

    def links(self) -> dict[str, dict[str, int]]:
        """Keys of movies by site and their id there; of two movies with one id, the older."""
        found: dict[str, dict[str, int]] = {}
        with self._database.read() as connection:
            rows = connection.exec_driver_sql("SELECT site, external_id, movie_id FROM movie_links ORDER BY movie_id")
            for site, own, key in rows:
                found.setdefault(site, {}).setdefault(own, key)
        return found

    def sites_of(self, external_id: str) -> dict[str, str]:
        """A movie's ids elsewhere, by site."""
        where = "WHERE movie_id = (SELECT id FROM movies WHERE external_id = ?)"
        with self._database.read() as connection:
            rows = connection.exec_driver_sql(f"SELECT site, external_id FROM movie_links {where}", (external_id,))
            return {row[0]: row[1] for row in rows}

    def users_changed_since(self, revision: int) -> NDArray[np.int32]:
        """int32[n]: keys of the users with a rating that changed after a revision."""
        return self._changed_since(users, revision)

    def changed_since(self, revision: int) -> tuple[NDArray[np.int32], RatingArrays]:
        """int32[n]: users with a rating that changed after a revision; and all their ratings, sorted by user."""
        with self._database.read() as connection:
            found = ratings_of_changed(connection, revision)
            keys = connection.execute(select(users.c.id).where(users.c.revision > revision).order_by(users.c.id))
            return np.array(list(keys.scalars()), np.int32), found

    def ratings_of_movie(self, movie_key: int, revision: int) -> RatingArrays:
        """Ratings of one movie by the users with a rating that changed after a revision, in no order."""
        with self._database.read() as connection:
            rows = connection.exec_driver_sql(OF_MOVIE, (revision, movie_key)).all()
            return RatingArrays(
                np.array([row[0] for row in rows], np.int32),
                np.full(len(rows), movie_key, np.int32),
                np.array([row[1] for row in rows], np.float32),
                np.array([row[2] for row in rows], np.int64),
                revisions.current(connection),
            )

    def movies_changed_since(self, revision: int) -> NDArray[np.int32]:
        """int32[n]: keys of the movies with a rating that changed after a revision."""
        return self._changed_since(movies, revision)

    def _changed_since(self, table: Any, revision: int) -> NDArray[np.int32]:
        with self._database.read() as connection:
            found = connection.execute(select(table.c.id).where(table.c.revision > revision).order_by(table.c.id))
            return np.array(list(found.scalars()), np.int32)

    def counts_changed_since(self, revision: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """int32[n], int64[n]: users with a rating that changed after a revision, and how many ratings each has now."""
        counted = (
            "SELECT users.id, COUNT(ratings.movie_id) FROM users LEFT JOIN ratings ON ratings.user_id = users.id "
            "WHERE users.revision > ? GROUP BY users.id"
        )
        with self._database.read() as connection:
            rows = np.array(connection.exec_driver_sql(counted, (revision,)).all(), np.int64).reshape(-1, 2)
        return rows[:, 0].astype(np.int32), rows[:, 1]

    def span(self) -> tuple[float, float] | None:
        """The lowest and the highest rating, found by a full scan; None if there are no ratings."""
        with self._database.read() as connection:
            low, high = connection.execute(select(func.min(ratings.c.rating), func.max(ratings.c.rating))).one()
        return None if low is None else (float(low), float(high))

    def users_like(self, prefix: str, limit: int) -> list[FoundUser]:
        """Users whose id begins with a text, in any case of ASCII letters: that very id first, then in order of ids.

        Others than that very id are found only if they have ratings. It reads ``limit`` entries of an index.
        """
        with self._database.read() as connection:
            exact = connection.exec_driver_sql(f"{FOUND} WHERE external_id = ?", (prefix,)).all()
            span = prefix, prefix + LAST, prefix, limit - len(exact)
            others = connection.exec_driver_sql(LIKE, span).all() if limit > len(exact) else []
        return [FoundUser(*row) for row in [*exact[:limit], *others]]

    def user_key(self, external_id: str) -> int | None:
        """Key of a user; None if there is no such user."""
        with self._database.read() as connection:
            return _key(connection, USERS, external_id)

    def movie_key(self, external_id: str) -> int | None:
        """Key of a movie; None if there is no such movie, or it was removed."""
        with self._database.read() as connection:
            return _key(connection, MOVIES, external_id)

    def revision(self) -> int:
        """Number that rises with every transaction that changes a rating."""
        with self._database.read() as connection:
            return revisions.current(connection)

    def catalogue(self) -> int:
        """Number that rises with every transaction that adds or describes movies."""
        with self._database.read() as connection:
            return revisions.catalogue(connection)

    def counts(self) -> Counts:
        """Numbers of users, movies and ratings."""
        with self._database.read() as connection:
            tables = "users", "movies WHERE NOT removed"
            found = [connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() for table in tables]
            return Counts(found[0], found[1], revisions.rating_count(connection))


def _key(connection: Connection, statement: str, external_id: str) -> int | None:
    # Plain SQL, as below: every single rating comes through here, and composing statements took half of its time.
    found = connection.exec_driver_sql(statement, (external_id,)).scalar()
    return None if found is None else int(found)


def _rating(connection: Connection, user: int, movie: int) -> tuple[float | None, int | None]:
    """The rating and its time, as stored; None for both if there is no rating."""
    found = "SELECT rating, rated_at FROM ratings WHERE user_id = ? AND movie_id = ?"
    row = connection.exec_driver_sql(found, (user, movie)).one_or_none()
    return (None, None) if row is None else (row[0], row[1])
