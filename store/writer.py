"""The thread that performs every write, one transaction at a time, and checkpoints the write-ahead log."""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pysqlite3.dbapi2 as sqlite
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from store import backups
from store.connections import PRAGMAS, Transaction, driver
from store.errors import StoreBusy, StoreClosed, StoreDamaged, StoreError, StoreReplaced
from store.generation import PAGES, Guard
from store.sqlite_errors import translated
from store.worker import LAST, Worker, nothing

log = logging.getLogger(__name__)

LOOK_S = 0.5
"""How often an idle writer checks that the file is still in place."""
LOCKED_MS = 100
"""Timeout for a lock that has already outlasted another write; otherwise that of the settings applies."""


class Write:
    """A piece of work waiting for its turn, and the future that holds its result."""

    def __init__(self, work: Callable[[Transaction], Any]) -> None:
        self.work = work
        self.future: Future[Any] = Future()


def checkpoint(_: Connection) -> None:
    """Stands for a checkpoint among the writes; it runs outside any transaction."""


class Writer(Worker[Write]):
    """Worker that owns the only connection that writes.

    Args:
        guard: watches the file.
        connect: opens the connection.
        clock: Unix seconds.

    Attributes:
        lost: why nothing can be written any more; None while the file is in place.
        on_fault: called in the writer's thread when the file is found damaged, replaced or gone.
    """

    def __init__(self, guard: Guard, connect: Callable[[], Connection], clock: Callable[[], float]) -> None:
        super().__init__("store-writer", self._perform, idle=self._look, every=LOOK_S, died=self._drop)
        self.lost: StoreReplaced | None = None
        self.on_fault: Callable[[StoreError], None] = nothing
        self._guard = guard
        self._connect = connect
        self._clock = clock
        self._connection: Connection | None = None
        self._locked = False

    def finish(self) -> None:
        """Perform the writes that wait, checkpoint, and stop; what a dead writer leaves behind is refused."""
        if self.lost is None and self.is_alive():
            self.put(Write(checkpoint), LAST)
        self.stop()
        while not self.queue.empty():  # the writer died before it got there
            left = self.queue.get()[2]
            if isinstance(left, Write):
                left.future.set_exception(StoreClosed("The store is closed."))

    def disconnect(self) -> None:
        """Drop the connection together with any open transaction."""
        connection, self._connection, self._locked = self._connection, None, False
        if connection is not None:
            connection.invalidate()
            connection.close()

    # -- in the thread -----------------------------------------------------------------------------------------------

    def _perform(self, pending: Write) -> None:
        try:
            if self.lost is not None:
                raise self.lost
            self._guard.check()  # once more is written, a log that was cut looks like a whole one
            connection = self._connected()
            result: Any = None
            if pending.work is checkpoint:
                self._guard.checkpoint(driver(connection), "TRUNCATE")
            else:
                with connection.begin():
                    result = pending.work(connection)
            self._guard.check()  # before the write is acknowledged
        except BaseException as error:  # noqa: BLE001  # handed to the thread that waits for the write
            found = translated(error)
            try:
                self._undo()
                self._wait_for_locks(isinstance(found, StoreBusy))
            finally:
                pending.future.set_exception(found)
            self._report_fault(found)
        else:
            self._wait_for_locks(locked=False)
            pending.future.set_result(result)
            self._shorten_log()

    def _look(self) -> None:
        """Check the file while nothing is written, and a log that other programs may have filled."""
        if self.lost is not None or self._connection is None:
            return
        try:
            self._guard.check()
            self._shorten_log()
        except (StoreError, sqlite.Error, OSError) as error:
            self._report_fault(translated(error))

    def _shorten_log(self) -> None:
        """Checkpoint a long log; after a failure the next write tries again."""
        try:
            connection = driver(self._connected())
            if self._guard.pages(connection) >= PAGES:
                self._guard.checkpoint(connection)
        except (DBAPIError, sqlite.Error) as error:
            log.warning("checkpoint failed: %s", error)
            self._undo()

    def _report_fault(self, error: BaseException) -> None:
        if isinstance(error, StoreReplaced) and self.lost is None:
            self.lost = error
            log.critical("%s", error)
            self._rescue()
            self.on_fault(error)
        elif isinstance(error, StoreDamaged):
            self.on_fault(error)

    def _rescue(self) -> None:
        """Copy a file that was moved away or deleted: it holds every acknowledged write for as long as it is open."""
        if self._connection is None or self._guard.is_in_place():  # overwritten: nothing intact is left
            return
        path = self._guard.path
        try:
            made = backups.back_up(
                driver(self._connection), path.parent, reason="rescue", now=self._clock(), name=f"{path.name}.rescued"
            )
        except (StoreError, sqlite.Error, OSError) as error:
            log.critical("earlier writes could not be copied: %s", error)
        else:
            log.critical("every earlier write is in %s, which can be restored", path.with_name(made.name))

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _undo(self) -> None:
        """Roll back after an error, or the next transaction could not begin.

        SQLAlchemy does not roll back after a failed commit; SQLite may already have done so on a full disk.
        """
        if self._connection is None:
            return
        connection = driver(self._connection)
        try:
            if connection.in_transaction:
                connection.rollback()
        except sqlite.Error:
            log.exception("the writer's connection is broken and will be replaced")
            self.disconnect()

    def _wait_for_locks(self, locked: bool) -> None:
        """Shorten the timeout while a lock lasts that one write has waited for in full: the others queue behind it."""
        if locked != self._locked and self._connection is not None:
            milliseconds = LOCKED_MS if locked else PRAGMAS["busy_timeout"]
            driver(self._connection).execute(f"PRAGMA busy_timeout = {milliseconds}")
            self._locked = locked

    def _drop(self, pending: Write | None, reason: str) -> None:
        """Fail the write that a dying writer had in hand."""
        if pending is not None and not pending.future.done():
            pending.future.set_exception(StoreError(f"The store could not write. {reason}"))
        self.disconnect()
