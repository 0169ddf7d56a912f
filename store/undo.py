"""Undoing an import: what it added goes, what it replaced comes back, and what came later stays.

Ratings and movies name the import that wrote them, and each import keeps what it replaced, so the changes of a rating
form a chain. Undoing takes one link out of it. Every step is one short transaction, after which the undoing can be
interrupted and begun again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from store import catalogue, revisions
from store.connections import Transaction
from store.database import Database
from store.records import MovieRow, UndoneCounts

PAIRS = 2_000  # ratings per transaction that brings back what was replaced: about 10 ms
RATINGS = 5_000  # ratings per transaction that removes what was added
MOVIES = 500  # movies per transaction

PART = (
    "SELECT user_id, min(movie_id), max(movie_id), group_concat(movie_id) FROM (SELECT user_id, movie_id FROM {table} "
    "WHERE (user_id, movie_id) > (?, ?) AND {condition} ORDER BY user_id, movie_id LIMIT ?) "
    "GROUP BY user_id ORDER BY user_id"
)
CHAINED = PART.format(table="import_ratings", condition="{x} IN (import_id, previous_import)")
WRITTEN = PART.format(table="ratings", condition="import_id = {x}")
SPAN = "user_id = ? AND movie_id BETWEEN ? AND ?"
RESTORE = (
    "UPDATE ratings SET rating = kept.rating, rated_at = kept.rated_at, import_id = kept.previous_import, "
    f"revision = {revisions.NEXT} FROM (SELECT * FROM import_ratings WHERE {SPAN} AND import_id = {{x}}) AS kept "
    "WHERE ratings.user_id = kept.user_id AND ratings.movie_id = kept.movie_id AND ratings.import_id = {x}"
)
KEPT = (
    "FROM import_ratings AS kept WHERE kept.user_id = import_ratings.user_id "
    "AND kept.movie_id = import_ratings.movie_id AND kept.import_id = {x}"
)
HAND_ON = (
    "UPDATE import_ratings SET (rating, rated_at, previous_import) = "
    f"(SELECT kept.rating, kept.rated_at, kept.previous_import {KEPT}) "
    f"WHERE {SPAN} AND previous_import = {{x}} AND EXISTS (SELECT 1 {KEPT})"
)
"""A later import that replaced the undone rating is now the one that replaced the rating before it."""
DROP = f"DELETE FROM import_ratings WHERE {SPAN} AND {{x}} IN (import_id, previous_import)"
"""A later import that replaced a rating which the undone import added is now the one that added it."""
REMOVE = f"DELETE FROM ratings WHERE {SPAN} AND import_id = {{x}}"
LEFT = (
    "SELECT movie_id, max(import_id) FROM ratings WHERE movie_id IN (SELECT value FROM json_each(?)) GROUP BY movie_id"
)
CHANGED = (
    "SELECT movie_id, before, movies.import_id, movies.revision FROM import_movies JOIN movies ON id = movie_id "
    "WHERE import_movies.import_id = {x} AND movie_id IN (SELECT value FROM json_each(?))"
)
LATER = (
    "SELECT movie_id, import_id FROM import_movies "
    "WHERE movie_id IN (SELECT value FROM json_each(?)) AND json_extract(before, '$.import_id') = {x}"
)


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the ratings that are concerned.

    Attributes:
        spans: user, first and last movie; nothing else that is concerned lies in between.
        movies: keys of all the movies.
    """

    spans: list[tuple[int, int, int]]
    movies: list[int]


class Undo:
    """Undoing of one import. No other import may be written meanwhile; single ratings may.

    Args:
        database: the store.
        import_id: the import.
        progress: called with the share that is done, 0 to 1; an error that it raises interrupts the undoing.
    """

    def __init__(self, database: Database, import_id: int, progress: Callable[[float], None]) -> None:
        self._database = database
        self._import_id = import_id
        self._progress = progress
        self._counts = UndoneCounts()

    def run(self) -> UndoneCounts:
        """Undo the ratings, then the movies; returns what this call did."""
        with self._database.read() as connection:
            self._users = int(connection.exec_driver_sql("SELECT coalesce(max(id), 0) + 1 FROM users").scalar_one())
        self._each(self._sql(CHAINED), PAIRS, self._mend, 0.0)
        self._each(self._sql(WRITTEN), RATINGS, self._remove, 0.45)
        self._movies()
        return self._counts

    def _sql(self, statement: str) -> str:
        return statement.format(x=self._import_id)

    # -- ratings -----------------------------------------------------------------------------------------------------

    def _each(self, statement: str, limit: int, work: Callable[..., UndoneCounts], begun: float) -> None:
        """Do work on each part of the ratings that a statement finds, in order of their keys."""
        last = (-1, -1)
        while True:
            with self._database.read() as connection:
                rows = connection.exec_driver_sql(statement, (*last, limit)).all()
            if not rows:
                return
            movies = np.unique(np.fromstring(",".join(row[3] for row in rows), np.int64, sep=","))
            part = Part([(user, first, end) for user, first, end, _ in rows], movies.tolist())
            self._add(self._database.write(partial(work, part=part), bulk=True))
            last = part.spans[-1][0], part.spans[-1][2]
            self._progress(begun + 0.45 * last[0] / self._users)

    def _mend(self, tx: Transaction, part: Part) -> UndoneCounts:
        """Bring back what the import replaced, and take it out of the chains of later imports."""
        restored = tx.exec_driver_sql(self._sql(RESTORE), part.spans).rowcount
        tx.exec_driver_sql(self._sql(HAND_ON), part.spans)
        tx.exec_driver_sql(self._sql(DROP), part.spans)
        if restored:
            _advance(tx, part, 0)
        return UndoneCounts(ratings_restored=restored)

    def _remove(self, tx: Transaction, part: Part) -> UndoneCounts:
        """Remove what the import added."""
        removed = tx.exec_driver_sql(self._sql(REMOVE), part.spans).rowcount
        if removed:
            _advance(tx, part, -removed)
        return UndoneCounts(ratings_removed=removed)

    # -- movies ------------------------------------------------------------------------------------------------------

    def _movies(self) -> None:
        """Undo the movies, once more where a movie that would be removed was rated since its ratings were looked up."""
        while keys := self._movies_left():
            with self._database.read() as connection:
                revision = revisions.current(connection)
                rated: dict[int, int | None] = dict(connection.exec_driver_sql(LEFT, (json.dumps(keys),)).all())
            for start in range(0, len(keys), MOVIES):
                work = partial(self._take_back, keys=keys[start : start + MOVIES], rated=rated, revision=revision)
                self._add(self._database.write(work, bulk=True))
                self._progress(0.9 + 0.1 * start / len(keys))

    def _movies_left(self) -> list[int]:
        with self._database.read() as connection:
            found = connection.exec_driver_sql(
                "SELECT movie_id FROM import_movies WHERE import_id = ? ORDER BY movie_id", (self._import_id,)
            )
            return list(found.scalars())

    def _take_back(
        self, tx: Transaction, keys: Sequence[int], rated: dict[int, int | None], revision: int
    ) -> UndoneCounts:
        """Undo movies; ``rated`` has those with ratings at ``revision``, and an import that one of them belongs to."""
        asked = (json.dumps(keys),)
        later: dict[int, int] = dict(tx.exec_driver_sql(self._sql(LATER), asked).all())
        now = catalogue.movie_rows(tx, keys)
        done: list[tuple[int, int]] = []
        handed: list[tuple[str | None, int, int]] = []
        kept: list[tuple[int | None, int]] = []
        written: list[tuple[int, MovieRow, int | None]] = []
        for key, before, import_id, changed in tx.exec_driver_sql(self._sql(CHANGED), asked):
            if key in later:
                handed.append((before, later[key], key))
            elif import_id == self._import_id and before is not None:
                written.append((key, *catalogue.unpacked(now[key], before)))
            elif import_id == self._import_id and key in rated:  # kept by ratings, and removed with the last of them
                written.append((key, now[key], rated[key]))
                kept.append((rated[key], key))
            elif import_id == self._import_id:
                if changed > revision:
                    continue
                written.append((key, MovieRow(now[key].external_id, "", None, (), removed=True), None))
            done.append((self._import_id, key))
        _run(tx, "UPDATE import_movies SET before = ? WHERE import_id = ? AND movie_id = ?", handed)
        _run(tx, "DELETE FROM import_movies WHERE import_id = ? AND movie_id = ?", done)
        owned = [pair for pair in kept if pair[0] is not None]
        _run(tx, "INSERT INTO import_movies (import_id, movie_id) VALUES (?, ?)", owned)
        if written:
            catalogue.write(tx, written, now)
        removed = sum(row.removed for _, row, _ in written)
        return UndoneCounts(movies_removed=removed, movies_restored=len(written) - removed - len(kept))

    def _add(self, done: UndoneCounts) -> None:
        total = self._counts
        self._counts = replace(
            total,
            ratings_removed=total.ratings_removed + done.ratings_removed,
            ratings_restored=total.ratings_restored + done.ratings_restored,
            movies_removed=total.movies_removed + done.movies_removed,
            movies_restored=total.movies_restored + done.movies_restored,
        )


def _advance(tx: Transaction, part: Part, added: int) -> None:
    revisions.advance(tx, [user for user, _, _ in part.spans], part.movies, added)


def _run(tx: Transaction, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        tx.exec_driver_sql(statement, list(rows))
