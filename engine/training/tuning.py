"""What a study measures, and the evidence against the defaults."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

import numpy as np

from engine.data.ratings import Interactions
from engine.data.splits import HeldOut, hold_out
from engine.errors import InvalidInput
from engine.evaluation.comparison import compare_errors, find_shared
from engine.evaluation.differences import LEVEL, MetricDifference
from engine.evaluation.metrics import METRICS
from engine.evaluation.newcomers import part_newcomers
from engine.evaluation.report import UserErrors
from engine.models.base import ModelConfig
from engine.models.registry import SearchRange
from engine.rounding import settle, significant
from engine.training.pipeline import TEST_PART, VALIDATION_PART

MIN_RATINGS = 50

Goal = Literal["rmse", "ndcg_at_k"]
GOALS: tuple[Goal, ...] = ("rmse", "ndcg_at_k")
"""The metrics that a study can improve, of predicted ratings and of lists."""

Config = TypeVar("Config", bound=ModelConfig)
OnLook = Callable[[int, float], None]


@dataclass(frozen=True, slots=True)
class FoldResult:
    """One fold of a trial.

    Attributes:
        fold: its number.
        value: the goal's metric: RMSE on its ratings, or mean NDCG@10 of its users.
        epochs: the best number of epochs by the validation part; None if the study's goal are lists.
        seconds: its duration.
    """

    fold: int
    value: float
    epochs: int | None
    seconds: float

    @classmethod
    def stored(cls, values: Mapping[str, Any]) -> Self:
        """From the store; earlier releases named the value ``rmse``."""
        return cls(values["fold"], values.get("value", values.get("rmse")), values["epochs"], values["seconds"])


@dataclass(frozen=True, slots=True)
class TuningEvidence:
    """Evidence that the best trial is better than the defaults, paired over folds and users.

    Attributes:
        best: number of the best trial; trial 0 has the defaults.
        difference: the goal's metric of the best trial against the defaults over all folds.
        folds_won: number of folds in which the best trial was better.
        held_out: the same comparison on ratings outside all folds; None until the study has ended.
        better: whether both the folds and the held-out ratings show it; only then the best trial is advised.
        text: a summary in words.
    """

    best: int
    difference: MetricDifference
    folds_won: int
    held_out: MetricDifference | None
    better: bool
    text: str


@dataclass(frozen=True)
class Measured:
    """Results of a trial: its folds, and each user's sums of the goal's metric over all of them."""

    folds: tuple[FoldResult, ...]
    errors: UserErrors

    @property
    def value(self) -> float:
        """The mean over folds, which ranks the trials."""
        return significant(float(np.mean([fold.value for fold in self.folds])))


def _ignore(*_: Any) -> None:
    """A callback that does nothing."""


@dataclass(frozen=True)
class Watcher:
    """Callbacks that follow a trial, and may end it by raising.

    Attributes:
        cancelled: checked between epochs.
        check: called often.
        fold: called at the start of each fold.
        look: called with a step and the trial's value so far, when it may be pruned.
        done: called at the end of each fold.
    """

    cancelled: Event
    check: Callable[[], None]
    fold: Callable[[int], None] = _ignore
    look: OnLook = _ignore
    done: Callable[[FoldResult], None] = _ignore


class Trials(ABC, Generic[Config]):
    """The ratings of a study, and how its trials are measured on them.

    Attributes:
        goal: the metric.
        defaults: the first trial, with numbers in place of ``auto``.
        space: what the trials draw.
    """

    goal: ClassVar[Goal]
    defaults: Config
    space: Sequence[SearchRange]

    @abstractmethod
    def configure(self, values: Mapping[str, Any]) -> Config:
        """The settings of a trial: the values it drew, and for the others the defaults."""

    @abstractmethod
    def measure(self, config: Config, watcher: Watcher) -> Measured:
        """The settings' results, on ratings that they were not learned from.

        Raises:
            Cancelled, TrainingDiverged: as in a training, and whatever the watcher raises.
        """

    @abstractmethod
    def judge(self, configs: Sequence[Config], watcher: Watcher) -> list[UserErrors]:
        """The results of each settings on the ratings that no trial saw."""

    def judging_s(self, fold_seconds: Sequence[float]) -> float:
        """Expected seconds to judge two settings, from those that folds took."""
        return 2 * float(np.mean(fold_seconds)) if fold_seconds else 0.0


def part_study(data: Interactions) -> HeldOut:
    """Hold out newcomers and each user's last ratings, as a training does; no trial sees ``parts.test``.

    Raises:
        InvalidInput: there are too few ratings.
    """
    parts = hold_out(part_newcomers(data)[0], TEST_PART, VALIDATION_PART)
    if parts.test is None or parts.validation is None or len(data) < MIN_RATINGS:
        raise InvalidInput(f"{len(data):,} ratings are too few for tuning, which holds some out.", field="ratings")
    return parts


def compare_goal(goal: Goal, ours: UserErrors, theirs: UserErrors) -> MetricDifference:
    """The goal's metric of two trials over the users whose ratings are the same in both.

    Raises:
        InvalidInput: the ratings changed so much between the two that hardly any user is left to compare.
    """
    return compare_errors(*find_shared(ours, theirs))[goal]


def weigh(
    goal: Goal, best: int, ours: Measured, defaults: Measured, tried: int, held_out: MetricDifference | None
) -> TuningEvidence:
    """Whether the best of several trials is better than the defaults, on the folds and on held-out ratings.

    The best of many looks better than it is. So its p-value on the folds is multiplied by the number of trials
    (Bonferroni; Dunn 1961), and ratings that played no part in the choice must show it too.
    """
    metric = METRICS[goal]
    difference = compare_goal(goal, ours.errors, defaults.errors)
    p_value = min(1.0, difference.p_value * max(tried, 1))
    shown = difference.verdict == "better" and settle(p_value, 1) < LEVEL
    better = shown and held_out is not None and held_out.verdict == "better"
    won = sum(
        metric.sign * significant(one.value) > metric.sign * significant(other.value)
        for one, other in zip(ours.folds, defaults.folds, strict=False)
    )
    sentences = [
        f"Trial {best} has {metric.label} {difference.value:.4f} over all folds, the defaults "
        f"{difference.baseline:.4f}: a difference of {difference.difference:+z.4f} ({_between(difference)}), "
        f"{metric.better} in {won} of {len(ours.folds)} folds.",
        f"{_conclude(shown, held_out)} (p = {p_value:.2g}, corrected for all trials).",
    ]
    if held_out is not None:
        sentences.append(
            f"On the ratings that no trial saw it has {metric.label} {held_out.value:.4f}, the defaults "
            f"{held_out.baseline:.4f}: {held_out.verdict}."
        )
    return TuningEvidence(best, difference, won, held_out, better, " ".join(sentences))


def _conclude(shown: bool, held_out: MetricDifference | None) -> str:
    if not shown:
        return "That may be chance, so nothing speaks against the defaults"
    if held_out is None:
        return "It is better on the folds; the ratings that no trial saw decide when the study has ended"
    if held_out.verdict == "better":
        return "It is better than the defaults"
    return "It is better on the folds but not on the ratings that no trial saw, so nothing speaks against the defaults"


def _between(found: MetricDifference) -> str:
    if found.low is None or found.high is None:
        return "too few people for an interval"
    return f"{found.low:+z.4f} to {found.high:+z.4f}"
