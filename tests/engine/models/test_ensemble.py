from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.models import ensemble
from engine.models.ensemble import EnsembleTrainer, Inputs, NetworkTrainer


class FakeRows:
    """Rows whose first input is their number."""

    def __init__(self, count: int) -> None:
        self.count, self.asked = count, 0

    def __len__(self) -> int:
        return self.count

    def rows(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.asked += len(rows)
        return np.column_stack([rows, np.ones(len(rows))]).astype(np.float32), rows.astype(np.float32)


class FakeNetwork:
    """Remembers what it was taught."""

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        self.seen: list[np.ndarray] = []
        self.sizes: set[int] = set()

    def set_params(self, batch_size: int) -> None:
        self.sizes.add(batch_size)

    def partial_fit(self, inputs: np.ndarray, targets: np.ndarray) -> None:
        assert np.array_equal(inputs[:, 0], targets)
        self.seen.append(targets.astype(int))

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        return inputs[:, 0] + 2


def inputs_of(count: int) -> Inputs:
    rows: Any = FakeRows(count)
    return Inputs(rows, (np.zeros(2, np.float32), np.ones(2, np.float32)))


def seen(network: FakeNetwork, trainer: NetworkTrainer, epochs: int) -> list[np.ndarray]:
    found = []
    for _ in range(epochs):
        network.seen.clear()
        for _ in trainer.epoch():
            pass
        found.append(np.concatenate(network.seen))
    return found


def trainer_of(count: int, batch_size: int) -> tuple[Any, NetworkTrainer]:
    network: Any = FakeNetwork(batch_size)
    return network, NetworkTrainer(network, inputs_of(count), seed=0)


def test_an_epoch_is_every_row_once_in_new_order() -> None:
    network, trainer = trainer_of(count=60, batch_size=20)
    first, second = seen(network, trainer, epochs=2)
    assert sorted(first) == sorted(second) == list(range(60))
    assert first.tolist() != second.tolist()
    assert network.sizes == {20}


@pytest.mark.parametrize(("count", "batch_size", "size", "steps"), [(5, 64, 5, 1), (100, 64, 50, 2), (131, 32, 26, 5)])
def test_steps_are_of_equal_size(count: int, batch_size: int, size: int, steps: int) -> None:
    """A few rows are left for another epoch rather than taken in a small step."""
    network, trainer = trainer_of(count, batch_size)
    rows = seen(network, trainer, epochs=1)[0]
    assert len(set(rows)) == len(rows) == size * steps
    assert network.sizes == {size}


def test_pieces_are_whole_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ensemble, "ROWS_AT_ONCE", 50)
    network, trainer = trainer_of(count=130, batch_size=20)
    for _ in trainer.epoch():
        pass
    assert [len(piece) for piece in network.seen] == [36, 36, 36, 18]
    assert network.sizes == {18}


def test_many_rows_take_several_epochs_to_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ensemble, "EPOCH_ROWS", 40)
    network, trainer = trainer_of(count=100, batch_size=11)
    epochs = seen(network, trainer, epochs=6)
    assert all(len(epoch) == 33 for epoch in epochs)
    for three in (epochs[:3], epochs[3:]):
        assert len(set(np.concatenate(three))) == 99


def test_inputs_are_kept_unless_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = FakeRows(40), FakeRows(41)
    monkeypatch.setattr(ensemble, "EPOCH_ROWS", 40)
    moments = np.full(2, 1, np.float32), np.full(2, 2, np.float32)
    for rows in (few, many):
        taught: Any = rows
        inputs = Inputs(taught, moments)
        for _ in range(3):
            found, targets = inputs.of(np.array([4, 9]))
            assert found[:, 0].tolist() == [1.5, 4]
            assert targets.tolist() == [4, 9]
    assert (few.asked, many.asked) == (40, 6)


def test_the_loss_is_that_of_the_networks_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ensemble, "LOSS_ROWS", 7)
    networks: Any = [FakeNetwork(8), FakeNetwork(8)]
    trainer = EnsembleTrainer(networks, inputs_of(30), seed=0)
    assert trainer.epoch() == pytest.approx(4)
    assert networks[0].seen[0].tolist() != networks[1].seen[0].tolist()  # each in an order of its own
