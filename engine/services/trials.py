"""The trials of a study, from a start or resumption to the end or a stop."""

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
from engine.models.base import ModelConfig
from engine.models.registry import build, configure, search_space
from engine.training import tuning
from engine.training.tuning import FoldResult
from store.records import TuningRecord
from store.studies import TuningStore

DEFAULTS, FOLDS, REASON, SECONDS = "defaults", "folds", "reason", "seconds"  # user attributes of a trial
KEPT = (Ended.COMPLETE, Ended.WAITING)
ERRORS = np.dtype([("user", "<i8"), ("ratings", "<i8"), ("mark", "<u8"), ("squared", "<f8")])


class OutOfTime(MarqueeError):
    """The study has used its time."""


@dataclass
class Going:
    """The study in progress: its start, the time used before, and the event that stops it."""

    study_id: int
    began: float = 0.0
    used_before: float = 0.0
    stop: Event = field(default_factory=Event)

    def used(self) -> float:
        """Seconds used, including those before a stop."""
        return self.used_before + (time.monotonic() - self.began if self.began else 0.0)


@dataclass
class Search:
    """Runs the trials of a study until the end or a stop."""

    record: TuningRecord
    going: Going
    study: optuna.Study
    material: tuning.Material
    tunings: TuningStore
    wait: Callable[[Going], None]

    def __post_init__(self) -> None:
        self.space = search_space(self.record.kind)
        self.defaults = self._find_defaults()
        self.draws = tuning.distributions(self.space, self.defaults)
        self.fold_seconds = [fold["seconds"] for trial in self._trials() for fold in trial.user_attrs.get(FOLDS, [])]

    def go_on(self) -> None:
        """Run trials until all are done.

        Raises:
            OutOfTime: the time is used up.
            Cancelled: the study was stopped.
        """
        trials = self._trials()
        for trial in trials:
            if trial.state == Ended.RUNNING:  # interrupted by a crash
                self.study.tell(trial.number, state=Ended.FAIL)
                self._repeat(trial.params, trial.user_attrs)
        if not any(trial.user_attrs.get(DEFAULTS) and trial.state in KEPT for trial in self._trials()):
            self.study.enqueue_trial(tuning.first_trial(self.defaults, self.space), {DEFAULTS: True})
        while sum(map(counts, trials := self._trials())) < self.record.trials:
            taken = [seconds for trial in trials if (seconds := seconds_of(trial)) and trial.state == Ended.COMPLETE]
            self._check(expected=float(np.mean(taken)) if taken else 0.0)
            self._try()

    def _find_defaults(self) -> ModelConfig:
        """The defaults; what they leave to the training is chosen once, on all ratings of the folds."""
        begun = (trial.params for trial in self._trials() if trial.user_attrs.get(DEFAULTS) and trial.params)
        config = configure(self.record.kind, self._values(next(begun, {})))
        return build(config).choose(self.material.data)

    def judge(self) -> None:
        """Judge the best trial and the defaults on ratings that no fold contained."""
        finished = [trial for trial in self._trials() if trial.state == Ended.COMPLETE]
        defaults = next((trial for trial in finished if trial.user_attrs.get(DEFAULTS)), None)
        best = min(finished, key=lambda trial: (trial.value, trial.number), default=None)
        if best is None or defaults is None or best.number == defaults.number:
            return
        self._tell("Judging the best trial on ratings no trial has seen")
        configs = [configure(self.record.kind, self._values(trial.params)) for trial in (best, defaults)]
        watcher = tuning.Watcher(self.going.stop, check=self._check_stop)
        found = tuning.compare_rmse(*tuning.judge(configs, self.material, watcher))
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
        return tuning.measure(config, self.material, watcher)

    def _values(self, drawn: dict[str, Any]) -> dict[str, Any]:
        return tuning.read_trial(self.record.kind, self.space, drawn)

    def _repeat(self, params: dict[str, Any], about: dict[str, Any]) -> None:
        """Queue an interrupted trial to come next."""
        self.study.enqueue_trial(params, {DEFAULTS: True} if about.get(DEFAULTS) else None)

    def _trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def _tell(self, stage: str) -> None:
        self.tunings.change(self.record.tuning_id, stage=stage)

    def _check_stop(self) -> None:
        if self.going.stop.is_set():
            raise Cancelled("The study was stopped.")

    def _check(self, expected: float = 0.0) -> None:
        """Stop or run out of time; ``expected``: seconds of the next step. Time to judge at the end is reserved."""
        self._check_stop()
        kept = 2 * float(np.mean(self.fold_seconds)) if self.fold_seconds else 0.0
        if self.going.used() + expected + kept > self.record.budget_s:
            raise OutOfTime("The study has used its time.")


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial counts; interrupted ones do not."""
    return trial.state in (Ended.COMPLETE, Ended.PRUNED) or (trial.state == Ended.FAIL and REASON in trial.user_attrs)


def seconds_of(trial: FrozenTrial) -> float:
    """Duration of a trial; 0 while it runs. Earlier releases stored only Optuna's times, which follow the clock."""
    if SECONDS in trial.user_attrs:
        return float(trial.user_attrs[SECONDS])
    return 0.0 if trial.duration is None else trial.duration.total_seconds()


def pack(errors: UserErrors) -> bytes:
    """The errors of each user as bytes for the store."""
    rows = np.empty(len(errors.users), ERRORS)
    rows["user"], rows["ratings"], rows["mark"] = errors.users, errors.ratings, errors.marks
    rows["squared"] = errors.sums["rmse"]
    return rows.tobytes()


def unpack(content: bytes) -> UserErrors:
    """The errors of each user, from ``pack``."""
    rows = np.frombuffer(content, ERRORS)
    users, ratings, marks = (rows[name].copy() for name in ("user", "ratings", "mark"))
    return UserErrors(users, ratings, marks, {"rmse": rows["squared"].copy()})
