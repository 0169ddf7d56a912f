"""The one loop that trains: times, reports, cancels, stops early, notices divergence. Models only yield epochs."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from threading import Event
from typing import Protocol

import numpy as np

from engine.data.arrays import Arrays, Float32, Int32
from engine.data.ratings import Interactions
from engine.errors import Cancelled, TrainingDiverged
from engine.rounding import significant

DIVERGED = 10.0
"""So many times the loss of the plain mean is no learning any more."""
RESOLUTION = 1e-12
DIGITS = 6


@dataclass(frozen=True, slots=True)
class EpochReport:
    """One epoch of a training: mean squared error in training, RMSE on the validation part (None without one)."""

    epoch: int
    epochs: int
    train_loss: float
    validation_rmse: float | None
    seconds: float


OnEpoch = Callable[[EpochReport], None]


class Trainable(Protocol):
    """What the loop asks of a model: epochs, predictions after each, and arrays to go back to."""

    @property
    def total_epochs(self) -> int:
        """How many epochs there are at most."""

    def epochs(self, data: Interactions) -> Generator[float | str, None, None]:
        """Learn from the start: yields the loss after each epoch, and texts that name a long step."""

    def predict_indices(self, users: Int32, movies: Int32) -> Float32:
        """float32[n]: the rating of each pair of indices."""

    def arrays(self) -> Arrays:
        """What was learned, by name."""

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
    clock: Callable[[], float] = time.perf_counter,
) -> list[EpochReport]:
    """Train a model on ratings, epoch by epoch.

    Args:
        model: what learns; usable after each epoch.
        data: what it learns from.
        validation: ratings to measure after each epoch; they never reach the model.
        patience: stop after so many epochs without a better validation RMSE, back at the best one; 0 never stops.
        on_epoch: told of each epoch as it ends.
        on_step: told in words of what a model does before and within epochs that take long.
        cancelled: asked between epochs and steps.
        clock: seconds, monotonic.

    Returns:
        The epochs that ran. With patience the model holds the epoch of the lowest validation RMSE.

    Raises:
        Cancelled: ``cancelled`` was set.
        TrainingDiverged: the loss became infinite, not a number, or far worse than that of the plain mean.
    """
    history: list[EpochReport] = []
    worst = _worst_loss(data)
    best, kept = float("inf"), _Kept()
    for loss, seconds in _epochs(model, data, on_step, cancelled, clock):
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
    model: Trainable,
    data: Interactions,
    on_step: Callable[[str], None] | None,
    cancelled: Event | None,
    clock: Callable[[], float],
) -> Generator[tuple[float, float], None, None]:
    """Each epoch's loss, and its seconds with what the caller did after the epoch before."""
    number, started = 1, clock()
    for told in model.epochs(data):
        if isinstance(told, str):
            if on_step is not None:
                on_step(told)
            _check(cancelled, f"Cancelled before the end of epoch {number} of {model.total_epochs}.")
            if number == 1:
                started = clock()  # what is prepared once tells nothing of the epochs to come
            continue
        now = clock()
        seconds, started, number = now - started, now, number + 1
        yield told, seconds


def _worst_loss(data: Interactions) -> float:
    """The loss above which a model knows less than nothing: ten times that of the plain mean.

    Where ratings are nearly alike that is next to nothing, so predictions have to miss by more than the whole scale.
    """
    low, high = data.scale
    return max(DIVERGED * float(np.var(data.ratings, dtype=np.float64)), (high - low) ** 2, RESOLUTION)


def _check_loss(loss: float, worst: float, epoch: int) -> None:
    if np.isfinite(loss) and loss <= worst:
        return
    found = (
        f"is {loss:.3g}, where at most {worst:.3g} can pass for learning," if np.isfinite(loss) else f"became {loss}"
    )
    raise TrainingDiverged(
        f"The loss {found} in epoch {epoch}: the model diverged. A lower learning rate or more regularization helps."
    )


def _check(cancelled: Event | None, message: str) -> None:
    if cancelled is not None and cancelled.is_set():
        raise Cancelled(message)


def best_epoch(history: list[EpochReport]) -> int:
    """The epoch of the lowest validation RMSE (the last one where nothing was validated); at least 1."""
    measured = [report for report in history if report.validation_rmse is not None]
    if not measured:
        return max(len(history), 1)
    return min(measured, key=lambda report: _deciding(report.validation_rmse or 0.0)).epoch


def _deciding(rmse: float) -> float:
    """An RMSE as epochs are compared by it: on a plateau the last digits are noise, and the earliest epoch is best."""
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
