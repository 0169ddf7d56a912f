"""Studies: tried, stopped, resumed, judged, trained with; and what a crash leaves."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from itertools import count
from threading import Event, current_thread
from typing import Any

import optuna
import pytest

from engine.errors import InvalidInput, NotReady, TrainingDiverged, TuningBusy, UnknownStudy
from engine.models.registry import configure
from engine.runtime import Runtime, build
from engine.services import trials
from engine.services.training import TrainingService
from engine.services.trials import FOLDS, SECONDS, Going, seconds_of, unpack
from engine.settings import Settings
from engine.training import search
from engine.training.rating_trials import RatingTrials
from engine.training.tuning import FoldResult
from store.notices import NoticeStore
from store.studies import TuningStore
from tests.engine.services.conftest import QUICK, fill, finished, wait_for
from tests.engine.services.studies import ended, hold


@pytest.fixture
def filled(runtime: Runtime) -> Runtime:
    fill(runtime, 80)
    return runtime


def test_a_study_tries_the_defaults_first_and_ends_with_evidence(filled: Runtime) -> None:
    studies = filled.services.tuning
    study_id = studies.start("svd", trials=6, folds=3, minutes=5)
    study = ended(filled, study_id)
    assert (study.state, study.stage, study.error) == ("succeeded", "All trials are done", None)
    assert study.trials_done == len(study.history) == 6
    first = study.history[0]
    assert first.defaults
    assert first.state == "complete"
    assert first.hyperparameters == {"factors": 8, "learning_rate": 0.02, "regularization": 0.025}
    assert len(first.folds) == 3
    assert first.value == pytest.approx(sum(fold.value for fold in first.folds) / 3)
    assert study.best is not None
    assert study.best.value == min(trial.value for trial in study.history if trial.value is not None)
    assert 0 < study.used_s < study.budget_s
    if study.best.number:
        assert study.evidence is not None
        assert study.evidence.held_out is not None
        assert study.evidence.difference.value <= study.evidence.difference.baseline
    assert "has ended" in filled.services.inbox.notices()[0].text
    assert studies.studies() == [study] == [studies.status()]
    assert studies.studies(before=study_id) == []
    assert studies.studies(before=study_id + 1) == [study]
    assert studies.current() is None
    assert filled.database.check() == []


def test_equal_seeds_try_the_same(filled: Runtime) -> None:
    tried = []
    for seed in (1, 1, 2):
        study = ended(filled, filled.services.tuning.start("svd", trials=4, folds=2, minutes=5, seed=seed))
        tried.append([(trial.hyperparameters, trial.value) for trial in study.history])
    assert tried[0] == tried[1] != tried[2]


def test_a_study_is_stopped_and_resumed(filled: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    there, release = hold(monkeypatch)
    studies = filled.services.tuning
    study_id = studies.start("svd", trials=3, folds=2, minutes=5)
    assert there.wait(60)
    running = studies.status(study_id)
    assert (running.state, running.trials_done, running.history[1].state) == ("running", 1, "running")
    assert running.eta_s is not None
    with pytest.raises(TuningBusy, match=f"Study {study_id}"):
        studies.start("svd")
    with pytest.raises(TuningBusy):
        studies.resume(study_id)
    studies.stop(study_id)
    release.set()
    stopped = ended(filled, study_id)
    assert (stopped.state, stopped.trials_done, stopped.evidence) == ("stopped", 1, None)
    cut_short = stopped.history[1]
    assert (cut_short.state, cut_short.reason) == ("failed", None)
    studies.stop(study_id)  # one that has ended stays as it is
    assert studies.status(study_id).state == "stopped"

    monkeypatch.undo()
    studies.resume(study_id)
    done = ended(filled, study_id)
    assert (done.state, done.trials_done) == ("succeeded", 3)
    assert done.history[2].hyperparameters == cut_short.hyperparameters  # what was cut short is tried again
    assert done.used_s > stopped.used_s
    with pytest.raises(InvalidInput, match="3 of 3 trials are done") as refused:
        studies.resume(study_id)
    assert refused.value.field == "trials"
    studies.resume(study_id, trials=4)
    assert ended(filled, study_id).trials_done == 4


def test_a_study_goes_on_without_who_was_forgotten(filled: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    there, release = hold(monkeypatch)
    finished(filled, filled.services.training.train_model("svd", QUICK))  # something serves
    studies, key = filled.services.tuning, 3
    study_id = studies.start("svd", trials=3, folds=2, minutes=5)
    assert there.wait(60)
    filled.services.ratings.forget("u3")
    release.set()
    study = ended(filled, study_id)
    assert (study.state, study.trials_done, study.error) == ("succeeded", 3, None)
    assert [(trial.state, trial.reason) for trial in study.history[:2]] == [("complete", None), ("failed", None)]
    assert study.history[2].hyperparameters == study.history[1].hyperparameters
    tunings = TuningStore(filled.database)
    kept = [tunings.errors(study_id, trial.number) for trial in study.history[2:]]
    judged = [unpack(errors, "rmse").users for errors in kept if errors is not None]
    assert judged
    assert all(key not in users for users in judged)


def test_defaults_that_were_cut_short_are_tried_again_as_such(filled: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    there, release = hold(monkeypatch, trial=0)
    studies = filled.services.tuning
    study_id = studies.start("svd", trials=2, folds=2, minutes=5)
    assert there.wait(60)
    studies.stop(study_id)
    release.set()
    assert ended(filled, study_id).history[0].state == "failed"
    studies.resume(study_id)
    done = ended(filled, study_id)
    assert [(trial.state, trial.defaults) for trial in done.history[:2]] == [("failed", True), ("complete", True)]
    assert done.trials_done == 2


def test_what_a_killed_process_left_is_stopped_and_tried_again(
    filled: Runtime, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends with a trial under way and the study running."""
    study_id = filled.services.tuning.start("svd", trials=2, folds=2, minutes=5)
    ended(filled, study_id)
    filled.stop()
    cut = build(settings)
    tunings = TuningStore(cut.database)
    record = tunings.get(study_id)
    study = optuna.load_study(storage=tunings.storage(), study_name=record.study_name)
    numbers = configure("svd", study.trials[0].params)
    lost = study.ask(search.distributions(cut.services.tuning.search_space("svd"), numbers))
    tunings.change(study_id, state="running", trials=3)
    tunings.close()
    cut.database.close()

    again = build(settings)
    again.start()
    try:
        found = again.services.tuning.status(study_id)
        assert (found.state, found.trials_done) == ("stopped", 2)
        assert "Marquee was stopped during study" in again.services.inbox.notices()[0].text
        again.services.tuning.resume(study_id)
        done = ended(again, study_id)
        assert (done.state, done.trials_done, done.history[2].state) == ("succeeded", 3, "failed")
        assert done.history[3].hyperparameters == pytest.approx(lost.params)
    finally:
        again.stop()


def test_a_study_ends_within_its_time(filled: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = count()

    def used(going: Going) -> float:
        """Its own clock goes on by 0.05 s each time that the study looks at it, and not when others do."""
        return going.used_before + 0.05 * (next(looks) if current_thread().name == "tuning" else 0)

    monkeypatch.setattr(Going, "used", used)
    study = ended(filled, filled.services.tuning.start("svd", trials=1000, folds=2, minutes=0.1))
    assert (study.state, study.stage) == ("succeeded", "The time is used up")
    assert study.used_s <= study.budget_s + 0.1
    assert 1 <= study.trials_done < 1000
    with pytest.raises(InvalidInput, match="minutes are used") as refused:
        filled.services.tuning.resume(study.study_id)
    assert refused.value.field == "minutes"


def test_a_trial_that_diverges_is_one_that_failed(filled: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    measure, begun = RatingTrials.measure, []

    def diverge(*args: Any) -> Any:
        begun.append(args)
        if len(begun) == 2:
            raise TrainingDiverged("The loss became infinite.")
        return measure(*args)

    monkeypatch.setattr(RatingTrials, "measure", diverge)
    study = ended(filled, filled.services.tuning.start("svd", trials=3, folds=2, minutes=5))
    assert (study.state, study.trials_done) == ("succeeded", 3)
    assert (study.history[1].state, study.history[1].reason) == ("failed", "The loss became infinite.")


def test_a_fault_ends_the_study_with_its_reason_and_the_next_one_works(
    filled: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*args: Any) -> Any:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(RatingTrials, "measure", break_down)
    studies = filled.services.tuning
    study = ended(filled, studies.start("svd", trials=2, folds=2, minutes=5))
    assert study.state == "failed"
    assert "out of luck" in str(study.error)
    assert filled.services.inbox.notices()[0].level == "error"
    monkeypatch.undo()
    studies.resume(study.study_id)
    assert ended(filled, study.study_id).state == "succeeded"


def test_a_study_ordered_while_the_one_before_is_ending_is_not_lost(
    filled: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end is stored, but the worker has yet to let go of it."""
    studies, seen = filled.services.tuning, Event()
    tell = NoticeStore.add

    def tell_late(self: NoticeStore, *args: Any) -> None:
        assert seen.wait(30)
        tell(self, *args)

    monkeypatch.setattr(NoticeStore, "add", tell_late)
    first = studies.start("svd", trials=2, folds=2, minutes=5)
    wait_for(lambda: studies.status(first).state == "succeeded")
    second = studies.start("svd", trials=2, folds=2, minutes=5)
    seen.set()
    assert ended(filled, second).state == "succeeded"


def test_a_study_waits_for_a_training(filled: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    training = Event()
    training.set()
    monkeypatch.setattr(TrainingService, "current", lambda self: object() if training.is_set() else None)
    studies = filled.services.tuning
    study_id = studies.start("svd", trials=2, folds=2, minutes=5)
    wait_for(lambda: studies.status(study_id).stage.startswith("Waiting for a training"))
    training.clear()
    assert ended(filled, study_id).state == "succeeded"


def test_the_best_trial_is_trained_with_one_call(filled: Runtime) -> None:
    studies = filled.services.tuning
    study = ended(filled, studies.start("svd", trials=3, folds=2, minutes=5))
    assert study.best is not None
    run = finished(filled, studies.train_with(study.study_id, "never"))
    assert {name: run.hyperparameters[name] for name in study.best.hyperparameters} == study.best.hyperparameters
    assert filled.services.versions.get(run.version or 0).note.endswith(f"of study {study.study_id}.")
    run = finished(filled, studies.train_with(study.study_id, "never", trial=0))
    assert run.hyperparameters["factors"] == study.history[0].hyperparameters["factors"]
    with pytest.raises(InvalidInput, match="no trial 99"):
        studies.train_with(study.study_id, trial=99)


def test_trials_of_earlier_releases_are_read(filled: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their folds name the value ``rmse``."""

    def as_before(one: Any) -> dict[str, Any]:
        values = asdict(one)
        return {"rmse": values.pop("value")} | values if isinstance(one, FoldResult) else values

    monkeypatch.setattr(trials, "asdict", as_before)
    study = ended(filled, filled.services.tuning.start("svd", trials=2, folds=2, minutes=5))
    stored = optuna.load_study(storage=TuningStore(filled.database).storage(), study_name=f"svd study {study.study_id}")
    assert "rmse" in stored.trials[0].user_attrs[FOLDS][0]
    first = study.history[0]
    assert first.value == pytest.approx(sum(fold.value for fold in first.folds) / 2)


def test_orders_that_make_no_sense_are_refused(filled: Runtime) -> None:
    studies = filled.services.tuning
    for changes, field in (
        ({"trials": 1}, "trials"),
        ({"folds": 1}, "folds"),
        ({"minutes": 0}, "minutes"),
        ({"minutes": float("nan")}, "minutes"),
        ({"seed": -1}, "seed"),
        ({"kind": "oracle"}, "model"),
        ({"kind": "oracle", "goal": "ndcg_at_k"}, "model"),
        ({"goal": "mae"}, "goal"),
    ):
        with pytest.raises(InvalidInput) as refused:
            studies.start(**changes)  # type: ignore[arg-type]
        assert refused.value.field == field
    for ask in (studies.status, studies.stop, studies.resume, studies.train_with):
        with pytest.raises(UnknownStudy):
            ask(99)
    with pytest.raises(UnknownStudy, match="Start one"):
        studies.status()


def test_without_ratings_there_is_nothing_to_search(runtime: Runtime) -> None:
    with pytest.raises(NotReady, match="Import"):
        runtime.services.tuning.start()


def test_closing_stops_the_study(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    there, release = hold(monkeypatch)
    runtime = build(settings)
    runtime.start()
    fill(runtime)
    study_id = runtime.services.tuning.start("svd", trials=50, folds=2, minutes=5)
    assert there.wait(60)
    release.set()
    runtime.stop()
    again = build(settings)
    again.start()
    try:
        assert again.services.tuning.status(study_id).state == "stopped"
    finally:
        again.stop()


def test_how_long_a_trial_took_does_not_follow_the_clock() -> None:
    """Optuna notes times of the clock; a jump of it in a trial would have used a study's time up for good."""
    times = {"datetime_start": datetime(2026, 1, 1), "datetime_complete": datetime(2027, 2, 5)}
    trial = optuna.trial.create_trial(value=1.0, user_attrs={SECONDS: 12.5})
    trial.datetime_start, trial.datetime_complete = times.values()
    assert seconds_of(trial) == 12.5
