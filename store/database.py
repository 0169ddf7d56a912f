"""One SQLite file: readers that never wait, and one thread that performs every write."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import IO, Any, TypeVar

import pysqlite3.dbapi2 as sqlite
from alembic.util.exc import CommandError
from sqlalchemy import Column, Connection, Executable, Select, Table, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError

from store import backups, connections, opening, upgrades
from store.backups import Manifest, Report
from store.connections import WRITER, Transaction
from store.errors import StoreClosed, StoreDamaged, StoreError, StoreReplaced
from store.generation import Guard
from store.patience import outlast
from store.schema import meta, notices
from store.sqlite_errors import damaged, translated
from store.worker import BULK, URGENT
from store.writer import Write, Writer, checkpoint

log = logging.getLogger(__name__)

T = TypeVar("T")

UNCHECKED = "unchecked"
"""Name in ``meta`` of a store that was not closed properly and not checked since."""
QUIET_S = 2.0
"""How long no single write must have come for bulk writes to take longer turns."""


class Database:
    """An open store. ``open`` makes one; ``close`` ends it.

    Attributes:
        path: the file.
        clock: Unix seconds.
        identity: a UUID made with the store; caches beside it carry it too.
        findings: sentences about what was found on opening, each with the level of its notice.
        writer: the thread that writes.
    """

    identity: str

    def __init__(self, path: Path, clock: Callable[[], float], found: opening.Found) -> None:
        self.path = path
        self.clock = clock
        self.findings: list[tuple[str, str]] = []
        self._had_log = found.had_log
        self._lock: IO[bytes] = found.lock
        self._guard = Guard(path)
        self._engine = connections.make_engine(path, self.connect)
        self.writer = Writer(self._guard, lambda: self._engine.connect().execution_options(**WRITER), clock)
        self._anchor: Connection | None = None
        self._urgent = 0.0
        self._closing = Lock()
        self._closed = False

    # -- opening and closing -----------------------------------------------------------------------------------------

    @classmethod
    def open(cls, url: str, *, clock: Callable[[], float] = time.time) -> Database:
        """Open the file of a URL such as ``sqlite:///var/marquee.db``; it is created or upgraded if needed.

        A write-ahead log beside the file that belongs to another file is set aside. An upgrade makes a backup first.

        Raises:
            UnsafeSQLite: this SQLite can lose data.
            ForeignStore: the file is not a store, or damaged; it is left unchanged.
            StoreReadOnly: the file or its folder can't be written to.
            StoreBusy: another program has it locked.
            StoreError: the URL names no file, the file can't be opened, or another Marquee has it open.
        """
        connections.check_version(sqlite.sqlite_version_info)
        path = connections.path_of(url)
        with opening.only_one(path) as found:
            try:
                database = cls(path, clock, found)
            except OSError as error:
                raise opening.refused(path, error) from error
            if found.aside is not None:
                told = _set_aside(path, found.aside)
                database.findings.append(("warning", told))
                log.warning("%s", told)
            try:
                database._open()
            except BaseException:
                database._let_go()
                raise
        return database

    def _open(self) -> None:
        try:
            self._upgrade()
            # SQLite checkpoints and removes the log with the last connection, so one that has seen it stays open.
            self._anchor = self._engine.connect()
            with self._anchor.begin():
                self._anchor.exec_driver_sql("SELECT count(*) FROM meta").scalar()
            self._guard.know()
        except DBAPIError as error:
            raise opening.explained(self.path, error) from error
        self.writer.start()
        self.identity = self.write(_identity)
        self.write(self._record_findings)
        self.checkpoint()

    def _upgrade(self) -> None:
        folder = backups.folder_of(self.path)
        try:
            schema = upgrades.outdated_schema(self._engine)
            if schema is not None:
                made = self.back_up(reason="migration")
                told = (
                    f"The store was upgraded for this release. A copy of it with the earlier schema {schema} is kept "
                    f"as {folder.name}/{made.name}; to go back, start the earlier Marquee with that copy."
                )
                self.findings.append(("info", told))
            upgrades.upgrade(self._engine)
        except CommandError as error:
            raise StoreError(
                f"{self.path} was written by a newer Marquee and can't be read by this one. Start the newer one, or "
                f"restore the copy made before the upgrade; it is in {folder}."
            ) from error

    def _record_findings(self, tx: Transaction) -> None:
        """Record findings in the store at once: the process that opens it first may close it right away."""
        if self._had_log:
            tx.execute(insert(meta).values(name=UNCHECKED, value="1").on_conflict_do_nothing())
        now = self.clock()
        for level, text in self.findings:
            row = {"level": level, "topic": "store", "text": text, "details": {}, "created_at": now}
            tx.execute(notices.insert().values(row))

    def close(self) -> None:
        """Finish the writes that wait, checkpoint, and close. Closing twice is the same as closing once."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self.writer.finish()
        self._let_go()

    def _let_go(self) -> None:
        """Close every connection, then the file, and then the lock that keeps other processes out."""
        self.writer.stop()
        with self._guard.hidden() if self.writer.lost is not None else nullcontext():
            self.writer.disconnect()
            if self._anchor is not None:
                self._anchor.close()
            self._engine.dispose()
        self._guard.close()
        self._lock.close()

    def connect(self, timeout: float | None = None) -> Any:
        """Driver connection with the store's settings; ``timeout`` is how long it waits for a lock instead, in seconds.

        Raises:
            StoreReplaced: the path leads to another file by now.
        """
        if not self._guard.is_in_place():
            raise StoreReplaced(f"The store {self.path} was replaced or deleted while Marquee had it open.")
        return connections.connect(self.path, timeout)

    # -- reading and writing -----------------------------------------------------------------------------------------

    @contextmanager
    def read(self, tx: Transaction | None = None) -> Iterator[Connection]:
        """A connection that sees one state of the store: that of ``tx``, or else what is committed now.

        Keep it short: while a reader is open the log grows.
        """
        if tx is not None:
            yield tx
            return
        if self._closed:
            raise StoreClosed("The store is closed.")
        if self.writer.lost is not None:
            raise self.writer.lost
        try:
            with self._engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            if (found := translated(error)) is error:
                raise
            if isinstance(found, StoreDamaged):
                self.writer.on_fault(found)
            raise found from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:  # in a column
            found = damaged()
            self.writer.on_fault(found)
            raise found from error

    def write(self, work: Callable[[Transaction], T], *, tx: Transaction | None = None, bulk: bool = False) -> T:
        """Run ``work`` in the writer's thread as one transaction, and return what it returns.

        Args:
            work: takes the transaction; an error that it raises undoes all of it and is raised here.
            tx: a transaction to be part of, instead of one of its own.
            bulk: waits until no other write is queued.

        Raises:
            StoreClosed: the store is closing.
            StoreFull: there is no space; nothing of the write was kept.
            StoreBusy: another program has had the store locked for five seconds; nothing of the write was kept. A
                ``patient`` thread waits instead.
        """
        if tx is not None:
            return work(tx)
        if self.writer.is_current():
            raise RuntimeError("A write may not start another write: pass tx on instead.")
        return outlast(lambda: self._submit(work, BULK if bulk else URGENT).result())

    def write_later(self, work: Callable[[Transaction], T]) -> Future[T]:
        """Run ``work`` in the writer's thread without waiting for it; a failure is logged."""
        future = self._submit(work, URGENT)
        future.add_done_callback(_log_failure)
        return future

    def _submit(self, work: Callable[[Transaction], T], priority: int) -> Future[T]:
        pending = Write(work)
        if priority == URGENT:
            self._urgent = time.monotonic()
        with self._closing:
            if self._closed:
                raise StoreClosed("The store is closed.")
            self.writer.put(pending, priority)
        return pending.future

    def is_quiet(self) -> bool:
        """Whether only bulk writes have come for ``QUIET_S`` seconds, so that a long one would hold nobody up."""
        return time.monotonic() - self._urgent > QUIET_S

    def insert(self, table: Table, row: dict[str, Any], *, tx: Transaction | None = None, bulk: bool = False) -> int:
        """Write one row; returns its integer primary key."""

        def work(tx: Transaction) -> int:
            key = tx.execute(table.insert().values(row)).inserted_primary_key
            return 0 if key is None else int(key[0])

        return self.write(work, tx=tx, bulk=bulk)

    def execute(self, statement: Executable, *, tx: Transaction | None = None, bulk: bool = False) -> int:
        """Run one statement; returns the number of rows it changed."""
        return self.write(lambda tx: int(tx.execute(statement).rowcount), tx=tx, bulk=bulk)

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file and empty it, as far as other readers and writers allow."""
        self._submit(checkpoint, BULK).result()

    # -- soundness ---------------------------------------------------------------------------------------------------

    def needs_check(self) -> bool:
        """Whether Marquee was killed, or the computer lost power, since the store was last checked."""
        with self.read() as connection:
            return connection.execute(select(meta.c.value).where(meta.c.name == UNCHECKED)).scalar() is not None

    def note_check(self) -> None:
        """Record that the store was checked."""
        self.execute(meta.delete().where(meta.c.name == UNCHECKED))

    def check(self) -> list[str]:
        """Findings of SQLite's integrity check; empty if the file is sound."""
        try:
            with self.read() as connection:
                found = [row[0] for row in connection.exec_driver_sql("PRAGMA integrity_check")]
        except StoreDamaged as error:  # so damaged that the check itself fails
            found = [str(error.__cause__)]
        return [] if found == ["ok"] else found

    def ping(self) -> None:
        """Check that the store is in place and can be read and written.

        Raises:
            StoreError: it can't; the message says why.
        """
        with self.read() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM meta").scalar()
        if not self.writer.is_alive():
            raise StoreError("The thread that writes to the store crashed and will restart in a moment. See the log.")

    def back_up(self, folder: Path | None = None, *, reason: str, report: Report = backups.quiet) -> Manifest:
        """Copy the store as it is now, while it is in use; arguments and errors are those of ``backups.back_up``."""
        target = folder or backups.folder_of(self.path)
        with closing(self.connect()) as source:
            return backups.back_up(source, target, reason=reason, now=self.clock(), report=report)


class Store:
    """Base of the stores: the rows of one subject.

    Methods that write take ``tx``, a transaction to be part of; without it each write is a transaction of its own.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def transaction(self, work: Callable[[Transaction], T]) -> T:
        """Run writes as one transaction, of which all or none are kept.

        Args:
            work: takes the transaction and passes it as ``tx`` to methods of any store.
        """
        return self._database.write(work)

    def _select(self, record: type[T], statement: Select[Any]) -> list[T]:
        """Rows as records, whose fields are the columns."""
        with self._database.read() as connection:
            return [record(**row._mapping) for row in connection.execute(statement)]


def newest_first(number: Column[Any], limit: int | None, before: int | None) -> Select[Any]:
    """Selects the rows of a table, newest first.

    Args:
        number: the column that numbers them.
        limit: maximum number of rows; None for all.
        before: only rows older than the one of this number.
    """
    wanted = select(number.table).order_by(number.desc()).limit(limit)
    return wanted if before is None else wanted.where(number < before)


def _set_aside(path: Path, aside: Path) -> str:
    return (
        f"A write-ahead log beside {path.name} did not belong to it, as happens when a backup is copied over a store. "
        f"It was not applied: {aside.name} is the file as it was, and {aside.name}-wal the log. Delete both once "
        "you are sure nothing is missing. If the two do belong together, because both were copied from elsewhere after "
        f"a crash, stop Marquee and run 'python -m store restore {aside}', which checks them first."
    )


def _log_failure(done: Future[Any]) -> None:
    error = done.exception()
    if error is not None:
        log.error("a write failed: %s", error)


def _identity(tx: Transaction) -> str:
    found = tx.execute(select(meta.c.value).where(meta.c.name == "identity")).scalar()
    if found is None:
        found = str(uuid.uuid4())
        tx.execute(meta.insert().values(name="identity", value=found))
    return str(found)
