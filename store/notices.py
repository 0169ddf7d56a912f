"""What happened that somebody may want to know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import Connection, func, select, update

from store.database import Database
from store.records import NoticeRecord
from store.schema import notices

Level = Literal["info", "warning", "error"]


class NoticeStore:
    """Notices, newest first, read or unread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, level: Level, topic: str, text: str, details: dict[str, Any] | None = None) -> None:
        """Tell something."""
        self._database.write(lambda connection: self.add_in(connection, level, topic, text, details), urgent=True)

    def add_later(self, level: Level, topic: str, text: str, details: dict[str, Any] | None = None) -> None:
        """Tell something without waiting until it is stored."""
        self._database.write_later(lambda connection: self.add_in(connection, level, topic, text, details))

    def add_in(
        self, connection: Connection, level: Level, topic: str, text: str, details: dict[str, Any] | None = None
    ) -> None:
        """Tell something within somebody else's transaction."""
        row = {
            "level": level,
            "topic": topic,
            "text": text,
            "details": details or {},
            "created_at": self._database.clock(),
        }
        connection.execute(notices.insert().values(row))

    def newest(
        self,
        limit: int = 50,
        *,
        before: int | None = None,
        levels: Sequence[Level] | None = None,
        unread_only: bool = False,
    ) -> list[NoticeRecord]:
        """The newest notices, newest first; ``before``: only those older than the one of this number."""
        wanted = select(notices).order_by(notices.c.notice_id.desc()).limit(limit)
        if before is not None:
            wanted = wanted.where(notices.c.notice_id < before)
        if levels is not None:
            wanted = wanted.where(notices.c.level.in_(levels))
        if unread_only:
            wanted = wanted.where(notices.c.read_at.is_(None))
        with self._database.read() as connection:
            return [NoticeRecord(**row._mapping) for row in connection.execute(wanted)]

    def after(self, notice_id: int, limit: int = 50) -> list[NoticeRecord]:
        """What came after a notice, oldest first."""
        wanted = select(notices).where(notices.c.notice_id > notice_id).order_by(notices.c.notice_id).limit(limit)
        with self._database.read() as connection:
            return [NoticeRecord(**row._mapping) for row in connection.execute(wanted)]

    def count_after(self, notice_id: int) -> int:
        """How many came after a notice."""
        with self._database.read() as connection:
            later = select(func.count()).select_from(notices).where(notices.c.notice_id > notice_id)
            return int(connection.execute(later).scalar_one())

    def last(self) -> int:
        """The number of the newest notice, 0 before the first."""
        with self._database.read() as connection:
            return int(connection.execute(select(func.coalesce(func.max(notices.c.notice_id), 0))).scalar_one())

    def unread_count(self) -> int:
        """How many nobody has read."""
        with self._database.read() as connection:
            unread = select(func.count()).select_from(notices).where(notices.c.read_at.is_(None))
            return int(connection.execute(unread).scalar_one())

    def mark_read(self, notice_ids: Sequence[int] | None = None) -> None:
        """Mark these notices as read; all of them without any ids."""
        statement = update(notices).where(notices.c.read_at.is_(None)).values(read_at=self._database.clock())
        if notice_ids is not None:
            statement = statement.where(notices.c.notice_id.in_(notice_ids))
        self._database.execute(statement, urgent=True)
