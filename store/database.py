"""One SQLite file: readers that never wait, and one thread through which every write goes."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import IO, Any, TypeVar

import pysqlite3.dbapi2 as sqlite
from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import URL, Connection, Engine, Executable, Table, create_engine, event, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from store import opening
from store.errors import StoreBusy, StoreClosed, StoreError, UnsafeSQLite
from store.patience import outlast
from store.schema import meta
from store.sqlite_errors import translated as _translate
from store.worker import BULK, URGENT, Worker

log = logging.getLogger(__name__)

T = TypeVar("T")

MIGRATIONS = Path(__file__).parent / "migrations"
PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
"""What every connection is set to, as SQLite reads it back (2 is FULL)."""

WRITER = {"writes": True}
LOCKED_MS = 100
"""How long a write waits for a lock that has already outlasted another write; the timeout of the settings otherwise."""


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
        self.writer: Worker[_Write] = Worker("store-writer", self._perform, died=self._drop)
        self._queue = self.writer.queue
        self._connection: Connection | None = None
        self._locked = False
        self._closing = Lock()
        self._closed = False

    @classmethod
    def open(cls, url: str, *, clock: Callable[[], float] = time.time) -> Database:
        """Open the file of a URL such as ``sqlite:///var/marquee.db``, made and migrated where needed.

        Raises:
            UnsafeSQLite: this SQLite can lose data.
            ForeignStore: the file is something else than a store, or damaged; it is left as it was.
            StoreReadOnly: the file or its folder can't be written to.
            StoreBusy: another program has it locked.
            StoreError: the URL names no file, the file can't be opened, or another Marquee has it open.
        """
        check_version(sqlite.sqlite_version_info)
        if not url.startswith("sqlite:///") or url.endswith((":memory:", "sqlite:///")):
            raise StoreError(
                f"MARQUEE_DATABASE_URL is {url!r}, but must name a file, such as sqlite:///var/marquee.db."
            )
        path = Path(url.removeprefix("sqlite:///")).resolve()  # one lock, whatever links lead to the file
        with opening.only_one(path) as lock:
            database = cls(_engine(path), path, clock, lock)
            try:
                database._migrate()
                database.writer.start()
                database.identity = database.write(_identity)
            except BaseException:
                database.writer.stop()
                database._engine.dispose()
                raise
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
            raise opening.told(self.path, error) from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one state of the store. Keep it short: a reader left open makes the log grow."""
        if self._closed:
            raise StoreClosed("The store is closed.")
        try:
            with self._engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            if (told := _translate(error)) is error:
                raise
            raise told from error

    def write(self, work: Callable[[Connection], T], *, urgent: bool = False) -> T:
        """Run work in the writer's thread, in one transaction, and give back what it gives.

        Args:
            work: takes the connection; whatever it raises undoes all of it and is raised here.
            urgent: goes before all bulk work that waits; it never interrupts a transaction.

        Raises:
            StoreClosed: the store is closing.
            StoreFull: there was no space; nothing of the write was kept.
            StoreBusy: another program has had the store locked for five seconds; nothing of the write was kept. A
                thread that is ``patient`` waits instead.
        """
        if self.writer.is_current():
            raise RuntimeError("A write may not start another write: pass the connection on instead.")
        return outlast(lambda: self._hand_over(work, URGENT if urgent else BULK).result())

    def write_later(self, work: Callable[[Connection], object]) -> None:
        """Run work in the writer's thread without waiting for it; where it fails, the log says so."""
        self._hand_over(work, URGENT).add_done_callback(_log_failure)

    def _hand_over(self, work: Callable[[Connection], T], priority: int) -> Future[T]:
        pending = _Write(work)
        with self._closing:
            if self._closed:
                raise StoreClosed("The store is closed.")
            self.writer.put(pending, priority)
        return pending.future

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
        self.writer.stop()
        self._disconnect()
        while not self._queue.empty():  # the writer died on its way to the end
            left = self._queue.get()[2]
            if isinstance(left, _Write):
                left.future.set_exception(StoreClosed("The store is closed."))
        self.fold_log()
        self._engine.dispose()
        self._lock.close()

    # -- the writer's thread -----------------------------------------------------------------------------------------

    def _perform(self, pending: _Write) -> None:
        try:
            connection = self._connect()
            with connection.begin():
                result = pending.work(connection)
        except BaseException as error:  # noqa: BLE001  # handed to whoever waits for the write
            told = _translate(error)
            try:
                self._undo()
                self._wait_for_locks(isinstance(told, StoreBusy))
            finally:
                pending.future.set_exception(told)
        else:
            self._wait_for_locks(locked=False)
            pending.future.set_result(result)

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(**WRITER)
        return self._connection

    def _undo(self) -> None:
        """Leave no transaction open after an error, or the next one could not begin.

        SQLAlchemy does not roll back where the commit itself fails; where the disk is full, SQLite may have done so.
        """
        if self._connection is None:
            return
        driver: Any = self._connection.connection.driver_connection
        try:
            if driver.in_transaction:
                driver.rollback()
        except sqlite.Error:
            log.exception("the writer's connection is broken and is made anew")
            self._disconnect()

    def _wait_for_locks(self, locked: bool) -> None:
        """After a lock that outlasted one write let no other wait as long, until it is gone: they wait in line."""
        if locked == self._locked or self._connection is None:
            return
        driver: Any = self._connection.connection.driver_connection
        driver.execute(f"PRAGMA busy_timeout = {LOCKED_MS if locked else PRAGMAS['busy_timeout']}")
        self._locked = locked

    def _disconnect(self) -> None:
        """Let go of the writer's connection, and of a transaction that it may be in."""
        connection, self._connection, self._locked = self._connection, None, False
        if connection is not None:
            connection.invalidate()
            connection.close()

    def _drop(self, pending: _Write | None, reason: str) -> None:
        """After the writer has died: whoever waits for the write must not wait for good."""
        if pending is not None and not pending.future.done():
            pending.future.set_exception(StoreError(f"The store could not write. {reason}"))
        self._disconnect()


class _Write:
    """Work that waits for its turn."""

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work = work
        self.future: Future[Any] = Future()


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


def _log_failure(done: Future[Any]) -> None:
    error = done.exception()
    if error is not None:
        log.error("something could not be stored: %s", error)


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
