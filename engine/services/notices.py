"""Notices: the inbox that people read, and their delivery to the log and to a webhook."""

import json
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from threading import Event
from typing import Any

from engine.services.storing import in_words, stores
from engine.services.webhook import Refused
from store.notices import Level, NoticeStore
from store.records import NoticeRecord
from store.values import ValueStore
from store.worker import Worker

log = logging.getLogger(__name__)

LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
LOOK_S, MAX_PAUSE_S = 1.0, 300.0
TRY_AGAIN = frozenset({408, 425, 429})
"""Statuses that ask for another try and say nothing against the notice."""
REFUSALS = 5
"""Attempts to deliver a notice that the receiver refuses."""

Post = Callable[[str, bytes, Event], None]
"""Posts JSON to a URL until the event is set; raises OSError where the receiver does not accept it."""


@dataclass(frozen=True, slots=True)
class WebhookState:
    """Delivery state of the webhook; times are Unix seconds.

    Attributes:
        waiting: notices not delivered yet.
        taken_at: time of the last delivery; None before the first.
        failing_since: time since which every delivery failed; None while deliveries succeed.
        error: reason of the failure.
        next_try: time of the next attempt.
    """

    waiting: int
    taken_at: float | None
    failing_since: float | None
    error: str | None
    next_try: float | None


class InboxService:
    """Notices as people read them: trainings and their verdicts, failures, damage, missed runs."""

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
            limit: how many at most.
            before: only notices older than this number, for the next page.
            levels: only these levels; None for all.
            unread_only: only unread ones.
        """
        return self._notices.newest(limit, before=before, levels=levels, unread_only=unread_only)

    def tell(self, level: Level, topic: str, text: str, details: dict[str, Any] | None = None) -> None:
        """Add a notice without waiting until it is stored."""
        self._notices.add_later(level, topic, text, details)

    def webhook(self) -> WebhookState | None:
        """Delivery state of the webhook; None where none is set."""
        return self._channel()

    def unread(self) -> int:
        """Number of unread notices."""
        return self._notices.unread_count()

    @stores
    def mark_read(self, notice_ids: Sequence[int] | None = None) -> None:
        """Mark these notices as read, or all of them; unknown numbers are ignored."""
        self._notices.mark_read(notice_ids)


@dataclass(eq=False)
class NotifyingService:
    """Delivers new notices in order. ``open`` and ``close`` frame the thread.

    The number of the last delivered notice is stored, so a restart continues with the next one. After a crash between
    a post and that write one notice is delivered twice, with the same ``notice_id``. A notice that the receiver keeps
    refusing is skipped, so that it blocks no other.

    Args:
        notices: the source.
        values: stores the number of the last delivered notice.
        url: the receiver; None only writes the log.
        send: posts one notice.
        clock: Unix seconds.
        tick: monotonic seconds, so that pauses do not depend on the system clock.
    """

    _notices: NoticeStore
    _values: ValueStore
    _url: str | None
    _send: Post
    _clock: Callable[[], float]
    _tick: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.worker: Worker[None] = Worker("notices", idle=self._look_safely, every=LOOK_S)
        self._logged = 0
        self._failures = 0
        self._fault: tuple[float, str] | None = None
        self._next_try = -math.inf

    def open(self) -> None:
        """Start delivering; notices from before the first start with a receiver are not delivered."""
        self.prepare()
        self.worker.start()

    def prepare(self) -> None:
        """Start with the next notice."""
        self._logged = self._notices.last()
        if self._url is not None and "sent" not in self._values.read():
            self._values.write({"sent": self._logged})

    def close(self) -> None:
        """Stop; the rest is delivered after the next start."""
        self.worker.stop()

    def channel(self) -> WebhookState | None:
        """Delivery state of the webhook; None where none is set."""
        if self._url is None:
            return None
        values, fault, now = self._values.read(), self._fault, self._clock()
        taken_at, left = values.get("taken_at"), max(self._next_try - self._tick(), 0.0)
        return WebhookState(
            waiting=self._notices.count_after(int(values.get("sent", self._logged))),
            taken_at=None if taken_at is None else min(taken_at, now),  # the clock may have been ahead then
            failing_since=None if fault is None else min(fault[0], now),
            error=None if fault is None else fault[1],
            next_try=None if fault is None else now + left,
        )

    @property
    def pause(self) -> float:
        """Seconds until the next attempt: doubled with each failure, up to five minutes."""
        return float(min(LOOK_S * 2**self._failures, MAX_PAUSE_S))

    def _look_safely(self) -> None:
        try:
            self.look()
        except Exception as error:  # part of the thread's outermost loop: the next look must find it alive
            known = in_words(error)  # such as a store that was moved away
            log.error("notices could not be delivered: %s", known or error, exc_info=None if known else error)

    def look(self) -> None:
        """Write new notices to the log, and post them unless a pause is on."""
        for one in self._notices.after(self._logged):
            log.log(LEVELS[one.level], "notice %d, %s: %s", one.notice_id, one.topic, one.text)
            self._logged = one.notice_id
        if self._url is not None and self._tick() >= self._next_try:
            self._post_new(self._url)

    def _post_new(self, url: str) -> None:
        for one in self._notices.after(int(self._values.read()["sent"])):
            if self.worker.stopping.is_set():
                return
            try:
                self._send(url, describe(one), self.worker.stopping)
            except (OSError, ValueError) as error:
                if self.worker.stopping.is_set() or not self._passes_over(one, error):
                    return
                self._values.write({"sent": one.notice_id})
            else:
                self._values.write({"sent": one.notice_id, "taken_at": self._clock()})
            self._failures, self._fault, self._next_try = 0, None, -math.inf

    def _passes_over(self, notice: NoticeRecord, error: OSError | ValueError) -> bool:
        """Whether to skip a notice that was not accepted; otherwise it is retried after a pause."""
        now = self._tick()
        self._failures = min(self._failures + 1, 20)
        self._fault = (self._clock() if self._fault is None else self._fault[0], tell(error))
        self._next_try = now + self.pause
        refused = isinstance(error, Refused) and 300 <= error.status < 500 and error.status not in TRY_AGAIN
        if refused and self._failures >= REFUSALS:
            log.warning("notice %d was refused %d times (%s); skipped", notice.notice_id, REFUSALS, tell(error))
            return True
        log.warning("notice %d was not accepted (%s); retry in %.0f s", notice.notice_id, tell(error), self.pause)
        return False


def tell(error: OSError | ValueError) -> str:
    """Reason of a failed post, such as ``Connection refused`` or ``410 Gone``."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def describe(notice: NoticeRecord) -> bytes:
    """A notice as JSON; chat services show its ``text``."""
    return json.dumps(asdict(notice), ensure_ascii=False, allow_nan=False).encode()
