"""Notices leave Marquee: as lines of the log, and as posts to a webhook. A failing receiver fails nothing else."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from threading import Event, Thread
from urllib.request import Request, urlopen

from store.notices import NoticeStore
from store.records import NoticeRecord
from store.values import ValueStore

log = logging.getLogger(__name__)

LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
LOOK_S, LONGEST_PAUSE_S = 1.0, 300.0
TIMEOUT_S = 5.0

Post = Callable[[str, bytes], None]


def post(url: str, body: bytes) -> None:
    """Post JSON.

    Raises:
        OSError: nobody answers in time, or with another status than 2xx.
    """
    request = Request(url, body, {"Content-Type": "application/json", "User-Agent": "Marquee"})  # noqa: S310  # the owner's own address
    with urlopen(request, timeout=TIMEOUT_S):  # noqa: S310
        pass


class NotifyingService:
    """Sends what is new in the order it came. ``open`` and ``close`` frame the thread.

    Which notice was sent last is kept, so that a restart goes on with the next one. After a crash between a post and
    the note of it one comes twice, which its ``notice_id`` tells.

    Args:
        notices: where they come from.
        values: where the last one sent is noted.
        url: the receiver; None only writes the log.
        send: how a notice is posted.
    """

    def __init__(self, notices: NoticeStore, values: ValueStore, url: str | None, send: Post = post) -> None:
        self._notices = notices
        self._values = values
        self._url = url
        self._send = send
        self._closing = Event()
        self._logged = 0
        self._failures = 0
        self._thread = Thread(target=self._work, name="notices", daemon=True)

    def open(self) -> None:
        """Begin to send; what happened before the first start with a receiver is not sent."""
        self.prepare()
        self._thread.start()

    def prepare(self) -> None:
        """Begin with the next notice."""
        self._logged = self._notices.last()
        if self._url is not None and "sent" not in self._values.read():
            self._values.write({"sent": self._logged})

    def close(self) -> None:
        """Send no more; what was not sent is at the next start."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def pause(self) -> float:
        """Seconds to the next look: longer each time the receiver fails, up to five minutes."""
        return float(min(LOOK_S * 2**self._failures, LONGEST_PAUSE_S))

    def _work(self) -> None:
        while not self._closing.wait(self.pause):
            try:
                self.look()
            except Exception:  # the thread's outermost loop: the next look must find it alive
                log.exception("notices could not be sent")

    def look(self) -> None:
        """Write what is new to the log and post it."""
        for one in self._notices.after(self._logged):
            log.log(LEVELS[one.level], "notice %d, %s: %s", one.notice_id, one.topic, one.text)
            self._logged = one.notice_id
        if self._url is not None:
            self._post_new(self._url)

    def _post_new(self, url: str) -> None:
        for one in self._notices.after(int(self._values.read()["sent"])):
            if self._closing.is_set():
                return
            try:
                self._send(url, describe(one))
            except (OSError, ValueError) as error:
                self._failures = min(self._failures + 1, 20)
                log.warning("notice %d was not taken (%s); again in %.0f s", one.notice_id, error, self.pause)
                return
            self._failures = 0
            self._values.write({"sent": one.notice_id})


def describe(notice: NoticeRecord) -> bytes:
    """A notice as JSON; ``text`` is also what chat services show."""
    return json.dumps(asdict(notice), ensure_ascii=False, allow_nan=False).encode()
