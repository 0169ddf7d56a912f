"""One SQLite file: readers that never wait, and one thread through which every write goes."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import IO, Any, TypeVar

import pysqlite3.dbapi2 as sqlite
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import URL, Connection, Engine, Executable, Table, create_engine, event, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError

from store import backups, opening
from store.backups import Manifest, Report
from store.errors import StoreBusy, StoreClosed, StoreDamaged, StoreError, StoreReplaced, UnsafeSQLite
from store.generation import PAGES, Guard
from store.patience import outlast
from store.schema import meta, notices
from store.sqlite_errors import damaged
from store.sqlite_errors import translated as _translate
from store.worker import BULK, LAST, URGENT, Worker

log = logging.getLogger(__name__)

T = TypeVar("T")

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_S = 5.0
PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": 2,
    "foreign_keys": 1,
    "busy_timeout": round(BUSY_TIMEOUT_S * 1000),
    "wal_autocheckpoint": 0,
}
"""What every connection is set to, as SQLite reads it back (2 is FULL; checkpoints are those of ``Guard``)."""
LOOK_S = 0.5
"""How often it is looked whether the file is still there, where nothing is written."""

UNCHECKED = "unchecked"
"""The name in ``meta`` that says so."""
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

    identity: str
    """A UUID made with the store, so that caches beside it can tell it from another."""

    def __init__(self, path: Path, clock: Callable[[], float], lock: IO[bytes]) -> None:
        self.path = path
        self.clock = clock
        self.tell: Callable[[StoreError], None] = _nothing
        """Called, in whichever thread finds it out, when the file is found damaged, replaced or gone."""
        self.found: list[str] = []
        """Sentences on what was found when it was opened; they are notices as well."""
        self._had_log = False
        self._lock = lock
        self._guard = Guard(path)
        self._engine = self._make_engine()
        self.writer: Worker[_Write] = Worker(
            "store-writer", self._perform, idle=self._look, every=LOOK_S, died=self._drop
        )
        self._queue = self.writer.queue
        self._connection: Connection | None = None
        self._anchor: Connection | None = None
        self._locked = False
        self._closing = Lock()
        self._closed = False
        self._lost: StoreReplaced | None = None

    @classmethod
    def open(cls, url: str, *, clock: Callable[[], float] = time.time) -> Database:
        """Open the file of a URL such as ``sqlite:///var/marquee.db``, made and migrated where needed.

        A log that lies beside the file but belongs to another is set aside before. Before a migration a copy is made.

        Raises:
            UnsafeSQLite: this SQLite can lose data.
            ForeignStore: the file is something else than a store, or damaged; it is left as it was.
            StoreReadOnly: the file or its folder can't be written to.
            StoreBusy: another program has it locked.
            StoreError: the URL names no file, the file can't be opened, or another Marquee has it open.
        """
        check_version(sqlite.sqlite_version_info)
        path = path_of(url)
        with opening.only_one(path) as found:
            try:
                database = cls(path, clock, found.lock)
            except OSError as error:
                raise opening.refused(path, error) from error
            database._had_log = found.had_log
            if found.aside is not None:
                database.found.append(_set_aside(path, found.aside))
                log.warning("%s", database.found[-1])
            try:
                database._open()
            except BaseException:
                database._let_go()
                raise
        return database

    def _open(self) -> None:
        try:
            self._migrate()
            # SQLite folds the log in and removes it with the last connection, so one stays that has seen it.
            self._anchor = self._engine.connect()
            with self._anchor.begin():
                self._anchor.exec_driver_sql("SELECT count(*) FROM meta").scalar()
            self._guard.know()
        except DBAPIError as error:
            raise opening.told(self.path, error) from error
        self.writer.start()
        self.identity = self.write(_identity)
        self.write(self._note_findings)
        self.fold_log()

    def _note_findings(self, connection: Connection) -> None:
        """Keep what was found in the store itself: whoever opens it first may close it again at once."""
        if self._had_log:
            connection.execute(insert(meta).values(name=UNCHECKED, value="1").on_conflict_do_nothing())
        now = self.clock()
        for text in self.found:
            row = {"level": "warning", "topic": "store", "text": text, "details": {}, "created_at": now}
            connection.execute(notices.insert().values(row))

    def needs_check(self) -> bool:
        """Whether a Marquee was killed, or its computer lost power, since the store was last checked."""
        with self.read() as connection:
            return connection.execute(select(meta.c.value).where(meta.c.name == UNCHECKED)).scalar() is not None

    def note_check(self) -> None:
        """The store was checked."""
        self.execute(meta.delete().where(meta.c.name == UNCHECKED))

    def _migrate(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        scripts = ScriptDirectory.from_config(config)
        try:
            with self._engine.connect() as connection:
                now = MigrationContext.configure(connection).get_current_revision()
            if now is not None and scripts.get_revision(now).revision != scripts.get_current_head():
                self._copy_before_migration(now)
            with self._engine.connect().execution_options(**WRITER) as connection, connection.begin():
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except CommandError as error:
            raise StoreError(
                f"{self.path} was written by a newer Marquee, which this one can't read. Start the newer one, or "
                f"restore the copy from before the upgrade; it lies in {backups.folder_of(self.path)}."
            ) from error

    def _copy_before_migration(self, schema: str) -> None:
        """Keep the file as it is for the older Marquee, should somebody want to go back."""
        made = self.back_up(reason="migration")
        self.found.append(
            f"The store was brought up to date for this release. A copy from before, of schema {schema}, is kept as "
            f"{backups.folder_of(self.path).name}/{made.name}: to go back, start the older Marquee with that copy."
        )

    def back_up(self, folder: Path | None = None, *, reason: str, report: Report = backups.quiet) -> Manifest:
        """Copy the store as it is now, while it is in use; arguments and errors are those of ``backups.back_up``."""
        target = folder or backups.folder_of(self.path)
        with closing(self.connect()) as source:
            return backups.back_up(source, target, reason=reason, now=self.clock(), report=report)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one state of the store. Keep it short: a reader left open makes the log grow."""
        if self._closed:
            raise StoreClosed("The store is closed.")
        if self._lost is not None:
            raise self._lost
        try:
            with self._engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            if (told := _translate(error)) is error:
                raise
            if isinstance(told, StoreDamaged):
                self.tell(told)
            raise told from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:  # of a column
            told = damaged()
            self.tell(told)
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

    def write_later(self, work: Callable[[Connection], T]) -> Future[T]:
        """Run work in the writer's thread without waiting for it; where it fails, the log says so."""
        future = self._hand_over(work, URGENT)
        future.add_done_callback(_log_failure)
        return future

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
        except StoreDamaged as error:  # so damaged that the check itself gives up
            found = [str(error.__cause__)]
        return [] if found == ["ok"] else found

    def ping(self) -> None:
        """Whether the store answers, is where it was, and can be read.

        Raises:
            StoreError: it does not; the message says why.
        """
        with self.read() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM meta").scalar()
        if not self.writer.is_alive():
            raise StoreError("The thread that writes to the store has died and begins again in a moment. See the log.")

    def fold_log(self) -> None:
        """Fold the write-ahead log into the file and empty it, as far as nobody reads or writes just now."""
        self._hand_over(_fold, BULK).result()

    def close(self) -> None:
        """Finish the writes that wait, fold the log into the file, and close. Closing twice is the same as once."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        if self._lost is None and self.writer.is_alive():
            self.writer.put(_Write(_fold), LAST)
        self.writer.stop()
        while not self._queue.empty():  # the writer died on its way to the end
            left = self._queue.get()[2]
            if isinstance(left, _Write):
                left.future.set_exception(StoreClosed("The store is closed."))
        self._let_go()

    def _let_go(self) -> None:
        """Close every connection, then the file, and then the lock that keeps others out."""
        self.writer.stop()
        with self._guard.hidden() if self._lost is not None else nullcontext():
            self._disconnect()
            if self._anchor is not None:
                self._anchor.close()
            self._engine.dispose()
        self._guard.close()
        self._lock.close()

    def connect(self, timeout: float = BUSY_TIMEOUT_S) -> Any:
        """A connection of the driver's, set up as all are; ``timeout`` is how long it waits for a lock, in seconds.

        Raises:
            StoreReplaced: something else lies at the path by now.
        """
        if not self._guard.is_in_place():
            raise StoreReplaced(f"The store {self.path} was replaced or deleted while Marquee had it open.")
        connection = sqlite.connect(str(self.path), timeout=timeout, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, PRAGMAS | {"busy_timeout": round(timeout * 1000)})
        except BaseException:
            connection.close()
            raise
        return connection

    def _make_engine(self) -> Engine:
        engine = create_engine(
            URL.create("sqlite", database=str(self.path)),
            module=sqlite,
            creator=self.connect,
            pool_size=20,
            max_overflow=40,
            json_serializer=lambda value: json.dumps(value, allow_nan=False),
        )
        event.listen(engine, "begin", _begin)
        return engine

    # -- the writer's thread -----------------------------------------------------------------------------------------

    def _perform(self, pending: _Write) -> None:
        try:
            if self._lost is not None:
                raise self._lost
            self._guard.check()  # a log that was cut can't be told from a whole one once more is written to it
            connection = self._connect()
            result: Any = None
            if pending.work is _fold:
                self._guard.checkpoint(_driver(connection), "TRUNCATE")
            else:
                with connection.begin():
                    result = pending.work(connection)
            self._guard.check()  # before it is acknowledged
        except BaseException as error:  # noqa: BLE001  # handed to whoever waits for the write
            told = _translate(error)
            try:
                self._undo()
                self._wait_for_locks(isinstance(told, StoreBusy))
            finally:
                pending.future.set_exception(told)
            self._note_fault(told)
        else:
            self._wait_for_locks(locked=False)
            pending.future.set_result(result)
            self._tend_log()

    def _look(self) -> None:
        """Nothing is being written: see whether the file is still there, and to a log that others have filled."""
        if self._lost is not None or self._connection is None:
            return
        try:
            self._guard.check()
            self._tend_log()
        except (StoreError, sqlite.Error, OSError) as error:
            self._note_fault(_translate(error))

    def _tend_log(self) -> None:
        """Fold the log into the file before it becomes long; where that fails, the next write tries again."""
        try:
            driver = _driver(self._connect())
            if self._guard.pages(driver) >= PAGES:
                self._guard.checkpoint(driver)
        except (DBAPIError, sqlite.Error) as error:
            log.warning("the log could not be folded into the store: %s", error)
            self._undo()

    def _note_fault(self, error: BaseException) -> None:
        if isinstance(error, StoreReplaced) and self._lost is None:
            self._lost = error
            log.critical("%s", error)
            self._rescue()
            self.tell(error)
        elif isinstance(error, StoreDamaged):
            self.tell(error)

    def _rescue(self) -> None:
        """What was acknowledged is still in the file that was moved away or deleted, for as long as it is open."""
        if self._connection is None or self._guard.is_in_place():  # overwritten: there is nothing left that is whole
            return
        try:
            source, name = _driver(self._connection), f"{self.path.name}.rescued"
            made = backups.back_up(source, self.path.parent, reason="rescue", now=self.clock(), name=name)
        except (StoreError, sqlite.Error, OSError) as error:
            log.critical("what was saved before could not be copied: %s", error)
        else:
            log.critical("everything saved before is in %s, which can be restored", self.path.with_name(made.name))

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


def path_of(url: str) -> Path:
    """The file of a URL such as ``sqlite:///var/marquee.db``, whatever links lead to it: there is one lock for it.

    Raises:
        StoreError: it names none.
    """
    if not url.startswith("sqlite:///") or url.endswith((":memory:", "sqlite:///")):
        raise StoreError(f"MARQUEE_DATABASE_URL is {url!r}, but must name a file, such as sqlite:///var/marquee.db.")
    return Path(url.removeprefix("sqlite:///")).resolve()


def _fold(_: Connection) -> None:
    """The order to fold the log in, which takes no transaction."""


def _nothing(_: StoreError) -> None:
    """Where nobody wants to be told."""


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _set_aside(path: Path, aside: Path) -> str:
    return (
        f"Beside {path.name} lay a write-ahead log that does not belong to it, as after a backup was put in its place. "
        f"It was not applied: {aside.name} is the file as it was, and {aside.name}-wal the log. Delete both once "
        "nobody misses anything. If the two do belong together, since both were copied from another place after a "
        f"crash, stop Marquee and run 'python -m store restore {aside}', which checks them first."
    )


def _log_failure(done: Future[Any]) -> None:
    error = done.exception()
    if error is not None:
        log.error("something could not be stored: %s", error)


def _prepare(connection: Any, settings: Mapping[str, Any]) -> None:
    """Set a new connection up, and read every setting back: SQLite ignores what it does not know."""
    cursor = connection.cursor()
    for name, value in settings.items():
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
