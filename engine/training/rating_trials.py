"""Trials of a rating model's hyperparameters: cross-validation of its RMSE."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Float32
from engine.data.ratings import Interactions
from engine.data.splits import HeldOut, assign_folds, hold_out
from engine.errors import InvalidInput
from engine.evaluation import metrics
from engine.evaluation.report import UserErrors, sum_errors
from engine.models.base import ModelConfig, RatingModel
from engine.models.epochs import EpochReport, best_epoch, run_epochs
from engine.models.registry import SearchRange, build, configure, search_space
from engine.rounding import significant
from engine.training.pipeline import VALIDATION_PART
from engine.training.tuning import FoldResult, Goal, Measured, Trials, Watcher, part_study

WARM_UP = 0.5  # share of a fold's epochs before a trial may be pruned: low learning rates start slowly
FOLD_STEPS = 10_000  # steps of a trial per fold, more than any fold has epochs


@dataclass(frozen=True)
class RatingTrials(Trials[ModelConfig]):
    """Trials of a rating model.

    Attributes:
        data: the ratings in the folds.
        folds: int64[len(data)], the fold of each rating.
        parts: for the evaluation of the best trial; ``parts.train`` is ``data``, and no fold has ``parts.test``.
        defaults, space: as in the base class.
    """

    goal: ClassVar[Goal] = "rmse"

    data: Interactions
    folds: NDArray[np.int64]
    parts: HeldOut
    defaults: ModelConfig
    space: Sequence[SearchRange]

    @classmethod
    def prepare(
        cls, kind: str, data: Interactions, folds: int, seed: int, begun: Mapping[str, Any] | None = None
    ) -> RatingTrials:
        """Hold ratings out, and split the others into folds.

        What the defaults leave to the training is chosen once, on all ratings of the folds.

        Args:
            kind: the model.
            data: all ratings.
            folds: their number.
            seed: of the folds.
            begun: the values of the first trial in a study that is resumed.

        Raises:
            InvalidInput: there are too few ratings.
        """
        parts = part_study(data)
        defaults = build(configure(kind, begun or {})).choose(parts.train)
        return cls(parts.train, assign_folds(parts.train, folds, seed), parts, defaults, search_space(kind))

    def configure(self, values: Mapping[str, Any]) -> ModelConfig:
        """As the base class; what was not drawn may be left to each fold's training."""
        return configure(self.defaults.kind, values)

    def measure(self, config: ModelConfig, watcher: Watcher) -> Measured:
        """Cross-validation: each fold is predicted by a model trained on the others.

        Each user's last ratings in those choose the number of epochs, as in a training, and whether the trial is
        pruned; the fold itself is used once.

        Raises:
            Cancelled, TrainingDiverged: as in a training, and whatever the watcher raises.
        """
        data = self.data
        predicted = np.empty(len(data), np.float32)
        results = []
        for fold in range(int(self.folds.max()) + 1):
            watcher.fold(fold)
            began, chosen = time.perf_counter(), self.folds == fold
            test = data.subset(chosen)
            parts = hold_out(data.subset(~chosen), VALIDATION_PART)
            model, epochs = fit(config, parts.train, parts.test, watcher, fold * FOLD_STEPS)
            predicted[chosen] = model.predict_indices(test.users, test.items)
            rmse = float(np.sqrt(metrics.squared_errors(predicted[chosen], test.ratings).mean()))
            results.append(FoldResult(fold, rmse, epochs, time.perf_counter() - began))
            watcher.done(results[-1])
        return Measured(tuple(results), sum_squares(predicted, data))

    def judge(self, configs: Sequence[ModelConfig], watcher: Watcher) -> list[UserErrors]:
        """Each config's errors on the ratings outside all folds."""
        parts = self.parts
        if parts.test is None:
            raise InvalidInput("No ratings were held out.", field="ratings")
        found = []
        for config in configs:
            model, _ = fit(config, parts.fit, parts.validation, watcher)
            found.append(sum_squares(model.predict_indices(parts.test.users, parts.test.items), parts.test))
        return found


def fit(
    config: ModelConfig, data: Interactions, validation: Interactions | None, watcher: Watcher, first_step: int = 0
) -> tuple[RatingModel, int]:
    """A trained model, and its best number of epochs.

    The watcher's ``look`` gets the lowest validation RMSE so far, after some epochs and at the end.

    Args:
        config: the hyperparameters.
        data: the ratings to learn from.
        validation: chooses the number of epochs.
        watcher: follows the training.
        first_step: number of the first look.
    """
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
        data,
        validation=validation,
        patience=int(getattr(config, "patience", 0)),
        on_epoch=look,
        on_step=lambda _: watcher.check(),
        cancelled=watcher.cancelled,
    )
    if np.isfinite(lowest):
        watcher.look(first_step + FOLD_STEPS - 1, significant(lowest))
    return model, best_epoch(history)


def is_looked_at(epoch: int) -> bool:
    """Whether a trial may be pruned after this epoch: 1, 2, 3, 4, 6, 8, 12, 16, 24 and so on.

    Every look is stored, which costs more than a short epoch.
    """
    high = 1 << (epoch.bit_length() - 1)
    return epoch in (high, high + high // 2)


def sum_squares(predicted: Float32, data: Interactions) -> UserErrors:
    """Each user's squared errors, summed as in an evaluation."""
    return sum_errors(data, {"rmse": metrics.squared_errors(predicted, data.ratings)})
