"""Studies that never ran: of every state, with evidence of every kind."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from engine.errors import InvalidInput, MarqueeError, TuningBusy, UnknownStudy
from engine.evaluation.differences import MetricDifference
from engine.models.registry import SearchRange
from engine.services.records import StudyState
from engine.services.studies import Study, TrialReport, TrialState
from engine.training.search import space_of
from engine.training.tuning import FoldResult, Goal, TuningEvidence

NOW = 1_795_443_840.0
HOSTILE = "The loss became <script>alert('x')</script> **infinite** at epoch 3."


def trial(number: int, value: float | None, state: str = "complete", **changes: Any) -> TrialReport:
    """One trial; its folds lie around its mean."""
    values = {"factors": 30 + 17 * number % 90, "learning_rate": 0.004 * 1.3 ** (number % 6), "regularization": 0.1}
    folds = () if value is None else tuple(FoldResult(n, value + (n - 1) * 0.003, 40 - number, 0.3) for n in range(3))
    return replace(TrialReport(number, TrialState(state), values, value, folds, 1.1), **changes)


TRIALS = (
    trial(0, 0.8962, defaults=True),
    trial(1, 0.8993),
    trial(2, 0.8955),
    trial(3, None, "failed", reason=HOSTILE),
    trial(4, None, "pruned"),
    trial(5, 0.8931),
    trial(6, None, "failed"),
    trial(7, 0.9012),
)
SHOWN = MetricDifference(0.8931, 0.8962, -0.0031, -0.0049, -0.0015, 0.0003, 671, "better")
CHANCE = MetricDifference(0.8990, 0.9011, -0.0020, -0.0046, 0.0004, 0.2, 671, "no difference shown")
HELD_OUT = MetricDifference(0.8990, 0.9021, -0.0031, -0.0056, -0.0004, 0.02, 671, "better")
BETTER = TuningEvidence(5, SHOWN, 3, HELD_OUT, True, "Trial 5 has RMSE 0.8931, the defaults have 0.8962. It is better.")
MAYBE = TuningEvidence(5, CHANCE, 2, None, False, "Trial 5 has RMSE 0.8990, the defaults have 0.9011. May be chance.")


def study(study_id: int, state: str = "succeeded", **changes: Any) -> Study:
    """A study of eight trials, one of them interrupted."""
    base = Study(
        study_id=study_id,
        state=StudyState(state),
        model="svd",
        goal="rmse",
        stage="All trials are done",
        trials=7,
        trials_done=7,
        folds=3,
        seed=0,
        budget_s=1800.0,
        used_s=12.4,
        eta_s=None,
        history=TRIALS,
        best=TRIALS[5],
        importance={"learning_rate": 0.61, "factors": 0.27, "regularization": 0.12},
        evidence=BETTER,
        error=None,
        created_at=NOW - 4000,
        ended_at=NOW - 3900,
    )
    return replace(base, **changes)


GOING = study(
    5,
    "running",
    stage="Trial 7, fold 2 of 3",
    trials=20,
    trials_done=6,
    eta_s=42.0,
    ended_at=None,
    history=(*TRIALS[:6], trial(7, None, "running")),
    evidence=None,
)
HISTORY = (
    study(4, "stopped", stage="Stopped; resume it to go on", trials=20, evidence=MAYBE),
    study(3),
    study(2, "failed", stage="Failed", error=f"An unexpected error: {HOSTILE}", history=(), best=None, evidence=None),
    study(1, best=TRIALS[0], evidence=None, history=TRIALS[:1], importance={}),
)


def neural(number: int) -> TrialReport:
    """A trial of the neural filter with numbers of many digits; every third one was stopped early."""
    values = {
        "factors": 8 + 7 * number % 25,
        "hidden": ((64, 32), (32,), (128, 64))[number % 3],
        "learning_rate": 0.001234567891 * 1.17**number,
        "regularization": 0.987654321 * 0.91**number,
    }
    pruned = number % 3 == 2
    rmse = None if pruned else 0.861234567 + 0.0007654321 * (number * 7 % 11)
    return trial(
        number, rmse, "pruned" if pruned else "complete", hyperparameters=values, seconds=1234.5, defaults=number == 0
    )


NEURAL_TRIALS = tuple(neural(number) for number in range(40))
NEURAL = study(
    6,
    model="ncf",
    trials=40,
    trials_done=40,
    budget_s=86_400.0,
    used_s=49_380.0,
    history=NEURAL_TRIALS,
    best=NEURAL_TRIALS[0],
    importance={"hidden": 0.7, "learning_rate": 0.2, "factors": 0.07, "regularization": 0.03},
    evidence=None,
)


def listing(number: int) -> TrialReport:
    """A trial of settings of lists."""
    values = {"l2": 100.0 * 1.3**number, "recency": 0.1 * number, "rating_weight": 0.05 * (number % 4)}
    value = 0.14 + 0.002 * (number * 5 % 7)
    folds = tuple(FoldResult(n, value + (n - 1) * 0.004, None, 0.8) for n in range(3))
    return trial(number, value, hyperparameters=values, folds=folds, defaults=number == 0)


LIST_TRIALS = tuple(listing(number) for number in range(7))
LISTED = MetricDifference(0.152, 0.14, 0.012, 0.006, 0.018, 0.0004, 671, "better")
LISTS = study(
    7,
    goal="ndcg_at_k",
    history=LIST_TRIALS,
    best=LIST_TRIALS[4],
    importance={"recency": 0.7, "l2": 0.2, "rating_weight": 0.1},
    evidence=TuningEvidence(
        4, LISTED, 3, LISTED, True, "Trial 4 has NDCG@10 0.1520, the defaults have 0.1400. It is better."
    ),
)


@dataclass
class FakeTuning:
    history: list[Study] = field(default_factory=lambda: list(HISTORY))
    going: Study | None = None
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    fails: MarqueeError | None = None

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
        if self.fails:
            raise self.fails
        if not 2 <= trials <= 1000:
            raise InvalidInput(f"trials is {trials}, but must be from 2 to 1000.", field="trials")
        self.asked.append(("start", kind, trials, folds, minutes, seed, goal))
        self.going = GOING
        return GOING.study_id

    def stop(self, study_id: int) -> None:
        self.asked.append(("stop", study_id))
        if self.going:
            self.history.insert(0, replace(self.going, state=StudyState.STOPPED, stage="Stopped; resume it to go on"))
        self.going = None

    def resume(self, study_id: int, trials: int | None = None, minutes: float | None = None) -> None:
        if self.going:
            raise TuningBusy(self.going.study_id)
        if trials is not None and trials < 8:
            raise InvalidInput(f"7 of 7 trials are done. trials is {trials}, but must be from 8.", field="trials")
        self.asked.append(("resume", study_id, trials, minutes))
        self.history = [one for one in self.history if one.study_id != study_id]
        self.going = replace(GOING, study_id=study_id)

    def status(self, study_id: int | None = None) -> Study:
        for one in self.studies():
            if study_id in (None, one.study_id):
                return one
        raise UnknownStudy(f"There is no study {study_id}.")

    def current(self) -> Study | None:
        return self.going

    def studies(self, limit: int = 20, *, before: int | None = None) -> list[Study]:
        every = [*([self.going] if self.going else []), *self.history]
        return [one for one in every if before is None or one.study_id < before][:limit]

    def search_space(self, kind: str, goal: Goal = "rmse") -> list[SearchRange]:
        return space_of(goal, kind)

    def train_with(
        self, study_id: int, activate: str = "if_better", actor: str = "you", *, trial: int | None = None
    ) -> int:
        if self.fails:
            raise self.fails
        self.asked.append(("train", study_id))
        return 4
