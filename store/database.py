"""One SQLite file: readers that never wait, and one thread through which every write goes."""

from __future__ import annotations

import fcntl
import json
import logging
import queue
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Lock, Thread, current_thread
from typing import IO, Any, TypeVar

import pysqlite3.dbapi2 as sqlite
from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import URL, Connection, Engine, Executable, Table, create_engine, event, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from store.errors import StoreClosed, StoreError, StoreFull, UnsafeSQLite
from store.schema import meta

log = logging.getLogger(__name__)

T = TypeVar("T")

MIGRATIONS = Path(__file__).parent / "migrations"
PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
"""What every connection is set to, as SQLite reads it back (2 is FULL)."""

WRITER = {"writes": True}
URGENT, BULK, LAST = 0, 1, 2


def check_version(found: tuple[int, ...]) -> None:
    """Refuse an SQLite whose write-ahead log can lose rows (the WAL-reset race, mended in 3.51.3, 3.50.7 and 3.44.6).

    Raises:
        UnsafeSQLite: says which version was found and what to install.
    """
    line = found[:2]
    safe = found >= (3, 51, 3) or (line == (3, 50) and found >= (3, 50, 7)) or (line == (3, 44) and found >= (3, 44, 6))
    if not safe:
        version = ".".join(map(str, found))
        raise UnsafeSQLite(
            f"SQLite {version} can lose ratings that were already acknowledged, so Marquee does not start on it. "
            "Install the pinned requirements: their pysqlite3 brings an SQLite that is safe."
        )


class Database:
    """An open store. ``open`` makes one; ``close`` ends it."""

    def __init__(self, engine: Engine, path: Path, clock: Callable[[], float], lock: IO[bytes]) -> None:
        self._engine = engine
        self.path = path
        self.clock = clock
        self._lock = lock
        self._queue: queue.PriorityQueue[tuple[int, int, _Write | None]] = queue.PriorityQueue()
        self._order = count()
        self._closing = Lock()
        self._closed = False
        self._writer = Thread(target=self._work, name="store-writer", daemon=True)

    @classmethod
    def open(cls, url: str, *, clock: Callable[[], float] = time.time) -> Database:
        """Open the file of a URL such as ``sqlite:///var/marquee.db``, made and migrated where needed.

        Raises:
            UnsafeSQLite: this SQLite can lose data.
            StoreError: the URL names no file, the file can't be opened, or another process has it open.
        """
        check_version(sqlite.sqlite_version_info)
        if not url.startswith("sqlite:///") or url.endswith((":memory:", "sqlite:///")):
            raise StoreError(
                f"MARQUEE_DATABASE_URL is {url!r}, but must name a file, such as sqlite:///var/marquee.db."
            )
        path = Path(url.removeprefix("sqlite:///")).resolve()  # one lock, whatever links lead to the file
        lock = _only_one(path)
        database = cls(_engine(path), path, clock, lock)
        try:
            database._migrate()
        except BaseException:
            database._engine.dispose()
            lock.close()
            raise
        database._writer.start()
        database.identity = database.write(_identity)
        return database

    identity: str
    """A UUID made with the store, so that caches beside it can tell it from another."""

    def _migrate(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        try:
            with self._engine.connect().execution_options(**WRITER) as connection, connection.begin():
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except CommandError as error:
            raise StoreError(f"{self.path} was written by a newer Marquee, which this one can't read.") from error
        except DBAPIError as error:
            told = _translate(error)
            if told is not error:
                raise told from error
            raise StoreError(f"{self.path} is not a store of Marquee, or it is damaged: {error.orig}") from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one state of the store. Keep it short: a reader left open makes the log grow."""
        if self._closed:
            raise StoreClosed("The store is closed.")
        with self._engine.connect() as connection:
            yield connection

    def write(self, work: Callable[[Connection], T], *, urgent: bool = False) -> T:
        """Run work in the writer's thread, in one transaction, and give back what it gives.

        Args:
            work: takes the connection; whatever it raises undoes all of it and is raised here.
            urgent: goes before all bulk work that waits; it never interrupts a transaction.

        Raises:
            StoreClosed: the store is closing.
            StoreFull: there was no space; nothing of the write was kept.
        """
        if current_thread() is self._writer:
            raise RuntimeError("A write may not start another write: pass the connection on instead.")
        pending = _Write(work)
        with self._closing:
            if self._closed:
                raise StoreClosed("The store is closed.")
            self._queue.put((URGENT if urgent else BULK, next(self._order), pending))
        return pending.future.result()  # type: ignore[no-any-return]

    def insert(self, table: Table, row: dict[str, Any], *, urgent: bool = False) -> int:
        """Write one row; returns its integer primary key."""

        def work(connection: Connection) -> int:
            key = connection.execute(table.insert().values(row)).inserted_primary_key
            return 0 if key is None else int(key[0])

        return self.write(work, urgent=urgent)

    def execute(self, statement: Executable, *, urgent: bool = False) -> int:
        """Run one statement; returns how many rows it changed."""
        return self.write(lambda connection: int(connection.execute(statement).rowcount), urgent=urgent)

    def check(self) -> list[str]:
        """What SQLite's integrity check finds; empty when the file is sound."""
        try:
            with self.read() as connection:
                found = [row[0] for row in connection.exec_driver_sql("PRAGMA integrity_check")]
        except DBAPIError as error:  # so damaged that the check itself gives up
            found = [str(error.orig)]
        return [] if found == ["ok"] else found

    def fold_log(self) -> None:
        """Fold the write-ahead log into the file and empty it, as far as nobody reads or writes just now."""
        try:
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        except DBAPIError as error:
            log.warning("the log stays beside the store and is folded into it at the next start: %s", error.orig)

    def close(self) -> None:
        """Finish the writes that wait, fold the log into the file, and close. Closing twice is the same as once."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._queue.put((LAST, next(self._order), None))
        self._writer.join()
        self._engine.dispose()
        self._lock.close()

    # -- the writer's thread -----------------------------------------------------------------------------------------

    def _work(self) -> None:
        with self._engine.connect().execution_options(**WRITER) as connection:
            while (pending := self._queue.get()[2]) is not None:
                self._run(connection, pending)
        self.fold_log()

    def _run(self, connection: Connection, pending: _Write) -> None:
        try:
            with connection.begin():
                result = pending.work(connection)
        except BaseException as error:  # noqa: BLE001  # handed to whoever waits for the write
            _undo(connection)
            pending.future.set_exception(_translate(error))
        else:
            pending.future.set_result(result)


class _Write:
    """Work that waits for its turn."""

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work = work
        self.future: Future[Any] = Future()


def _only_one(path: Path) -> IO[bytes]:
    """Keep a second process out: it would not know what this one holds in memory. The lock ends with the process."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(path.name + ".lock").open("wb")
    except OSError as error:
        raise StoreError(f"{path} can't be opened: {error.strerror}. Set MARQUEE_DATABASE_URL.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise StoreError(f"Another Marquee has {path} open. Stop it first, or set MARQUEE_DATABASE_URL.") from error
    return lock


def _engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),  # not as text, where ? and % mean something
        module=sqlite,
        pool_size=20,
        max_overflow=40,
        json_serializer=lambda value: json.dumps(value, allow_nan=False),
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _undo(connection: Connection) -> None:
    """Leave no transaction open after an error, or the next one could not begin.

    SQLAlchemy does not roll back where the commit itself fails; where the disk is full, SQLite may have done so.
    """
    driver: Any = connection.connection.driver_connection
    try:
        if driver.in_transaction:
            driver.rollback()
    except sqlite.Error:
        log.exception("the writer's connection is broken and is made anew")
        connection.invalidate()


def _translate(error: BaseException) -> BaseException:
    cause = getattr(error, "orig", error)
    if isinstance(cause, sqlite.OperationalError) and "disk is full" in str(cause):
        full = StoreFull("There is no space left on the disk, so nothing was saved. Free some space and try again.")
        full.__cause__ = error
        return full
    return error


def _prepare(connection: Any, _: ConnectionPoolEntry) -> None:
    """Set a new connection up, and read every setting back: SQLite ignores what it does not know."""
    connection.isolation_level = None  # transactions begin and end where we say
    cursor = connection.cursor()
    for name, value in PRAGMAS.items():
        cursor.execute(f"PRAGMA {name} = {value}")
        (found,) = cursor.execute(f"PRAGMA {name}").fetchone() or (None,)
        if found != value:
            raise StoreError(f"SQLite did not take the setting {name} = {value} (it says {found}).")
    cursor.close()


def _begin(connection: Connection) -> None:
    """Start every transaction ourselves; the writer's takes the lock at once, since a later upgrade may be refused."""
    options = connection.get_execution_options()
    if options.get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writes") else "BEGIN")


def _identity(connection: Connection) -> str:
    found = connection.execute(select(meta.c.value).where(meta.c.name == "identity")).scalar()
    if found is None:
        found = str(uuid.uuid4())
        connection.execute(meta.insert().values(name="identity", value=found))
    return str(found)
