"""Exams: what versions predicted for each new rating before they learned it.

Ratings and predictions are stored in ten-thousandths of a rating unit, as integers of two or three bytes each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from store.bulk_ratings import DELETED_KEYS
from store.connections import Transaction
from store.database import Store
from store.records import RatingChange
from store.schema import exam_answers, exams
from store.worker import nothing

UNIT = 10_000
MEANS = 0
"""Stands for the plain means where versions are numbered."""
PRUNED_AT_ONCE = 2_000
READ_AT_ONCE = 200
SOURCES = ("rating/", "calibration/", "counts/", "offsets/")
"""Beginnings of the names of the arrays that a prediction needs."""

ADD = (
    "INSERT INTO exams (exam_id, at, user_id, movie_id, rating, version, predicted, low, high, place, shown) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
OLD = "SELECT exam_id FROM exams WHERE exam_id <= (SELECT min(exam_id) FROM exams) + ? AND at < ?"
TAKEN = (
    "SELECT e.exam_id, e.at, e.rating, iif(e.version = :v, e.predicted, a.predicted), "
    "iif(e.version = :v, e.low, a.low), iif(e.version = :v, e.high, a.high), iif(e.version = :v, e.place, NULL), "
    "m.predicted, e.version, iif(e.version = :v, e.shown, NULL) FROM exams AS e "
    "LEFT JOIN exam_answers AS a ON a.exam_id = e.exam_id AND a.version = :v "
    "LEFT JOIN exam_answers AS m ON m.exam_id = e.exam_id AND m.version = 0 "
    "WHERE e.exam_id > (SELECT coalesce(max(exam_id), 0) FROM exams) - :most AND e.at >= :since "
    "AND (e.version = :v OR a.version IS NOT NULL) ORDER BY e.exam_id"
)
PAIRED = (
    "SELECT e.at, e.rating, e.predicted, a.predicted FROM exams AS e "
    "JOIN exam_answers AS a ON a.exam_id = e.exam_id AND a.version = ? "
    "WHERE e.exam_id > (SELECT coalesce(max(exam_id), 0) FROM exams) - ? AND e.version = ? ORDER BY e.exam_id"
)
PAGE = (
    "SELECT e.exam_id, e.at, u.external_id, f.external_id, f.title, e.rating, "
    "iif(e.version = :v, e.predicted, a.predicted), iif(e.version = :v, e.low, a.low), "
    "iif(e.version = :v, e.high, a.high), iif(e.version = :v, e.place, NULL), e.version = :v, m.predicted "
    "FROM exams AS e LEFT JOIN exam_answers AS a ON a.exam_id = e.exam_id AND a.version = :v "
    "LEFT JOIN exam_answers AS m ON m.exam_id = e.exam_id AND m.version = 0 "
    "JOIN users AS u ON u.id = e.user_id JOIN movies AS f ON f.id = e.movie_id "
    "WHERE (e.version = :v OR a.version IS NOT NULL) AND e.exam_id < :before ORDER BY e.exam_id DESC LIMIT :n"
)
EXAMINED = (
    "SELECT version FROM exams GROUP BY version UNION "
    "SELECT version FROM exam_answers WHERE version > 0 GROUP BY version ORDER BY version DESC"
)
SHADOWS = (
    "SELECT v.version FROM model_versions AS v JOIN training_runs AS r ON r.run_id = v.run_id "
    "WHERE v.version > ? AND v.state = 'ready' AND json_extract(v.data, '$.table') IS NULL "
    "AND NOT EXISTS (SELECT 1 FROM activations AS a WHERE a.version = v.version) ORDER BY v.version DESC LIMIT ?"
)
LEARNED = (
    "SELECT r.started_at, v.created_at, json_extract(v.data, '$.table') FROM model_versions AS v "
    "JOIN training_runs AS r ON r.run_id = v.run_id WHERE v.version = ?"
)
WITHDRAWN = (
    "SELECT EXISTS (SELECT 1 FROM withdrawals WHERE user_id = ? AND movie_id = ? AND revision < ? AND until >= ?) "
    "OR EXISTS (SELECT 1 FROM withdrawals WHERE user_id IS NULL AND movie_id IS NULL AND until >= ? AND since <= ?) "
    "OR EXISTS (SELECT 1 FROM imports WHERE state = 'undoing' AND created_at <= ?)"
)
SIZE = "SELECT coalesce(sum(size), 0) FROM model_arrays WHERE version = ? AND ({})".format(
    " OR ".join(f"name LIKE '{part}%'" for part in SOURCES)
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a version, or the means (version 0), predicted, with its interval; None without one. In rating units."""

    version: int
    predicted: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Exam:
    """One new rating and the predictions of it.

    Attributes:
        at: Unix seconds.
        user_key, movie_key: whose rating, and of what.
        rating: as given, in rating units.
        served: answer of the version that served.
        place: of the movie in the user's list just before, from 1; None where it was in none.
        shown: whether the user had been shown the movie; None where nobody knows.
        others: answers of shadow versions and of the means.
    """

    at: int
    user_key: int
    movie_key: int
    rating: float
    served: Answer
    place: int | None
    shown: bool | None
    others: tuple[Answer, ...] = ()


@dataclass(frozen=True, slots=True)
class ExamRecord:
    """One exam of a version, as a list of exams shows it. ``served``: whether the version served at that time."""

    exam_id: int
    at: int
    user_id: str
    movie_id: str
    title: str
    rating: float
    predicted: float
    low: float | None
    high: float | None
    rank: int | None
    served: bool
    means: float | None


@dataclass(frozen=True, slots=True)
class ExamColumns:
    """All exams of a version, oldest first. In rating units; NaN: none.

    Attributes:
        ids, at: int64[n], numbers and Unix seconds.
        ratings, predicted, low, high, means: float64[n].
        places: float64[n], in the user's list; NaN where the version did not serve, or the movie was in no list.
        shown: float64[n], 1 where the user had been shown the movie, else 0; NaN where the version did not serve, or
            where nobody knows.
        served: bool[n], whether the version served.
    """

    ids: NDArray[np.int64]
    at: NDArray[np.int64]
    ratings: NDArray[np.float64]
    predicted: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    places: NDArray[np.float64]
    shown: NDArray[np.float64]
    means: NDArray[np.float64]
    served: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PairColumns:
    """Exams that a shadow took beside a version that served, oldest first: int64[n] times, float64[n] ratings."""

    at: NDArray[np.int64]
    ratings: NDArray[np.float64]
    served: NDArray[np.float64]
    shadow: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LearnedSpan:
    """Unix seconds between which a version read the ratings it learned; ``outside``: it read others too."""

    since: float
    until: float
    outside: bool


class ExamStore(Store):
    """Exams, added in batches and pruned by age; and what has to be known of versions and ratings to hold them."""

    # -- writing -----------------------------------------------------------------------------------------------------

    def add(self, rows: Sequence[Exam]) -> int:
        """Add exams, but for those of users who were deleted meanwhile; returns the number added."""

        def work(tx: Transaction) -> int:
            deleted = set(tx.exec_driver_sql(DELETED_KEYS).scalars())
            kept = [row for row in rows if row.user_key not in deleted]
            first = _last(tx) + 1
            answers = [
                (number, one.version, *_whole(one.predicted, one.low, one.high))
                for number, row in enumerate(kept, start=first)
                for one in row.others
            ]
            if kept:
                tx.exec_driver_sql(ADD, [(number, *_packed(row)) for number, row in enumerate(kept, start=first)])
            if answers:
                tx.exec_driver_sql("INSERT INTO exam_answers VALUES (?, ?, ?, ?, ?)", answers)
            return len(kept)

        return self._database.write(work, bulk=True) if rows else 0

    def prune(self, oldest: int) -> int:
        """Delete some of the exams before ``oldest`` (Unix seconds); returns their number, 0 once there are none."""

        def work(tx: Transaction) -> int:
            gone = list(tx.exec_driver_sql(OLD, (PRUNED_AT_ONCE, oldest)).scalars())
            _remove(tx, gone)
            return len(gone)

        return self._database.write(work, bulk=True)

    # -- reading -----------------------------------------------------------------------------------------------------

    def last(self) -> int:
        """Number of the newest exam ever stored; 0 before the first."""
        with self._database.read() as connection:
            return _last(connection)

    def count(self) -> int:
        """Number of stored exams."""
        with self._database.read() as connection:
            return int(connection.exec_driver_sql("SELECT count(*) FROM exams").scalar_one())

    def versions(self) -> list[int]:
        """Versions with exams, newest first."""
        with self._database.read() as connection:
            return list(connection.exec_driver_sql(EXAMINED).scalars())

    def columns(self, version: int, most: int, since: int = 0, *, pause: Callable[[], object] = nothing) -> ExamColumns:
        """A version's exams, as the one that served or as a shadow.

        Args:
            version: its number.
            most: only the newest exams of all.
            since: only those from this time on, in Unix seconds.
            pause: called every few hundred exams.
        """
        table = self._table(TAKEN, {"v": version, "most": most, "since": since}, 10, pause)  # None becomes NaN
        units = table[:, 2:] / UNIT
        whole = table[:, :2].astype(np.int64)
        return ExamColumns(
            whole[:, 0],
            whole[:, 1],
            units[:, 0],
            units[:, 1],
            units[:, 2],
            units[:, 3],
            table[:, 6],
            table[:, 9],
            units[:, 5],
            table[:, 8] == version,
        )

    def pairs(self, shadow: int, served: int, most: int, *, pause: Callable[[], object] = nothing) -> PairColumns:
        """The exams that a shadow took beside a version that served; ``most`` and ``pause`` as for ``columns``."""
        table = self._table(PAIRED, (shadow, most, served), 4, pause)
        units = table[:, 1:] / UNIT
        return PairColumns(table[:, 0].astype(np.int64), units[:, 0], units[:, 1], units[:, 2])

    def _table(self, statement: str, values: Any, width: int, pause: Callable[[], object]) -> NDArray[np.float64]:
        """float64[n, width]: the rows of a statement, read some hundred at a time."""
        parts: list[NDArray[np.float64]] = [np.empty((0, width))]
        with self._database.read() as connection:
            for rows in connection.exec_driver_sql(statement, values).partitions(READ_AT_ONCE):
                parts.append(np.array([tuple(row) for row in rows], np.float64))
                pause()
        return np.concatenate(parts)

    def page(self, version: int, limit: int, *, before: int | None = None) -> list[ExamRecord]:
        """Exams of a version, newest first; ``before``: only those older than the exam of this number."""
        asked = {"v": version, "n": limit, "before": 2**62 if before is None else before}
        with self._database.read() as connection:
            rows = connection.exec_driver_sql(PAGE, asked).all()
        return [_record(*row) for row in rows]

    # -- what has to be known to hold an exam ------------------------------------------------------------------------

    def shadows(self, served: int, limit: int) -> list[int]:
        """Intact versions newer than the one that serves that were never active, newest first.

        Only those trained here on the store's ratings: of others nobody knows what they have learned.
        """
        with self._database.read() as connection:
            return list(connection.exec_driver_sql(SHADOWS, (served, limit)).scalars())

    def size(self, version: int) -> int:
        """Bytes of the arrays that a version's predictions need."""
        with self._database.read() as connection:
            return int(connection.exec_driver_sql(SIZE, (version,)).scalar_one())

    def learned(self, version: int) -> LearnedSpan | None:
        """When a version read its ratings; None for one that was not trained here."""
        with self._database.read() as connection:
            row = connection.exec_driver_sql(LEARNED, (version,)).one_or_none()
        return None if row is None or row[0] is None else LearnedSpan(row[0], row[1], row[2] is not None)

    def was_withdrawn(self, change: RatingChange, span: LearnedSpan) -> bool:
        """Whether a rating of the same movie may have been known to a version when it learned, and was taken back.

        Of an import that was undone, or is being undone, every rating counts.

        Args:
            change: a new rating; what was taken back after it does not count.
            span: when the version learned.
        """
        asked = change.user_key, change.movie_key, change.revision, span.since, span.since, span.until, span.until
        with self._database.read() as connection:
            return bool(connection.exec_driver_sql(WITHDRAWN, asked).scalar_one())


def withdraw(
    tx: Transaction, revision: int, now: float, pair: tuple[int | None, int | None] = (None, None), since: float = 0
) -> None:
    """Note that a rating, or those of an import that began at ``since``, were taken back.

    Args:
        tx: the transaction of what is noted.
        revision: of the ratings without them.
        now: Unix seconds.
        pair: keys of the user and the movie; of an import none.
        since: Unix seconds at which the import began.
    """
    columns = "user_id, movie_id, revision, since, until"
    tx.exec_driver_sql(f"INSERT INTO withdrawals ({columns}) VALUES (?, ?, ?, ?, ?)", (*pair, revision, since, now))


def forget(tx: Transaction, user_key: int) -> None:
    """Delete all exams of a user who is being deleted, and what is known of ratings taken back."""
    _remove(tx, list(tx.exec_driver_sql("SELECT exam_id FROM exams WHERE user_id = ?", (user_key,)).scalars()))
    tx.exec_driver_sql("DELETE FROM withdrawals WHERE user_id = ?", (user_key,))


def _remove(connection: Connection, numbers: list[int]) -> None:
    for table in (exam_answers, exams):
        if numbers:
            connection.exec_driver_sql(
                f"DELETE FROM {table.name} WHERE exam_id IN (SELECT value FROM json_each(?))", (str(numbers),)
            )


def _last(connection: Connection) -> int:
    found = connection.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = 'exams'").scalar()
    return int(found or 0)


def _packed(row: Exam) -> tuple[Any, ...]:
    served = row.served
    values = _whole(row.rating)[0], served.version, *_whole(served.predicted, served.low, served.high)
    return row.at, row.user_key, row.movie_key, *values, row.place, row.shown


def _whole(*values: float | None) -> tuple[int | None, ...]:
    return tuple(None if value is None else round(value * UNIT) for value in values)


def _units(value: int | None) -> float | None:
    return None if value is None else value / UNIT


def _record(
    exam_id: int, at: int, user_id: str, movie_id: str, title: str, rating: int, predicted: int, *rest: int | None
) -> ExamRecord:
    low, high, place, served, means = rest
    ends = _units(low), _units(high)
    about = exam_id, at, user_id, movie_id, title
    return ExamRecord(*about, rating / UNIT, predicted / UNIT, *ends, place, bool(served), _units(means))
