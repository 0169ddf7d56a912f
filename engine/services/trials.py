"""One stretch of a study, from its start or resumption to its end or stop: trial after trial."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from threading import Event
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as Ended

from engine.errors import Cancelled, MarqueeError, TrainingDiverged
from engine.evaluation.report import UserErrors
from engine.models.registry import configure, search_space
from engine.training import tuning
from engine.training.tuning import FoldResult
from store.records import TuningRecord
from store.studies import TuningStore

DEFAULTS, FOLDS, REASON, SECONDS = "defaults", "folds", "reason", "seconds"  # what is noted with a trial
KEPT = (Ended.COMPLETE, Ended.WAITING)
ERRORS = np.dtype([("user", "<i8"), ("ratings", "<i8"), ("mark", "<u8"), ("squared", "<f8")])


class OutOfTime(MarqueeError):
    """The study has used its time."""


@dataclass
class Going:
    """The study that is being worked on: when it began, what it had used before, and how to stop it."""

    study_id: int
    began: float = 0.0
    used_before: float = 0.0
    stop: Event = field(default_factory=Event)

    def used(self) -> float:
        """Seconds so far, those before a stop included."""
        return self.used_before + (time.monotonic() - self.began if self.began else 0.0)


@dataclass
class Search:
    """One stretch of a study, from its start or resumption to its end or stop."""

    record: TuningRecord
    going: Going
    study: optuna.Study
    material: tuning.Material
    tunings: TuningStore
    wait: Callable[[Going], None]

    def __post_init__(self) -> None:
        self.space = search_space(self.record.kind)
        self.draws = tuning.distributions(self.space, configure(self.record.kind, {}))
        self.fold_seconds = [fold["seconds"] for trial in self._trials() for fold in trial.user_attrs.get(FOLDS, [])]

    def go_on(self) -> None:
        """Try until the trials are done.

        Raises:
            OutOfTime: or the time is used up.
            Cancelled: somebody asked to stop.
        """
        trials = self._trials()
        for trial in trials:
            if trial.state == Ended.RUNNING:  # a crash cut it short
                self.study.tell(trial.number, state=Ended.FAIL)
                self._repeat(trial.params, trial.user_attrs)
        if not any(trial.user_attrs.get(DEFAULTS) and trial.state in KEPT for trial in self._trials()):
            self.study.enqueue_trial(tuning.first_trial(self.record.kind, self.space), {DEFAULTS: True})
        while sum(map(counts, trials := self._trials())) < self.record.trials:
            taken = [seconds for trial in trials if (seconds := seconds_of(trial)) and trial.state == Ended.COMPLETE]
            self._check(expected=float(np.mean(taken)) if taken else 0.0)
            self._try()

    def judge(self) -> None:
        """Judge the best trial and the defaults on the ratings that no fold held."""
        finished = [trial for trial in self._trials() if trial.state == Ended.COMPLETE]
        defaults = next((trial for trial in finished if trial.user_attrs.get(DEFAULTS)), None)
        best = min(finished, key=lambda trial: (trial.value, trial.number), default=None)
        if best is None or defaults is None or best.number == defaults.number:
            return
        self._tell("Judging the best trial on ratings that no trial saw")
        configs = [configure(self.record.kind, self._values(trial.params)) for trial in (best, defaults)]
        watcher = tuning.Watcher(self.going.stop, check=self._check_stop)
        found = tuning.compare_rmse(*tuning.judge(self.record.kind, configs, self.material, watcher))
        self.tunings.change(self.record.tuning_id, held_out=asdict(found))

    def _try(self) -> None:
        trial, began = self.study.ask(self.draws), time.monotonic()
        try:
            try:
                measured = self._measure(trial)
            finally:
                trial.set_user_attr(SECONDS, time.monotonic() - began)
        except optuna.TrialPruned:
            self.study.tell(trial, state=Ended.PRUNED)
        except TrainingDiverged as error:
            trial.set_user_attr(REASON, str(error))
            self.study.tell(trial, state=Ended.FAIL)
        except (Cancelled, OutOfTime):
            self.study.tell(trial, state=Ended.FAIL)
            self._repeat(trial.params, trial.user_attrs)
            raise
        else:
            self.tunings.keep_errors(self.record.tuning_id, trial.number, pack(measured.errors))
            self.study.tell(trial, measured.rmse)
        self.tunings.change(self.record.tuning_id, used_s=self.going.used())

    def _measure(self, trial: optuna.Trial) -> tuning.Measured:
        folds: list[FoldResult] = []

        def begin(fold: int) -> None:
            self.wait(self.going)
            self._tell(f"Trial {trial.number}, fold {fold + 1} of {self.record.folds}")

        def look(step: int, rmse: float) -> None:
            trial.report(rmse, step)
            if not trial.user_attrs.get(DEFAULTS) and trial.should_prune():
                raise optuna.TrialPruned

        def done(fold: FoldResult) -> None:
            folds.append(fold)
            self.fold_seconds.append(fold.seconds)
            trial.set_user_attr(FOLDS, [asdict(one) for one in folds])

        watcher = tuning.Watcher(self.going.stop, self._check, begin, look, done)
        config = configure(self.record.kind, self._values(trial.params))
        return tuning.measure(self.record.kind, config, self.material, watcher)

    def _values(self, drawn: dict[str, Any]) -> dict[str, Any]:
        return tuning.read_trial(self.record.kind, self.space, drawn)

    def _repeat(self, params: dict[str, Any], about: dict[str, Any]) -> None:
        """What was cut short is tried again first."""
        self.study.enqueue_trial(params, {DEFAULTS: True} if about.get(DEFAULTS) else None)

    def _trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def _tell(self, stage: str) -> None:
        self.tunings.change(self.record.tuning_id, stage=stage)

    def _check_stop(self) -> None:
        if self.going.stop.is_set():
            raise Cancelled("The study was stopped.")

    def _check(self, expected: float = 0.0) -> None:
        """Whether to go on; ``expected``: the seconds of what is to begin. The time to judge at the end is kept."""
        self._check_stop()
        kept = 2 * float(np.mean(self.fold_seconds)) if self.fold_seconds else 0.0
        if self.going.used() + expected + kept > self.record.budget_s:
            raise OutOfTime("The study has used its time.")


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial is one of those asked for; what was cut short is not."""
    return trial.state in (Ended.COMPLETE, Ended.PRUNED) or (trial.state == Ended.FAIL and REASON in trial.user_attrs)


def seconds_of(trial: FrozenTrial) -> float:
    """How long a trial took; 0 while it goes. Earlier releases noted only Optuna's times, which follow the clock."""
    if SECONDS in trial.user_attrs:
        return float(trial.user_attrs[SECONDS])
    return 0.0 if trial.duration is None else trial.duration.total_seconds()


def pack(errors: UserErrors) -> bytes:
    """The errors of each user as the store keeps them."""
    rows = np.empty(len(errors.users), ERRORS)
    rows["user"], rows["ratings"], rows["mark"] = errors.users, errors.ratings, errors.marks
    rows["squared"] = errors.sums["rmse"]
    return rows.tobytes()


def unpack(content: bytes) -> UserErrors:
    """The errors of each user, from ``pack``."""
    rows = np.frombuffer(content, ERRORS)
    users, ratings, marks = (rows[name].copy() for name in ("user", "ratings", "mark"))
    return UserErrors(users, ratings, marks, {"rmse": rows["squared"].copy()})
