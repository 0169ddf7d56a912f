"""Studies of hyperparameters: started, stopped, resumed, and trained with; a crash loses no trial."""

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from threading import Lock
from typing import Any

import optuna

from engine.background import step_back
from engine.errors import (
    Cancelled,
    InvalidInput,
    MarqueeError,
    NotReady,
    TuningBusy,
    UnknownStudy,
    check_range,
)
from engine.models.list_settings import CHOSEN
from engine.models.rankers import METHOD
from engine.models.registry import SearchRange, check_trainable
from engine.services.ends import AGAIN_S, Ends
from engine.services.snapshots import Outdated, Snapshots
from engine.services.storing import in_words, stores
from engine.services.studies import Study, StudyReader
from engine.services.training import TrainingService
from engine.services.trials import Going, OutOfTime, Search, goal_of, settings_of
from engine.training import search
from engine.training.promotion import ActivationPolicy
from engine.training.tuning import GOALS, Goal
from store.connections import Transaction
from store.errors import NotStored, StoreError
from store.notices import Level, NoticeStore
from store.ratings import RatingStore
from store.records import StudyState, TuningRecord
from store.studies import TuningStore
from store.worker import Worker

log = logging.getLogger(__name__)

MAX_TRIALS, MIN_FOLDS, MAX_FOLDS, MAX_MINUTES = 1000, 2, 10, 7 * 24 * 60.0
MAX_STOP_S = 10
LOOK_S = 0.5
"""Seconds between checks whether the training that a study waits for has ended."""


@dataclass(frozen=True)
class StudyEnd:
    """End of a study, or of the stretch until a stop; ``ended_at`` in Unix seconds, ``used_s`` in seconds."""

    state: StudyState
    stage: str
    error: str | None
    used_s: float
    ended_at: float

    def applied_to(self, record: TuningRecord) -> TuningRecord:
        """The record as it will be stored."""
        return replace(record, **asdict(self))


@dataclass(eq=False)
class TuningService:
    """Starts, follows, stops and resumes studies. ``open`` and ``close`` frame the worker thread."""

    _ratings: RatingStore
    _snapshots: Snapshots
    _tunings: TuningStore
    _notices: NoticeStore
    _training: TrainingService
    _personal_from: int
    _clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self._ends = Ends(self._store_end, "study")
        self.worker: Worker[Going] = Worker(
            "tuning",
            self._work,
            begin=step_back,
            idle=self._ends.settle,
            every=AGAIN_S,
            died=self._give_up,
            waits=True,
        )
        self._starting = Lock()
        self._going: Going | None = None
        self._reader = StudyReader(self._tunings)

    def open(self) -> None:
        """Mark studies that a stopped process left unfinished, and start the worker."""
        for study_id in self._tunings.recover():
            text = f"Marquee was stopped during study {study_id}. Its trials are kept; resume it on the Tuning page."
            self._notices.add("warning", "tuning", text, {"study_id": study_id})
        self.worker.start()

    def close(self) -> None:
        """Stop the current study and wait for the worker, except for a long step."""
        if self._going is not None:
            self._going.stop.set()
        self.worker.stop(MAX_STOP_S)
        self._ends.settle()
        self._tunings.close()

    # -- asked by pages and routes -----------------------------------------------------------------------------------

    @stores
    def start(
        self,
        kind: str = "svd",
        trials: int = 20,
        folds: int = 3,
        minutes: float = 30.0,
        seed: int = 0,
        actor: str = "you",
        *,
        goal: Goal = "rmse",
    ) -> int:
        """Start a study in the background.

        Args:
            kind: a name of ``engine.models.registry.MODELS``.
            trials: number of sets of hyperparameters to try, the defaults first.
            folds: folds of the cross-validation; of users if lists are the goal.
            minutes: time budget, without stops.
            seed: start of the random numbers.
            actor: who asks.
            goal: the metric to improve: ``rmse`` by the model's hyperparameters, or ``ndcg_at_k`` by the settings of
                lists, with the model at its defaults.

        Returns:
            The number of the study.

        Raises:
            InvalidInput: names the field, the value and the range.
            TuningBusy: another study is in progress.
            NotReady: there are no ratings to learn from.
        """
        if goal not in GOALS:
            raise InvalidInput(f"goal is {goal!r}, but must be one of {', '.join(GOALS)}.", field="goal")
        if not search.space_of(goal, kind):
            what, field = (kind, "model") if goal == "rmse" else ("lists", "goal")
            raise InvalidInput(f"hyperparameters.toml defines no search space for {what}.", field=field)
        check_trainable(kind)
        check_range("trials", trials, 2, MAX_TRIALS)
        check_range("folds", folds, MIN_FOLDS, MAX_FOLDS)
        check_range("minutes", minutes, 0.1, MAX_MINUTES)
        check_range("seed", seed, 0, 2**32 - 1)
        with self._starting:
            self._check_free()
            study_id = self._tunings.create(kind, trials, folds, seed, minutes * 60, actor, goal)
            self._create(self._tunings.get(study_id))
            self._order(study_id)
        return study_id

    @stores
    def stop(self, study_id: int) -> None:
        """Stop a study after its current epoch; it can be resumed. One that has ended stays as it is.

        Raises:
            UnknownStudy: no study has this number.
        """
        self._record(study_id)
        going = self._going
        if going is not None and going.study_id == study_id:
            going.stop.set()
            self._tunings.change(study_id, stage="Stopping")

    @stores
    def resume(self, study_id: int, trials: int | None = None, minutes: float | None = None) -> None:
        """Resume a study.

        Args:
            study_id: its number.
            trials: new total of trials; None keeps it.
            minutes: new total of minutes; None keeps it.

        Raises:
            UnknownStudy: no study has this number.
            InvalidInput: no trials or no time are left.
            TuningBusy, NotReady: as ``start``.
        """
        record = self._record(study_id)
        trials, budget_s = trials or record.trials, minutes * 60 if minutes else record.budget_s
        done = self._study(record).trials_done
        check_range("trials", trials, done + 1, MAX_TRIALS, f"{done} of {record.trials} trials are done. ")
        used = f"{record.used_s / 60:.1f} of {record.budget_s / 60:.1f} minutes are used. "
        check_range("minutes", budget_s / 60, record.used_s / 60 + 0.1, MAX_MINUTES, used)
        with self._starting:
            self._check_free()
            self._ends.drop(study_id)
            self._tunings.change(
                study_id,
                trials=trials,
                budget_s=budget_s,
                state=StudyState.QUEUED,
                stage="Waiting",
                held_out=None,
                error=None,
            )
            self._order(study_id)

    def status(self, study_id: int | None = None) -> Study:
        """A study; without a number the current one, or else the newest.

        Raises:
            UnknownStudy: no study has this number, or none was ever started.
        """
        if study_id is not None:
            return self._study(self._record(study_id))
        newest = self._tunings.current(self._ends.numbers()) or next(iter(self._tunings.newest(1)), None)
        if newest is None:
            raise UnknownStudy("No study yet. Start one on the Tuning page.")
        return self._study(newest)

    def current(self) -> Study | None:
        """The study that is queued or in progress, None without any."""
        record = self._tunings.current(self._ends.numbers())
        return None if record is None else self._study(record)

    def studies(self, limit: int = 20, *, before: int | None = None) -> list[Study]:
        """The newest studies, newest first; ``before``: only studies older than this number."""
        return [self._study(record) for record in self._tunings.newest(limit, before=before)]

    def search_space(self, kind: str, goal: Goal = "rmse") -> list[SearchRange]:
        """The search space of a model, or of the lists where they are the goal.

        Raises:
            InvalidInput: there is no such model.
        """
        return search.space_of(goal, kind)

    @stores
    def train_with(
        self,
        study_id: int,
        activate: ActivationPolicy = "if_better",
        actor: str = "you",
        *,
        trial: int | None = None,
    ) -> int:
        """Start a training with the hyperparameters of a trial, by default the best; returns the run's number.

        Raises:
            UnknownStudy: no study has this number.
            InvalidInput: it has no such trial, or no finished one.
            TrainingBusy, NotReady: as a training.
        """
        study = self.status(study_id)
        if trial is None and study.best is None:
            raise InvalidInput(f"Study {study_id} has no finished trial yet. Let it continue.", field="trial")
        number = trial if trial is not None else study.best.number if study.best else 0
        values = self._hyperparameters(study, number)
        if study.goal == "rmse":
            note = f"Hyperparameters of trial {number} of study {study_id}."
            return self._training.train_model(study.model, values, activate, actor, note=note)
        ranker = self._list_settings(study_id) | values
        note = f"Settings of lists of trial {number} of study {study_id}."
        return self._training.train_model(study.model, {}, activate, actor, ranker=ranker, note=note)

    # -- what is known of a study ------------------------------------------------------------------------------------

    def _check_free(self) -> None:
        self._ends.settle()
        going = self._tunings.current(self._ends.numbers())
        if going is not None:
            raise TuningBusy(going.tuning_id)
        if self._ratings.counts().ratings == 0:
            raise NotReady("There are no ratings to learn from. Import the demo data or your own first.")

    def _order(self, study_id: int) -> None:
        self._going = Going(study_id)
        self.worker.put(self._going)

    def _record(self, study_id: int) -> TuningRecord:
        try:
            return self._tunings.get(study_id)
        except NotStored as error:
            raise UnknownStudy(str(error)) from error

    def _create(self, record: TuningRecord) -> optuna.Study:
        """Optuna's study, created on first use; a resumed study continues its random numbers."""
        study = optuna.create_study(
            storage=self._tunings.storage(),
            study_name=record.study_name,
            direction=search.direction(goal_of(record)),
            load_if_exists=True,
            pruner=search.pruner(),
        )
        study.sampler = search.sampler(record.seed, len(study.get_trials(deepcopy=False)))
        return study

    def _hyperparameters(self, study: Study, number: int) -> dict[str, Any]:
        for trial in study.history:
            if trial.number == number:
                return trial.hyperparameters
        raise InvalidInput(f"Study {study.study_id} has no trial {number}.", field="trial")

    def _list_settings(self, study_id: int) -> dict[str, Any]:
        """What all trials of a study of lists share and a training would choose: the method and unsearched settings."""
        study = optuna.load_study(storage=self._tunings.storage(), study_name=self._record(study_id).study_name)
        settings = settings_of(study.get_trials(deepcopy=False)) or {}
        return {name: value for name, value in settings.items() if name in CHOSEN | {METHOD}}

    def _study(self, stored: TuningRecord) -> Study:
        end = self._ends.of(stored.tuning_id)
        return self._reader.study(stored if end is None else end.applied_to(stored), self._going)

    # -- the worker --------------------------------------------------------------------------------------------------

    def _work(self, going: Going) -> None:
        try:
            self._search(self._tunings.get(going.study_id), going)
        except Cancelled:
            self._end(going, StudyState.STOPPED, "Stopped; resume it to go on")
        except (MarqueeError, StoreError) as error:
            self._end(going, StudyState.FAILED, "Failed", str(error))
        except Exception as error:  # part of the thread's outermost loop: the next order must find it alive
            log.exception("study %d failed", going.study_id)
            told = in_words(error) or f"An unexpected error ended the study: {type(error).__name__}: {error}"
            self._end(going, StudyState.FAILED, "Failed", str(told))
        finally:
            with self._starting:
                if self._going is going:  # the next study may be ordered already
                    self._going = None

    def _give_up(self, going: Going | None, reason: str) -> None:
        """Mark the study that the worker died over as failed; its trials are kept."""
        if going is not None:
            self._end(
                going, StudyState.FAILED, "Failed", f"The study ended unexpectedly: {reason}. Resume it to go on."
            )

    def _end(
        self,
        going: Going,
        state: StudyState,
        stage: str,
        error: str | None = None,
    ) -> None:
        self._ends.put(going.study_id, StudyEnd(state, stage, error, going.used(), self._clock()))

    def _store_end(self, study_id: int, end: StudyEnd) -> None:
        def store(tx: Transaction) -> None:
            self._tunings.finish(study_id, end.state, end.stage, end.error, used_s=end.used_s, tx=tx)
            if end.state != StudyState.STOPPED:
                level: Level = "error" if end.error else "info"
                told = f"failed. {end.error}" if end.error else f"has ended. {end.stage}."
                self._notices.add(level, "tuning", f"Study {study_id} {told}", {"study_id": study_id}, tx=tx)

        self._tunings.transaction(store)

    def _search(self, record: TuningRecord, going: Going) -> None:
        """Try until the trials or the time are used up, then judge the best on ratings unseen by any trial."""
        going.used_before, going.began = record.used_s, time.monotonic()
        self._tunings.change(record.tuning_id, state=StudyState.RUNNING, ended_at=None)
        while True:
            try:
                stage = self._go_on(record, going)
                break
            except Outdated as error:
                log.info("study %d reads the ratings again: %s", record.tuning_id, error)
        self._end(going, StudyState.SUCCEEDED, stage)

    def _go_on(self, record: TuningRecord, going: Going) -> str:
        """Try and judge on the current ratings; returns how it ended, in words.

        Raises:
            Outdated: one of their users was deleted since. The interrupted trial comes next again.
        """
        self._tunings.change(record.tuning_id, stage="Reading ratings")
        snapshot = self._snapshots.load()

        def wait(going: Going) -> None:
            self._wait(going)
            self._snapshots.check(snapshot)

        trials = Search(record, going, self._create(record), snapshot.data, self._personal_from, self._tunings, wait)
        trials.begin()
        stage = "All trials are done"
        try:
            trials.go_on()
        except OutOfTime:
            stage = "The time is used up"
        self._snapshots.check(snapshot)
        trials.judge()
        return stage

    def _wait(self, going: Going) -> None:
        """Wait for a training in progress; that time does not count."""
        if self._training.current() is None:
            return
        began = time.monotonic()
        self._tunings.change(going.study_id, stage="Waiting for a training to end")
        while self._training.current() is not None and not going.stop.wait(LOOK_S):
            pass
        going.began += time.monotonic() - began
