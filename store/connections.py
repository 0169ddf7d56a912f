"""SQLite connections: the version required, and the settings every connection gets."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pysqlite3.dbapi2 as sqlite
from sqlalchemy import URL, Connection, Engine, create_engine, event

from store.errors import StoreError, UnsafeSQLite

Transaction: TypeAlias = Connection
"""The writer's connection inside a transaction; the argument ``tx`` of every method that writes."""

PRAGMAS: dict[str, Any] = {
    "journal_mode": "wal",
    "synchronous": 2,
    "foreign_keys": 1,
    "busy_timeout": 5000,
    "wal_autocheckpoint": 0,
}
"""Settings of every connection, as SQLite reads them back (2 is FULL; ``Guard`` makes the checkpoints)."""
WRITER = {"writes": True}


@contextmanager
def overwriting(tx: Transaction) -> Iterator[None]:
    """What is deleted inside is overwritten with zeros in the file."""
    tx.exec_driver_sql("PRAGMA secure_delete = ON")
    try:
        yield
    finally:
        tx.exec_driver_sql("PRAGMA secure_delete = OFF")


def check_version(found: tuple[int, ...]) -> None:
    """Refuse an SQLite with the WAL-reset race, which loses rows (fixed in 3.51.3, 3.50.7 and 3.44.6).

    Raises:
        UnsafeSQLite: names the version found and what to install.
    """
    line = found[:2]
    safe = found >= (3, 51, 3) or (line == (3, 50) and found >= (3, 50, 7)) or (line == (3, 44) and found >= (3, 44, 6))
    if not safe:
        version = ".".join(map(str, found))
        raise UnsafeSQLite(
            f"SQLite {version} can lose ratings that were already acknowledged, so Marquee does not start on it. "
            "Install the pinned requirements: their pysqlite3 includes a safe SQLite."
        )


def path_of(url: str) -> Path:
    """File of a URL such as ``sqlite:///var/marquee.db``, with links resolved: each file has one lock.

    Raises:
        StoreError: the URL names no file.
    """
    if not url.startswith("sqlite:///") or url.endswith((":memory:", "sqlite:///")):
        raise StoreError(f"MARQUEE_DATABASE_URL is {url!r}, but must name a file, such as sqlite:///var/marquee.db.")
    return Path(url.removeprefix("sqlite:///")).resolve()


def connect(path: Path, timeout: float | None = None) -> Any:
    """Driver connection with every setting; ``timeout`` is how long it waits for a lock instead, in seconds."""
    settings = PRAGMAS if timeout is None else PRAGMAS | {"busy_timeout": round(timeout * 1000)}
    wait = settings["busy_timeout"] / 1000
    connection = sqlite.connect(str(path), timeout=wait, isolation_level=None, check_same_thread=False)
    try:
        _configure(connection, settings)
    except BaseException:
        connection.close()
        raise
    return connection


def make_engine(path: Path, creator: Callable[[], Any]) -> Engine:
    """SQLAlchemy engine whose transactions begin with an explicit BEGIN."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        module=sqlite,
        creator=creator,
        pool_size=20,
        max_overflow=40,
        json_serializer=lambda value: json.dumps(value, allow_nan=False),
    )
    event.listen(engine, "begin", _begin)
    return engine


def driver(connection: Connection) -> Any:
    """The driver's connection under SQLAlchemy's."""
    return connection.connection.driver_connection


def _configure(connection: Any, settings: dict[str, Any]) -> None:
    """Apply settings and read each one back: SQLite ignores the ones it does not know."""
    cursor = connection.cursor()
    for name, value in settings.items():
        cursor.execute(f"PRAGMA {name} = {value}")
        (found,) = cursor.execute(f"PRAGMA {name}").fetchone() or (None,)
        if found != value:
            raise StoreError(f"SQLite did not accept the setting {name} = {value} (it reports {found}).")
    cursor.close()


def _begin(connection: Connection) -> None:
    """The writer takes the lock at once, since SQLite may refuse to upgrade a transaction later."""
    options = connection.get_execution_options()
    if options.get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writes") else "BEGIN")
