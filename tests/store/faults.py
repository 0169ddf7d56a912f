"""Writes that fail the way SQLite lets them fail where the disk is full or broken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pysqlite3.dbapi2 as sqlite
from sqlalchemy import event

from store.database import Database

FAULTS = {"full": (sqlite.SQLITE_FULL, "database or disk is full"), "broken": (sqlite.SQLITE_IOERR, "disk I/O error")}


def sqlite_error(kind: str) -> sqlite.OperationalError:
    """An error of SQLite's: ``full`` or ``broken``."""
    code, text = FAULTS[kind]
    error = sqlite.OperationalError(text)
    error.sqlite_errorcode = code
    return error


class Disk:
    """A disk whose writes can be made to fail.

    Attributes:
        kind: the fault of every write, ``full`` or ``broken``; None where there is none.
        spared: so many transactions still succeed before the fault shows.
        failed: how many statements have failed.
    """

    def __init__(self) -> None:
        self.kind: str | None = None
        self.spared = 0
        self.failed = 0

    def check(self, connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if self.kind is None or not connection.get_execution_options().get("writes"):
            return
        if statement == "BEGIN IMMEDIATE":
            self.spared -= 1
        elif self.spared < 0 and not statement.startswith("PRAGMA"):
            self.failed += 1
            raise sqlite_error(self.kind)


@contextmanager
def disk_of(database: Database) -> Iterator[Disk]:
    """The disk that a store lies on; it is sound until ``kind`` is set, and after the block."""
    disk = Disk()
    event.listen(database._engine, "before_cursor_execute", disk.check)
    try:
        yield disk
    finally:
        event.remove(database._engine, "before_cursor_execute", disk.check)
