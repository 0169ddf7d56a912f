"""Trainings that are interrupted by a deleted user or a kill, and those repeated exactly."""

from __future__ import annotations

import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from engine.errors import (
    UnknownVersion,
    VersionUnavailable,
)
from engine.runtime import Runtime, build
from engine.settings import Settings
from store.ratings import RatingStore
from store.records import MovieRow
from store.runs import RunStore
from store.versions import MLModelManager
from tests.engine.services.conftest import QUICK, finished
from tests.engine.services.test_training_service import hold_epochs, keys

QUICK_NCF = {"epochs": 2, "factors": 4, "iterations": 2, "parts": 2, "networks": 1}


@pytest.mark.parametrize(("kind", "quick"), [("svd", QUICK), ("ncf", QUICK_NCF)])
def test_training_again_exactly_gives_every_array_bit_for_bit(
    trained: Runtime, kind: str, quick: dict[str, Any]
) -> None:
    training, versions = trained.services.training, trained.services.versions
    number = finished(trained, training.train_model(kind, quick, "never")).version or 0
    proof = finished(trained, training.train_again(number))
    assert (proof.state, proof.repeats, proof.repeated, proof.version) == ("succeeded", number, True, None)
    assert "all" in str(proof.verdict)
    assert "identical, bit for bit" in str(proof.verdict)
    assert trained.services.inbox.notices()[0].text == proof.verdict
    second = finished(trained, training.train_model(kind, quick, "never")).version or 0
    assert versions.get(number).digest == versions.get(second).digest
    assert finished(trained, training.train_model(kind, quick | {"seed": 1}, "never")).version is not None
    assert versions.get(number).digest != versions.list()[0].digest


def test_training_again_finds_what_differs(just_trained: Runtime) -> None:
    """The stored hash of one array is that of another."""
    just_trained.database.write(
        lambda connection: connection.exec_driver_sql(
            "UPDATE model_arrays SET sha256 = '00' WHERE version = 1 AND name = 'rating/user_bias'"
        )
    )
    proof = finished(just_trained, just_trained.services.training.train_again(1))
    assert (proof.state, proof.repeated) == ("succeeded", False)
    assert "arrays differ: rating/user_bias" in str(proof.verdict)
    assert just_trained.services.inbox.notices()[0].level == "warning"


def test_what_can_not_be_trained_again_says_why(just_trained: Runtime, settings: Settings) -> None:
    services, training = just_trained.services, just_trained.services.training
    with pytest.raises(UnknownVersion):
        training.train_again(9)
    with just_trained.services.version_files.export(1).stream as stream:
        imported = just_trained.services.version_files.import_file(stream)
    proof = finished(just_trained, training.train_again(imported))  # a file says what was asked for
    assert proof.repeated
    just_trained.services.versions.delete(imported)
    with pytest.raises(VersionUnavailable, match="it is deleted"):
        training.train_again(imported)
    services.ratings.forget("u1")
    with pytest.raises(VersionUnavailable, match="exactly: a person was deleted since"):
        training.train_again(1)


@pytest.mark.parametrize(("kind", "quick"), [("svd", QUICK), ("ncf", QUICK_NCF)])
def test_a_version_of_other_ratings_and_genres_is_trained_again_exactly(
    trained: Runtime, kind: str, quick: dict[str, Any]
) -> None:
    services = trained.services
    services.ratings.rate("u1", "m1", 0.5)
    services.ratings.unrate("u2", services.library.user_ratings("u2")[0].movie.movie_id)
    number = finished(trained, services.training.train_model(kind, quick, "never")).version or 0
    RatingStore(trained.database).add_movies([MovieRow("m1", "Other", 1950, ("Western",)), MovieRow("z", "New", 1, ())])
    services.serving.refresh()
    services.ratings.rate("somebody new", "z", 0.5)
    services.ratings.rate("u1", "m1", 4.5)
    services.ratings.rate("u2", "m3", 4.5)
    services.ratings.forget("somebody new")  # who came later, so that the version learned nothing of them
    proof = finished(trained, services.training.train_again(number))
    assert (proof.state, proof.repeats, proof.repeated, proof.error) == ("succeeded", number, True, None)


def test_what_a_version_learned_is_no_longer_kept(trained: Runtime) -> None:
    trained.services.ratings.rate("u1", "m1", 0.5)
    trained.database.write(
        lambda tx: tx.exec_driver_sql("UPDATE meta SET value = value + 1000 WHERE name = 'history'").rowcount
    )
    with pytest.raises(VersionUnavailable, match="exactly: what the ratings were then is no longer kept"):
        trained.services.training.train_again(1)


def test_who_is_forgotten_during_a_training_is_in_no_version_saved_after_that(
    trained: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    going, release = hold_epochs(monkeypatch)
    stages = told_stages(monkeypatch)
    training, key = trained.services.training, keys(trained)["u1"]
    run_id = training.train_model("svd", QUICK | {"patience": 0}, "always")
    assert going.wait(30)
    receipt = trained.services.ratings.forget("u1")
    assert receipt.versions == (1,)
    release.set()
    run = finished(trained, run_id)
    assert (run.state, run.version) == ("succeeded", 2), run.error
    assert [epoch.epoch for epoch in run.history] == list(range(1, 13))
    learned = trained.services.versions.get(2)
    assert (learned.users, learned.ratings, learned.state) == (59, 1475, "ready")
    assert run.data_fingerprint == learned.data_fingerprint
    arrays = MLModelManager(trained.database).load_model(2).arrays
    assert arrays["counts/users"][key] == 0
    for name in ("report/users", "report/error_users", "report/row/users"):
        assert key not in arrays[name], name
    assert trained.services.serving.active_version() == 2
    assert stages.count("Reading ratings") == 1
    assert "Restarted: a person was deleted. Reading ratings" in stages
    assert "Restarted: a person was deleted. Saving" in stages


def told_stages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words of every step of a run from now on."""
    stages: list[str] = []
    stage = RunStore.stage

    def told(self: RunStore, run_id: int, text: str) -> None:
        stages.append(text)
        stage(self, run_id, text)

    monkeypatch.setattr(RunStore, "stage", told)
    return stages


def test_who_is_forgotten_while_a_version_is_saved_is_not_in_it(
    trained: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two users, each when the run has looked for the last time whether somebody was forgotten."""
    save, left = MLModelManager.saving, ["u1", "u2"]

    def late(self: MLModelManager, **values: Any) -> AbstractContextManager[int]:
        if left:
            assert trained.services.ratings.forget(left.pop()).versions == (1,)
        return save(self, **values)

    monkeypatch.setattr(MLModelManager, "saving", late)
    training = trained.services.training
    run = finished(trained, training.train_model("svd", QUICK, "always"))
    assert run.state == "succeeded", run.error
    versions = trained.services.versions.list()
    assert [(version.users, version.state) for version in versions] == [(58, "ready"), (60, "ready")]
    with trained.database.read() as connection:
        held = connection.exec_driver_sql("SELECT DISTINCT version FROM model_chunks ORDER BY version").scalars().all()
    assert held == [1, run.version]


def test_who_came_after_a_training_began_is_forgotten_without_another_training(
    trained: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    going, release = hold_epochs(monkeypatch)
    stages = told_stages(monkeypatch)
    run_id = trained.services.training.train_model("svd", QUICK)
    assert going.wait(30)
    trained.services.ratings.rate("late", "m0", 5)
    trained.services.ratings.forget("late")
    release.set()
    run = finished(trained, run_id)
    assert (run.state, run.version) == ("succeeded", 2)
    assert not [stage for stage in stages if "Restarted" in stage]
    assert trained.services.versions.get(2).users == 60


def test_a_run_that_begins_anew_can_be_cancelled(trained: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    going, release = hold_epochs(monkeypatch)
    training = trained.services.training
    run_id = training.train_model("svd", QUICK)
    assert going.wait(30)
    trained.services.ratings.forget("u1")
    training.cancel(run_id)
    release.set()
    run = finished(trained, run_id)
    assert (run.state, run.version) == ("cancelled", None)
    assert [version.version for version in trained.services.versions.list()] == [1]


def test_training_again_exactly_ends_where_somebody_is_forgotten(
    trained: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    going, release = hold_epochs(monkeypatch)
    training = trained.services.training
    run_id = training.train_again(1)
    assert going.wait(30)
    trained.services.ratings.forget("u1")
    release.set()
    run = finished(trained, run_id)
    assert (run.state, run.repeated) == ("failed", None)
    assert "can't be trained again exactly: a person was deleted since" in str(run.error)


TRAIN_FOR_EVER = """
import sys
from engine.runtime import build
from engine.settings import Settings
runtime = build(Settings(database_url=sys.argv[1], demo=False))
runtime.start()
services, training = runtime.services, runtime.services.training
training.train_model("svd", {"epochs": 1000, "patience": 0})
while training.status().epoch < 3:
    pass
for n in range(100_000):
    services.ratings.rate(f"new {n % 50}", f"m{n % 80}", 1 + n % 4)
    print(n, flush=True)
"""


def test_a_kill_in_the_middle_of_a_training_loses_nothing(trained: Runtime, settings: Settings) -> None:
    """The earlier version serves, the run is marked failed with the reason, every acknowledged rating is there."""
    trained.stop()
    root = Path(__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", TRAIN_FOR_EVER, settings.database_url], stdout=subprocess.PIPE, text=True, cwd=root
    )
    assert process.stdout is not None
    last = -1
    for line in process.stdout:
        last = int(line)
        if last == 30:
            process.kill()
            break
    last = max([last, *(int(line) for line in process.stdout.read().split())])
    process.stdout.close()
    process.wait()

    again = build(settings)
    try:
        again.start()
        assert again.database.check() == []
        assert again.services.serving.active_version() == 1
        status = again.services.training.status()
        assert (status.run_id, status.state) == (2, "failed")
        assert "stopped during this run" in str(status.error)
        stored = {user: RatingStore(again.database).user_ratings(key) for user, key in keys(again).items()}
        for n in range(last + 1):
            ratings = stored[f"new {n % 50}"]
            movie = RatingStore(again.database).movie_key(f"m{n % 80}")
            assert movie in ratings.movies.tolist(), f"rating {n} was acknowledged and is gone"
        listed = again.services.recommendations.recommend("new 1")
        assert listed.ratings_count == len(stored["new 1"].movies)
        assert len(listed.items) == 10
    finally:
        again.stop()
