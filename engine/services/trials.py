"""The trials of a study, from a start or resumption to the end or a stop."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from threading import Event
from typing import Any, Protocol, TypeVar

import numpy as np
import optuna
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as Ended

from engine.data.ratings import Interactions
from engine.data.splits import with_order
from engine.errors import Cancelled, MarqueeError, TrainingDiverged
from engine.evaluation.metrics import METRICS
from engine.evaluation.report import UserErrors
from engine.models.rankers import ranker_settings
from engine.training import search
from engine.training.list_trials import ListTrials
from engine.training.rating_trials import RatingTrials
from engine.training.tuning import FoldResult, Goal, Measured, Trials, Watcher, compare_goal
from store.records import TuningRecord
from store.studies import TuningStore

DEFAULTS, FOLDS, REASON, SECONDS = "defaults", "folds", "reason", "seconds"  # user attributes of a trial
SETTINGS = "settings"  # user attribute of the first trial of a study of lists: all settings of its lists
KEPT = (Ended.COMPLETE, Ended.WAITING)
ERRORS = np.dtype([("user", "<i8"), ("ratings", "<i8"), ("mark", "<u8"), ("sum", "<f8")])


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
    """Runs the trials of a study until the end or a stop; ``begin`` comes first.

    Attributes:
        record: the study.
        going: its progress.
        study: the same in Optuna.
        data: all ratings.
        personal_from: number of ratings from which a list is purely personal.
        tunings: the store.
        wait: called at the start of each fold; waits for a training.
    """

    record: TuningRecord
    going: Going
    study: optuna.Study
    data: Interactions
    personal_from: int
    tunings: TuningStore
    wait: Callable[[Going], None]
    trials: Trials[Any] = field(init=False)

    def __post_init__(self) -> None:
        self.goal = goal_of(self.record)
        self.asked = search.asked_of(self.goal, self.record.kind)

    def begin(self) -> None:
        """Prepare the ratings and the defaults.

        Raises:
            InvalidInput: there are too few ratings.
            Cancelled: the study was stopped.
        """
        self.trials = self._prepare()
        self.draws = search.distributions(self.trials.space, self.trials.defaults)
        self.fold_seconds = [fold["seconds"] for trial in self._trials() for fold in trial.user_attrs.get(FOLDS, [])]

    def _prepare(self) -> Trials[Any]:
        record, data = self.record, with_order(self.data)
        if self.goal == "rmse":
            begun = next((one.params for one in self._trials() if one.user_attrs.get(DEFAULTS) and one.params), {})
            values = search.read_trial(self.asked, search.space_of(self.goal, record.kind), begun)
            return RatingTrials.prepare(record.kind, data, record.folds, record.seed, values)
        self.wait(self.going)
        self._tell("Training the model and choosing the defaults")
        watcher = Watcher(self.going.stop, self._check_stop)
        known = settings_of(self._trials())
        return ListTrials.prepare(record.kind, data, record.folds, record.seed, self.personal_from, watcher, known)

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
            first = search.first_trial(self.trials.defaults, self.trials.space)
            self.study.enqueue_trial(first, self._about_defaults())
        while sum(map(counts, trials := self._trials())) < self.record.trials:
            taken = [seconds for trial in trials if (seconds := seconds_of(trial)) and trial.state == Ended.COMPLETE]
            self._check(expected=float(np.mean(taken)) if taken else 0.0)
            self._try()

    def judge(self) -> None:
        """Judge the best trial and the defaults on ratings that no fold contained."""
        finished = [trial for trial in self._trials() if trial.state == Ended.COMPLETE]
        defaults = next((trial for trial in finished if trial.user_attrs.get(DEFAULTS)), None)
        best = best_of(self.goal, finished)
        if best is None or defaults is None or best.number == defaults.number:
            return
        self._tell("Judging the best trial on ratings no trial has seen")
        configs = [self.trials.configure(self._values(trial.params)) for trial in (best, defaults)]
        watcher = Watcher(self.going.stop, check=self._check_stop)
        found = compare_goal(self.goal, *self.trials.judge(configs, watcher))
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
            self.study.tell(trial, measured.value)
        self.tunings.change(self.record.tuning_id, used_s=self.going.used())

    def _measure(self, trial: optuna.Trial) -> Measured:
        folds: list[FoldResult] = []

        def begin(fold: int) -> None:
            self.wait(self.going)
            self._tell(f"Trial {trial.number}, fold {fold + 1} of {self.record.folds}")

        def look(step: int, value: float) -> None:
            trial.report(value, step)
            if not trial.user_attrs.get(DEFAULTS) and trial.should_prune():
                raise optuna.TrialPruned

        def done(fold: FoldResult) -> None:
            folds.append(fold)
            self.fold_seconds.append(fold.seconds)
            trial.set_user_attr(FOLDS, [asdict(one) for one in folds])

        watcher = Watcher(self.going.stop, self._check, begin, look, done)
        return self.trials.measure(self.trials.configure(self._values(trial.params)), watcher)

    def _values(self, drawn: dict[str, Any]) -> dict[str, Any]:
        return search.read_trial(self.asked, self.trials.space, drawn)

    def _repeat(self, params: dict[str, Any], about: dict[str, Any]) -> None:
        """Queue an interrupted trial to come next."""
        self.study.enqueue_trial(params, self._about_defaults() if about.get(DEFAULTS) else None)

    def _about_defaults(self) -> dict[str, Any]:
        about: dict[str, Any] = {DEFAULTS: True}
        if self.goal != "rmse":
            about[SETTINGS] = ranker_settings(self.trials.defaults)
        return about

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
        kept = self.trials.judging_s(self.fold_seconds)
        if self.going.used() + expected + kept > self.record.budget_s:
            raise OutOfTime("The study has used its time.")


class Numbered(Protocol):
    """A trial with its number and value."""

    @property
    def number(self) -> int:
        """The place among the trials."""

    @property
    def value(self) -> float | None:
        """The goal's metric; None until the trial is done."""


Trial = TypeVar("Trial", bound=Numbered)


def best_of(goal: Goal, finished: Iterable[Trial]) -> Trial | None:
    """The finished trial with the best value, the first of equal ones; None without any."""
    sign = METRICS[goal].sign
    return min(finished, key=lambda trial: (-sign * (trial.value or 0.0), trial.number), default=None)


def goal_of(record: TuningRecord) -> Goal:
    """The metric that a study improves."""
    return "rmse" if record.goal == "rmse" else "ndcg_at_k"


def settings_of(trials: Sequence[FrozenTrial]) -> dict[str, Any] | None:
    """All settings of the first lists of a study; None if none has begun."""
    return next((trial.user_attrs[SETTINGS] for trial in trials if SETTINGS in trial.user_attrs), None)


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial counts; interrupted ones do not."""
    return trial.state in (Ended.COMPLETE, Ended.PRUNED) or (trial.state == Ended.FAIL and REASON in trial.user_attrs)


def seconds_of(trial: FrozenTrial) -> float:
    """Duration of a trial; 0 while it runs. Earlier releases stored only Optuna's times, which follow the clock."""
    if SECONDS in trial.user_attrs:
        return float(trial.user_attrs[SECONDS])
    return 0.0 if trial.duration is None else trial.duration.total_seconds()


def pack(errors: UserErrors) -> bytes:
    """The sums of the one metric of each user as bytes for the store."""
    rows = np.empty(len(errors.users), ERRORS)
    rows["user"], rows["ratings"], rows["mark"] = errors.users, errors.ratings, errors.marks
    (rows["sum"],) = errors.sums.values()
    return rows.tobytes()


def unpack(content: bytes, goal: Goal) -> UserErrors:
    """The sums of the goal's metric of each user, from ``pack``."""
    rows = np.frombuffer(content, ERRORS)
    users, ratings, marks = (rows[name].copy() for name in ("user", "ratings", "mark"))
    return UserErrors(users, ratings, marks, {goal: rows["sum"].copy()})
