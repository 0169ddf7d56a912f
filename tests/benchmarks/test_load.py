"""Requests are sent when due, a slow response counts for all that wait behind it, and failures are reported."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks import traffic
from benchmarks.__main__ import BENCHMARKS
from benchmarks.load import LIST, Goal, acknowledged, fault, main, ratings, report
from benchmarks.traffic import Answer, Request, at_rate, send


class Handler(BaseHTTPRequestHandler):
    """Answers with what it was sent, on a kept connection; ``/slow`` after 0.1 s, ``/gone`` not at all."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/api/gone":
            self.close_connection = True
            return
        if self.path == "/api/slow":
            threading.Event().wait(0.1)
        body = self.rfile.read(int(self.headers["Content-Length"])) or self.path.encode()
        self.send_response(404 if self.path == "/api/none" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def get(path: str) -> Request:
    return Request("get", "GET", path)


def test_every_request_is_answered_and_failures_are_reported(port: int) -> None:
    planned = [("ann", "1", 4.5), ("bob", "2", 3.0)]
    requests = [*[get("/a")] * 40, get("/gone"), get("/none"), *ratings(planned)]
    found = send(port, at_rate(400, requests))
    assert len(found) == len(requests)
    assert sorted(answer.status for answer in found) == [0, *[200] * 42, 404]
    assert sorted(acknowledged(found)) == planned  # answers are in the order in which they came
    sent = next(answer.body for answer in found if answer.request.item == planned[0])
    assert sent == b'{"user_id": "ann", "movie_id": "1", "rating": 4.5}'
    gone = next(answer for answer in found if answer.status == 0)
    assert not gone.good
    assert gone.request.path == "/gone"
    assert "IncompleteReadError" in str(fault(gone))


def test_who_waits_behind_a_slow_answer_is_late(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "CONNECTIONS", 1)
    first, second = send(port, at_rate(100, [get("/slow"), get("/a")]))
    assert (first.request.path, second.due_s) == ("/slow", 0.01)
    assert second.ms > 50  # it was due 90 ms before it could be sent


def test_nothing_is_sent_after_a_stop(port: int) -> None:
    found = send(port, at_rate(200, [get("/a")] * 1000), lambda answers: len(answers) >= 5)
    assert 5 <= len(found) < 100


def answers_of(ms: list[float], body: bytes = b'{"items": [1,2,3,4,5,6,7,8,9,10]}', status: int = 200) -> list[Answer]:
    return [Answer(Request(LIST, "GET", "/x"), 0.0, one, status, body) for one in ms]


@pytest.mark.parametrize(
    ("answers", "good"),
    [
        (answers_of([5.0] * 200), True),
        (answers_of([5.0] * 196 + [9.0] * 4), False),  # p99
        (answers_of([5.0] * 199 + [60.0]), False),  # the slowest
        ([*answers_of([5.0] * 200), *answers_of([5.0], status=503)], False),
        ([*answers_of([5.0] * 200), *answers_of([5.0], b'{"items": []}')], False),
    ],
)
def test_the_goals(answers: list[Answer], good: bool, capsys: pytest.CaptureFixture[str]) -> None:
    missed = not Goal(LIST, 8.0, 50.0).met([answer.ms for answer in answers])
    assert report("a title", answers, [0.3], [Goal(LIST, 8.0, 50.0)]) is good
    out = capsys.readouterr().out
    assert ("MISSED" in out) == missed
    assert ("failed: 1" in out) == (len(answers) == 201)


def test_it_is_one_of_the_benchmarks() -> None:
    assert "load" in BENCHMARKS


@pytest.mark.long
def test_ten_kills_under_load_lose_no_acknowledged_rating(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "kills"]) == 0, capsys.readouterr().out
    assert capsys.readouterr().out.count("lost: 0") == 11  # after each kill, and at the end
