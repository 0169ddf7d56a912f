"""Notices leave in order, each once; a receiver that fails holds nothing up."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from engine.runtime import Runtime, build
from engine.services.notices import MAX_PAUSE_S, REFUSALS, NotifyingService, WebhookState, tell
from engine.services.webhook import Refused, Undelivered
from engine.settings import Settings
from store.database import Database
from store.notices import NoticeStore
from store.values import ValueStore
from tests.engine.services.conftest import QUICK, fill, finished, wait_for

URL = "http://receiver/hook"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(f"sqlite:///{tmp_path}/m.db")
    yield opened
    opened.close()


@dataclass
class Clock:
    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Receiver:
    """Takes posts, or fails as often as it is told to."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.failures = 0
        self.error: Exception = OSError("connection refused")

    def __call__(self, url: str, body: bytes, stop: Event) -> None:
        assert url == URL
        if self.failures:
            self.failures -= 1
            raise self.error
        self.got.append(json.loads(body))

    @property
    def texts(self) -> list[str]:
        return [one["text"] for one in self.got]


def service(
    database: Database, receiver: Receiver, url: str | None = URL, clock: Callable[[], float] | None = None
) -> NotifyingService:
    """As after a start."""
    values, ticks = ValueStore(database, "webhook"), clock or Clock()
    made = NotifyingService(NoticeStore(database), values, url, receiver, ticks, ticks)
    made.prepare()
    return made


def test_each_notice_is_posted_once_in_order_across_restarts(database: Database) -> None:
    notices, receiver = NoticeStore(database), Receiver()
    notices.add("info", "training", "before the first start")
    sender = service(database, receiver)
    for n in range(3):
        notices.add("warning", "training", f"é {n}", {"run_id": n})
    sender.look()
    sender.look()
    notices.add("error", "versions", "while it was off")
    service(database, receiver).look()
    assert [one["text"] for one in receiver.got] == ["é 0", "é 1", "é 2", "while it was off"]
    assert receiver.got[0].items() >= {"level": "warning", "topic": "training", "details": {"run_id": 0}}.items()
    assert [one["notice_id"] for one in receiver.got] == [2, 3, 4, 5]


def test_a_failing_receiver_is_tried_again_more_and_more_seldom(database: Database) -> None:
    notices, receiver, clock = NoticeStore(database), Receiver(), Clock()
    sender = service(database, receiver, clock=clock)
    notices.add("info", "training", "one")
    notices.add("info", "training", "two")
    receiver.failures = 3
    pauses = []
    for _ in range(4):
        sender.look()
        pauses.append(sender.pause)
        clock.now += sender.pause - 0.5
        sender.look()  # too early: nothing is offered
        clock.now += 0.5
    assert pauses == [2.0, 4.0, 8.0, 1.0]
    assert receiver.texts == ["one", "two"]
    receiver.failures = 50
    notices.add("info", "training", "three")
    for _ in range(50):
        sender.look()
        clock.now += sender.pause
    assert (sender.pause, receiver.failures) == (MAX_PAUSE_S, 0)


def test_the_log_waits_for_no_receiver(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    notices, receiver = NoticeStore(database), Receiver()
    sender = service(database, receiver)
    receiver.failures = 10
    for text in ("one", "two"):
        notices.add("error", "training", text)
        sender.look()  # the clock stands still, so that the second is not offered
    assert receiver.failures == 9
    assert [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR] == [
        "notice 1, training: one",
        "notice 2, training: two",
    ]


def test_how_the_webhook_does_is_told(database: Database) -> None:
    notices, receiver, clock = NoticeStore(database), Receiver(), Clock()
    assert service(database, receiver, url=None).channel() is None
    sender = service(database, receiver, clock=clock)
    assert sender.channel() == WebhookState(0, None, None, None, None)
    began = clock.now
    notices.add("info", "training", "one")
    receiver.failures = 2
    for _ in range(2):
        sender.look()
        notices.add("info", "training", "more")
        clock.now += sender.pause
    assert sender.channel() == WebhookState(3, None, began, "connection refused", clock.now)
    sender.look()
    assert sender.channel() == WebhookState(0, clock.now, None, None, None)
    assert service(database, receiver, clock=clock).channel() == WebhookState(0, clock.now, None, None, None)


@pytest.mark.parametrize(("code", "passed_over"), [(302, True), (400, True), (410, True), (429, False), (500, False)])
def test_what_is_refused_for_good_holds_up_no_other(database: Database, code: int, passed_over: bool) -> None:
    notices, receiver, clock = NoticeStore(database), Receiver(), Clock()
    sender = service(database, receiver, clock=clock)
    notices.add("info", "training", "one")
    notices.add("info", "training", "two")
    receiver.failures, receiver.error = REFUSALS, Refused(code, "no")
    for _ in range(REFUSALS + 1):
        sender.look()
        clock.now += sender.pause
    assert receiver.texts == (["two"] if passed_over else ["one", "two"])


def test_notices_are_lines_of_the_log(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    sender = service(database, Receiver(), url=None)
    NoticeStore(database).add("warning", "training", "Run 3 was stopped.")
    with caplog.at_level(logging.INFO):
        sender.look()
        sender.look()
    assert [(one.levelno, one.getMessage()) for one in caplog.records] == [
        (logging.WARNING, "notice 1, training: Run 3 was stopped.")
    ]


class Hook(BaseHTTPRequestHandler):
    got: list[dict[str, Any]] = []  # noqa: RUF012  # each test empties it
    status = 204

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.status < 300:
            self.got.append(json.loads(body))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing to say."""


@pytest.fixture
def hook() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = Thread(target=server.serve_forever)
    thread.start()
    Hook.got.clear()
    Hook.status = 204
    yield f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    thread.join()
    server.server_close()


def started(settings: Settings, url: str) -> Runtime:
    runtime = build(settings.model_copy(update={"webhook_url": url}))
    runtime.start()
    return runtime


def test_a_training_reaches_the_webhook(settings: Settings, hook: str) -> None:
    runtime = started(settings, hook)
    try:
        fill(runtime)
        finished(runtime, runtime.services.training.train_model("svd", QUICK))
        wait_for(lambda: bool(Hook.got))
        assert Hook.got[0]["text"].startswith("Version 1 is trained.")
    finally:
        runtime.stop()


def test_a_webhook_that_answers_with_errors_fails_no_run(settings: Settings, hook: str) -> None:
    Hook.status = 500
    runtime = started(settings, hook)
    try:
        fill(runtime)
        status = finished(runtime, runtime.services.training.train_model("svd", QUICK))
        assert status.state == "succeeded"
        wait_for(lambda: runtime.notifying._failures > 0)
        assert Hook.got == []
    finally:
        runtime.stop()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (Refused(410, "Gone"), "410 Gone"),
        (Refused(302, "Found"), "302 Found, and redirects are not followed"),
        (Undelivered("No answer within 5 s"), "No answer within 5 s"),
    ],
)
def test_why_a_post_failed_is_told_in_words(error: OSError | ValueError, told: str) -> None:
    assert tell(error) == told


def test_an_address_that_is_none_is_refused() -> None:
    for wrong in ("receiver", "file:///etc/passwd", "http://"):
        with pytest.raises(ValueError, match="webhook_url"):
            Settings(webhook_url=wrong)


def test_a_clock_that_is_set_moves_no_try(database: Database) -> None:
    notices, receiver, clock, ticks = NoticeStore(database), Receiver(), Clock(), Clock()
    values = ValueStore(database, "webhook")
    sender = NotifyingService(notices, values, URL, receiver, clock, ticks)
    sender.prepare()
    notices.add("info", "training", "one")
    receiver.failures = 1
    clock.now += 400 * 86_400
    sender.look()
    clock.now -= 400 * 86_400
    state = sender.channel()
    assert state is not None
    assert (state.failing_since, state.next_try) == (clock.now, clock.now + sender.pause)
    sender.look()
    assert receiver.texts == []
    ticks.now += sender.pause
    sender.look()
    assert receiver.texts == ["one"]
