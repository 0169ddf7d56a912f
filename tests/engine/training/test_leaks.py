"""Nothing of the test part reaches what is learned: other test ratings, bit for bit the same models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from engine.data.arrays import Arrays, Float32
from engine.data.ratings import Interactions
from engine.data.splits import hold_out
from engine.evaluation.report import EvaluationReport, EvaluationService
from engine.models.base import RatingModel
from engine.models.intervals import Calibration
from engine.models.registry import MODELS
from engine.training import pipeline
from engine.training.pipeline import TEST_PART, VALIDATION_PART, Listener, learn
from engine.training.ranking import ChosenRanking, choose_ranking
from tests.conftest import planted
from tests.engine.models.quick import quick_config
from tests.engine.training.held_out import swap_movies, turn_ratings

Change = Callable[[Interactions, np.ndarray], Interactions]


def crowd_movies(data: Interactions, rows: np.ndarray) -> Interactions:
    """The test part makes a few movies the most rated of all, and all its ratings are the highest."""
    items = data.items.copy()
    for user in range(data.n_users):
        of_user = data.by_user.of(user)
        held = of_user[rows[of_user]]
        items[held] = np.setdiff1d(np.arange(data.n_movies), data.items[of_user])[: len(held)]
    return replace(data, items=items, ratings=np.where(rows, np.float32(5), data.ratings))


@dataclass
class Judged:
    """What was handed over to be judged, and the judgement."""

    arrays: Arrays
    predicted: Float32
    scores: list[Float32]
    ranking: ChosenRanking
    report: EvaluationReport


class _Enough(Exception):
    """Ends a training once its model was judged."""


def judged(kind: str, data: Interactions, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Judged:
    """Train as a version is trained, up to the moment when it is judged."""
    seen: list[Judged] = []
    chosen: list[ChosenRanking] = []

    def keep_choice(*args: Any) -> ChosenRanking:
        chosen.append(choose_ranking(*args))
        return chosen[-1]

    generate = EvaluationService.generate_report

    def keep(
        service: EvaluationService,
        model: RatingModel,
        train: Interactions,
        test: Interactions,
        *args: Any,
        score_user: Callable[[int], Float32],
        calibration: Calibration,
        **named: Any,
    ) -> None:
        arrays = model.arrays() | {f"calibration {name}": array for name, array in calibration.arrays().items()}
        everyone, catalogue = np.arange(data.n_users, dtype=np.int32), np.arange(data.n_movies, dtype=np.int32)
        pairs = np.repeat(everyone, len(catalogue)), np.tile(catalogue, len(everyone))
        scores = [score_user(user) for user in everyone.tolist()]
        report = generate(service, model, train, test, *args, score_user=score_user, calibration=calibration, **named)
        learned = {name: array.copy() for name, array in arrays.items()}
        seen.append(Judged(learned, model.predict_indices(*pairs), scores, chosen[0], report))
        raise _Enough

    listener = Listener.silent()
    with monkeypatch.context() as patched:
        patched.setattr(EvaluationService, "generate_report", keep)
        patched.setattr(pipeline, "choose_ranking", keep_choice)
        with pytest.raises(_Enough):
            learn(quick_config(kind, **changes), data, 10, listener)
    return seen[0]


@pytest.fixture(scope="module")
def ratings() -> Interactions:
    """Enough for the validation part to calibrate groups: 120 users of 40 ratings."""
    return Interactions.from_frame(*planted(n_users=120, per_user=40), scale=(0.5, 5.0))


def rows_of(part: Interactions | None, data: Interactions) -> np.ndarray:
    """bool[len(data)]: the rows of a part."""
    assert part is not None
    held = set(zip(part.users.tolist(), part.items.tolist(), strict=True))
    return np.array([pair in held for pair in zip(data.users.tolist(), data.items.tolist(), strict=True)])


@pytest.mark.parametrize(("kind", "times"), [*((kind, "known") for kind in MODELS), ("svd", "unknown")])
def test_another_test_part_changes_nothing_that_is_learned(
    kind: str, times: str, ratings: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    if times == "unknown":
        ratings = replace(ratings, timestamps=None)
        # The order of ties depends on the movies, which the changes below swap; so here it is that of the rows.
        monkeypatch.setattr("engine.data.splits._hash_pairs", lambda data, _: np.arange(len(data), dtype=np.uint64))
    rows = rows_of(hold_out(ratings).test, ratings)
    expected = judged(kind, ratings, monkeypatch)
    for change in (turn_ratings, swap_movies, crowd_movies):
        found = judged(kind, change(ratings, rows), monkeypatch)
        assert found.arrays.keys() == expected.arrays.keys() != set()
        assert len(found.scores) == ratings.n_users
        for name, array in expected.arrays.items():
            assert np.array_equal(found.arrays[name], array), f"{change.__name__}: {name}"
        assert np.array_equal(found.predicted, expected.predicted)
        assert found.ranking == expected.ranking
        for one, other in zip(found.scores, expected.scores, strict=True):
            assert np.array_equal(one, other)
        assert found.report.metrics["rmse"] != expected.report.metrics["rmse"], "the change was not even judged"


@pytest.mark.parametrize("kind", MODELS)
def test_the_training_part_does_change_what_is_learned(
    kind: str, ratings: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the test above would prove nothing."""
    test = hold_out(ratings).test
    assert test is not None
    learned = np.ones(len(ratings), bool)
    learned[:10] = False
    one, other = (judged(kind, data, monkeypatch) for data in (ratings, turn_ratings(ratings, ~learned)))
    assert not np.array_equal(one.predicted, other.predicted)
    assert one.ranking.frontier != other.ranking.frontier
    assert any(not np.array_equal(a, b) for a, b in zip(one.scores, other.scores, strict=True))


def test_the_validation_part_is_not_fitted(ratings: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells how far predictions are off, which it could not had the model learned it."""
    rows = rows_of(hold_out(ratings, TEST_PART, VALIDATION_PART).validation, ratings)
    one, other = (judged("svd", data, monkeypatch, patience=0) for data in (ratings, turn_ratings(ratings, rows)))
    assert np.array_equal(one.predicted, other.predicted)
    differ = [name for name, array in one.arrays.items() if not np.array_equal(array, other.arrays[name])]
    assert differ
    assert all(name.startswith("calibration") for name in differ)
