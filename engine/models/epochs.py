"""The training loop: timing, reports, cancellation, early stopping, divergence. Models only yield epochs."""

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from threading import Event
from typing import Protocol

import numpy as np

from engine.data.arrays import Arrays, Float32, Int32
from engine.data.ratings import Interactions
from engine.errors import Cancelled, TrainingDiverged
from engine.rounding import significant

DIVERGED = 10.0
"""Multiple of the plain mean's loss above which training has diverged."""
RESOLUTION = 1e-12
DIGITS = 6


@dataclass(frozen=True, slots=True)
class EpochReport:
    """One epoch: mean squared training error, and RMSE on the validation part (None without one)."""

    epoch: int
    epochs: int
    train_loss: float
    validation_rmse: float | None
    seconds: float


OnEpoch = Callable[[EpochReport], None]


class Trainable(Protocol):
    """A model that the loop can train: epochs, predictions after each, and arrays to go back to."""

    @property
    def total_epochs(self) -> int:
        """Maximum number of epochs."""

    def epochs(self, data: Interactions) -> Generator[float | str, None, None]:
        """Train from scratch: yields the loss after each epoch, and texts that name a long step."""

    def predict_indices(self, users: Int32, movies: Int32) -> Float32:
        """float32[n]: the rating of each pair of indices."""

    def arrays(self) -> Arrays:
        """Learned arrays by name."""

    def restore(self, arrays: Arrays) -> None:
        """Go back to arrays taken earlier."""


def run_epochs(
    model: Trainable,
    data: Interactions,
    *,
    validation: Interactions | None = None,
    patience: int = 0,
    on_epoch: OnEpoch | None = None,
    on_step: Callable[[str], None] | None = None,
    cancelled: Event | None = None,
) -> list[EpochReport]:
    """Train a model on ratings, epoch by epoch.

    Args:
        model: the model, usable after each epoch.
        data: training ratings.
        validation: ratings to measure after each epoch; the model never sees them.
        patience: epochs without a better validation RMSE before training stops; 0 never stops early.
        on_epoch: called after each epoch.
        on_step: called with the name of each long step before and within epochs.
        cancelled: checked between epochs and steps.

    Returns:
        The epochs that ran. With patience the model is back at the epoch of the lowest validation RMSE.

    Raises:
        Cancelled: ``cancelled`` was set.
        TrainingDiverged: the loss became infinite, NaN, or far worse than that of the plain mean.
    """
    history: list[EpochReport] = []
    worst = _worst_loss(data)
    best, kept = float("inf"), _Kept()
    for loss, seconds in _epochs(model, data, on_step, cancelled):
        number = len(history) + 1
        _check_loss(loss, worst, number)
        rmse = None if validation is None else validation_rmse(model, validation)
        report = EpochReport(number, model.total_epochs, float(loss), rmse, seconds)
        history.append(report)
        if on_epoch is not None:
            on_epoch(report)
        _check(cancelled, f"Cancelled after epoch {number} of {model.total_epochs}.")
        if patience and rmse is not None:
            if _deciding(rmse) < best:
                best = _deciding(rmse)
                kept.keep(model, number)
            elif number - kept.epoch >= patience:
                break
    kept.restore(model)
    return history


def _epochs(
    model: Trainable, data: Interactions, on_step: Callable[[str], None] | None, cancelled: Event | None
) -> Generator[tuple[float, float], None, None]:
    """Each epoch's loss, and its seconds including the caller's work after the epoch before."""
    number, started = 1, time.perf_counter()
    with closing(model.epochs(data)) as items:  # what it works with outside this process ends at once
        for item in items:
            if isinstance(item, str):
                if on_step is not None:
                    on_step(item)
                _check(cancelled, f"Cancelled before the end of epoch {number} of {model.total_epochs}.")
                if number == 1:
                    started = time.perf_counter()  # preparation is not part of an epoch's time
                continue
            now = time.perf_counter()
            seconds, started, number = now - started, now, number + 1
            yield item, seconds


def _worst_loss(data: Interactions) -> float:
    """The loss above which training has diverged: ten times that of the plain mean, at least the squared scale.

    The latter is for ratings that are nearly all equal.
    """
    low, high = data.scale
    return max(DIVERGED * float(np.var(data.ratings, dtype=np.float64)), (high - low) ** 2, RESOLUTION)


def _check_loss(loss: float, worst: float, epoch: int) -> None:
    if np.isfinite(loss) and loss <= worst:
        return
    found = f"is {loss:.3g}, above the limit of {worst:.3g}," if np.isfinite(loss) else f"became {loss}"
    raise TrainingDiverged(
        f"The loss {found} in epoch {epoch}: the model diverged. A lower learning rate or more regularization helps."
    )


def _check(cancelled: Event | None, message: str) -> None:
    if cancelled is not None and cancelled.is_set():
        raise Cancelled(message)


def best_epoch(history: list[EpochReport]) -> int:
    """The epoch of the lowest validation RMSE, or the last one without validation; at least 1."""
    measured = [report for report in history if report.validation_rmse is not None]
    if not measured:
        return max(len(history), 1)
    return min(measured, key=lambda report: _deciding(report.validation_rmse or 0.0)).epoch


def _deciding(rmse: float) -> float:
    """An RMSE rounded for comparison: on a plateau the last digits are noise, and the earliest epoch is best."""
    return significant(rmse, DIGITS)


def validation_rmse(model: Trainable, part: Interactions) -> float:
    """Root mean squared error of a model on ratings it has not seen, in rating units."""
    error = model.predict_indices(part.users, part.items) - part.ratings
    return float(np.sqrt(np.mean(error.astype(np.float64) ** 2)))


class _Kept:
    """A copy of the best epoch's arrays."""

    def __init__(self) -> None:
        self.epoch = 0
        self._arrays: Arrays = {}

    def keep(self, model: Trainable, epoch: int) -> None:
        self.epoch = epoch
        self._arrays = {name: array.copy() for name, array in model.arrays().items()}

    def restore(self, model: Trainable) -> None:
        if self._arrays:
            model.restore(self._arrays)
