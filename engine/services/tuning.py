"""Studies as a person asks for them: started, stopped, resumed, judged, trained with; a crash loses no trial."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from threading import Lock
from typing import Any, Literal

import numpy as np
import optuna
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as Ended

from engine.background import step_back
from engine.errors import (
    Cancelled,
    InvalidInput,
    MarqueeError,
    NotReady,
    TuningBusy,
    UnknownStudy,
)
from engine.evaluation.comparison import MetricDifference
from engine.models.registry import SearchRange, search_space
from engine.services.ends import AGAIN_S, Ends
from engine.services.snapshots import Outdated, Snapshots
from engine.services.storing import in_words, stores
from engine.services.training import TrainingService
from engine.services.trials import DEFAULTS, FOLDS, REASON, Going, OutOfTime, Search, counts, seconds_of, unpack
from engine.training import tuning
from engine.training.promotion import ActivationPolicy
from engine.training.tuning import FoldResult, TuningEvidence
from store.errors import NotStored, StoreError
from store.notices import Level, NoticeStore
from store.ratings import RatingStore
from store.records import TuningRecord
from store.studies import TuningStore
from store.worker import Worker

StudyState = Literal["queued", "running", "stopped", "succeeded", "failed"]
TrialState = Literal["running", "complete", "pruned", "failed"]

log = logging.getLogger(__name__)

MOST_TRIALS, FEWEST_FOLDS, MOST_FOLDS, MOST_MINUTES = 1000, 2, 10, 7 * 24 * 60.0
LONGEST_STOP_S = 10
LOOK_S = 0.5  # how often a study looks whether the training it waits for has ended
STATES: Mapping[Ended, TrialState] = {
    Ended.COMPLETE: "complete",
    Ended.PRUNED: "pruned",
    Ended.FAIL: "failed",
    Ended.RUNNING: "running",
    Ended.WAITING: "running",
}


@dataclass(frozen=True, slots=True)
class TrialReport:
    """One set of hyperparameters that was tried; ``rmse`` is the mean over its folds, None until all are done.

    ``defaults`` marks the trial of the defaults; ``reason`` says why a failed one has failed (None: it was cut short by
    a stop and is tried again).
    """

    number: int
    state: TrialState
    hyperparameters: dict[str, Any]
    rmse: float | None
    folds: tuple[FoldResult, ...]
    seconds: float
    defaults: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Study:
    """A search for hyperparameters. Times in seconds; ``eta_s`` is None while it does not run.

    ``importance`` maps a hyperparameter to its part of what the trials' RMSE depends on (sums to 1; empty below four
    finished trials). ``trials_done`` counts those that were finished or pruned, of ``trials``.
    """

    study_id: int
    state: StudyState
    model: str
    stage: str
    trials: int
    trials_done: int
    folds: int
    seed: int
    budget_s: float
    used_s: float
    eta_s: float | None
    history: tuple[TrialReport, ...]
    best: TrialReport | None
    importance: dict[str, float]
    evidence: TuningEvidence | None
    error: str | None
    created_at: float
    ended_at: float | None


@dataclass(frozen=True)
class StudyEnd:
    """How a stretch of a study ended; ``ended_at`` in Unix seconds, ``used_s`` the seconds used so far."""

    state: Literal["succeeded", "stopped", "failed"]
    stage: str
    error: str | None
    used_s: float
    ended_at: float

    def applied_to(self, record: TuningRecord) -> TuningRecord:
        """The record as it will be once the end is stored."""
        return replace(record, **asdict(self))


class TuningService:
    """Starts, follows, stops and resumes studies. ``open`` and ``close`` frame the worker thread."""

    def __init__(
        self,
        ratings: RatingStore,
        snapshots: Snapshots,
        tunings: TuningStore,
        notices: NoticeStore,
        training: TrainingService,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ratings = ratings
        self._snapshots = snapshots
        self._tunings = tunings
        self._notices = notices
        self._training = training
        self._clock = clock
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
        self._known: dict[tuple[int, int], tuple[dict[str, float], TuningEvidence | None]] = {}
        self._ended: dict[int, tuple[TuningRecord, Study]] = {}

    def open(self) -> None:
        """Mark what a stopped process left behind, and begin to take orders."""
        for study_id in self._tunings.recover():
            text = f"Marquee was stopped during study {study_id}. Its trials are kept; resume it on the Tuning page."
            self._notices.add("warning", "tuning", text, {"study_id": study_id})
        self.worker.start()

    def close(self) -> None:
        """Stop what runs, and wait for the worker to end, but not for a long step of it."""
        if self._going is not None:
            self._going.stop.set()
        self.worker.stop(LONGEST_STOP_S)
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
    ) -> int:
        """Start a study in the background.

        Args:
            kind: a name of ``engine.models.registry.MODELS``.
            trials: how many sets of hyperparameters are tried, the defaults first.
            folds: parts of the ratings; each trial learns as many times.
            minutes: the time for all of it, stops left out.
            seed: start of the random numbers.
            actor: who asks.

        Returns:
            The number of the study.

        Raises:
            InvalidInput: names the field, the value and the range.
            TuningBusy: a study is going already.
            NotReady: there are no ratings to learn from.
        """
        if not search_space(kind):
            raise InvalidInput(f"hyperparameters.toml gives nothing to search for {kind}.", field="model")
        _check("trials", trials, 2, MOST_TRIALS)
        _check("folds", folds, FEWEST_FOLDS, MOST_FOLDS)
        _check("minutes", minutes, 0.1, MOST_MINUTES)
        _check("seed", seed, 0, 2**32 - 1)
        with self._starting:
            self._check_free()
            study_id = self._tunings.create(kind, trials, folds, seed, minutes * 60, actor)
            self._create(self._tunings.get(study_id))
            self._order(study_id)
        return study_id

    @stores
    def stop(self, study_id: int) -> None:
        """Ask a study to stop; it ends after the epoch it is in, and can be resumed. One that has ended stays so.

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
        """Go on with a study.

        Args:
            study_id: its number.
            trials: how many it is to have in all; None leaves that as it is.
            minutes: its time in all; None leaves it as it is.

        Raises:
            UnknownStudy: no study has this number.
            InvalidInput: it has had so many trials, or so much time.
            TuningBusy, NotReady: as ``start``.
        """
        record = self._record(study_id)
        trials, budget_s = trials or record.trials, minutes * 60 if minutes else record.budget_s
        done = self._study(record).trials_done
        _check("trials", trials, done + 1, MOST_TRIALS, f"It has had {done} of {record.trials} trials. ")
        used = f"It has used {record.used_s / 60:.1f} of {record.budget_s / 60:.1f} minutes. "
        _check("minutes", budget_s / 60, record.used_s / 60 + 0.1, MOST_MINUTES, used)
        with self._starting:
            self._check_free()
            self._ends.drop(study_id)
            self._tunings.change(
                study_id, trials=trials, budget_s=budget_s, state="queued", stage="Waiting", held_out=None, error=None
            )
            self._order(study_id)

    def status(self, study_id: int | None = None) -> Study:
        """A study; without a number the one that is going, or else the newest.

        Raises:
            UnknownStudy: no study has this number, or none was ever started.
        """
        if study_id is not None:
            return self._study(self._record(study_id))
        newest = self._tunings.current(self._ends.numbers()) or next(iter(self._tunings.newest(1)), None)
        if newest is None:
            raise UnknownStudy("No study was started yet. Start one on the Tuning page.")
        return self._study(newest)

    def current(self) -> Study | None:
        """The study that is queued or going, None where there is none."""
        record = self._tunings.current(self._ends.numbers())
        return None if record is None else self._study(record)

    def studies(self, limit: int = 20, *, before: int | None = None) -> list[Study]:
        """The newest studies, newest first; ``before``: only those older than the one of this number."""
        return [self._study(record) for record in self._tunings.newest(limit, before=before)]

    def search_space(self, kind: str) -> list[SearchRange]:
        """What a study of this model tries.

        Raises:
            InvalidInput: there is no such model.
        """
        return search_space(kind)

    def advised(self, study_id: int) -> dict[str, Any]:
        """The hyperparameters that the evidence advises; empty where the defaults are as good.

        Raises:
            UnknownStudy: no study has this number.
        """
        study = self.status(study_id)
        better = study.evidence is not None and study.evidence.better and study.best is not None
        return self._hyperparameters(study, study.best.number) if better and study.best else {}

    @stores
    def train_with(
        self,
        study_id: int,
        activate: ActivationPolicy = "if_better",
        actor: str = "you",
        *,
        trial: int | None = None,
    ) -> int:
        """Start a training with a trial's hyperparameters, by default the best one's; returns the run's number.

        Raises:
            UnknownStudy: no study has this number.
            InvalidInput: it has no such trial, or none that was finished.
            TrainingBusy, NotReady: as a training.
        """
        study = self.status(study_id)
        if trial is None and study.best is None:
            raise InvalidInput(f"Study {study_id} has no finished trial yet. Let it run on.", field="trial")
        number = trial if trial is not None else study.best.number if study.best else 0
        values = self._hyperparameters(study, number)
        note = f"Hyperparameters of trial {number} of study {study_id}."
        return self._training.train_model(study.model, values, activate, actor, note=note)

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
        """Optuna's study, made where there is none; a resumed one draws other numbers than its start did."""
        study = optuna.create_study(
            storage=self._tunings.storage(),
            study_name=record.study_name,
            direction="minimize",
            load_if_exists=True,
            pruner=tuning.pruner(),
        )
        study.sampler = tuning.sampler(record.seed, len(study.get_trials(deepcopy=False)))
        return study

    def _hyperparameters(self, study: Study, number: int) -> dict[str, Any]:
        for trial in study.history:
            if trial.number == number:
                return trial.hyperparameters
        raise InvalidInput(f"Study {study.study_id} has no trial {number}.", field="trial")

    def _study(self, stored: TuningRecord) -> Study:
        end = self._ends.of(stored.tuning_id)
        record = stored if end is None else end.applied_to(stored)
        kept = self._ended.get(record.tuning_id)
        if kept is None or kept[0] != record:
            kept = record, self._read(record)
            if record.state not in ("queued", "running"):
                self._ended[record.tuning_id] = kept
        return kept[1]

    def _read(self, record: TuningRecord) -> Study:
        study = optuna.load_study(storage=self._tunings.storage(), study_name=record.study_name)
        space = search_space(record.kind)
        trials = [trial for trial in study.get_trials(deepcopy=False) if trial.state != Ended.WAITING]
        history = tuple(_report(record.kind, space, trial) for trial in trials)
        finished = [trial for trial in history if trial.rmse is not None and trial.state == "complete"]
        best = min(finished, key=lambda trial: (trial.rmse, trial.number), default=None)
        done = sum(counts(trial) for trial in trials)
        going = self._going
        running = record.state == "running" and going is not None and going.study_id == record.tuning_id
        used = going.used() if running and going is not None else record.used_s
        importance, evidence = self._learned(record, study, history, best)
        return Study(
            study_id=record.tuning_id,
            state=record.state,
            model=record.kind,
            stage=record.stage,
            trials=record.trials,
            trials_done=done,
            folds=record.folds,
            seed=record.seed,
            budget_s=record.budget_s,
            used_s=used,
            eta_s=_forecast(record, history, done, used) if running else None,
            history=history,
            best=best,
            importance=importance,
            evidence=evidence,
            error=record.error,
            created_at=record.created_at,
            ended_at=record.ended_at,
        )

    def _learned(
        self, record: TuningRecord, study: optuna.Study, history: tuple[TrialReport, ...], best: TrialReport | None
    ) -> tuple[dict[str, float], TuningEvidence | None]:
        """What takes long to work out; kept until another trial ends or the study is judged."""
        finished = sum(trial.state == "complete" for trial in history)
        key = record.tuning_id, 2 * finished + (record.held_out is not None)
        if key not in self._known:
            held_out = None if record.held_out is None else MetricDifference(**record.held_out)
            self._known[key] = tuning.importances(study), self._weigh(record, history, best, finished, held_out)
        return self._known[key]

    def _weigh(
        self,
        record: TuningRecord,
        history: tuple[TrialReport, ...],
        best: TrialReport | None,
        finished: int,
        held_out: MetricDifference | None,
    ) -> TuningEvidence | None:
        """The best trial against the defaults; None where the best are the defaults, or one of both is not finished."""
        defaults = next((trial for trial in history if trial.defaults and trial.state == "complete"), None)
        if best is None or defaults is None or best.number == defaults.number:
            return None
        ours, theirs = (self._measured(record.tuning_id, trial) for trial in (best, defaults))
        if ours is None or theirs is None:
            return None
        try:
            return tuning.weigh(best.number, ours, theirs, finished - 1, held_out)
        except InvalidInput as error:  # the ratings are no longer those that the study began with
            log.warning("study %d can't be judged: %s", record.tuning_id, error)
            return None

    def _measured(self, study_id: int, trial: TrialReport) -> tuning.Measured | None:
        content = self._tunings.errors(study_id, trial.number)
        return None if content is None else tuning.Measured(trial.folds, unpack(content))

    # -- the worker --------------------------------------------------------------------------------------------------

    def _work(self, going: Going) -> None:
        try:
            self._search(self._tunings.get(going.study_id), going)
        except Cancelled:
            self._end(going, "stopped", "Stopped; resume it to go on")
        except (MarqueeError, StoreError) as error:
            self._end(going, "failed", "Failed", str(error))
        except Exception as error:  # part of the thread's outermost loop: the next order must find it alive
            log.exception("study %d failed", going.study_id)
            told = in_words(error) or f"An unexpected error ended the study: {type(error).__name__}: {error}"
            self._end(going, "failed", "Failed", str(told))
        finally:
            with self._starting:
                if self._going is going:  # the next study may have been ordered since this one's end was stored
                    self._going = None

    def _give_up(self, going: Going | None, reason: str) -> None:
        """The worker died over a study; its trials are kept."""
        if going is not None:
            self._end(going, "failed", "Failed", f"The study ended unexpectedly: {reason}. Resume it to go on.")

    def _end(
        self,
        going: Going,
        state: Literal["succeeded", "stopped", "failed"],
        stage: str,
        error: str | None = None,
    ) -> None:
        self._ends.put(going.study_id, StudyEnd(state, stage, error, going.used(), self._clock()))

    def _store_end(self, study_id: int, end: StudyEnd) -> None:
        def tell(connection: Any) -> None:
            if end.state != "stopped":
                level: Level = "error" if end.error else "info"
                told = f"failed. {end.error}" if end.error else f"has ended. {end.stage}."
                self._notices.add_in(connection, level, "tuning", f"Study {study_id} {told}", {"study_id": study_id})

        self._tunings.finish(study_id, end.state, end.stage, end.error, used_s=end.used_s, also=tell)

    def _search(self, record: TuningRecord, going: Going) -> None:
        """Try until the trials or the time are used up, then judge the best on ratings that no trial saw."""
        going.used_before, going.began = record.used_s, time.monotonic()
        self._tunings.change(record.tuning_id, state="running", ended_at=None)
        while True:
            try:
                stage = self._go_on(record, going)
                break
            except Outdated as error:
                log.info("study %d reads the ratings again: %s", record.tuning_id, error)
        self._end(going, "succeeded", stage)

    def _go_on(self, record: TuningRecord, going: Going) -> str:
        """Try and judge with the ratings as they are now; how it ended, in words.

        Raises:
            Outdated: somebody in them was forgotten since. The trial that was cut short is the next one again.
        """
        self._tunings.change(record.tuning_id, stage="Reading ratings")
        snapshot = self._snapshots.load()

        def wait(going: Going) -> None:
            self._wait(going)
            self._snapshots.check(snapshot)

        material = tuning.Material.part(snapshot.data, record.folds, record.seed)
        search = Search(record, going, self._create(record), material, self._tunings, wait)
        stage = "All trials are done"
        try:
            search.go_on()
        except OutOfTime:
            stage = "The time is used up"
        self._snapshots.check(snapshot)
        search.judge()
        return stage

    def _wait(self, going: Going) -> None:
        """Let a training go first; that time is not the study's."""
        if self._training.current() is None:
            return
        began = time.monotonic()
        self._tunings.change(going.study_id, stage="Waiting for a training to end")
        while self._training.current() is not None and not going.stop.wait(LOOK_S):
            pass
        going.began += time.monotonic() - began


def _check(name: str, value: float, low: float, high: float, before: str = "") -> None:
    if not low <= value <= high:  # NaN is refused as well
        raise InvalidInput(f"{before}{name} is {value:g}, but must be from {low:g} to {high:g}.", field=name)


def _report(kind: str, space: Sequence[SearchRange], trial: FrozenTrial) -> TrialReport:
    return TrialReport(
        number=trial.number,
        state=STATES[trial.state],
        hyperparameters=tuning.read_trial(kind, space, trial.params),
        rmse=trial.value if trial.state == Ended.COMPLETE else None,
        folds=tuple(FoldResult(**one) for one in trial.user_attrs.get(FOLDS, [])),
        seconds=seconds_of(trial),
        defaults=bool(trial.user_attrs.get(DEFAULTS)),
        reason=trial.user_attrs.get(REASON),
    )


def _forecast(record: TuningRecord, history: Sequence[TrialReport], done: int, used: float) -> float | None:
    """The seconds still to go, by what trials took; None before the first has ended."""
    taken = [trial.seconds for trial in history if trial.state in ("complete", "pruned")]
    if not taken:
        return None
    return max(min((record.trials - done) * float(np.mean(taken)), record.budget_s - used), 0.0)
