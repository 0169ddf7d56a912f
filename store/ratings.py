"""Users, movies and ratings: one row at a time for people, in bulk for imports, as arrays for training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Table, func, select
from sqlalchemy.dialects.sqlite import insert

from store import revisions
from store.cache import RatingCache
from store.database import Database
from store.errors import NotStored, StoreError
from store.records import Added, Counts, Forgotten, Keys, MovieRow, RatingArrays, RatingChange
from store.schema import genres, movie_genres, movies, ratings, users
from store.times import LATEST, time_by_hand

T = TypeVar("T")

Note = Callable[[Connection, int], None]
"""Writes of somebody else in the transaction that adds so many rows; they are kept exactly where those are."""
NoteRatings = Callable[[Connection, Added], None]
"""The same for ratings: what the transaction does to them."""

GONE = "\x1fforgotten {}"
"""In place of the id of a user who was forgotten; no id that comes in holds a control character."""
GONE_KEYS = "SELECT id FROM users WHERE external_id >= '\x1fforgotten ' AND external_id < '\x1fforgotten!'"
"""By the index of ids: a look at all users would take long in every transaction of an import."""
CHUNK = 5_000  # rows a bulk transaction: about 10 ms, the longest that a single rating then waits
ROWS = 50  # rows a statement: twice as fast as one, and more gain little

INSERT = "INSERT INTO ratings (user_id, movie_id, rating, rated_at) VALUES {} ON CONFLICT DO NOTHING"
UPSERT = (
    "INSERT INTO ratings (user_id, movie_id, rating, rated_at) VALUES {} "
    "ON CONFLICT (user_id, movie_id) DO UPDATE SET rating = excluded.rating, rated_at = excluded.rated_at"
)
"""A rating by hand: it replaces what is stored."""
REPLACE = (
    f"{UPSERT} WHERE (excluded.rated_at BETWEEN rated_at AND {LATEST} OR rated_at > {LATEST}) "
    "AND (rating <> excluded.rating OR rated_at <> excluded.rated_at)"
)
"""An import: it undoes no newer rating. This compares the times as they are stored: were those after tomorrow taken for
unknown here, an import while the clock is set back would undo ratings given by hand before."""


class RatingStore:
    """The ratings table and what it refers to. Keys are dense integers from 0, given at first sight, never reused."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- one rating --------------------------------------------------------------------------------------------------

    def put_rating(self, user_id: str, movie_id: str, rating: float, rated_at: int) -> RatingChange:
        """Write a rating by hand; durable when this returns. It replaces what is stored, whatever the time of that.

        The same rating again changes nothing, its time included.

        Args:
            user_id: anybody; somebody new gets a key.
            movie_id: a movie of the catalogue.
            rating: a finite number.
            rated_at: what the clock says, in Unix seconds. Where the stored rating is ahead of it, the new one gets the
                next second after that, so that no import of what was stored before undoes it.

        Raises:
            NotStored: there is no such movie.
            ValueError: the rating is not a finite number.
        """
        with np.errstate(over="ignore"):
            value = float(_decimals(np.array([rating], np.float64).astype(np.float32))[0])

        def work(connection: Connection) -> RatingChange:
            movie = _key(connection, movies, movie_id)
            if movie is None:
                raise NotStored(f"There is no movie {movie_id!r}.")
            user, new_user = _key(connection, users, user_id), False
            previous, before = (None, None) if user is None else _rating(connection, user, movie)
            if user is None:
                user, new_user = _next_key(connection, users), True
                connection.execute(users.insert().values(id=user, external_id=user_id, revision=0))
            elif previous == value:
                return RatingChange(user, movie, value, previous, revisions.current(connection), False)
            row = user, movie, value, time_by_hand(rated_at, before)
            if connection.exec_driver_sql(UPSERT.format("(?, ?, ?, ?)"), row).rowcount != 1:
                raise StoreError("The rating was not written.")  # whatever the reason: it must not be acknowledged
            revision = revisions.advance(connection, [user], [movie], 1 if previous is None else 0)
            return RatingChange(user, movie, value, previous, revision, new_user)

        return self._database.write(work, urgent=True)

    def delete_rating(self, user_id: str, movie_id: str) -> RatingChange:
        """Take one rating away.

        Raises:
            NotStored: there is no such rating.
        """

        def work(connection: Connection) -> RatingChange:
            user, movie = _key(connection, users, user_id), _key(connection, movies, movie_id)
            previous = None if user is None or movie is None else _rating(connection, user, movie)[0]
            if user is None or movie is None or previous is None:
                raise NotStored(f"{user_id!r} has not rated {movie_id!r}.")
            connection.execute(ratings.delete().where(ratings.c.user_id == user, ratings.c.movie_id == movie))
            revision = revisions.advance(connection, [user], [movie], -1)
            return RatingChange(user, movie, None, previous, revision, False)

        return self._database.write(work, urgent=True)

    def forget_user(self, user_id: str) -> Forgotten:
        """Erase a user's ratings and id; what they filled in the file is overwritten. ``erase_traces`` does the rest.

        The user's key stays taken, so that nobody else comes to what a version has learned under it.

        Raises:
            NotStored: there is no such user.
        """

        def work(connection: Connection) -> Forgotten:
            user = _key(connection, users, user_id)
            if user is None:
                raise NotStored(f"There is no user {user_id!r}.")
            connection.exec_driver_sql("PRAGMA secure_delete = ON")
            try:
                rated = connection.execute(select(ratings.c.movie_id).where(ratings.c.user_id == user)).scalars().all()
                connection.execute(ratings.delete().where(ratings.c.user_id == user))
                connection.execute(users.update().where(users.c.id == user).values(external_id=GONE.format(user)))
                revision = revisions.advance(connection, [user], rated, -len(rated))
            finally:
                connection.exec_driver_sql("PRAGMA secure_delete = OFF")
            return Forgotten(user, len(rated), revision)

        return self._database.write(work, urgent=True)

    def forgotten_since(self, revision: int) -> list[int]:
        """The keys of the users who were forgotten after a revision."""
        with self._database.read() as connection:
            return self.forgotten_since_in(connection, revision)

    def forgotten_since_in(self, connection: Connection, revision: int) -> list[int]:
        """The same within somebody else's transaction: nobody is forgotten between the answer and what it writes."""
        found = connection.exec_driver_sql(f"{GONE_KEYS} AND revision > ?", (revision,))
        return list(found.scalars())

    def erase_traces(self) -> None:
        """Erase what the copy beside the file and the log still hold of who was forgotten.

        The log is folded in as far as no reader stands in the way, which may take seconds beside heavy writing.
        """
        RatingCache(self._database).forget()
        self._database.fold_log()

    # -- in bulk -----------------------------------------------------------------------------------------------------

    def add_users(self, external_ids: Sequence[str], note: Note | None = None) -> Keys:
        """The keys of these users; those never seen before get one.

        Args:
            external_ids: of the users.
            note: called in each transaction with how many users it adds.
        """
        return self._add_ids(users, external_ids, lambda _: {}, note)[0]

    def add_movies(self, rows: Sequence[MovieRow], note: Note | None = None) -> Keys:
        """The keys of these movies; new ones are added, known ones take title, year and genres from here.

        A year of None and no genres say nothing: a file without these columns leaves them as they are known.

        Args:
            rows: the movies.
            note: called in each transaction that adds movies, with how many.
        """
        by_id = {row.external_id: row for row in rows}

        def columns(external_id: str) -> dict[str, Any]:
            return {"title": by_id[external_id].title, "year": by_id[external_id].year}

        keys, fresh = self._add_ids(movies, list(by_id), columns, note)
        pairs = list(zip(keys.keys.tolist(), by_id.values(), strict=True))
        for chunk in _batches(pairs):
            self._database.write(partial(_describe, rows=chunk, fresh=fresh))
        places = dict(zip(by_id, keys.keys.tolist(), strict=True))
        return Keys(np.array([places[row.external_id] for row in rows], np.int32), keys.added)

    def _add_ids(
        self,
        table: Table,
        external_ids: Sequence[str],
        columns: Callable[[str], dict[str, Any]],
        note: Note | None,
    ) -> tuple[Keys, frozenset[str]]:
        """The keys of these ids, and which of the ids are new."""
        with self._database.read() as connection:
            known = _all_keys(connection, table)
        fresh: set[str] = set()
        for chunk in _batches([one for one in dict.fromkeys(external_ids) if one not in known]):
            known, made = self._database.write(
                partial(_add_missing, table=table, chunk=chunk, known=known, columns=columns, note=note)
            )
            fresh |= made
        return Keys(np.array([known[one] for one in external_ids], np.int32), len(fresh)), frozenset(fresh)

    def add_ratings(
        self,
        user_keys: NDArray[np.int32],
        movie_keys: NDArray[np.int32],
        values: NDArray[np.float32],
        rated_at: NDArray[np.int64],
        note: NoteRatings | None = None,
    ) -> Added:
        """Write many ratings, 5,000 a transaction, between which single ratings go first; a known pair is replaced.

        Where a pair occurs twice its last row counts; the others are among the unchanged, as are the rows of a user who
        was forgotten since the keys were asked for.

        Args:
            user_keys: int32[n].
            movie_keys: int32[n].
            values: float32[n], the ratings.
            rated_at: int64[n], Unix seconds.
            note: called in each transaction with what it does. Where a later one fails, those before it are kept.

        Raises:
            ValueError: a rating is not a finite number; nothing was written.
        """
        decimals = _decimals(values)
        order = np.lexsort((movie_keys, user_keys))
        pairs = np.stack([user_keys[order], movie_keys[order]])
        order = order[np.append((pairs[:, 1:] != pairs[:, :-1]).any(0), True)[: len(order)]]
        total = Added(0, 0, 0, self.revision())
        for start in range(0, len(order), CHUNK):
            rows = order[start : start + CHUNK]
            columns = [column[rows] for column in (user_keys, movie_keys, decimals, rated_at)]
            doubled = len(values) - len(order) if start + CHUNK >= len(order) else 0
            done = self._database.write(partial(_put_many, columns=columns, doubled=doubled, note=note))
            total = Added(
                total.added + done.added,
                total.updated + done.updated,
                total.unchanged + done.unchanged,
                done.revision,
            )
        return total

    # -- reading -----------------------------------------------------------------------------------------------------

    def load(self) -> RatingArrays:
        """All ratings, sorted by user and movie; what did not change since the last time comes from a file."""
        return RatingCache(self._database).load()

    def user_ratings(self, user_key: int) -> RatingArrays:
        """What one user has rated, sorted by movie."""
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

    def counts_changed_since(self, revision: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """int32[n], int64[n]: the users one of whose ratings changed after a revision, and how many each has now."""
        counted = (
            "SELECT users.id, COUNT(ratings.movie_id) FROM users LEFT JOIN ratings ON ratings.user_id = users.id "
            "WHERE users.revision > ? GROUP BY users.id"
        )
        with self._database.read() as connection:
            rows = np.array(connection.exec_driver_sql(counted, (revision,)).all(), np.int64).reshape(-1, 2)
        return rows[:, 0].astype(np.int32), rows[:, 1]

    def movies_changed_since(self, revision: int) -> NDArray[np.int32]:
        """int32[n]: keys of the movies one of whose ratings changed after a revision."""
        with self._database.read() as connection:
            found = connection.execute(select(movies.c.id).where(movies.c.revision > revision).order_by(movies.c.id))
            return np.array(list(found.scalars()), np.int32)

    def span(self) -> tuple[float, float] | None:
        """The lowest and the highest rating; None without any. It looks at all of them."""
        with self._database.read() as connection:
            low, high = connection.execute(select(func.min(ratings.c.rating), func.max(ratings.c.rating))).one()
        return None if low is None else (float(low), float(high))

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
            return revisions.current(connection)

    def catalogue(self) -> int:
        """Rises with every transaction that adds or describes movies."""
        with self._database.read() as connection:
            return revisions.catalogue(connection)

    def counts(self) -> Counts:
        """How many users, movies and ratings there are."""
        with self._database.read() as connection:
            tables = users, movies
            found = [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]
            return Counts(found[0], found[1], revisions.rating_count(connection))


def _batches(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), CHUNK):
        yield rows[start : start + CHUNK]


def _key(connection: Connection, table: Any, external_id: str) -> int | None:
    # Plain SQL, as below: this is on the path of every single rating, and to compose statements took half of its time.
    found = connection.exec_driver_sql(f"SELECT id FROM {table.name} WHERE external_id = ?", (external_id,)).scalar()
    return None if found is None else int(found)


def _all_keys(connection: Connection, table: Table) -> dict[str, int]:
    return dict(connection.execute(select(table.c.external_id, table.c.id)).all())


def _add_missing(
    connection: Connection,
    table: Table,
    chunk: Sequence[str],
    known: dict[str, int],
    columns: Callable[[str], dict[str, Any]],
    note: Note | None,
) -> tuple[dict[str, int], set[str]]:
    """Give keys to ids that have none; returns the keys of all ids, and which ids are new."""
    first, revision = _next_key(connection, table), revisions.current(connection)
    if first != len(known):  # keys are dense, so single ratings have brought users meanwhile
        known = _all_keys(connection, table)
    new = [one for one in chunk if one not in known]
    rows = [
        {"id": first + place, "external_id": one, "revision": revision, **columns(one)} for place, one in enumerate(new)
    ]
    if rows:
        connection.execute(table.insert(), rows)
        if note is not None:
            note(connection, len(rows))
    return known | {row["external_id"]: row["id"] for row in rows}, set(new)


def _next_key(connection: Connection, table: Any) -> int:
    """Keys are dense: rows of users and movies are never deleted."""
    return int(connection.execute(select(func.coalesce(func.max(table.c.id) + 1, 0))).scalar_one())


def _rating(connection: Connection, user: int, movie: int) -> tuple[float | None, int | None]:
    """The stored rating and its time, as they are stored."""
    found = "SELECT rating, rated_at FROM ratings WHERE user_id = ? AND movie_id = ?"
    row = connection.exec_driver_sql(found, (user, movie)).one_or_none()
    return (None, None) if row is None else (row[0], row[1])


def _decimals(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """The shortest decimals that read back as these ratings, so that 3.7 is stored as 3.7 however it came in."""
    if not np.isfinite(values).all():
        raise ValueError("A rating is not a number.")
    distinct, places = np.unique(values, return_inverse=True)
    return np.array([float(str(value)) for value in distinct], np.float64)[places]


def _put_many(connection: Connection, columns: list[NDArray[Any]], doubled: int, note: NoteRatings | None) -> Added:
    """One transaction of ratings; ``doubled``: further rows that are replaced within the same call."""
    rows = len(columns[0]) + doubled
    added, changed, revision = _put(connection, columns)
    done = Added(added, changed, rows - added - changed, revision)
    if note is not None:
        note(connection, done)
    return done


def _put(connection: Connection, columns: list[NDArray[Any]]) -> tuple[int, int, int]:
    """How many ratings were new, how many changed, and the revision after it."""
    gone = list(connection.exec_driver_sql(GONE_KEYS).scalars())
    if gone:  # an import that has their keys already must not bring their ratings back
        kept = ~np.isin(columns[0], gone)
        columns = [column[kept] for column in columns]
    n = len(columns[0])
    flat: list[Any] = [None] * (4 * n)
    for place, column in enumerate(columns):
        flat[place::4] = column.tolist()
    added = _run(connection, INSERT, flat)
    changed = _run(connection, REPLACE, flat) if added < n else 0
    if not added + changed:
        return 0, 0, revisions.current(connection)
    concerned = [np.unique(keys).tolist() for keys in columns[:2]]
    return added, changed, revisions.advance(connection, concerned[0], concerned[1], added)


def _run(connection: Connection, statement: str, flat: list[Any]) -> int:
    """Run a statement over rows of four values, ROWS at a time; returns how many rows it changed."""
    done, width = 0, 4 * ROWS
    whole = len(flat) // width * width
    for step, start, end in ((width, 0, whole), (4, whole, len(flat))):
        rows = [tuple(flat[place : place + step]) for place in range(start, end, step)]
        if rows:
            places = ", ".join(["(?, ?, ?, ?)"] * (step // 4))
            done += connection.exec_driver_sql(statement.format(places), rows).rowcount
    return done


def _describe(connection: Connection, rows: Sequence[tuple[int, MovieRow]], fresh: frozenset[str]) -> None:
    """Set genres, and, of movies that were there before, title and year; what a row does not say stays as it was."""
    revisions.advance_catalogue(connection)
    names = sorted({name for _, row in rows for name in row.genres})
    if names:
        connection.execute(insert(genres).on_conflict_do_nothing(), [{"name": name} for name in names])
    ids = {name: key for key, name in connection.execute(select(genres.c.id, genres.c.name))}
    known = [(row.title, row.year, key) for key, row in rows if row.external_id not in fresh]
    if known:
        connection.exec_driver_sql("UPDATE movies SET title = ?, year = coalesce(?, year) WHERE id = ?", known)
    replaced = [(key,) for key, row in rows if row.genres and row.external_id not in fresh]
    if replaced:
        connection.exec_driver_sql("DELETE FROM movie_genres WHERE movie_id = ?", replaced)
    pairs = [(key, ids[name]) for key, row in rows for name in dict.fromkeys(row.genres)]
    if pairs:
        connection.exec_driver_sql("INSERT OR IGNORE INTO movie_genres (movie_id, genre_id) VALUES (?, ?)", pairs)
