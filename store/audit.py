"""The audit log: who did what, when, and with what result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from sqlalchemy import Connection, delete, select

from store.database import Database
from store.records import AuditRecord
from store.schema import audit_log

PAGE = 1000


class AuditStore:
    """Entries of the log, newest first. They are added and pruned, and never changed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_in(self, connection: Connection, entries: Sequence[Mapping[str, Any]]) -> None:
        """Add entries within somebody else's transaction: the values of ``AuditRecord`` without the number."""
        connection.execute(audit_log.insert(), list(entries))

    def add_later(self, entries: Sequence[Mapping[str, Any]], *, oldest: float | None = None) -> Future[None]:
        """Add entries in one transaction that nobody waits for, and prune those before ``oldest`` (Unix seconds).

        Returns:
            What comes of it; a failure has been logged.

        Raises:
            StoreClosed: the store is closing.
        """

        def work(connection: Connection) -> None:
            if entries:
                self.add_in(connection, entries)
            if oldest is not None:
                connection.execute(delete(audit_log).where(audit_log.c.at < oldest))

        return self._database.write_later(work)

    def newest(self, limit: int, *, before: int | None = None) -> list[AuditRecord]:
        """The newest entries, newest first; ``before``: only those older than the one of this number."""
        wanted = select(audit_log).order_by(audit_log.c.audit_id.desc()).limit(limit)
        if before is not None:
            wanted = wanted.where(audit_log.c.audit_id < before)
        with self._database.read() as connection:
            return [AuditRecord(**row._mapping) for row in connection.execute(wanted)]

    def all(self) -> Iterator[AuditRecord]:
        """Every entry, newest first; each page is read by itself, so that no reader stays open."""
        before: int | None = None
        while page := self.newest(PAGE, before=before):
            yield from page
            before = page[-1].audit_id
