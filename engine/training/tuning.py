"""Hyperparameter tuning: cross-validation of each trial, and the evidence against the defaults."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from engine.data.arrays import Float32
from engine.data.ratings import Interactions
from engine.data.splits import HeldOut, assign_folds, hold_out
from engine.errors import InvalidInput
from engine.evaluation import metrics
from engine.evaluation.comparison import compare_errors, find_shared
from engine.evaluation.differences import LEVEL, MetricDifference
from engine.evaluation.newcomers import part_newcomers
from engine.evaluation.report import UserErrors, sum_errors
from engine.models.base import ModelConfig
from engine.models.epochs import EpochReport, best_epoch, run_epochs
from engine.models.registry import MODELS, SearchRange, build
from engine.rounding import settle, significant
from engine.training.pipeline import TEST_PART, VALIDATION_PART

MIN_RATINGS = 50
WARM_UP = 0.5  # share of a fold's epochs before a trial may be pruned: low learning rates start slowly
STARTED = 4  # trials that are never pruned
STARTUP = 6  # random trials before the estimator learns from them
FOLD_STEPS = 10_000  # steps of a trial per fold, more than any fold has epochs

OnLook = Callable[[int, float], None]


@dataclass(frozen=True, slots=True)
class FoldResult:
    """One fold of a trial: RMSE on its ratings, and the best number of epochs by the validation part."""

    fold: int
    rmse: float
    epochs: int
    seconds: float


@dataclass(frozen=True, slots=True)
class TuningEvidence:
    """Evidence that the best trial is better than the defaults, paired over folds and users.

    Attributes:
        best: number of the best trial; trial 0 has the defaults.
        difference: RMSE of the best trial against the defaults over all folds.
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
class Material:
    """The ratings of a study.

    Attributes:
        data: the ratings in the folds.
        folds: int64[len(data)], the fold of each rating.
        parts: for the evaluation of the best trial; ``parts.train`` is ``data``, and no fold has ``parts.test``.
    """

    data: Interactions
    folds: NDArray[np.int64]
    parts: HeldOut

    @classmethod
    def part(cls, data: Interactions, folds: int, seed: int) -> Material:
        """Hold out newcomers and each user's last ratings, as a training does, and split the others into folds.

        Raises:
            InvalidInput: there are too few ratings.
        """
        parts = hold_out(part_newcomers(data)[0], TEST_PART, VALIDATION_PART)
        if parts.test is None or parts.validation is None or len(data) < MIN_RATINGS:
            raise InvalidInput(f"{len(data):,} ratings are too few for tuning, which holds some out.", field="ratings")
        return cls(parts.train, assign_folds(parts.train, folds, seed), parts)


@dataclass(frozen=True)
class Measured:
    """Results of a trial: its folds, and each user's errors over all of them."""

    folds: tuple[FoldResult, ...]
    errors: UserErrors

    @property
    def rmse(self) -> float:
        """The mean over folds, which ranks the trials."""
        return significant(float(np.mean([fold.rmse for fold in self.folds])))


def _ignore(*_: Any) -> None:
    """A callback that does nothing."""


@dataclass(frozen=True)
class Watcher:
    """Callbacks that follow a trial, and may end it by raising.

    Attributes:
        cancelled: checked between epochs.
        check: called often.
        fold: called at the start of each fold.
        look: called with the step and the lowest validation RMSE so far, after some epochs and at each fold's end.
        done: called at the end of each fold.
    """

    cancelled: Event
    check: Callable[[], None]
    fold: Callable[[int], None] = _ignore
    look: OnLook = _ignore
    done: Callable[[FoldResult], None] = _ignore


def measure(config: ModelConfig, material: Material, watcher: Watcher) -> Measured:
    """Cross-validation: each fold is predicted by a model trained on the others.

    Each user's last ratings in those choose the number of epochs, as in a training, and whether the trial is pruned;
    the fold itself is used once.

    Raises:
        Cancelled, TrainingDiverged: as in a training, and whatever the watcher raises.
    """
    data = material.data
    predicted = np.empty(len(data), np.float32)
    results = []
    for fold in range(int(material.folds.max()) + 1):
        watcher.fold(fold)
        began, chosen = time.perf_counter(), material.folds == fold
        test = data.subset(chosen)
        parts = hold_out(data.subset(~chosen), VALIDATION_PART)
        predicted[chosen], epochs = fit_predict(config, parts.train, parts.test, test, watcher, fold * FOLD_STEPS)
        rmse = float(np.sqrt(metrics.squared_errors(predicted[chosen], test.ratings).mean()))
        results.append(FoldResult(fold, rmse, epochs, time.perf_counter() - began))
        watcher.done(results[-1])
    return Measured(tuple(results), sum_squares(predicted, data))


def fit_predict(
    config: ModelConfig,
    fit: Interactions,
    validation: Interactions | None,
    test: Interactions,
    watcher: Watcher,
    first_step: int = 0,
) -> tuple[Float32, int]:
    """float32[len(test)]: predicted ratings; and the best number of epochs."""
    model = build(config)
    lowest = np.inf

    def look(epoch: EpochReport) -> None:
        nonlocal lowest
        watcher.check()
        if epoch.validation_rmse is not None:
            lowest = min(lowest, epoch.validation_rmse)
            if is_looked_at(epoch.epoch) and epoch.epoch >= WARM_UP * epoch.epochs:
                watcher.look(first_step + epoch.epoch, significant(lowest))

    history = run_epochs(
        model,
        fit,
        validation=validation,
        patience=int(getattr(config, "patience", 0)),
        on_epoch=look,
        on_step=lambda _: watcher.check(),
        cancelled=watcher.cancelled,
    )
    if np.isfinite(lowest):
        watcher.look(first_step + FOLD_STEPS - 1, significant(lowest))
    return model.predict_indices(test.users, test.items), best_epoch(history)


def is_looked_at(epoch: int) -> bool:
    """Whether a trial may be pruned after this epoch: 1, 2, 3, 4, 6, 8, 12, 16, 24 and so on.

    Every look is stored, which costs more than a short epoch.
    """
    high = 1 << (epoch.bit_length() - 1)
    return epoch in (high, high + high // 2)


def sum_squares(predicted: Float32, data: Interactions) -> UserErrors:
    """Each user's squared errors, summed as in an evaluation."""
    return sum_errors(data, {"rmse": metrics.squared_errors(predicted, data.ratings)})


def judge(configs: Sequence[ModelConfig], material: Material, watcher: Watcher) -> list[UserErrors]:
    """Each config's errors on the ratings outside all folds."""
    parts = material.parts
    if parts.test is None:
        raise InvalidInput("No ratings were held out.", field="ratings")
    found = []
    for config in configs:
        predicted, _ = fit_predict(config, parts.fit, parts.validation, parts.test, watcher)
        found.append(sum_squares(predicted, parts.test))
    return found


def compare_rmse(ours: UserErrors, theirs: UserErrors) -> MetricDifference:
    """The RMSE of two trials over the users whose ratings are the same in both.

    Raises:
        InvalidInput: the ratings changed so much between the two that hardly any user is left to compare.
    """
    return compare_errors(*find_shared(ours, theirs))["rmse"]


def weigh(
    best: int, ours: Measured, defaults: Measured, tried: int, held_out: MetricDifference | None
) -> TuningEvidence:
    """Whether the best of several trials is better than the defaults, on the folds and on held-out ratings.

    The best of many looks better than it is. So its p-value on the folds is multiplied by the number of trials
    (Bonferroni; Dunn 1961), and ratings that played no part in the choice must show it too.
    """
    difference = compare_rmse(ours.errors, defaults.errors)
    p_value = min(1.0, difference.p_value * max(tried, 1))
    shown = difference.verdict == "better" and settle(p_value, 1) < LEVEL
    better = shown and held_out is not None and held_out.verdict == "better"
    won = sum(
        significant(one.rmse) < significant(other.rmse) for one, other in zip(ours.folds, defaults.folds, strict=False)
    )
    sentences = [
        f"Trial {best} has RMSE {difference.value:.4f} over all folds, the defaults {difference.baseline:.4f}: "
        f"a difference of {difference.difference:+z.4f} ({_between(difference)}), "
        f"lower in {won} of {len(ours.folds)} folds.",
        f"{_conclude(shown, held_out)} (p = {p_value:.2g}, corrected for all trials).",
    ]
    if held_out is not None:
        sentences.append(
            f"On the ratings that no trial saw it has RMSE {held_out.value:.4f}, the defaults {held_out.baseline:.4f}: "
            f"{held_out.verdict}."
        )
    return TuningEvidence(best, difference, won, held_out, better, " ".join(sentences))


def _conclude(shown: bool, held_out: MetricDifference | None) -> str:
    if not shown:
        return "That may be chance, so the defaults are just as good"
    if held_out is None:
        return "It is better on the folds; the ratings that no trial saw decide when the study has ended"
    if held_out.verdict == "better":
        return "It is better than the defaults"
    return "It is better on the folds but not on the ratings that no trial saw, so the defaults are just as good"


def _between(found: MetricDifference) -> str:
    if found.low is None or found.high is None:
        return "too few users for an interval"
    return f"{found.low:+z.4f} to {found.high:+z.4f}"


def distributions(space: Sequence[SearchRange], defaults: ModelConfig) -> dict[str, BaseDistribution]:
    """Optuna's search space, widened to include the defaults, which are the first trial.

    Args:
        space: the ranges.
        defaults: with numbers in place of ``auto``.
    """
    found: dict[str, BaseDistribution] = {}
    for one in space:
        value = getattr(defaults, one.name)
        if one.choices:
            names = dict.fromkeys([spell(choice) for choice in (*one.choices, value)])
            found[one.name] = CategoricalDistribution(list(names))
            continue
        low, high = min(one.low, value), max(one.high, value)
        if one.whole:
            found[one.name] = IntDistribution(int(low), int(high), log=one.log)
        else:
            found[one.name] = FloatDistribution(low, high, log=one.log and low > 0)
    return found


def spell(value: Any) -> Any:
    """A value as Optuna stores it: lists become text."""
    return ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else value


def read_trial(kind: str, space: Sequence[SearchRange], drawn: dict[str, Any]) -> dict[str, Any]:
    """The hyperparameters that Optuna drew, with lists restored."""
    defaults = MODELS[kind].config()
    choices = {one.name: {spell(choice): choice for choice in one.choices} for one in space if one.choices}
    for name, known in choices.items():
        known.setdefault(spell(getattr(defaults, name)), getattr(defaults, name))
    return {name: choices[name].get(value, value) if name in choices else value for name, value in drawn.items()}


def first_trial(defaults: ModelConfig, space: Sequence[SearchRange]) -> dict[str, Any]:
    """The defaults, as Optuna stores them; with numbers in place of ``auto``."""
    return {one.name: spell(getattr(defaults, one.name)) for one in space}


def sampler(seed: int, begun: int) -> optuna.samplers.BaseSampler:
    """The tree-structured Parzen estimator (Bergstra, Bardenet, Bengio and Kégl 2011).

    Its only state is the trials; ``begun``, their number so far, makes a resumed study draw new numbers.
    """
    return optuna.samplers.TPESampler(n_startup_trials=STARTUP, seed=(seed * 1_000_003 + begun) % 2**32)


def pruner() -> optuna.pruners.BasePruner:
    """Prunes a trial whose validation error is above the median of the others at the same epoch."""
    return optuna.pruners.MedianPruner(n_startup_trials=STARTED)


def importances(study: optuna.Study) -> dict[str, float]:
    """Share of the trials' RMSE that each hyperparameter explains; empty below four finished trials.

    Functional analysis of variance of a random forest (Hutter, Hoos and Leyton-Brown 2014); the shares sum to 1.
    """
    finished = [trial for trial in study.get_trials(deepcopy=False) if trial.state == optuna.trial.TrialState.COMPLETE]
    if len(finished) < STARTED or len({trial.value for trial in finished}) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(part) for name, part in found.items()}
