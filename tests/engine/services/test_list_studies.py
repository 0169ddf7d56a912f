"""Studies that aim at lists, from the start to a training with their result."""

from __future__ import annotations

from threading import Event

import pytest

from engine.models.registry import configure
from engine.runtime import Runtime
from engine.services.training import TrainingService
from engine.training import list_trials
from tests.engine.services.conftest import fill, finished, wait_for
from tests.engine.services.studies import ended, hold


@pytest.fixture
def filled(runtime: Runtime) -> Runtime:
    fill(runtime, 80)
    return runtime


def test_a_study_can_aim_at_lists(filled: Runtime) -> None:
    studies = filled.services.tuning
    study_id = studies.start("svd", trials=6, folds=3, minutes=5, goal="ndcg_at_k")
    study = ended(filled, study_id)
    assert (study.state, study.goal, study.error, study.trials_done) == ("succeeded", "ndcg_at_k", None, 6)
    first = study.history[0]
    assert first.defaults
    assert set(first.hyperparameters) == {one.name for one in studies.search_space("svd", "ndcg_at_k")}
    assert [fold.epochs for fold in first.folds] == [None] * 3
    assert first.value == pytest.approx(sum(fold.value for fold in first.folds) / 3)
    values = [trial.value for trial in study.history if trial.value is not None]
    assert study.best is not None
    assert study.best.value == max(values)
    if study.best.number:
        assert study.evidence is not None
        assert study.evidence.held_out is not None
        assert study.evidence.difference.value >= study.evidence.difference.baseline
        assert "NDCG@10" in study.evidence.text
    assert studies.studies() == [study]


def test_a_study_of_lists_that_is_resumed_goes_on_as_it_was(filled: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial that was cut short comes out as in a study that was not, and the defaults are not chosen again."""
    there, release = hold(monkeypatch)
    studies = filled.services.tuning
    study_id = studies.start("svd", trials=2, folds=2, minutes=5, goal="ndcg_at_k")
    assert there.wait(60)
    studies.stop(study_id)
    release.set()
    stopped = ended(filled, study_id)
    assert (stopped.state, stopped.trials_done) == ("stopped", 1)
    monkeypatch.undo()
    monkeypatch.setattr(list_trials, "choose_ranking", None)
    studies.resume(study_id)
    resumed = ended(filled, study_id)
    assert (resumed.state, resumed.error) == ("succeeded", None)
    monkeypatch.undo()
    whole = ended(filled, studies.start("svd", trials=2, folds=2, minutes=5, goal="ndcg_at_k"))
    assert resumed.history[2].hyperparameters == whole.history[1].hyperparameters
    assert [resumed.history[n].value for n in (0, 2)] == [trial.value for trial in whole.history]
    compared = [None if study.evidence is None else study.evidence.held_out for study in (resumed, whole)]
    assert compared[0] == compared[1]


def test_a_version_is_trained_with_the_settings_of_a_trial(filled: Runtime) -> None:
    studies = filled.services.tuning
    study = ended(filled, studies.start("svd", trials=3, folds=2, minutes=5, goal="ndcg_at_k"))
    run = finished(filled, studies.train_with(study.study_id, "never", trial=1))
    assert run.error is None
    wanted = study.history[1].hyperparameters
    assert run.ranker | wanted == run.ranker
    assert run.ranker["method"] == "ease"
    assert run.hyperparameters == configure("svd", {}).model_dump(mode="json")
    version = filled.services.versions.get(run.version or 0)
    assert version.ranker | wanted == version.ranker
    assert not [name for name in version.automatic if name.startswith("ranker.") and name != "ranker.max_movies"]
    assert version.note == f"Settings of lists of trial 1 of study {study.study_id}."


def test_a_study_of_lists_waits_for_a_training_before_it_fits_its_model(
    filled: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Event()
    training.set()
    monkeypatch.setattr(TrainingService, "current", lambda self: object() if training.is_set() else None)
    studies = filled.services.tuning
    study_id = studies.start("svd", trials=2, folds=2, minutes=5, goal="ndcg_at_k")
    wait_for(lambda: studies.status(study_id).stage.startswith("Waiting for a training"))
    assert not studies.status(study_id).history
    training.clear()
    assert ended(filled, study_id).state == "succeeded"
