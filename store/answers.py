"""The answer log: which list was given to whom, when, by which version, and from which ratings."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from store.bulk_ratings import DELETED_KEYS
from store.connections import Transaction, overwriting
from store.database import Store, newest_first
from store.errors import NotStored
from store.schema import answers, users

MOVIE, SCORE = np.dtype("<i4"), np.dtype("<f4")
ROW_BYTES, INDEX_BYTES = 26, 13
"""Bytes of a row beside its options and places, and of its entry in the index."""
PAGE_BYTES, IN_PAGE, IN_OVERFLOW = 4096, 4088, 4092
"""Bytes of a page of the file, and those that rows can use: in a page of rows, and in one that continues a long row."""
INSERT = (
    "INSERT INTO answers (user_key, at, version, revision, ratings_count, options, places) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
LAST = (
    "SELECT answers.* FROM json_each(?) CROSS JOIN answers "
    "ON answer_id = (SELECT max(answer_id) FROM answers WHERE user_key = json_each.value)"
)
HELD = "SELECT length(places) + coalesce(length(options), 0) AS size, count(*) FROM answers GROUP BY size"
PRUNE = "DELETE FROM answers WHERE answer_id IN (SELECT answer_id FROM answers ORDER BY answer_id LIMIT ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A list that a user was given.

    Attributes:
        user_key: the user.
        at: Unix seconds.
        version: that made it.
        revision: of the ratings that the list knows: all up to it, and no later ones. 0 where they were those of no
            single revision, as an import was being written.
        ratings_count: number of the user's ratings.
        options: those of the request that are not the default, as JSON; None if all are.
        places: movies and scores; see ``pack``.
    """

    user_key: int
    at: float
    version: int
    revision: int
    ratings_count: int
    options: str | None
    places: bytes

    @property
    def size(self) -> int:
        """Bytes that it takes in the file."""
        return size_of(len(self.places) + len(self.options or ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRecord(Answer):
    """An answer of the log; ``answer_id`` is its number."""

    answer_id: int


def pack(movies: NDArray[Any], scores: NDArray[np.float32]) -> bytes:
    """The places of a list as bytes: int32[n] keys of movies, best first, then float32[n] scores."""
    return movies.astype(MOVIE).tobytes() + scores.astype(SCORE).tobytes()


def movies_of(places: bytes) -> NDArray[np.int32]:
    """int32[n]: keys of the movies of a list, best first."""
    return np.frombuffer(places, MOVIE, len(places) // 8)


def scores_of(places: bytes) -> NDArray[np.float32]:
    """float32[n]: the scores of a list."""
    return np.frombuffer(places, SCORE, offset=len(places) // 2)


def size_of(length: int) -> int:
    """Bytes that an answer takes in the file, with its part of what stays empty in each page.

    Args:
        length: bytes of its options and places.
    """
    row = length + ROW_BYTES
    if row > IN_PAGE:
        return INDEX_BYTES + PAGE_BYTES * -(-row // IN_OVERFLOW)
    return INDEX_BYTES + -(-PAGE_BYTES // (IN_PAGE // row))


def forget(tx: Transaction, user_key: int) -> None:
    """Erase the answers given to a user who is being deleted."""
    tx.execute(answers.delete().where(answers.c.user_key == user_key))


class AnswerStore(Store):
    """Answers by number. They are added and pruned, never changed."""

    def add(self, given: Sequence[Answer]) -> int:
        """Add answers, except those given to users who were deleted meanwhile; returns how many were added."""

        def work(tx: Transaction) -> int:
            deleted = set(tx.exec_driver_sql(DELETED_KEYS).scalars())
            rows = [
                (
                    one.user_key,
                    one.at,
                    one.version,
                    one.revision,
                    one.ratings_count,
                    one.options,
                    one.places,
                )
                for one in given
                if one.user_key not in deleted
            ]
            if rows:
                tx.exec_driver_sql(INSERT, rows)
            return len(rows)

        return self._database.write(work, bulk=True)

    def last_of(self, user_keys: Iterable[int]) -> dict[int, AnswerRecord]:
        """The newest answer of each of these users who has one."""
        with self._database.read() as connection:
            rows = connection.exec_driver_sql(LAST, (json.dumps(sorted(user_keys)),))
            return {row.user_key: AnswerRecord(**row._mapping) for row in rows}

    def of_user(self, user_key: int, limit: int | None = None, *, before: int | None = None) -> list[AnswerRecord]:
        """Answers given to a user, newest first; ``before``: only those older than the answer of this number."""
        found = newest_first(answers.c.answer_id, limit, before).where(answers.c.user_key == user_key)
        return self._select(AnswerRecord, found)

    def get(self, answer_id: int) -> tuple[AnswerRecord, str]:
        """An answer, and the id of the user it was given to.

        Raises:
            NotStored: there is no such answer.
        """
        wanted = select(answers, users.c.external_id).join(users, users.c.id == answers.c.user_key)
        with self._database.read() as connection:
            row = connection.execute(wanted.where(answers.c.answer_id == answer_id)).one_or_none()
        if row is None:
            raise NotStored(f"There is no list {answer_id}. It may have been erased with its person, or to make room.")
        *columns, user_id = row
        return AnswerRecord(**dict(zip(answers.c.keys(), columns, strict=True))), user_id

    def was_shown(self, user_key: int, movie_key: int, *, first: int, since: float, until: float) -> bool:
        """Whether a movie was among the first places of any list that a user was given between two times.

        Args:
            user_key: the user.
            movie_key: the movie.
            first: number of places that count.
            since: the first time, in Unix seconds.
            until: the last time.
        """
        between = answers.c.at.between(since, until)
        wanted = select(answers.c.places).where(answers.c.user_key == user_key, between)
        with self._database.read() as connection:
            found = connection.execute(wanted.order_by(answers.c.answer_id.desc())).scalars()
            return any(movie_key in movies_of(places)[:first] for places in found)

    def held(self) -> tuple[int, int]:
        """Number of answers, and the bytes that they take in the file; it reads them all."""
        with self._database.read() as connection:
            found = connection.exec_driver_sql(HELD).all()
        return sum(count for _, count in found), sum(size_of(length) * count for length, count in found)

    def first_at(self) -> float | None:
        """Time of the oldest answer, in Unix seconds; None if there is none."""
        with self._database.read() as connection:
            return connection.execute(select(answers.c.at).order_by(answers.c.answer_id).limit(1)).scalar()

    def prune(self, count: int) -> int:
        """Erase the oldest answers, overwriting their bytes in the file; returns how many there were."""

        def work(tx: Transaction) -> int:
            with overwriting(tx):
                return int(tx.exec_driver_sql(PRUNE, (count,)).rowcount)

        return self._database.write(work, bulk=True)
