"""Training runs: what they leave behind, how they end, and that only one goes at a time."""

from __future__ import annotations

from threading import Event
from typing import Any

import numpy as np
import pytest

from engine.errors import (
    InvalidHyperparameter,
    InvalidInput,
    NotReady,
    TrainingBusy,
    UnknownRun,
    UnknownVersion,
)
from engine.models.svd import MatrixFactorizationModel
from engine.runtime import Runtime, build
from engine.services.run_log import past_runs
from engine.services.training import LOADING
from engine.settings import Settings
from engine.training.steps import steps_of
from store.errors import StoreFull
from store.ratings import RatingStore
from store.runs import RunStore
from store.versions import MLModelManager
from tests.engine.services.conftest import QUICK, fill, finished, wait_for

WILD = {"factors": 200, "learning_rate": 1, "regularization": 0, "epochs": 100}


def test_a_run_trains_evaluates_saves_and_serves(just_trained: Runtime) -> None:
    trained = just_trained
    status = trained.services.training.status()
    assert (status.state, status.version, status.stage) == ("succeeded", 1, "Done")
    assert (status.progress, status.eta_s) == (None, None)
    assert trained.services.versions.served_before() is None
    assert [epoch.epoch for epoch in status.history] == list(range(1, len(status.history) + 1))
    assert all(epoch.validation_rmse is not None for epoch in status.history)
    assert status.history[-1].train_loss < status.history[0].train_loss
    assert status.metrics is not None
    for name in ("rmse", "mae", "precision_at_k", "recall_at_k", "ndcg_at_k", "coverage", "interval_coverage"):
        assert status.metrics[name].low <= status.metrics[name].value <= status.metrics[name].high
    assert "first version" in str(status.verdict)
    (version,) = trained.services.versions.list()
    assert (version.version, version.active, version.ratings, version.users) == (1, True, 1500, 60)
    assert [notice.topic for notice in trained.services.inbox.notices()] == ["training"]


def test_the_served_version_has_learned_every_rating(trained: Runtime) -> None:
    stored = MLModelManager(trained.database).load_model()
    loaded = RatingStore(trained.database).load()
    learned = stored.arrays["rating/user_bias"]
    assert len(learned) == len(np.unique(loaded.users)) == 60
    assert (learned != 0).all()


def test_equal_data_seed_and_settings_give_equal_hashes(just_trained: Runtime) -> None:
    training, models = just_trained.services.training, MLModelManager(just_trained.database)
    again = finished(just_trained, training.train_model("svd", QUICK, "never"))
    first, second = models.load_model(1), models.load_model(again.version)
    assert first.arrays.keys() == second.arrays.keys() >= {"rating/user_bias", "ranker/weights"}
    for name, array in first.arrays.items():
        assert second.arrays[name].tobytes() == array.tobytes(), name


def test_a_second_run_is_refused_while_one_goes(trained: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    going, release = hold_epochs(monkeypatch)
    training = trained.services.training
    run_id = training.train_model("svd", QUICK)
    assert going.wait(30)
    with pytest.raises(TrainingBusy, match=f"run {run_id}") as refused:
        training.train_model("svd", QUICK)
    assert refused.value.run_id == run_id
    current = training.current()
    assert current is not None
    assert current.run_id == run_id
    release.set()
    assert finished(trained, run_id).state == "succeeded"
    assert training.current() is None


def test_cancelling_ends_the_run_and_leaves_the_active_version(
    trained: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    going, release = hold_epochs(monkeypatch)
    training = trained.services.training
    run_id = training.train_model("svd", QUICK)
    assert going.wait(30)
    training.cancel(run_id)
    release.set()
    status = finished(trained, run_id)
    assert (status.state, status.version) == ("cancelled", None)
    assert trained.services.serving.active_version() == 1
    assert len(trained.services.versions.list()) == 1
    training.cancel(run_id)  # a run that has ended stays as it is
    assert training.status(run_id).state == "cancelled"


def hold_epochs(monkeypatch: pytest.MonkeyPatch) -> tuple[Event, Event]:
    """Makes training wait in its first epoch: an event that tells it is there, and one that lets it go on."""
    going, release = Event(), Event()
    epochs = MatrixFactorizationModel.epochs

    def held(self: MatrixFactorizationModel, data: Any) -> Any:
        for loss in epochs(self, data):
            going.set()
            assert release.wait(30)
            yield loss

    monkeypatch.setattr(MatrixFactorizationModel, "epochs", held)
    return going, release


def test_a_run_that_diverges_fails_with_the_reason(trained: Runtime) -> None:
    status = finished(trained, trained.services.training.train_model("svd", WILD))
    assert status.state == "failed"
    assert "lower learning rate" in str(status.error)
    assert trained.services.serving.active_version() == 1
    assert trained.services.inbox.notices()[0].level == "error"
    after = finished(trained, trained.services.training.train_model("svd", QUICK))
    assert after.state == "succeeded"


def test_orders_that_make_no_sense_are_refused(trained: Runtime) -> None:
    training = trained.services.training
    with pytest.raises(InvalidInput, match="svd"):
        training.train_model("oracle")
    with pytest.raises(InvalidHyperparameter, match="factors is 0, but must be auto or a whole number from 1 to 1000"):
        training.train_model("svd", {"factors": 0})
    with pytest.raises(InvalidHyperparameter, match="no hyperparameter 'layers'"):
        training.train_model("svd", {"layers": 3})
    with pytest.raises(InvalidInput, match="if_better"):
        training.train_model("svd", {}, "perhaps")  # type: ignore[arg-type]
    with pytest.raises(UnknownRun):
        training.status(99)


def test_without_ratings_there_is_nothing_to_train_on(runtime: Runtime) -> None:
    with pytest.raises(NotReady, match="Import"):
        runtime.services.training.train_model()
    with pytest.raises(UnknownRun, match="Start one first"):
        runtime.services.training.status()


def test_one_person_with_a_handful_of_ratings_gets_a_version(runtime: Runtime) -> None:
    fill(runtime, n_users=1)
    status = finished(runtime, runtime.services.training.train_model("svd", QUICK))
    assert status.state == "succeeded", status.error
    assert len(runtime.services.recommendations.recommend("u0").items) == 10


def test_runs_wait_for_their_turn_and_go_in_order(trained: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    going, release = hold_epochs(monkeypatch)
    training = trained.services.training
    first = training.train_model("svd", QUICK)
    assert going.wait(30)
    second, third, fourth = (training.train_model("svd", QUICK, "never", queue=True) for _ in range(3))
    assert [run.run_id for run in training.queue()] == [second, third, fourth]
    assert training.status(second).state == "queued"
    with pytest.raises(TrainingBusy):
        training.train_model("svd", QUICK)
    training.cancel(third)
    assert training.status(third).state == "cancelled"
    release.set()
    runs = [finished(trained, run_id) for run_id in (first, second, fourth)]
    assert [run.state for run in runs] == ["succeeded"] * 3
    assert [run.version for run in runs] == [2, 3, 4]
    assert training.queue() == []
    assert training.status(third).version is None


def test_the_queue_has_an_end(trained: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.services.training.MAX_QUEUE", 1)
    going, release = hold_epochs(monkeypatch)
    training = trained.services.training
    training.train_model("svd", QUICK)
    assert going.wait(30)
    waiting = training.train_model("svd", QUICK, queue=True)
    with pytest.raises(TrainingBusy):
        training.train_model("svd", QUICK, queue=True)
    release.set()
    finished(trained, waiting)


def test_the_queue_survives_a_restart(trained: Runtime, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    going, release = hold_epochs(monkeypatch)
    training = trained.services.training
    first = training.train_model("svd", QUICK)
    assert going.wait(30)
    waiting = training.train_model("svd", QUICK | {"seed": 5}, "never", "ann", queue=True, note="after the restart")
    release.set()
    trained.stop()
    monkeypatch.undo()
    again = build(settings)
    again.start()
    try:
        assert again.services.training.status(first).state in ("cancelled", "succeeded")
        status = finished(again, waiting)
        assert (status.state, status.actor, status.seed) == ("succeeded", "ann", 5)
        assert again.services.versions.get(status.version or 0).note == "after the restart"
    finally:
        again.stop()


def test_a_run_tells_what_its_numbers_depend_on(trained: Runtime) -> None:
    status = trained.services.training.status(1)
    assert status.data_fingerprint == trained.services.versions.get(1).data_fingerprint
    assert {"python", "numpy", "scikit-surprise"} <= status.packages.keys()
    assert (status.peak_memory_bytes or 0) > 50e6
    assert (status.actor, status.seed, status.repeats, status.repeated) == ("you", 0, None, None)
    assert status.started_at is not None
    assert status.ended_at is not None
    failed = finished(trained, trained.services.training.train_model("svd", WILD))
    assert failed.state == "failed"
    assert failed.data_fingerprint == status.data_fingerprint
    assert failed.peak_memory_bytes is not None


def test_a_retraining_takes_the_hyperparameters_that_were_asked_for(trained: Runtime) -> None:
    training = trained.services.training
    status = finished(trained, training.retrain(activate="never"))
    assert status.hyperparameters == training.status(1).hyperparameters
    assert trained.services.versions.get(status.version or 0).note == "Retrained with the settings of version 1."
    with pytest.raises(UnknownVersion):
        training.retrain(9)


def test_without_a_version_nothing_is_retrained(runtime: Runtime) -> None:
    fill(runtime)
    with pytest.raises(NotReady, match="No version serves"):
        runtime.services.training.retrain()


def test_an_end_that_could_not_be_stored_blocks_no_later_run(trained: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    training = trained.services.training

    def full(self: RunStore, *args: Any, **kwargs: Any) -> None:
        raise StoreFull("no space")

    monkeypatch.setattr(RunStore, "finish", full)
    run_id = training.train_model("svd", WILD)
    wait_for(lambda: training.trainer.ends.numbers() == {run_id})
    assert "lower learning rate" in str(training.status(run_id).error)
    assert training.status(run_id).state == "failed"
    monkeypatch.undo()
    after = finished(trained, training.train_model("svd", QUICK, "never"))
    assert after.state == "succeeded"
    assert training.status(run_id).state == "failed"
    assert "lower learning rate" in str(training.status(run_id).error)


def test_a_version_that_was_saved_but_can_not_be_served_leaves_its_run_succeeded(
    trained: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(*args: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(trained.services.serving, "serve", out_of_memory)
    status = finished(trained, trained.services.training.train_model("svd", QUICK, "always"))
    assert (status.state, status.version) == ("succeeded", 2)
    wait_for(lambda: trained.services.inbox.notices()[0].level == "error")
    told = trained.services.inbox.notices()[0].text
    assert told.startswith("Training run 2 saved version 2, but could not finish.")
    assert "MemoryError" in told


def test_a_run_goes_on_until_its_version_serves(trained: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks in the moment between must not see a run that has ended beside the version from before."""
    training, serving = trained.services.training, trained.services.serving
    loading, release, serve = Event(), Event(), serving.serve

    def held(*args: Any) -> None:
        loading.set()
        assert release.wait(30)
        serve(*args)

    monkeypatch.setattr(serving, "serve", held)
    run_id = training.train_model("svd", QUICK, "always")
    assert loading.wait(60)
    current, listed = training.current(), training.runs(1)[0]
    assert current is not None
    assert (current.run_id, current.state, current.stage) == (run_id, "running", LOADING)
    assert (listed.state, serving.active_version()) == ("running", 1)
    assert (current.step, current.steps) == (9, 9)
    release.set()
    assert finished(trained, run_id).state == "succeeded"
    assert (training.current(), serving.active_version()) == (None, 2)


def test_a_run_keeps_what_its_steps_took_and_the_next_is_forecast_by_it(
    trained: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = trained.services.training
    (noted,) = past_runs(RunStore(trained.database).newest(), "svd")
    assert list(noted.seconds) == [step.name for step in steps_of("svd")]
    assert (noted.work.ratings, noted.epochs) == (1500, len(training.status(1).history))
    assert past_runs(RunStore(trained.database).newest(), "ncf") == []
    going, release = hold_epochs(monkeypatch)
    run_id = training.train_model("svd", QUICK, "never")
    assert going.wait(30)
    first, second = training.status(run_id), training.status(run_id)
    assert (first.step, first.steps) == (2, 9)
    assert first.progress is not None
    assert second.progress is not None
    assert 0 < first.progress < second.progress < 1
    assert first.eta_s is not None
    assert 0 < first.eta_s < 2 * sum(noted.seconds.values())
    release.set()
    ended = finished(trained, run_id)
    assert (ended.progress, ended.eta_s, ended.step, ended.steps) == (None, None, None, None)


def test_after_new_ratings_the_verdict_rests_on_what_was_held_out_both_times(trained: Runtime) -> None:
    """The lists of a third of the users are judged by other ratings than before, and left out."""
    services = trained.services
    for user in range(20):
        services.ratings.rate(f"u{user}", services.recommendations.recommend(f"u{user}", 1).items[0].movie_id, 4.0)
    judgement = finished(trained, trained.services.training.train_model("svd", QUICK)).judgement
    assert judgement is not None
    users = {one.metric: one.difference.users for one in judgement.evidence if one.role == "goal"}
    assert users["ndcg_at_k"] <= 40 < users["rmse"] == 60


def test_a_worse_version_is_rejected_and_the_run_keeps_what_that_rests_on(trained: Runtime) -> None:
    training = trained.services.training
    by_heart = {"epochs": 60, "factors": 60, "learning_rate": 0.1, "regularization": 0, "patience": 0}
    finished(trained, training.train_model("svd", by_heart, "always"))
    status = finished(trained, training.train_model("svd", QUICK))
    judgement = status.judgement
    assert judgement is not None
    assert (judgement.verdict, judgement.baseline) == ("REJECT", 2)
    assert trained.services.serving.active_version() == 2
    assert status.verdict == f"{judgement.text} Version 2 stayed active."
    assert {one.part for one in judgement.evidence if one.role == "guard"} >= {"light_users", "tail_movies"}
    assert training.runs()[0].judgement == judgement
    notice = trained.services.inbox.notices()[0]
    assert notice.details["verdict"] == "REJECT"
    old, new = notice.details["compared"]["rmse"]
    (goal,) = [one for one in judgement.evidence if (one.role, one.metric) == ("goal", "rmse")]
    assert (old, new) == (goal.difference.baseline, goal.difference.value)
    assert notice.details["metrics"]["rmse"]["value"] > notice.details["before"]["rmse"]["value"]


def test_without_patience_the_served_model_has_as_many_epochs_as_the_judged_one(trained: Runtime) -> None:
    wild = {"epochs": 60, "factors": 8, "learning_rate": 0.05, "regularization": 0, "patience": 0}
    status = finished(trained, trained.services.training.train_model("svd", wild, "never"))
    version = trained.services.versions.get(status.version or 0)
    assert version.hyperparameters["epochs"] == len(status.history) == 60


def keys(runtime: Runtime) -> dict[str, int]:
    return {user: key for key, user in enumerate(RatingStore(runtime.database).user_ids())}


def test_closing_cancels_what_runs(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    going, release = hold_epochs(monkeypatch)
    runtime = build(settings)
    runtime.start()
    fill(runtime)
    run_id = runtime.services.training.train_model("svd", QUICK)
    assert going.wait(30)
    release.set()
    runtime.stop()
    again = build(settings)
    try:
        wait_for(lambda: again.services.training.status(run_id).state in ("cancelled", "succeeded"))
    finally:
        again.database.close()
