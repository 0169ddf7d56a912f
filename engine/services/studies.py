"""What a study has found: its trials, the best one, and the evidence for it."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import auto
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as Ended

from engine.errors import InvalidInput
from engine.evaluation.differences import MetricDifference
from engine.models.base import ModelConfig
from engine.models.registry import SearchRange
from engine.services.records import StudyState, WorkState, shared
from engine.services.trials import DEFAULTS, FOLDS, REASON, Going, best_of, counts, goal_of, seconds_of, unpack
from engine.training import search
from engine.training.tuning import FoldResult, Goal, Measured, TuningEvidence, weigh
from store.records import TuningRecord
from store.studies import TuningStore

log = logging.getLogger(__name__)


class TrialState(WorkState):
    """State of a trial."""

    RUNNING = auto()
    COMPLETE = auto()
    PRUNED = auto()
    FAILED = auto()


STATES: Mapping[Ended, TrialState] = {
    Ended.COMPLETE: TrialState.COMPLETE,
    Ended.PRUNED: TrialState.PRUNED,
    Ended.FAIL: TrialState.FAILED,
    Ended.RUNNING: TrialState.RUNNING,
    Ended.WAITING: TrialState.RUNNING,
}


@dataclass(frozen=True, slots=True)
class TrialReport:
    """One set of hyperparameters; ``value`` is the mean of the goal's metric over its folds, None until all are done.

    ``defaults`` marks the trial of the defaults; ``reason`` is why a trial failed (None: a stop interrupted it, and it
    is repeated).
    """

    number: int
    state: TrialState
    hyperparameters: dict[str, Any]
    value: float | None
    folds: tuple[FoldResult, ...]
    seconds: float
    defaults: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Study:
    """A search for hyperparameters. Times in seconds; ``eta_s`` is None while it does not run.

    ``goal`` is the metric to improve. With ``rmse`` the hyperparameters of ``model`` are searched; with ``ndcg_at_k``
    the settings of lists, and ``model`` has its defaults. ``importance`` maps a hyperparameter to its share in
    explaining the differences between the trials' values (sums to 1; empty below four finished trials).
    ``trials_done`` counts finished and pruned trials, of ``trials``.
    """

    study_id: int
    state: StudyState
    model: str
    goal: Goal
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


class StudyReader:
    """Reads studies from the store; what takes long is computed again only after another trial."""

    def __init__(self, tunings: TuningStore) -> None:
        self._tunings = tunings
        self._known: dict[tuple[int, int], tuple[dict[str, float], TuningEvidence | None]] = {}
        self._ended: dict[int, tuple[TuningRecord, Study]] = {}

    def study(self, record: TuningRecord, going: Going | None) -> Study:
        """A study as it is now; ``going``: the one in progress, if any."""
        kept = self._ended.get(record.tuning_id)
        if kept is None or kept[0] != record:
            kept = record, self._read(record, going)
            if record.state.is_finished:
                self._ended[record.tuning_id] = kept
        return kept[1]

    def _read(self, record: TuningRecord, going: Going | None) -> Study:
        study = optuna.load_study(storage=self._tunings.storage(), study_name=record.study_name)
        goal = goal_of(record)
        asked, space = search.asked_of(goal, record.kind), search.space_of(goal, record.kind)
        trials = [trial for trial in study.get_trials(deepcopy=False) if trial.state != Ended.WAITING]
        history = tuple(_report(asked, space, trial) for trial in trials)
        finished = (one for one in history if one.value is not None and one.state == TrialState.COMPLETE)
        best = best_of(goal, finished)
        done = sum(counts(trial) for trial in trials)
        running = record.state == StudyState.RUNNING and going is not None and going.study_id == record.tuning_id
        used = going.used() if running and going is not None else record.used_s
        importance, evidence = self._learned(record, study, history, best)
        derived = {
            "study_id": record.tuning_id,
            "model": record.kind,
            "goal": goal,
            "trials_done": done,
            "used_s": used,
            "eta_s": _forecast(record, history, done, used) if running else None,
            "history": history,
            "best": best,
            "importance": importance,
            "evidence": evidence,
        }
        return Study(**shared(record, Study) | derived)

    def _learned(
        self, record: TuningRecord, study: optuna.Study, history: tuple[TrialReport, ...], best: TrialReport | None
    ) -> tuple[dict[str, float], TuningEvidence | None]:
        """Importances and evidence, kept until another trial ends or the study is judged."""
        finished = sum(trial.state == TrialState.COMPLETE for trial in history)
        key = record.tuning_id, 2 * finished + (record.held_out is not None)
        if key not in self._known:
            held_out = None if record.held_out is None else MetricDifference(**record.held_out)
            self._known[key] = search.importances(study), self._weigh(record, history, best, finished, held_out)
        return self._known[key]

    def _weigh(
        self,
        record: TuningRecord,
        history: tuple[TrialReport, ...],
        best: TrialReport | None,
        finished: int,
        held_out: MetricDifference | None,
    ) -> TuningEvidence | None:
        """The best trial against the defaults; None where they are the same, or either is not finished."""
        defaults = next((trial for trial in history if trial.defaults and trial.state == TrialState.COMPLETE), None)
        if best is None or defaults is None or best.number == defaults.number:
            return None
        goal = goal_of(record)
        ours, theirs = (self._measured(record.tuning_id, trial, goal) for trial in (best, defaults))
        if ours is None or theirs is None:
            return None
        try:
            return weigh(goal, best.number, ours, theirs, finished - 1, held_out)
        except InvalidInput as error:  # the ratings have changed since the study started
            log.warning("study %d can't be judged: %s", record.tuning_id, error)
            return None

    def _measured(self, study_id: int, trial: TrialReport, goal: Goal) -> Measured | None:
        content = self._tunings.errors(study_id, trial.number)
        return None if content is None else Measured(trial.folds, unpack(content, goal))


def _report(asked: ModelConfig, space: Sequence[SearchRange], trial: FrozenTrial) -> TrialReport:
    return TrialReport(
        number=trial.number,
        state=STATES[trial.state],
        hyperparameters=search.read_trial(asked, space, trial.params),
        value=trial.value if trial.state == Ended.COMPLETE else None,
        folds=tuple(FoldResult.stored(one) for one in trial.user_attrs.get(FOLDS, [])),
        seconds=seconds_of(trial),
        defaults=bool(trial.user_attrs.get(DEFAULTS)),
        reason=trial.user_attrs.get(REASON),
    )


def _forecast(record: TuningRecord, history: Sequence[TrialReport], done: int, used: float) -> float | None:
    """Seconds left, from the durations of earlier trials; None before the first has ended."""
    taken = [trial.seconds for trial in history if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    if not taken:
        return None
    return max(min((record.trials - done) * float(np.mean(taken)), record.budget_s - used), 0.0)
