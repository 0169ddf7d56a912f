"""Bulk writes of users, movies and ratings, in short transactions between which single ratings are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Table, func, select
from sqlalchemy.dialects.sqlite import insert

from store import revisions
from store.connections import Transaction
from store.database import Store
from store.jobs import JobStore
from store.records import Added, Keys, MovieRow
from store.schema import genres, movies, users
from store.times import MAX_TIME

T = TypeVar("T")

CHUNK = 5_000  # rows per transaction: about 10 ms, the longest that a single rating waits
ROWS = 50  # rows per statement: twice as fast as one, and more gain little

DELETED_KEYS = "SELECT id FROM users WHERE external_id >= '\x1fforgotten ' AND external_id < '\x1fforgotten!'"
"""Uses the index of ids: a scan of all users would take long in every transaction of an import."""
INSERT = "INSERT INTO ratings (user_id, movie_id, rating, rated_at) VALUES {} ON CONFLICT DO NOTHING"
UPSERT = (
    "INSERT INTO ratings (user_id, movie_id, rating, rated_at) VALUES {} "
    "ON CONFLICT (user_id, movie_id) DO UPDATE SET rating = excluded.rating, rated_at = excluded.rated_at"
)
"""A rating by hand: it replaces the stored one."""
REPLACE = (
    f"{UPSERT} WHERE (excluded.rated_at BETWEEN rated_at AND {MAX_TIME} OR rated_at > {MAX_TIME}) "
    "AND (rating <> excluded.rating OR rated_at <> excluded.rated_at)"
)
"""An import: it replaces no newer rating. Times are compared as stored: if those after tomorrow counted as unknown, an
import while the clock is set back would replace ratings given by hand before."""


class BulkRatings(Store):
    """Users, movies and ratings in bulk. ``job_id`` names the job whose result counts what each transaction adds."""

    def add_users(self, external_ids: Sequence[str], *, job_id: int | None = None) -> Keys:
        """Keys of these users; users never seen before get one."""
        return self._add_ids(users, external_ids, lambda _: {}, job_id)[0]

    def add_movies(self, rows: Sequence[MovieRow], *, job_id: int | None = None) -> Keys:
        """Keys of these movies; new ones are added, known ones get the title, year and genres given here.

        A missing year or an empty list of genres leaves what is known, as files without these columns do.
        """
        by_id = {row.external_id: row for row in rows}

        def columns(external_id: str) -> dict[str, Any]:
            return {"title": by_id[external_id].title, "year": by_id[external_id].year}

        keys, fresh = self._add_ids(movies, list(by_id), columns, job_id)
        pairs = list(zip(keys.keys.tolist(), by_id.values(), strict=True))
        for chunk in _chunks(pairs):
            self._database.write(partial(_describe, rows=chunk, fresh=fresh), bulk=True)
        places = dict(zip(by_id, keys.keys.tolist(), strict=True))
        return Keys(np.array([places[row.external_id] for row in rows], np.int32), keys.added)

    def add_ratings(
        self,
        user_keys: NDArray[np.int32],
        movie_keys: NDArray[np.int32],
        values: NDArray[np.float32],
        rated_at: NDArray[np.int64],
        *,
        job_id: int | None = None,
    ) -> Added:
        """Write many ratings, 5,000 per transaction; the rating of a known pair is replaced.

        Of a pair that occurs twice the last row counts. The other rows count as unchanged, as do those of users who
        were deleted after their keys were looked up. If a transaction fails, the earlier ones are kept.

        Args:
            user_keys: int32[n].
            movie_keys: int32[n].
            values: float32[n], the ratings.
            rated_at: int64[n], Unix seconds.
            job_id: the job that counts them.

        Raises:
            ValueError: a rating is not a finite number; nothing was written.
        """
        decimals = shortest_decimals(values)
        order = np.lexsort((movie_keys, user_keys))
        pairs = np.stack([user_keys[order], movie_keys[order]])
        order = order[np.append((pairs[:, 1:] != pairs[:, :-1]).any(0), True)[: len(order)]]
        with self._database.read() as connection:
            total = Added(0, 0, 0, revisions.current(connection))
        for start in range(0, len(order), CHUNK):
            rows = order[start : start + CHUNK]
            columns = [column[rows] for column in (user_keys, movie_keys, decimals, rated_at)]
            duplicates = len(values) - len(order) if start + CHUNK >= len(order) else 0
            work = partial(self._add_chunk, columns=columns, duplicates=duplicates, job_id=job_id)
            done = self._database.write(work, bulk=True)
            total = Added(
                total.added + done.added,
                total.updated + done.updated,
                total.unchanged + done.unchanged,
                done.revision,
            )
        return total

    def _add_chunk(self, tx: Transaction, columns: list[NDArray[Any]], duplicates: int, job_id: int | None) -> Added:
        """One transaction of ratings; ``duplicates`` are further rows of the call that count as unchanged."""
        rows = len(columns[0]) + duplicates
        added, changed, revision = _put(tx, columns)
        unchanged = rows - added - changed
        self._count(tx, job_id, ratings_added=added, ratings_updated=changed, ratings_unchanged=unchanged)
        return Added(added, changed, unchanged, revision)

    def _add_ids(
        self,
        table: Table,
        external_ids: Sequence[str],
        columns: Callable[[str], dict[str, Any]],
        job_id: int | None,
    ) -> tuple[Keys, frozenset[str]]:
        """Keys of these ids, and the ids that are new."""
        with self._database.read() as connection:
            known = _all_keys(connection, table)
        fresh: set[str] = set()
        for chunk in _chunks([one for one in dict.fromkeys(external_ids) if one not in known]):
            work = partial(self._add_missing, table=table, chunk=chunk, known=known, columns=columns, job_id=job_id)
            known, made = self._database.write(work, bulk=True)
            fresh |= made
        return Keys(np.array([known[one] for one in external_ids], np.int32), len(fresh)), frozenset(fresh)

    def _add_missing(
        self,
        tx: Transaction,
        table: Table,
        chunk: Sequence[str],
        known: dict[str, int],
        columns: Callable[[str], dict[str, Any]],
        job_id: int | None,
    ) -> tuple[dict[str, int], set[str]]:
        """Add the ids that have no key; returns the keys of all ids, and the ids that are new."""
        first, revision = next_key(tx, table), revisions.current(tx)
        if first != len(known):  # keys are dense, so single ratings have added users meanwhile
            known = _all_keys(tx, table)
        new = [one for one in chunk if one not in known]
        rows = [
            {"id": first + place, "external_id": one, "revision": revision, **columns(one)}
            for place, one in enumerate(new)
        ]
        if rows:
            tx.execute(table.insert(), rows)
            self._count(tx, job_id, **{f"{table.name}_added": len(rows)})
        return known | {row["external_id"]: row["id"] for row in rows}, set(new)

    def _count(self, tx: Transaction, job_id: int | None, **counts: int) -> None:
        if job_id is not None:
            JobStore(self._database).count(job_id, counts, tx=tx)


def next_key(connection: Connection, table: Any) -> int:
    """The next free key; keys are dense, since rows of users and movies are never deleted."""
    return int(connection.execute(select(func.coalesce(func.max(table.c.id) + 1, 0))).scalar_one())


def shortest_decimals(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """float64[n]: the shortest decimals that round to these ratings: 3.7 is stored as 3.7 whatever its origin.

    Raises:
        ValueError: a rating is not a finite number.
    """
    if not np.isfinite(values).all():
        raise ValueError("A rating is not a number.")
    distinct, places = np.unique(values, return_inverse=True)
    return np.array([float(str(value)) for value in distinct], np.float64)[places]


def _chunks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), CHUNK):
        yield rows[start : start + CHUNK]


def _all_keys(connection: Connection, table: Table) -> dict[str, int]:
    return dict(connection.execute(select(table.c.external_id, table.c.id)).all())


def _put(tx: Transaction, columns: list[NDArray[Any]]) -> tuple[int, int, int]:
    """Number of new ratings, number of changed ones, and the revision afterwards."""
    deleted = list(tx.exec_driver_sql(DELETED_KEYS).scalars())
    if deleted:  # an import that looked up their keys earlier must not bring their ratings back
        kept = ~np.isin(columns[0], deleted)
        columns = [column[kept] for column in columns]
    n = len(columns[0])
    flat: list[Any] = [None] * (4 * n)
    for place, column in enumerate(columns):
        flat[place::4] = column.tolist()
    added = _run(tx, INSERT, flat)
    changed = _run(tx, REPLACE, flat) if added < n else 0
    if not added + changed:
        return 0, 0, revisions.current(tx)
    concerned = [np.unique(keys).tolist() for keys in columns[:2]]
    return added, changed, revisions.advance(tx, concerned[0], concerned[1], added)


def _run(tx: Transaction, statement: str, flat: list[Any]) -> int:
    """Run a statement over rows of four values, ROWS at a time; returns the number of rows it changed."""
    done, width = 0, 4 * ROWS
    whole = len(flat) // width * width
    for step, start, end in ((width, 0, whole), (4, whole, len(flat))):
        rows = [tuple(flat[place : place + step]) for place in range(start, end, step)]
        if rows:
            places = ", ".join(["(?, ?, ?, ?)"] * (step // 4))
            done += tx.exec_driver_sql(statement.format(places), rows).rowcount
    return done


def _describe(tx: Transaction, rows: Sequence[tuple[int, MovieRow]], fresh: frozenset[str]) -> None:
    """Set genres, and titles and years of movies known before; what a row leaves out stays as it was."""
    revisions.advance_catalogue(tx)
    names = sorted({name for _, row in rows for name in row.genres})
    if names:
        tx.execute(insert(genres).on_conflict_do_nothing(), [{"name": name} for name in names])
    ids = {name: key for key, name in tx.execute(select(genres.c.id, genres.c.name))}
    known = [(row.title, row.year, key) for key, row in rows if row.external_id not in fresh]
    if known:
        tx.exec_driver_sql("UPDATE movies SET title = ?, year = coalesce(?, year) WHERE id = ?", known)
    replaced = [(key,) for key, row in rows if row.genres and row.external_id not in fresh]
    if replaced:
        tx.exec_driver_sql("DELETE FROM movie_genres WHERE movie_id = ?", replaced)
    pairs = [(key, ids[name]) for key, row in rows for name in dict.fromkeys(row.genres)]
    if pairs:
        tx.exec_driver_sql("INSERT OR IGNORE INTO movie_genres (movie_id, genre_id) VALUES (?, ?)", pairs)
