"""Notices leave in order, each once; a receiver that fails holds nothing up."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from engine.runtime import Runtime, build
from engine.services.notifying import LONGEST_PAUSE_S, NotifyingService
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


class Receiver:
    """Takes posts, or fails as often as it is told to."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.failures = 0

    def __call__(self, url: str, body: bytes) -> None:
        assert url == URL
        if self.failures:
            self.failures -= 1
            raise OSError("connection refused")
        self.got.append(json.loads(body))


def service(database: Database, receiver: Receiver, url: str | None = URL) -> NotifyingService:
    """As after a start."""
    made = NotifyingService(NoticeStore(database), ValueStore(database, "webhook"), url, receiver)
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
    notices, receiver = NoticeStore(database), Receiver()
    sender = service(database, receiver)
    notices.add("info", "training", "one")
    notices.add("info", "training", "two")
    receiver.failures = 3
    pauses = []
    for _ in range(4):
        sender.look()
        pauses.append(sender.pause)
    assert pauses == [2.0, 4.0, 8.0, 1.0]
    assert [one["text"] for one in receiver.got] == ["one", "two"]
    receiver.failures = 50
    notices.add("info", "training", "three")
    for _ in range(50):
        sender.look()
    assert sender.pause == LONGEST_PAUSE_S


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


def test_an_address_that_is_none_is_refused() -> None:
    for wrong in ("receiver", "file:///etc/passwd", "http://"):
        with pytest.raises(ValueError, match="webhook_url"):
            Settings(webhook_url=wrong)
