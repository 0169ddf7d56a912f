"""Notices: events that the people who run Marquee may want to know about."""

from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import Select, func, select, update

from store.connections import Transaction
from store.database import Store, newest_first
from store.records import NoticeRecord
from store.schema import notices

Level = Literal["info", "warning", "error"]
NEEDS_ACTION: tuple[Level, ...] = ("warning", "error")
"""Levels of notices that are unread until somebody has seen them; the others are there to look up."""
UNREAD = (notices.c.read_at.is_(None), notices.c.level.in_(NEEDS_ACTION))
"""Conditions; the level as well, since earlier releases left all notices unread."""


class NoticeStore(Store):
    """Notices, read and unread."""

    def add(
        self,
        level: Level,
        topic: str,
        text: str,
        details: dict[str, Any] | None = None,
        *,
        tx: Transaction | None = None,
    ) -> None:
        """Add a notice."""
        self._database.insert(notices, self._row(level, topic, text, details), tx=tx)

    def add_later(self, level: Level, topic: str, text: str, details: dict[str, Any] | None = None) -> None:
        """Add a notice without waiting until it is stored."""
        row = self._row(level, topic, text, details)
        self._database.write_later(lambda tx: self._database.insert(notices, row, tx=tx))

    def _row(self, level: Level, topic: str, text: str, details: dict[str, Any] | None) -> dict[str, Any]:
        now = self._database.clock()
        values = {"level": level, "topic": topic, "text": text, "details": details or {}, "created_at": now}
        return values | {"read_at": None if level in NEEDS_ACTION else now}

    def newest(
        self,
        limit: int = 50,
        *,
        before: int | None = None,
        levels: Sequence[Level] | None = None,
        unread_only: bool = False,
    ) -> list[NoticeRecord]:
        """Notices, newest first; ``before``: only those older than the notice of this number."""
        wanted = newest_first(notices.c.notice_id, limit, before)
        if levels is not None:
            wanted = wanted.where(notices.c.level.in_(levels))
        if unread_only:
            wanted = wanted.where(*UNREAD)
        return self._select(NoticeRecord, wanted)

    def after(self, notice_id: int, limit: int = 50) -> list[NoticeRecord]:
        """Notices newer than the given one, oldest first."""
        wanted = select(notices).where(notices.c.notice_id > notice_id).order_by(notices.c.notice_id).limit(limit)
        return self._select(NoticeRecord, wanted)

    def count_after(self, notice_id: int) -> int:
        """Number of notices newer than the given one."""
        return self._number(select(func.count()).where(notices.c.notice_id > notice_id))

    def last(self) -> int:
        """Number of the newest notice; 0 before the first."""
        return self._number(select(func.coalesce(func.max(notices.c.notice_id), 0)))

    def unread_count(self) -> int:
        """Number of unread notices."""
        return self._number(select(func.count()).select_from(notices).where(*UNREAD))

    def mark_read(self, notice_ids: Sequence[int] | None = None) -> None:
        """Mark these notices as read; all of them if no ids are given."""
        statement = update(notices).where(notices.c.read_at.is_(None)).values(read_at=self._database.clock())
        if notice_ids is not None:
            statement = statement.where(notices.c.notice_id.in_(notice_ids))
        self._database.execute(statement)

    def _number(self, statement: Select[Any]) -> int:
        with self._database.read() as connection:
            return int(connection.execute(statement).scalar_one())
