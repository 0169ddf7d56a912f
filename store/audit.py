"""The audit log: who did what, when, and with what result."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from sqlalchemy import delete

from store.connections import Transaction
from store.database import Store, newest_first
from store.records import AuditRecord
from store.schema import audit_log

PAGE = 1000


class AuditStore(Store):
    """Entries of the log, newest first. They are added and pruned, never changed."""

    def add(self, entries: Sequence[Mapping[str, Any]], *, tx: Transaction) -> None:
        """Add entries to the transaction of what they record: the values of ``AuditRecord`` without the number."""
        tx.execute(audit_log.insert(), list(entries))

    def add_later(self, entries: Sequence[Mapping[str, Any]], *, oldest: float | None = None) -> Future[None]:
        """Add entries without waiting until they are stored, and prune those before ``oldest`` (Unix seconds).

        Returns:
            The outcome; a failure has been logged.

        Raises:
            StoreClosed: the store is closing.
        """

        def work(tx: Transaction) -> None:
            if entries:
                self.add(entries, tx=tx)
            if oldest is not None:
                tx.execute(delete(audit_log).where(audit_log.c.at < oldest))

        return self._database.write_later(work)

    def newest(self, limit: int, *, before: int | None = None) -> list[AuditRecord]:
        """Entries, newest first; ``before``: only those older than the entry of this number."""
        return self._select(AuditRecord, newest_first(audit_log.c.audit_id, limit, before))

    def all(self) -> Iterator[AuditRecord]:
        """Every entry, newest first, read page by page so that no reader stays open."""
        before: int | None = None
        while page := self.newest(PAGE, before=before):
            yield from page
            before = page[-1].audit_id
