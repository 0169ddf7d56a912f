"""Notices leave Marquee: as lines of the log, and as posts to a webhook. A failing receiver fails nothing else."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from threading import Event

from engine.services.webhook import Refused, Webhook
from store.notices import NoticeStore
from store.records import NoticeRecord
from store.values import ValueStore
from store.worker import Worker

log = logging.getLogger(__name__)

LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
LOOK_S, LONGEST_PAUSE_S = 1.0, 300.0
TRY_AGAIN = frozenset({408, 425, 429})
"""Refusals that say nothing against the notice."""
REFUSALS = 5
"""So often a notice is offered to a receiver that refuses it."""

Post = Callable[[str, bytes, Event], None]
"""Posts JSON to a URL, and gives up once the event is set; raises OSError where it is not taken."""


@dataclass(frozen=True, slots=True)
class WebhookState:
    """How posting notices to the webhook does; times are Unix seconds.

    Attributes:
        waiting: how many notices were not taken yet.
        taken_at: when the last one was; None before the first.
        failing_since: since when none was taken though some were offered; None where all is well.
        error: why not.
        next_try: when it is tried again.
    """

    waiting: int
    taken_at: float | None
    failing_since: float | None
    error: str | None
    next_try: float | None


class NotifyingService:
    """Sends what is new in the order it came. ``open`` and ``close`` frame the thread.

    Which notice was sent last is kept, so that a restart goes on with the next one. After a crash between a post and
    the note of it one comes twice, which its ``notice_id`` tells. A notice that the receiver refuses for good is passed
    over, so that it holds up no other.

    Args:
        notices: where they come from.
        values: where the last one sent is noted.
        url: the receiver; None only writes the log.
        send: how a notice is posted.
        clock: Unix seconds.
        tick: seconds, monotonic: pauses do not depend on a clock that is set.
    """

    def __init__(
        self,
        notices: NoticeStore,
        values: ValueStore,
        url: str | None,
        send: Post | None = None,
        clock: Callable[[], float] = time.time,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self._notices = notices
        self._values = values
        self._url = url
        self._send = send or Webhook(clock=clock)
        self._clock = clock
        self._tick = tick
        self.worker: Worker[None] = Worker("notices", idle=self._look_safely, every=LOOK_S)
        self._logged = 0
        self._failures = 0
        self._fault: tuple[float, str] | None = None
        self._next_try = -math.inf

    def open(self) -> None:
        """Begin to send; what happened before the first start with a receiver is not sent."""
        self.prepare()
        self.worker.start()

    def prepare(self) -> None:
        """Begin with the next notice."""
        self._logged = self._notices.last()
        if self._url is not None and "sent" not in self._values.read():
            self._values.write({"sent": self._logged})

    def close(self) -> None:
        """Send no more; what was not sent is at the next start."""
        self.worker.stop()

    def channel(self) -> WebhookState | None:
        """How the webhook does; None where there is none."""
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
        """Seconds between two tries: longer each time the receiver fails, up to five minutes."""
        return float(min(LOOK_S * 2**self._failures, LONGEST_PAUSE_S))

    def _look_safely(self) -> None:
        try:
            self.look()
        except Exception:  # part of the thread's outermost loop: the next look must find it alive
            log.exception("notices could not be sent")

    def look(self) -> None:
        """Write what is new to the log, and post it where it is time to."""
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
        """Whether a notice that was not taken is given up; else it is tried again after a pause."""
        now = self._tick()
        self._failures = min(self._failures + 1, 20)
        self._fault = (self._clock() if self._fault is None else self._fault[0], tell(error))
        self._next_try = now + self.pause
        refused = isinstance(error, Refused) and 300 <= error.status < 500 and error.status not in TRY_AGAIN
        if refused and self._failures >= REFUSALS:
            log.warning(
                "notice %d was refused %d times (%s); it is passed over", notice.notice_id, REFUSALS, tell(error)
            )
            return True
        log.warning("notice %d was not taken (%s); again in %.0f s", notice.notice_id, tell(error), self.pause)
        return False


def tell(error: OSError | ValueError) -> str:
    """Why a post failed, in words: ``Connection refused``, ``410 Gone``."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def describe(notice: NoticeRecord) -> bytes:
    """A notice as JSON; ``text`` is also what chat services show."""
    return json.dumps(asdict(notice), ensure_ascii=False, allow_nan=False).encode()
