"""Notices as a person reads them: the newest first, what is new among them, and marked as read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.services.notifying import WebhookState
from engine.services.storing import stores
from store.notices import Level, NoticeStore
from store.records import NoticeRecord


class InboxService:
    """What happened that somebody may want to know: trainings and their verdicts, failures, damage, what was missed."""

    def __init__(self, notices: NoticeStore, channel: Callable[[], WebhookState | None] = lambda: None) -> None:
        self._notices = notices
        self._channel = channel

    def notices(
        self,
        limit: int = 50,
        *,
        before: int | None = None,
        levels: Sequence[Level] | None = None,
        unread_only: bool = False,
    ) -> Sequence[NoticeRecord]:
        """Notices, newest first.

        Args:
            limit: the most of them.
            before: only those older than the notice of this number, for the next page.
            levels: only those of these levels; all if left out.
            unread_only: only those that nobody has read.
        """
        return self._notices.newest(limit, before=before, levels=levels, unread_only=unread_only)

    def tell(self, level: Level, topic: str, text: str, details: dict[str, Any] | None = None) -> None:
        """Add a notice; nobody waits until it is stored."""
        self._notices.add_later(level, topic, text, details)

    def webhook(self) -> WebhookState | None:
        """How the webhook does; None where none is set."""
        return self._channel()

    def unread(self) -> int:
        """How many nobody has read."""
        return self._notices.unread_count()

    @stores
    def mark_read(self, notice_ids: Sequence[int] | None = None) -> None:
        """Mark these as read, or all of them; a number that is none of them changes nothing."""
        self._notices.mark_read(notice_ids)
