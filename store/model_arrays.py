"""Arrays of a model version, stored as rows of bytes with a SHA-256 each and a digest over all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pysqlite3.dbapi2 as sqlite
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, select
from sqlalchemy.exc import DBAPIError

from store.errors import DamagedVersion, StoreError
from store.schema import model_arrays, model_chunks, model_versions

if TYPE_CHECKING:  # the database checks arrays when it makes a backup
    from store.database import Database

CHUNK_BYTES = 4 * 2**20  # a longer row would hold the write lock too long


def save_array(database: Database, version: int, name: str, array: NDArray[Any]) -> None:
    """Write one array, with a short transaction for each row of bytes.

    Raises:
        StoreError: it holds anything but numbers or booleans.
    """
    if array.dtype.kind not in "biuf":
        raise StoreError(f"The array {name} is of type {array.dtype}; only numbers and booleans can be stored.")
    little = little_endian(array)
    content = little.view(np.uint8)
    row = {
        "version": version,
        "name": name,
        "dtype": little.dtype.str,
        "shape": list(array.shape),
        "sha256": hash_array(little),
        "size": len(content),
    }
    database.insert(model_arrays, row, bulk=True)
    for position, start in enumerate(range(0, len(content), CHUNK_BYTES)):
        chunk = {"version": version, "name": name, "position": position}
        database.insert(model_chunks, chunk | {"data": content[start : start + CHUNK_BYTES].tobytes()}, bulk=True)


def little_endian(array: NDArray[Any]) -> NDArray[Any]:
    """The values as one flat array, in the byte order in which they are stored and hashed."""
    return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False)).reshape(-1)


def array_hashes(connection: Connection, version: int) -> dict[str, str]:
    """SHA-256 of each array of a version when it was saved, by name."""
    return {row.name: row.sha256 for row in _described(connection, version)}


def hash_array(array: NDArray[Any]) -> str:
    """SHA-256 of an array, as stored with it."""
    return hashlib.sha256(little_endian(array).view(np.uint8).data).hexdigest()


def seal(connection: Connection, version: int) -> str:
    """Digest over names, types, shapes and hashes; it reveals a lost array or a changed description."""
    return _digest(_described(connection, version))


def read_arrays(connection: Connection, version: int, prefix: str = "") -> dict[str, NDArray[Any]]:
    """Read-only arrays of a version whose names start with a prefix, verified.

    Raises:
        DamagedVersion: something differs from what was saved.
    """
    sealed = select(model_versions.c.digest).where(model_versions.c.version == version)
    try:
        rows = _described(connection, version)
        found = connection.execute(sealed).scalar()
        if found is not None and found != _digest(rows):  # versions of the first schema have no digest
            raise DamagedVersion(f"Version {version} is damaged: the list of its arrays is not what was saved.")
        return {row.name: _read(connection, row) for row in rows if row.name.startswith(prefix)}
    except (TypeError, ValueError, DBAPIError) as error:  # an invalid type or shape, or damaged pages
        if isinstance(error, DBAPIError) and not _is_corrupt(error):
            raise
        raise DamagedVersion(f"Version {version} is damaged: its arrays can't be read.") from error


def remove_arrays(database: Database, version: int) -> None:
    """Delete the arrays of a version, chunk by chunk so that other writes wait only briefly."""
    with database.read() as connection:
        columns = model_chunks.c.name, model_chunks.c.position
        chunks = connection.execute(select(*columns).where(model_chunks.c.version == version)).all()
    for name, position in chunks:
        one = model_chunks.delete().where(model_chunks.c.version == version)
        database.execute(one.where(model_chunks.c.name == name, model_chunks.c.position == position), bulk=True)
    database.execute(model_arrays.delete().where(model_arrays.c.version == version), bulk=True)


def _described(connection: Connection, version: int) -> list[Row[Any]]:
    rows = connection.execute(
        select(model_arrays).where(model_arrays.c.version == version).order_by(model_arrays.c.name)
    )
    return list(rows)


def digest(rows: Sequence[Mapping[str, Any]]) -> str:
    """SHA-256 over the descriptions of arrays, in order of their names."""
    lines = [[row["name"], row["dtype"], row["shape"], row["sha256"], row["size"]] for row in rows]
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest()


def _digest(rows: list[Row[Any]]) -> str:
    return digest([dict(row._mapping) for row in rows])


def _read(connection: Connection, row: Row[Any]) -> NDArray[Any]:
    """One array, read without a second copy."""
    wanted = select(model_chunks.c.data).where(model_chunks.c.version == row.version, model_chunks.c.name == row.name)
    content = bytearray()
    for (chunk,) in connection.execute(wanted.order_by(model_chunks.c.position)):
        content += chunk
    if len(content) != row.size or hashlib.sha256(content).hexdigest() != row.sha256:
        raise DamagedVersion(f"Version {row.version} is damaged: its array {row.name} is not what was saved.")
    array = np.frombuffer(content, np.dtype(row.dtype)).reshape(row.shape)
    array.flags.writeable = False
    return array


def _is_corrupt(error: DBAPIError) -> bool:
    """Whether SQLite found damage, as opposed to a file that is busy or out of reach."""
    code: int = getattr(error.orig, "sqlite_errorcode", 0)  # the last byte is the kind, the rest the detail
    return code & 0xFF == sqlite.SQLITE_CORRUPT or str(error.orig).startswith("Could not decode to UTF-8")
