"""Bulk writes of users, movies and ratings, in short transactions between which single ratings are written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Table, func, select

from store import catalogue, revisions
from store.connections import Transaction
from store.database import Store
from store.records import Added, Keys, MovieRow
from store.schema import movies, users
from store.times import MAX_TIME

T = TypeVar("T")

CHUNK = 5_000  # rows per transaction: about 10 ms, the longest that a single rating waits
ALONE = 10  # times as many while nobody else writes, which takes a quarter less time; only a first rating waits longer
MOVIES = 500  # movies per transaction, for the same reason
ROWS = 50  # rows per statement: twice as fast as one, and more gain little

DELETED_KEYS = "SELECT id FROM users WHERE external_id >= '\x1fforgotten ' AND external_id < '\x1fforgotten!'"
"""Uses the index of ids: a scan of all users would take long in every transaction of an import."""
GIVEN = "INSERT INTO ratings (user_id, movie_id, rating, rated_at, import_id, revision) VALUES {} "
INSERT = f"{GIVEN} ON CONFLICT DO NOTHING"
UPSERT = (
    f"{GIVEN} ON CONFLICT (user_id, movie_id) DO UPDATE SET rating = excluded.rating, rated_at = excluded.rated_at, "
    "import_id = excluded.import_id, revision = excluded.revision"
)
"""A rating by hand: it replaces the stored one."""
REPLACES = (
    f"({{new}}.rated_at BETWEEN {{old}}.rated_at AND {MAX_TIME} OR {{old}}.rated_at > {MAX_TIME}) "
    "AND ({old}.rating <> {new}.rating OR {old}.rated_at <> {new}.rated_at)"
)
"""An import replaces no newer rating. Times are compared as stored: if those after tomorrow counted as unknown, an
import while the clock is set back would replace ratings given by hand before."""
REPLACE = f"{UPSERT} WHERE {REPLACES.format(new='excluded', old='ratings')}"
RECORD = (
    "WITH given (user_id, movie_id, rating, rated_at, import_id, revision) AS (VALUES {}) "
    "INSERT OR REPLACE INTO import_ratings (import_id, user_id, movie_id, rating, rated_at, previous_import) "
    "SELECT given.import_id, kept.user_id, kept.movie_id, kept.rating, kept.rated_at, kept.import_id "
    "FROM given CROSS JOIN ratings AS kept ON kept.user_id = given.user_id AND kept.movie_id = given.movie_id "
    f"WHERE kept.import_id IS NOT given.import_id AND {REPLACES.format(new='given', old='kept')}"
)
"""Keeps what ``REPLACE`` is about to replace."""


class BulkRatings(Store):
    """Users, movies and ratings in bulk. ``import_id`` names the import that can be undone; None is no import."""

    def add_users(self, external_ids: Sequence[str]) -> Keys:
        """Keys of these users; users never seen before get one."""
        distinct = list(dict.fromkeys(external_ids))
        known: dict[str, int] = {}
        for chunk in _chunks(distinct, CHUNK):
            with self._database.read() as connection:
                known |= _keys(connection, users, chunk)
        fresh = [one for one in distinct if one not in known]
        for chunk in _chunks(fresh, CHUNK):
            known |= self._database.write(partial(_add_missing, table=users, external_ids=chunk), bulk=True)
        return Keys(np.array([known[one] for one in external_ids], np.int32), len(fresh))

    def add_movies(self, rows: Sequence[MovieRow], *, import_id: int | None = None) -> Keys:
        """Keys of these movies; new and removed ones are added, known ones get what is given here.

        An empty title, a missing year, no genres and sites without an id leave what is known, as files without these
        columns do. Of a movie that occurs twice the last row counts.
        """
        by_id = {row.external_id: row for row in rows}
        known: dict[str, int] = {}
        added = 0
        for chunk in _chunks(list(by_id.values()), MOVIES):
            keys, new = self._database.write(partial(_put_movies, rows=chunk, import_id=import_id), bulk=True)
            known |= keys
            added += new
        return Keys(np.array([known[row.external_id] for row in rows], np.int32), added)

    def add_ratings(
        self,
        user_keys: NDArray[np.int32],
        movie_keys: NDArray[np.int32],
        values: NDArray[np.float32],
        rated_at: NDArray[np.int64],
        *,
        import_id: int | None = None,
    ) -> Added:
        """Write many ratings, some thousands per transaction; a known pair gets the new rating, not an older one.

        Of a pair that occurs twice the last row counts; an import gives each pair in one call only. The other rows
        count as unchanged, as do those of users who were deleted after their keys were looked up. Movies that were
        removed meanwhile are added again. If a transaction fails, the earlier ones are kept. Rows sorted by user and
        movie are written fastest.

        Args:
            user_keys: int32[n].
            movie_keys: int32[n].
            values: float32[n], the ratings.
            rated_at: int64[n], Unix seconds.
            import_id: the import that they belong to.

        Raises:
            ValueError: a rating is not a finite number; nothing was written.
        """
        decimals = shortest_decimals(values)
        order = _order(user_keys, movie_keys)
        with self._database.read() as connection:
            total = Added(0, 0, 0, revisions.current(connection))
        end = 0
        while end < len(order):
            start, end = end, min(end + CHUNK * (ALONE if self._database.is_quiet() else 1), len(order))
            rows = order[start:end]
            columns = [column[rows] for column in (user_keys, movie_keys, decimals, rated_at)]
            duplicates = len(values) - len(order) if end == len(order) else 0
            work = partial(_add_chunk, columns=columns, duplicates=duplicates, import_id=import_id)
            done = self._database.write(work, bulk=True)
            total = Added(
                total.added + done.added,
                total.updated + done.updated,
                total.unchanged + done.unchanged,
                done.revision,
            )
        return total


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


def _order(user_keys: NDArray[np.int32], movie_keys: NDArray[np.int32]) -> NDArray[np.int64]:
    """int64[<= n]: the rows sorted by user and movie; of a pair that occurs twice the last."""
    pairs = user_keys.astype(np.int64) << 32 | movie_keys
    if (pairs[1:] > pairs[:-1]).all():
        return np.arange(len(pairs))
    order = np.argsort(pairs, kind="stable")
    pairs = pairs[order]
    return np.asarray(order[np.append(pairs[1:] != pairs[:-1], True)], np.int64)


def _chunks(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _keys(connection: Connection, table: Table, external_ids: Sequence[str]) -> dict[str, int]:
    """The keys of those ids that are known."""
    chosen = f"SELECT external_id, id FROM {table.name} WHERE external_id IN (SELECT value FROM json_each(?))"
    return dict(connection.exec_driver_sql(chosen, (json.dumps(external_ids),)).all())


def _add_missing(tx: Transaction, table: Table, external_ids: Sequence[str], **columns: Any) -> dict[str, int]:
    """The keys of these ids; those without one get the next."""
    known, revision = _keys(tx, table, external_ids), revisions.current(tx)
    fresh = [one for one in external_ids if one not in known]
    if fresh:
        made = dict(zip(fresh, count(next_key(tx, table)), strict=False))
        rows = [{"id": key, "external_id": one, "revision": revision, **columns} for one, key in made.items()]
        tx.execute(table.insert(), rows)
        known |= made
    return known


def _put_movies(tx: Transaction, rows: Sequence[MovieRow], import_id: int | None) -> tuple[dict[str, int], int]:
    """The keys of these movies, and how many of them are new or were removed. A new movie begins as a removed one."""
    keys = _add_missing(tx, movies, [row.external_id for row in rows], title="", removed=1)
    return keys, catalogue.describe(tx, [(keys[row.external_id], row) for row in rows], import_id)


def _add_chunk(tx: Transaction, columns: list[NDArray[Any]], duplicates: int, import_id: int | None) -> Added:
    """One transaction of ratings; ``duplicates`` are further rows of the call that count as unchanged."""
    rows = len(columns[0]) + duplicates
    added, changed, revision = _put(tx, columns, import_id)
    return Added(added, changed, rows - added - changed, revision)


def _put(tx: Transaction, columns: list[NDArray[Any]], import_id: int | None) -> tuple[int, int, int]:
    """Number of new ratings, number of changed ones, and the revision afterwards."""
    deleted = list(tx.exec_driver_sql(DELETED_KEYS).scalars())
    if deleted:  # an import that looked up their keys earlier must not bring their ratings back
        kept = ~np.isin(columns[0], deleted)
        columns = [column[kept] for column in columns]
    n = len(columns[0])
    flat: list[Any] = [None] * (4 * n)
    for place, column in enumerate(columns):
        flat[place::4] = column.tolist()
    added, changed = _run(tx, INSERT, flat, import_id), 0
    if added < n and (import_id is None or _run(tx, RECORD, flat, import_id)):
        changed = _run(tx, REPLACE, flat, import_id)
    if not added + changed:
        return 0, 0, revisions.current(tx)
    concerned = [np.unique(keys).tolist() for keys in columns[:2]]
    _revive(tx, concerned[1], import_id)
    return added, changed, revisions.advance(tx, concerned[0], concerned[1], added)


def _revive(tx: Transaction, movie_keys: Sequence[int], import_id: int | None) -> None:
    """Add movies again that were removed after their keys were looked up."""
    removed = set(tx.exec_driver_sql("SELECT id FROM movies WHERE removed").scalars()).intersection(movie_keys)
    if removed:
        catalogue.describe(tx, list(catalogue.movie_rows(tx, sorted(removed)).items()), import_id)


def _run(tx: Transaction, statement: str, flat: list[Any], import_id: int | None) -> int:
    """Run a statement over rows of four values, ROWS at a time; returns the number of rows it changed."""
    done, width = 0, 4 * ROWS
    whole = len(flat) // width * width
    revision = revisions.current(tx) + 1
    row = f"(?, ?, ?, ?, {'NULL' if import_id is None else int(import_id)}, {revision})"
    for step, start, end in ((width, 0, whole), (4, whole, len(flat))):
        rows = [tuple(flat[place : place + step]) for place in range(start, end, step)]
        if rows:
            done += tx.exec_driver_sql(statement.format(", ".join([row] * (step // 4))), rows).rowcount
    return done
