"""All ratings as arrays: read from SQL in packed form, and cached in an Arrow file beside the store."""

import logging
import uuid
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import Connection, CursorResult, select
from sqlalchemy.dialects.sqlite import insert

from store import revisions
from store.database import Database
from store.errors import NotWritten
from store.patience import patient
from store.records import RatingArrays
from store.schema import meta, users

log = logging.getLogger(__name__)

# SQLite builds text columns that NumPy parses in one go: twice as fast as fetching row by row.
GROUPED = (
    "SELECT user_id, count(*), group_concat(movie_id), group_concat(rating), group_concat(rated_at) "
    "FROM ratings WHERE {} GROUP BY user_id ORDER BY user_id"
)
EVERYONE = GROUPED.format("true")
CHANGED = GROUPED.format("user_id IN (SELECT id FROM users WHERE revision > ?)")
USERS_A_BATCH = 2000
PIECE = 1 << 20

COLUMNS = ("users", "movies", "ratings", "rated_at")
REWRITE_FROM = 1 / 16  # share of ratings changed from which the file is written again


class RatingCache:
    """Gives all ratings with as little SQL as possible. Its file may be deleted at any time.

    The store names the one file made from it, with its revision and checksum. A store restored from a backup names an
    earlier file, so it never takes that of another past for its own.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._folder = database.path.with_name(database.path.name + ".cache")

    def load(self) -> RatingArrays:
        """All ratings, sorted by user and movie; from SQL come only users who changed since the file was written."""
        old = self._read()
        with self._database.read() as connection:
            revision = revisions.current(connection)
            if old is not None and old.revision == revision:
                return old
            if old is None:
                found = fresh = _rows(connection, EVERYONE, ())
            else:
                fresh = _rows(connection, CHANGED, (old.revision,))
                changed = connection.execute(select(users.c.id).where(users.c.revision > old.revision)).scalars()
                found = patched(old, fresh, np.array(list(changed), np.int32))
        if old is None or len(fresh.users) >= REWRITE_FROM * len(found.users):
            self._write(found)
        return found

    def clear(self) -> None:
        """Delete the file."""
        if self._folder.exists():
            self._remove(but=None)

    def _read(self) -> RatingArrays | None:
        """The ratings in the file; None if there is no file or it is damaged."""
        with self._database.read() as connection:
            value = connection.execute(select(meta.c.value).where(meta.c.name == "cache")).scalar()
        if value is None:  # none was made yet
            return None
        token, revision, checksum = f"{value}  ".split(" ")[:3]
        path = self._path(token)
        try:
            if str(_checksum(path)) != checksum:
                log.warning("the cache of ratings is damaged and will be rebuilt: %s", path)
                return None
            columns = {name: _column(path, place) for place, name in enumerate(COLUMNS)}
        except OSError as error:
            log.info("the cache of ratings will be rebuilt: %s", error)
            return None
        return RatingArrays(revision=int(revision), **columns)

    def _write(self, arrays: RatingArrays) -> None:
        """Name the file in the store once it is complete: a crash leaves the old one or the new one."""
        token = str(uuid.uuid4())
        path = self._path(token)
        table = pa.table({name: getattr(arrays, name) for name in COLUMNS})
        try:
            self._folder.mkdir(exist_ok=True)
            with pa.ipc.new_file(str(path), table.schema) as file:
                file.write_table(table)
            value = f"{token} {arrays.revision} {_checksum(path)}"
            row = insert(meta).values(name="cache", value=value)
            with patient(None):  # other threads may be waiting for what was read
                self._database.execute(row.on_conflict_do_update(["name"], set_={"value": value}))
            self._remove(but=path)
        except (OSError, NotWritten) as error:
            log.warning("the cache of ratings could not be written: %s", error)
            if path.exists():
                path.unlink()

    def _path(self, token: str) -> Path:
        return self._folder / f"{token}.arrow"

    def _remove(self, but: Path | None) -> None:
        for path in self._folder.iterdir():
            if path != but:
                path.unlink(missing_ok=True)


def ratings_of_changed(connection: Connection, revision: int) -> RatingArrays:
    """All ratings of users with one that changed after a revision, sorted by user and movie."""
    return _rows(connection, CHANGED, (revision,))


def _rows(connection: Connection, statement: str, parameters: tuple[int, ...]) -> RatingArrays:
    owners, movies, ratings, rated_at = read_grouped(
        connection, statement, parameters, (np.int32, np.float32, np.int64)
    )
    return RatingArrays(owners, movies, ratings, rated_at, revisions.current(connection))


def read_grouped(
    connection: Connection, statement: str, parameters: tuple[int, ...], types: Sequence[type]
) -> list[NDArray[Any]]:
    """Columns of a statement whose rows are a user's key, a number of rows, and columns of that many joined values.

    Args:
        connection: to the store.
        statement: orders its rows by user.
        parameters: of the statement.
        types: of the columns behind the number.

    Returns:
        int32[n], the users, then one array for each type.
    """
    keys: list[int] = []
    counts: list[int] = []
    parts: list[list[NDArray[Any]]] = [[] for _ in types]
    cursor = connection.exec_driver_sql(statement, parameters)
    for batch in _batches(cursor):
        keys.extend(row[0] for row in batch)
        counts.extend(row[1] for row in batch)
        for column, (part, dtype) in enumerate(zip(parts, types, strict=True), start=2):
            part.append(np.fromstring(",".join(row[column] for row in batch), dtype, sep=","))
    owners = np.repeat(np.array(keys, np.int32), np.array(counts, np.int64))
    return [owners, *(_joined(part, dtype) for part, dtype in zip(parts, types, strict=True))]


def _joined(parts: list[NDArray[Any]], dtype: type) -> NDArray[Any]:
    """The parts as one array; they are let go, so that a single column is in memory twice."""
    found = np.concatenate(parts) if parts else np.empty(0, dtype)
    parts.clear()
    return found


def _checksum(path: Path) -> int:
    """CRC-32 of a file, read in pieces: all of it at once would count as memory of the process."""
    found = 0
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE):
            found = zlib.crc32(piece, found)
    return found


def _column(path: Path, place: int) -> NDArray[Any]:
    """One column of a file of ratings."""
    with pa.OSFile(str(path)) as file:
        table = pa.ipc.open_file(file, options=pa.ipc.IpcReadOptions(included_fields=[place])).read_all()
        return np.array(table[0])


def _batches(cursor: CursorResult[Any]) -> Iterator[Sequence[Any]]:
    """The rows of a statement; SQLite reads the next ones while the caller parses the last."""
    with ThreadPoolExecutor(1, "rows") as pool:
        following = pool.submit(cursor.fetchmany, USERS_A_BATCH)
        while batch := following.result():
            following = pool.submit(cursor.fetchmany, USERS_A_BATCH)
            yield batch


def patched(old: RatingArrays, fresh: RatingArrays, changed: NDArray[np.int32]) -> RatingArrays:
    """Ratings with those of changed users replaced; all are sorted by user."""
    owners = np.unique(changed)
    begin, end = (np.searchsorted(old.users, owners, side).tolist() for side in ("left", "right"))
    first, last = (np.searchsorted(fresh.users, owners, side).tolist() for side in ("left", "right"))
    kept = [slice(start, stop) for start, stop in zip([0, *end], [*begin, None], strict=True)]
    put = [slice(start, stop) for start, stop in zip(first, last, strict=True)]

    def patch(column: NDArray[Any], by: NDArray[Any]) -> NDArray[Any]:
        pieces = [column[kept[0]]]
        for ours, theirs in zip(put, kept[1:], strict=True):
            pieces += [by[ours], column[theirs]]
        return np.concatenate(pieces)

    columns = {name: patch(getattr(old, name), getattr(fresh, name)) for name in COLUMNS}
    return RatingArrays(revision=fresh.revision, **columns)
