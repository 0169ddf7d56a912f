"""Users, movies and ratings: one row at a time for people, in bulk for imports, as arrays for training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.sqlite import insert

from store.cache import RatingCache
from store.database import Database
from store.errors import NotStored
from store.records import Added, Counts, Keys, MovieRow, RatingArrays, RatingChange
from store.schema import genres, meta, movie_genres, movies, ratings, users

T = TypeVar("T")

CHUNK = 20_000  # rows a bulk transaction: about 50 ms, the longest that a single rating then waits

INSERT = "INSERT INTO ratings (user_id, movie_id, rating, rated_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
UPDATE = (
    "UPDATE ratings SET rating = ?3, rated_at = ?4 "
    "WHERE user_id = ?1 AND movie_id = ?2 AND (rating <> ?3 OR rated_at <> ?4)"
)
# Text columns are built inside SQLite and parsed in one go by NumPy: twice as fast as fetching a row at a time.
GROUPED = (
    "SELECT user_id, count(*), group_concat(movie_id), group_concat(rating), group_concat(rated_at) "
    "FROM ratings GROUP BY user_id ORDER BY user_id"
)
OF_USERS = (
    "SELECT user_id, movie_id, rating, rated_at FROM ratings WHERE user_id IN (SELECT value FROM json_each(?)) "
    "ORDER BY user_id, movie_id LIMIT ?"
)
MOST_RENEWED = 20_000  # rows that are put into cached arrays one by one; where more changed, all are read at once


class RatingStore:
    """The ratings table and what it refers to. Keys are dense integers from 0, given at first sight, never reused."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- one rating --------------------------------------------------------------------------------------------------

    def put_rating(self, user_id: str, movie_id: str, rating: float, rated_at: int) -> RatingChange:
        """Write one rating; durable when this returns. The same rating again changes nothing, its time included.

        Raises:
            NotStored: there is no such movie.
        """

        def work(connection: Connection) -> RatingChange:
            movie = _key(connection, movies, movie_id)
            if movie is None:
                raise NotStored(f"There is no movie {movie_id!r}.")
            user = _key(connection, users, user_id)
            previous = None if user is None else _rating(connection, user, movie)
            if user is not None and previous == rating:
                return RatingChange(user, movie, rating, previous, _revision(connection), False)
            revision = _next_revision(connection)
            new_user = user is None
            if user is None:
                user = _next_key(connection, users)
                connection.execute(users.insert().values(id=user, external_id=user_id, revision=revision))
            row = insert(ratings).values(user_id=user, movie_id=movie, rating=rating, rated_at=rated_at)
            keys = [ratings.c.user_id, ratings.c.movie_id]
            connection.execute(row.on_conflict_do_update(keys, set_={"rating": rating, "rated_at": rated_at}))
            _touch(connection, [user], [movie], revision)
            return RatingChange(user, movie, rating, previous, revision, new_user)

        return self._database.write(work, urgent=True)

    def delete_rating(self, user_id: str, movie_id: str) -> RatingChange:
        """Take one rating away.

        Raises:
            NotStored: there is no such rating.
        """

        def work(connection: Connection) -> RatingChange:
            user, movie = _key(connection, users, user_id), _key(connection, movies, movie_id)
            previous = None if user is None or movie is None else _rating(connection, user, movie)
            if user is None or movie is None or previous is None:
                raise NotStored(f"{user_id!r} has not rated {movie_id!r}.")
            revision = _next_revision(connection)
            connection.execute(ratings.delete().where(ratings.c.user_id == user, ratings.c.movie_id == movie))
            _touch(connection, [user], [movie], revision)
            return RatingChange(user, movie, None, previous, revision, False)

        return self._database.write(work, urgent=True)

    # -- in bulk -----------------------------------------------------------------------------------------------------

    def add_users(self, external_ids: Sequence[str]) -> Keys:
        """The keys of these users; those never seen before get one."""
        return self._add_ids(users, external_ids, lambda _: {})

    def add_movies(self, rows: Sequence[MovieRow]) -> Keys:
        """The keys of these movies; new ones are added, known ones take title, year and genres from here."""
        by_id = {row.external_id: row for row in rows}

        def columns(external_id: str) -> dict[str, Any]:
            return {"title": by_id[external_id].title, "year": by_id[external_id].year}

        before = self.counts().movies
        keys = self._add_ids(movies, [row.external_id for row in rows], columns)
        pairs = list(zip(keys.keys.tolist(), rows, strict=True))
        for chunk in _batches(pairs):
            self._database.write(partial(_describe, rows=chunk, known_below=before))
        return keys

    def movie_keys(self, external_ids: Sequence[str]) -> Keys:
        """The keys of movies that are there.

        Raises:
            NotStored: one of them is not.
        """
        with self._database.read() as connection:
            known = dict(connection.execute(select(movies.c.external_id, movies.c.id)).all())
        missing = [one for one in external_ids if one not in known]
        if missing:
            raise NotStored(f"There is no movie {missing[0]!r}.")
        return Keys(np.array([known[one] for one in external_ids], np.int32), 0)

    def _add_ids(self, table: Any, external_ids: Sequence[str], columns: Any) -> Keys:
        with self._database.read() as connection:
            known: dict[str, int] = dict(connection.execute(select(table.c.external_id, table.c.id)).all())
        fresh = [external_id for external_id in dict.fromkeys(external_ids) if external_id not in known]
        for chunk in _batches(fresh):

            def work(connection: Connection, chunk: Sequence[str] = chunk, seen: int = len(known)) -> dict[str, int]:
                first, revision = _next_key(connection, table), _revision(connection)
                # Keys are dense, so more of them than were read means that single ratings brought users meanwhile.
                now: dict[str, int] = {}
                if first != seen:
                    now.update(connection.execute(select(table.c.external_id, table.c.id)).all())
                new = [one for one in chunk if one not in now]
                rows = [
                    {"id": first + place, "external_id": one, "revision": revision, **columns(one)}
                    for place, one in enumerate(new)
                ]
                if rows:
                    connection.execute(table.insert(), rows)
                return now | {row["external_id"]: row["id"] for row in rows}

            known |= self._database.write(work)
        return Keys(np.array([known[external_id] for external_id in external_ids], np.int32), len(fresh))

    def add_ratings(
        self,
        user_keys: NDArray[np.int32],
        movie_keys: NDArray[np.int32],
        values: NDArray[np.float32],
        rated_at: NDArray[np.int64],
    ) -> Added:
        """Write many ratings, 20,000 a transaction, between which single ratings go first; a known pair is replaced.

        Raises:
            ValueError: a rating is not a number; nothing was written.
        """
        if not np.isfinite(values).all():
            raise ValueError("A rating is not a number.")
        order = np.lexsort((movie_keys, user_keys))
        added = updated = 0
        revision = self.revision()
        for start in range(0, len(order), CHUNK):
            rows = order[start : start + CHUNK]
            columns = [column[rows] for column in (user_keys, movie_keys, values.astype(np.float64), rated_at)]

            def work(connection: Connection, columns: list[NDArray[Any]] = columns) -> tuple[int, int, int]:
                return _put_many(connection, columns)

            new, changed, revision = self._database.write(work)
            added, updated = added + new, updated + changed
        return Added(added, updated, len(order) - added - updated, revision)

    # -- reading -----------------------------------------------------------------------------------------------------

    def load(self) -> RatingArrays:
        """All ratings, sorted by user and movie.

        From the cache beside the database, with the users whose ratings changed since it was written read anew; where
        these are many, or there is no cache, everything is read and cached.
        """
        cache = RatingCache(self._database)
        cached = cache.load(self.revision())
        found = None if cached is None else self._renew(cached)
        if found is None:
            found = self._load_rows()
            cache.save(found)
        return found

    def _renew(self, cached: RatingArrays) -> RatingArrays | None:
        """The cached arrays with the changed users' rows put in place; None where too many changed."""
        with self._database.read() as connection:
            revision = _revision(connection)
            if revision == cached.revision:
                return cached
            changed = list(connection.execute(select(users.c.id).where(users.c.revision > cached.revision)).scalars())
            rows = connection.exec_driver_sql(OF_USERS, (str(changed), MOST_RENEWED + 1)).all()
        if len(rows) > MOST_RENEWED:
            return None
        fresh = np.array(rows, dtype=np.float64).reshape(-1, 4)
        kept = ~np.isin(cached.users, changed)
        old: tuple[NDArray[Any], ...] = (cached.users, cached.movies, cached.ratings, cached.rated_at)
        columns = []
        for place, column in enumerate(old):
            columns.append(np.concatenate([column[kept], fresh[:, place].astype(column.dtype)]))
        order = np.argsort(columns[0], kind="stable")  # rows of one user are together already, in order of movie
        return RatingArrays(columns[0][order], columns[1][order], columns[2][order], columns[3][order], revision)

    def _load_rows(self) -> RatingArrays:
        keys: list[int] = []
        counts: list[int] = []
        parts: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
        with self._database.read() as connection:
            revision = _revision(connection)
            cursor = connection.exec_driver_sql(GROUPED)
            while batch := cursor.fetchmany(2000):
                keys.extend(row[0] for row in batch)
                counts.extend(row[1] for row in batch)
                for column, (part, dtype) in enumerate(
                    zip(parts, (np.int32, np.float64, np.int64), strict=True), start=2
                ):
                    part.append(np.fromstring(",".join(row[column] for row in batch), dtype, sep=","))
        items, values, times = (
            np.concatenate(part).astype(dtype) if part else np.empty(0, dtype)
            for part, dtype in zip(parts, (np.int32, np.float32, np.int64), strict=True)
        )
        owners = np.repeat(np.array(keys, np.int32), np.array(counts, np.int64))
        return RatingArrays(owners, items, values, times, revision)

    def user_ratings(self, user_key: int) -> RatingArrays:
        """What one user has rated, sorted by movie."""
        with self._database.read() as connection:
            columns = select(ratings.c.movie_id, ratings.c.rating, ratings.c.rated_at)
            rows = connection.execute(columns.where(ratings.c.user_id == user_key).order_by(ratings.c.movie_id)).all()
            revision = _revision(connection)
        return RatingArrays(
            np.full(len(rows), user_key, np.int32),
            np.array([row[0] for row in rows], np.int32),
            np.array([row[1] for row in rows], np.float32),
            np.array([row[2] for row in rows], np.int64),
            revision,
        )

    def user_ids(self) -> list[str]:
        """Every user's own id, by key."""
        with self._database.read() as connection:
            return list(connection.execute(select(users.c.external_id).order_by(users.c.id)).scalars())

    def movies(self) -> list[MovieRow]:
        """The catalogue, by key."""
        with self._database.read() as connection:
            named = dict(connection.execute(select(genres.c.id, genres.c.name)).all())
            having: dict[int, list[str]] = {}
            for movie, genre in connection.execute(select(movie_genres.c.movie_id, movie_genres.c.genre_id)):
                having.setdefault(movie, []).append(named[genre])
            rows = connection.execute(
                select(movies.c.id, movies.c.external_id, movies.c.title, movies.c.year).order_by(movies.c.id)
            )
            return [MovieRow(own, title, year, tuple(sorted(having.get(key, ())))) for key, own, title, year in rows]

    def users_changed_since(self, revision: int) -> NDArray[np.int32]:
        """int32[n]: keys of the users one of whose ratings changed after a revision."""
        with self._database.read() as connection:
            found = connection.execute(select(users.c.id).where(users.c.revision > revision).order_by(users.c.id))
            return np.array(list(found.scalars()), np.int32)

    def user_key(self, external_id: str) -> int | None:
        """The key of a user, None where there is none."""
        with self._database.read() as connection:
            return _key(connection, users, external_id)

    def movie_key(self, external_id: str) -> int | None:
        """The key of a movie, None where there is none."""
        with self._database.read() as connection:
            return _key(connection, movies, external_id)

    def revision(self) -> int:
        """Rises with every transaction that changes a rating."""
        with self._database.read() as connection:
            return _revision(connection)

    def catalogue(self) -> int:
        """Rises with every transaction that adds or describes movies."""
        with self._database.read() as connection:
            return _counter(connection, "catalogue")

    def counts(self) -> Counts:
        """How many users, movies and ratings there are."""
        with self._database.read() as connection:
            tables = users, movies, ratings
            found = [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]
        return Counts(*found)


def _batches(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), CHUNK):
        yield rows[start : start + CHUNK]


def _key(connection: Connection, table: Any, external_id: str) -> int | None:
    found = connection.execute(select(table.c.id).where(table.c.external_id == external_id)).scalar()
    return None if found is None else int(found)


def _next_key(connection: Connection, table: Any) -> int:
    """Keys are dense: rows of users and movies are never deleted."""
    return int(connection.execute(select(func.coalesce(func.max(table.c.id) + 1, 0))).scalar_one())


def _rating(connection: Connection, user: int, movie: int) -> float | None:
    found = select(ratings.c.rating).where(ratings.c.user_id == user, ratings.c.movie_id == movie)
    return connection.execute(found).scalar()


def _counter(connection: Connection, name: str) -> int:
    return int(connection.execute(select(meta.c.value).where(meta.c.name == name)).scalar_one())


def _count_up(connection: Connection, name: str) -> int:
    value = _counter(connection, name) + 1
    connection.execute(update(meta).where(meta.c.name == name).values(value=str(value)))
    return value


def _revision(connection: Connection) -> int:
    return _counter(connection, "revision")


def _next_revision(connection: Connection) -> int:
    return _count_up(connection, "revision")


def _touch(connection: Connection, user_keys: Iterable[int], movie_keys: Iterable[int], revision: int) -> None:
    """Note the revision with everyone concerned. Plain SQL: this is on the path of every single rating."""
    for table, keys in (("users", user_keys), ("movies", movie_keys)):
        statement = f"UPDATE {table} SET revision = ? WHERE id IN (SELECT value FROM json_each(?))"
        connection.exec_driver_sql(statement, (revision, str(list(keys))))


def _put_many(connection: Connection, columns: list[NDArray[Any]]) -> tuple[int, int, int]:
    """One transaction of ratings: how many were new, how many changed, and the revision after it."""
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    added = connection.exec_driver_sql(INSERT, rows).rowcount
    changed = connection.exec_driver_sql(UPDATE, rows).rowcount if added < len(rows) else 0
    if not added + changed:
        return 0, 0, _revision(connection)
    revision = _next_revision(connection)
    _touch(connection, np.unique(columns[0]).tolist(), np.unique(columns[1]).tolist(), revision)
    return added, changed, revision


def _describe(connection: Connection, rows: Sequence[tuple[int, MovieRow]], known_below: int) -> None:
    """Set genres, and, of movies that were there before, title and year."""
    _count_up(connection, "catalogue")
    names = sorted({name for _, row in rows for name in row.genres})
    if names:
        connection.execute(insert(genres).on_conflict_do_nothing(), [{"name": name} for name in names])
    ids = {name: key for key, name in connection.execute(select(genres.c.id, genres.c.name))}
    known = [(row.title, row.year, key) for key, row in rows if key < known_below]
    if known:
        connection.exec_driver_sql("UPDATE movies SET title = ?, year = ? WHERE id = ?", known)
        connection.exec_driver_sql("DELETE FROM movie_genres WHERE movie_id = ?", [(key,) for *_, key in known])
    pairs = [(key, ids[name]) for key, row in rows for name in dict.fromkeys(row.genres)]
    if pairs:
        connection.exec_driver_sql("INSERT OR IGNORE INTO movie_genres (movie_id, genre_id) VALUES (?, ?)", pairs)
