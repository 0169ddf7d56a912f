"""Training of the networks of the neural collaborative filter, several at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Float32
from engine.models.networks import TrainingRows
from engine.parallel import run_chains

if TYPE_CHECKING:
    from sklearn.neural_network import MLPRegressor

EPOCH_ROWS = 250_000
"""Rows that a network learns from in an epoch, at most. Where there are more, each epoch takes other ones.

A network has some thousands of weights: three passes over a million rows teach it as much as twelve.
"""
ROWS_AT_ONCE = 1 << 16
"""Rows whose inputs a network has in memory."""
LOSS_ROWS = 1 << 14
"""Rows on which the loss is measured, at most."""


class Inputs:
    """Inputs of training rows as networks see them: normalised, and kept where there are not too many.

    Args:
        taught: the rows.
        moments: float32[d] twice, mean and scale of the inputs.
    """

    def __init__(self, taught: TrainingRows, moments: tuple[Float32, Float32]) -> None:
        self._taught, self._moments = taught, moments
        self._kept = self._made(np.arange(len(taught))) if len(taught) <= EPOCH_ROWS else None

    def __len__(self) -> int:
        return len(self._taught)

    def of(self, rows: NDArray[np.int64]) -> tuple[Float32, Float32]:
        """float32[n, d]: the inputs of some rows; float32[n]: their targets."""
        return self._made(rows) if self._kept is None else (self._kept[0][rows], self._kept[1][rows])

    def _made(self, rows: NDArray[np.int64]) -> tuple[Float32, Float32]:
        inputs, targets = self._taught.rows(rows)
        inputs -= self._moments[0]
        inputs /= self._moments[1]
        return inputs, targets


class NetworkTrainer:
    """Trains one network on rows in an order of its own, in steps of equal size.

    Networks that see rows in different orders differ more, and their mean is better. A smaller last step would be
    mostly noise and penalty.

    Args:
        network: not trained yet.
        inputs: of all rows.
        seed: of the order.
    """

    def __init__(self, network: MLPRegressor, inputs: Inputs, seed: int) -> None:
        self.network, self.inputs = network, inputs
        self._batch_size = int(network.batch_size)
        self._rng = np.random.default_rng(seed)
        self._left: list[NDArray[np.int64]] = []

    def epoch(self) -> Iterator[None]:
        """Train for one epoch, in pieces."""
        rows = self._next_rows()
        steps = -(-len(rows) // self._batch_size)
        size = len(rows) // steps
        self.network.set_params(batch_size=size)
        piece = max(ROWS_AT_ONCE // size, 1) * size
        for start in range(0, size * steps, piece):
            self.network.partial_fit(*self.inputs.of(rows[start : min(start + piece, size * steps)]))
            yield

    def _next_rows(self) -> NDArray[np.int64]:
        if not self._left:
            order, epochs = self._rng.permutation(len(self.inputs)), -(-len(self.inputs) // EPOCH_ROWS)
            self._left = list(order[: len(order) // epochs * epochs].reshape(epochs, -1))
        return self._left.pop()


class EnsembleTrainer:
    """Trains several networks at the same time.

    Args:
        networks: not trained yet.
        inputs: of the rows to learn from.
        seed: of the orders of rows.
    """

    def __init__(self, networks: list[MLPRegressor], inputs: Inputs, seed: int) -> None:
        seeds = np.random.SeedSequence(seed).generate_state(len(networks)).tolist()
        self._trainers = [NetworkTrainer(one, inputs, own) for one, own in zip(networks, seeds, strict=True)]
        self._sample, self._targets = inputs.of(np.arange(0, len(inputs), -(-len(inputs) // LOSS_ROWS)))

    def epoch(self) -> float:
        """Train for an epoch; returns the mean squared error of the networks' mean afterwards, on a sample of rows."""
        run_chains(one.epoch() for one in self._trainers)
        predicted = np.mean([one.network.predict(self._sample) for one in self._trainers], axis=0)
        return float(np.mean((self._targets - predicted) ** 2))
