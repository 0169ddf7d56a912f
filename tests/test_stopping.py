"""A stop is graceful: requests under way are answered, a run that goes is marked, and the store is closed."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from engine.runtime import build
from engine.settings import Settings
from tests.engine.services.conftest import wait_for
from tests.test_kill import LONG, prepare
from tests.test_starting import ROOT, environment, free_port, wait_until_live

BODY = json.dumps({"user_id": "late", "movie_id": "m1", "rating": 4.5}).encode()


def begin_to_rate(port: int) -> socket.socket:
    """A rating of which half has been sent, and for whose body the API waits: asked to say so, it does (RFC 9110)."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    head = (
        "POST /api/rate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(BODY)}\r\nExpect: 100-continue\r\n\r\n"
    )
    connection.sendall(head.encode())
    assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
    connection.sendall(BODY[:10])
    return connection


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def test_a_stop_answers_who_has_asked_marks_the_run_and_closes_the_store(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    prepare(tmp_path, tmp_path_factory)
    port = free_port()
    own = environment(tmp_path, port) | {"MARQUEE_LOG_FORMAT": "json"}
    # Nobody would read a pipe meanwhile, and a full one holds the server up.
    log = tmp_path_factory.mktemp("log") / "log.jsonl"
    with log.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env=own, stdout=written, stderr=subprocess.STDOUT, text=True
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            wait_until_live(client, process)
            order = {"model": "svd", "hyperparameters": LONG, "activate": "never"}
            run_id = client.post("/api/ml/train", json=order).json()["run_id"]
            wait_for(lambda: client.get("/api/ml/training-status").json()["epoch"] >= 1)
        with begin_to_rate(port) as half:
            process.send_signal(signal.SIGTERM)
            wait_for(lambda: not listens(port))
            half.sendall(BODY[10:])
            with half.makefile("rb") as answering:
                answer = answering.read()
        process.wait(timeout=30)
    finally:
        process.kill()
    assert process.returncode in {0, -signal.SIGTERM}
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]  # those of libraries are JSON too
    assert [line["status"] for line in lines if line.get("path") == "/api/rate"] == [200]
    assert not [line for line in lines if line["level"] == "error"]
    left = {file.name for file in tmp_path.iterdir() if file.stat().st_size}
    assert not {name for name in left if name.endswith(("-wal", "-shm"))}, "the store was not closed"

    runtime = build(Settings(database_url=f"sqlite:///{tmp_path}/m.db", demo=False))
    try:
        status = runtime.services.training.status(run_id)
        assert (status.state, status.version) == ("cancelled", None)
        assert status.ended_at is not None
        assert [rated.rating for rated in runtime.services.library.user_ratings("late")] == [4.5]
    finally:
        runtime.database.close()
