"""The end of a run, a study and an import is stored once the disk takes it; what waits behind goes on."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import DiskFull, StoreFailing
from engine.runtime import Runtime
from engine.services.tuning import TuningService
from store.records import RunRecord
from store.runs import RunStore
from tests.engine.services.conftest import QUICK, finished, wait_for
from tests.store.faults import Disk, disk_of

ERRORS = {"full": (DiskFull, "no space left"), "broken": (StoreFailing, "fails to read or write")}


def row(runtime: Runtime, run_id: int) -> RunRecord:
    return RunStore(runtime.database).get(run_id)


def notices_of(runtime: Runtime, run_id: int) -> list[Any]:
    return [one for one in runtime.services.inbox.notices(500) if one.details.get("run_id") == run_id]


def hold_stage(runtime: Runtime, monkeypatch: pytest.MonkeyPatch, disk: Disk, kind: str, words: str) -> None:
    """Let the disk fail from the moment at which a run says these words."""
    stage = RunStore.stage

    def fails_after(self: RunStore, run_id: int, text: str) -> None:
        stage(self, run_id, text)
        if words in text and disk.kind is None:
            disk.kind = kind
            monkeypatch.setattr(RunStore, "stage", stage)

    monkeypatch.setattr(RunStore, "stage", fails_after)


def check_run(runtime: Runtime, disk: Disk, kind: str, run_id: int, behind: int) -> None:
    """While writes fail the run has ended in truth; afterwards its end is stored and the queue goes on."""
    training, (error, told) = runtime.services.training, ERRORS[kind]
    wait_for(lambda: training.status(run_id).state == "failed")
    assert told in str(training.status(run_id).error)
    assert row(runtime, run_id).state == "running"
    current = training.current()
    assert current is not None
    assert current.run_id == behind
    training.cancel(run_id)
    with pytest.raises(error):
        training.train_model("svd", QUICK, queue=True)
    disk.kind = None
    assert finished(runtime, behind).state == "succeeded"
    wait_for(lambda: row(runtime, run_id).state == "failed")
    assert told in str(row(runtime, run_id).error)
    assert [one.level for one in notices_of(runtime, run_id)] == ["error"]
    assert training.counts() == {"succeeded": 2, "failed": 1}
    assert finished(runtime, training.train_model("svd", QUICK, "never")).state == "succeeded"


@pytest.mark.parametrize("kind", ERRORS)
def test_a_disk_that_fails_while_a_version_is_saved(
    trained: Runtime, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    with disk_of(trained.database) as disk:
        hold_stage(trained, monkeypatch, disk, kind, "Saving")
        run_id = trained.services.training.train_model("svd", QUICK, "never")
        behind = trained.services.training.train_model("svd", QUICK, "never", queue=True)
        check_run(trained, disk, kind, run_id, behind)
        assert trained.services.versions.list()[0].state == "ready"


@pytest.mark.parametrize(
    ("words", "spared"),
    [
        ("Reading", 0),
        ("Reading", 3),
        ("Saving", 3),
        ("Saving", 10),
        *(pytest.param(words, spared, marks=pytest.mark.long) for words in ("Reading", "Saving") for spared in (1, 6)),
    ],
)
def test_a_disk_that_fails_at_any_write_of_a_run(
    trained: Runtime, monkeypatch: pytest.MonkeyPatch, words: str, spared: int
) -> None:
    with disk_of(trained.database) as disk:
        disk.spared = spared
        hold_stage(trained, monkeypatch, disk, "broken", words)
        run_id = trained.services.training.train_model("svd", QUICK, "never")
        behind = trained.services.training.train_model("svd", QUICK, "never", queue=True)
        check_run(trained, disk, "broken", run_id, behind)


def test_a_queue_that_could_not_be_read_is_looked_at_again(trained: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    training, start = trained.services.training, RunStore.start
    with disk_of(trained.database) as disk:

        def fails(self: RunStore, run_id: int) -> None:
            disk.kind, disk.spared = "full", 0
            start(self, run_id)

        monkeypatch.setattr(RunStore, "start", fails)
        run_id = training.train_model("svd", QUICK, "never")
        wait_for(lambda: training.trainer._overlooked)
        assert training.status(run_id).state == "queued"
        monkeypatch.undo()
        disk.kind = None
        assert finished(trained, run_id).state == "succeeded"


@pytest.mark.parametrize("kind", ERRORS)
def test_a_study_on_a_disk_that_fails(trained: Runtime, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    tuning, go_on = trained.services.tuning, TuningService._go_on
    with disk_of(trained.database) as disk:

        def fails(*args: Any) -> str:
            disk.kind = kind
            return go_on(*args)

        monkeypatch.setattr(TuningService, "_go_on", fails)
        study_id = tuning.start("svd", trials=2, folds=2)
        wait_for(lambda: tuning.status(study_id).state == "failed")
        assert ERRORS[kind][1] in str(tuning.status(study_id).error)
        assert tuning._tunings.get(study_id).state == "running"
        assert tuning.current() is None
        with pytest.raises(ERRORS[kind][0]):
            tuning.start("svd", trials=2, folds=2)
        monkeypatch.undo()
        disk.kind = None
        wait_for(lambda: tuning._tunings.get(study_id).state == "failed")
        told = [one for one in trained.services.inbox.notices(500) if one.details.get("study_id") == study_id]
        assert [one.level for one in told] == ["error"]
        tuning.resume(study_id)
        wait_for(lambda: tuning.status(study_id).state == "succeeded")
