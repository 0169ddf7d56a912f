"""Another program has the store locked: requests are told so, and trainings, studies and imports wait for it to end."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from engine.data.plan import ImportOptions
from engine.errors import StoreLocked, StoreNotWritable
from engine.runtime import Runtime, build
from engine.services.import_task import Import
from engine.services.storing import in_words
from engine.services.uploads import UploadedFile
from engine.settings import Settings
from pages.ui.page import show_unexpected
from sidecar.app import create_api
from store.connections import PRAGMAS
from store.errors import StoreReadOnly
from tests.engine.services.conftest import QUICK, fill, finished, wait_for
from tests.sidecar.client import Client
from tests.store.locker import Locker, locked

TRIES = 4


@pytest.fixture
def brief(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    """Started, without ratings; a write waits for a tenth of a second where it is five otherwise."""
    monkeypatch.setitem(PRAGMAS, "busy_timeout", 100)
    monkeypatch.setattr("store.patience.AGAIN_S", 0.001)
    built = build(settings)
    built.start()
    yield built
    built.stop()


def lock_before(runtime: Runtime, patch: pytest.MonkeyPatch, target: Any, name: str) -> list[int]:
    """Lock the store when this is first called; another program lets go after several writes have been tried."""
    tries: list[int] = []
    call, hand_over = getattr(target, name), runtime.database._submit
    lockers: list[Locker] = []

    def counted(*args: Any) -> Any:
        if lockers:
            tries.append(1)
            if len(tries) == TRIES:
                lockers[0].let_go()
        return hand_over(*args)

    def locks_first(*args: Any, **options: Any) -> Any:
        if not lockers:
            lockers.append(Locker(runtime.database.path, "PRAGMA busy_timeout = 20000"))
        return call(*args, **options)

    patch.setattr(runtime.database, "_submit", counted)
    patch.setattr(target, name, locks_first)
    return tries


REQUESTS: dict[str, Callable[[Client], Any]] = {
    "rate": lambda client: client.post("/rate", json={"user_id": "u1", "movie_id": "m1", "rating": 2}),
    "unrate": lambda client: client.request("DELETE", "/rate/u1/m1"),
    "forget": lambda client: client.request("DELETE", "/users/u2"),
    "train": lambda client: client.post("/ml/train", json={"model": "svd", "hyperparameters": QUICK}),
    "tune": lambda client: client.post("/ml/tuning", json={"model": "svd", "trials": 2, "folds": 2}),
    "import": lambda client: client.post("/data/imports", json={"source": "demo"}),
    "read notices": lambda client: client.post("/notices/read", json={}),
}


def test_requests_are_told_what_is_the_matter_and_nothing_is_lost(brief: Runtime) -> None:
    fill(brief)
    assert finished(brief, brief.services.training.train_model("svd", QUICK)).state == "succeeded"
    brief.services.ratings.rate("u1", "m1", 3.0)
    client = Client(create_api(brief.settings))
    held = brief.services.library.user_ratings("u1")
    with locked(brief.database.path):
        for name, request in REQUESTS.items():
            answer = request(client)
            assert (name, answer.status_code, answer.json().get("code")) == (name, 503, "store_locked")
            assert "Another program has the store locked" in answer.json()["detail"]
            assert "Nothing is lost" in answer.json()["detail"]
            assert answer.headers["retry-after"] == "5"
        assert client.get("/ml/recommendations/u1").status_code == 200
        assert client.get("/data/statistics").status_code == 200
        assert client.get("/health/ready").status_code == 200
    assert brief.services.library.user_ratings("u1") == held
    answer = REQUESTS["rate"](client)
    assert (answer.status_code, answer.json()["previous_rating"]) == (200, 3.0)


def test_a_training_waits(brief: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of it, and before its first step."""
    fill(brief)
    training, trainer = brief.services.training, brief.services.training.trainer
    for target, name in (("engine.services.trainer", "learn"), (trainer, "_begin"), (trainer, "_save")):
        with monkeypatch.context() as patch:
            where = __import__(target, fromlist=[name]) if isinstance(target, str) else target
            tries = lock_before(brief, patch, where, name)
            run = finished(brief, training.train_model("svd", QUICK))
            assert (run.state, run.error) == ("succeeded", None)
            assert len(tries) >= TRIES


def test_a_training_that_fails_waits_to_say_so(brief: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise LookupError("oops")

    fill(brief)
    monkeypatch.setattr("engine.services.trainer.learn", broken)
    lock_before(brief, monkeypatch, brief.services.training.trainer, "_fail")
    run = finished(brief, brief.services.training.train_model("svd", QUICK))
    assert (run.state, run.error) == ("failed", "An unexpected error ended the run: LookupError: oops")


def test_a_study_waits(brief: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(brief)
    tuning = brief.services.tuning
    tries = lock_before(brief, monkeypatch, tuning, "_search")
    study_id = tuning.start("svd", 2, 2)
    wait_for(lambda: tuning.status(study_id).state.is_finished)
    assert (tuning.status(study_id).state, tuning.status(study_id).error) == ("succeeded", None)
    assert len(tries) >= TRIES


def test_an_import_and_the_first_training_after_it_wait(brief: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    imports, training = brief.services.imports, brief.services.training
    text = "user,movie,rating,time\n" + "".join(f"u{n % 7},m{n},{1 + n % 5},{10**9 + n}\n" for n in range(60))
    with monkeypatch.context() as patch:
        tries = lock_before(brief, patch, Import, "write")
        lock_again = lock_before(brief, patch, training, "train_model")
        job_id = imports.import_files(
            [UploadedFile("mine.csv", io.BytesIO(text.encode()))], ImportOptions(scale=[0.5, 5.0])
        )
        wait_for(lambda: imports.job(job_id).state.is_finished)
        job = imports.job(job_id)
        assert (job.state, job.error) == ("succeeded", None)
        assert job.result is not None
        assert job.result.ratings_added == 60
        assert min(len(tries), len(lock_again)) >= TRIES
    assert [run.actor for run in training.runs()] == ["marquee"]


def test_marquee_stops_although_a_training_waits(brief: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waited is marked at the next start."""
    fill(brief)
    reached: list[int] = []
    step = brief.services.training.trainer._listener

    def told(*args: Any) -> Any:
        reached.append(1)
        return step(*args)

    monkeypatch.setattr(brief.services.training.trainer, "_listener", told)
    run_id = brief.services.training.train_model("svd", {**QUICK, "epochs": 100})
    wait_for(lambda: bool(reached))
    with locked(brief.database.path):
        brief.stop()
    again = build(brief.settings)
    try:
        again.start()
        assert again.services.training.status(run_id).state == "failed"
    finally:
        again.stop()


def test_whatever_meets_a_lock_tells_it(brief: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nothing was to be written: no page and no answer calls that an error of Marquee's."""
    errors: list[str] = []
    monkeypatch.setattr("pages.ui.page.st.error", lambda text, icon: errors.append(text))
    with (
        locked(brief.database.path),
        pytest.raises(Exception, match="locked") as raised,
        brief.database._engine.connect() as connection,
    ):
        connection.exec_driver_sql("DELETE FROM notices")
    assert isinstance(in_words(raised.value), StoreLocked)
    show_unexpected(raised.value)
    assert "Another program has the store locked" in errors[0]
    monkeypatch.setattr(brief.services.library, "statistics", lambda: raise_(raised.value))
    answer = Client(create_api(brief.settings)).get("/data/statistics")
    assert (answer.status_code, answer.json()["code"]) == (503, "store_locked")
    assert isinstance(in_words(StoreReadOnly("no")), StoreNotWritable)
    assert in_words(LookupError("oops")) is None
    assert in_words(StoreLocked("known")) is None


def raise_(error: Exception) -> None:
    raise error
