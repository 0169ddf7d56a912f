"""Users and movies left out are known by ten ratings only, and a missed goal is reported."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import foldin
from benchmarks.__main__ import BENCHMARKS
from benchmarks.data import interactions, simulate
from benchmarks.foldin import GOAL, Measured, Side, fold, measure_all, part, render
from engine.data.arrays import Int32
from engine.data.ratings import Interactions
from engine.models.svd import MatrixFactorizationConfig, MatrixFactorizationModel


@pytest.fixture(scope="module")
def data() -> Interactions:
    return interactions(simulate(3000, 60, 70))


@pytest.mark.parametrize("side", ["users", "movies"])
def test_parts_hold_what_they_say(data: Interactions, side: Side) -> None:
    parts = part(data, side, seed=3, count=5)

    def keys(rows: Interactions) -> Int32:
        return rows.users if side == "users" else rows.items

    assert len(parts.base) + len(parts.first) + len(parts.rest) == len(data)
    assert len(parts.full) == len(parts.base) + len(parts.first)
    assert not np.isin(keys(parts.base), parts.chosen).any()
    assert sorted(set(keys(parts.rest).tolist())) == sorted(parts.chosen.tolist())
    assert data.timestamps is not None
    assert len(parts.chosen) == 5
    for one in parts.chosen:
        first, rest = (
            times[keys(rows) == one] for rows in (parts.first, parts.rest) if (times := rows.timestamps) is not None
        )
        assert len(first) == foldin.FIRST
        assert first.max() <= rest.min()


@pytest.mark.parametrize("side", ["users", "movies"])
def test_what_is_folded_in_are_the_first_ten(data: Interactions, side: Side) -> None:
    """Each prediction is that of a vector made of the ten, beside what the model learned of the other side."""
    parts = part(data, side, seed=1, count=4)
    model = MatrixFactorizationModel(MatrixFactorizationConfig(factors=4, epochs=5)).fit(parts.base)
    found = fold(model, parts, side)
    for row in range(0, len(found), 7):
        user, movie = int(parts.rest.users[row]), int(parts.rest.items[row])
        first = parts.first.users == user if side == "users" else parts.first.items == movie
        ratings = parts.first.ratings[first]
        if side == "users":
            vectors = model.fold_in_user(parts.first.items[first], ratings), model.movie_vector(movie)
        else:
            vectors = model.user_vector(user), model.fold_in_movie(parts.first.users[first], ratings)
        expected = np.clip(model.mean_ + vectors[0][0] + vectors[1][0] + vectors[0][1:] @ vectors[1][1:], 0.5, 5)
        assert found[row] == pytest.approx(expected, abs=1e-4)


def test_a_missed_goal_is_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = Measured(1.0, GOAL - 0.01, 1.2), Measured(1.0, GOAL + 0.01, 1.2)
    assert "1.03 met" in render({("svd", "users"): [good]})
    for found, code in ((good, 0), (bad, 1)):
        monkeypatch.setattr(foldin, "measure_all", lambda *_, found=found: {("svd", "movies"): [found]})
        monkeypatch.setattr(foldin, "demo_interactions", lambda: None)
        assert BENCHMARKS["foldin"]([]) == code
        assert ("MISSED" in capsys.readouterr().out) == bool(code)


def test_every_side_and_draw_is_measured(data: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foldin, "part", lambda data, side, seed: part(data, side, seed, count=6))
    found = measure_all(data, ["svd"], [0, 1])
    assert {key: len(draws) for key, draws in found.items()} == {("svd", "users"): 2, ("svd", "movies"): 2}
    for draws in found.values():
        for one in draws:
            assert 0.5 < one.ratio < 1.5
            assert one.retrained > 0.5
