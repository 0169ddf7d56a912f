"""All ratings as arrays: read from SQL in packed form, and kept in a file beside the store that may be deleted."""

from __future__ import annotations

import logging
import uuid
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from store import revisions
from store.database import Database
from store.errors import NotWritten
from store.patience import patient
from store.records import RatingArrays
from store.schema import meta, users

log = logging.getLogger(__name__)

# Text columns are built inside SQLite and parsed in one go by NumPy: twice as fast as fetching a row at a time.
GROUPED = (
    "SELECT user_id, count(*), group_concat(movie_id), group_concat(rating), group_concat(rated_at) "
    "FROM ratings WHERE {} GROUP BY user_id ORDER BY user_id"
)
EVERYONE = GROUPED.format("true")
CHANGED = GROUPED.format("user_id IN (SELECT id FROM users WHERE revision > ?)")
USERS_A_BATCH = 2000

COLUMNS = (("rated_at", "<i8"), ("users", "<i4"), ("movies", "<i4"), ("ratings", "<f4"))  # the widest first: aligned
ROW_BYTES = 20
CHECKSUM_BYTES = 8
RENEW_FROM = 1 / 16  # the part of all ratings that changed, from which the file is written anew


class RatingCache:
    """Gives all ratings, with as little SQL as possible.

    The store names the one file that was made from it, and at which revision. A store that was put back from a backup
    names an older file, so one of another past is never taken for its own.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._folder = database.path.with_name(database.path.name + ".cache")

    def load(self) -> RatingArrays:
        """All ratings, sorted by user and movie. Only users who changed since the file was written are read anew."""
        named = self._named()
        old = None if named is None else self._read(*named)
        with self._database.read() as connection:
            revision = revisions.current(connection)
            if old is not None and old.revision == revision:
                return old
            if old is None:
                found = fresh = _rows(connection, EVERYONE, ())
            else:
                fresh = _rows(connection, CHANGED, (old.revision,))
                changed = connection.execute(select(users.c.id).where(users.c.revision > old.revision)).scalars()
                found = _patched(old, fresh, np.array(list(changed), np.int32))
        if old is None or len(fresh.users) >= RENEW_FROM * len(found.users):
            self._write(found)
        return found

    def clear(self) -> None:
        """Remove the file; the next to load all ratings makes it anew."""
        if self._folder.exists():
            self._remove(but=None)

    def _named(self) -> tuple[str, int] | None:
        with self._database.read() as connection:
            value = connection.execute(select(meta.c.value).where(meta.c.name == "cache")).scalar()
        if value is None:
            return None
        token, revision = value.split()
        return token, int(revision)

    def _read(self, token: str, revision: int) -> RatingArrays | None:
        path = self._folder / f"{token}.ratings"
        try:
            content = np.fromfile(path, np.uint8)
        except OSError as error:
            log.info("the cache of ratings is made anew: %s", error)
            return None
        rows, rest = divmod(len(content) - CHECKSUM_BYTES, ROW_BYTES)
        if rows < 0 or rest or _checksum(content[CHECKSUM_BYTES:]) != content[:CHECKSUM_BYTES].tobytes():
            log.warning("the cache of ratings is damaged and is made anew: %s", path)
            return None
        columns, start = {}, CHECKSUM_BYTES
        for name, dtype in COLUMNS:
            end = start + rows * np.dtype(dtype).itemsize
            columns[name] = content[start:end].view(dtype)
            start = end
        return RatingArrays(revision=revision, **columns)

    def _write(self, arrays: RatingArrays) -> None:
        """Name the new file in the store only when it is complete: a crash leaves the old one or the new one."""
        token = str(uuid.uuid4())
        path = self._folder / f"{token}.ratings"
        columns = [np.ascontiguousarray(getattr(arrays, name), dtype) for name, dtype in COLUMNS]
        row = insert(meta).values(name="cache", value=f"{token} {arrays.revision}")
        try:
            self._folder.mkdir(exist_ok=True)
            with path.open("wb") as file:
                file.write(_checksum(*columns))
                for column in columns:
                    file.write(column.data)
            with patient(None):  # others may wait for what was read
                self._database.execute(row.on_conflict_do_update(["name"], set_={"value": row.excluded.value}))
            self._remove(but=path)
        except (OSError, NotWritten) as error:
            log.warning("the cache of ratings could not be written: %s", error)
            if path.exists():
                path.unlink()

    def _remove(self, but: Path | None) -> None:
        for path in self._folder.iterdir():
            if path != but:
                path.unlink(missing_ok=True)


def _checksum(*parts: NDArray[np.generic]) -> bytes:
    """CRC-32 of the parts in turn: enough against damage by chance, and a second for a gigabyte."""
    value = 0
    for part in parts:
        value = zlib.crc32(part.data, value)
    return value.to_bytes(CHECKSUM_BYTES, "little")


def _rows(connection: Connection, statement: str, parameters: tuple[int, ...]) -> RatingArrays:
    keys: list[int] = []
    counts: list[int] = []
    types = np.int32, np.float64, np.int64
    parts: list[list[NDArray[np.generic]]] = [[], [], []]
    cursor = connection.exec_driver_sql(statement, parameters)
    while batch := cursor.fetchmany(USERS_A_BATCH):
        keys.extend(row[0] for row in batch)
        counts.extend(row[1] for row in batch)
        for column, (part, dtype) in enumerate(zip(parts, types, strict=True), start=2):
            part.append(np.fromstring(",".join(row[column] for row in batch), dtype, sep=","))
    movies, ratings, rated_at = (
        np.concatenate(part) if part else np.empty(0, dtype) for part, dtype in zip(parts, types, strict=True)
    )
    owners = np.repeat(np.array(keys, np.int32), np.array(counts, np.int64))
    return RatingArrays(owners, movies, ratings.astype(np.float32), rated_at, revisions.current(connection))


def _patched(old: RatingArrays, fresh: RatingArrays, changed: NDArray[np.int32]) -> RatingArrays:
    """The old ratings with those of the changed users replaced by the fresh ones, in order."""
    kept = ~np.isin(old.users, changed)
    places = np.searchsorted(old.users[kept], fresh.users)
    columns = {name: np.insert(getattr(old, name)[kept], places, getattr(fresh, name)) for name, _ in COLUMNS}
    return RatingArrays(revision=fresh.revision, **columns)
