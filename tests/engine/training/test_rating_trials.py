"""Cross-validation of a trial, and that no trial sees the ratings that judge at the end."""

from __future__ import annotations

from dataclasses import replace
from threading import Event
from typing import Any

import numpy as np
import optuna
import pytest

from engine.data.ratings import Interactions
from engine.data.splits import assign_folds, hold_out
from engine.errors import Cancelled, InvalidInput
from engine.evaluation.newcomers import choose_newcomers
from engine.models.registry import configure
from engine.training.rating_trials import FOLD_STEPS, RatingTrials, fit, is_looked_at
from engine.training.tuning import Watcher
from tests.conftest import planted

QUICK = {"epochs": 10, "factors": 6, "learning_rate": 0.02}


def nothing() -> None:
    """Nobody asks for a stop."""


WATCHER = Watcher(Event(), nothing)


def test_folds_hold_every_rating_once_and_stay_when_ratings_come(small: Interactions) -> None:
    folds = assign_folds(small, 4, seed=3)
    sizes = np.bincount(folds, minlength=4)
    assert len(sizes) == 4
    assert sizes.min() > 0.8 * len(small) / 4
    rows = np.random.default_rng(0).random(len(small)) < 0.7
    np.testing.assert_array_equal(assign_folds(small.subset(rows), 4, seed=3), folds[rows])
    assert (assign_folds(small, 4, seed=4) != folds).mean() > 0.5


def test_no_fold_holds_a_rating_that_judges_at_the_end(small: Interactions) -> None:
    material = RatingTrials.prepare("svd", small, 3, seed=0)
    held_out = material.parts.test
    assert held_out is not None
    pairs = set(zip(held_out.users.tolist(), held_out.items.tolist(), strict=True))
    assert not pairs & set(zip(material.data.users.tolist(), material.data.items.tolist(), strict=True))
    assert len(material.data) + len(held_out) == len(small)


def test_no_trial_sees_the_people_on_whom_versions_are_judged() -> None:
    data = Interactions.from_frame(*planted(n_users=200), scale=(0.5, 5.0))
    newcomers, material = choose_newcomers(data), RatingTrials.prepare("svd", data, 2, seed=0)
    assert len(newcomers)
    for part in (material.data, material.parts.test, material.parts.validation):
        assert part is not None
        assert not np.isin(newcomers, part.users).any()


@pytest.mark.parametrize("kind", ["svd", "ncf"])
def test_nothing_of_the_held_out_ratings_reaches_a_trial(small: Interactions, kind: str) -> None:
    """With every rating that judges turned round, all folds come out the same, bit for bit."""
    material = RatingTrials.prepare("svd", small, 2, seed=0)
    turned = small.ratings.copy()
    judged = hold_out(small, 0.2, 0.1).test
    assert judged is not None
    rows = np.isin(small.users.astype(np.int64) << 32 | small.items, judged.users.astype(np.int64) << 32 | judged.items)
    turned[rows] = sum(small.scale) - turned[rows]
    other = RatingTrials.prepare("svd", replace(small, ratings=turned), 2, seed=0)
    quick = QUICK if kind == "svd" else {"epochs": 2, "factors": 4, "iterations": 2, "parts": 2, "networks": 1}
    one, two = (part.measure(configure(kind, quick), WATCHER) for part in (material, other))
    assert [fold.value for fold in one.folds] == [fold.value for fold in two.folds]
    assert one.errors.sums["rmse"].tobytes() == two.errors.sums["rmse"].tobytes()


def test_a_fold_is_predicted_by_a_model_that_did_not_see_it(small: Interactions) -> None:
    """With the ratings of the first fold turned round, its error is of the same predictions."""
    material = RatingTrials.prepare("svd", small, 2, seed=0)
    first = material.folds == 0
    ratings = material.data.ratings.copy()
    ratings[first] = sum(small.scale) - ratings[first]
    other = replace(material, data=replace(material.data, ratings=ratings))
    found: list[list[float]] = []
    for part in (material, other):
        data, chosen = part.data, part.folds == 0
        parts = hold_out(data.subset(~chosen), 0.1)
        model, _ = fit(configure("svd", QUICK), parts.train, parts.test, WATCHER)
        found.append(model.predict_indices(data.users, data.items)[chosen].tolist())
    assert found[0] == found[1]


def test_errors_of_all_folds_are_those_of_each_user(small: Interactions) -> None:
    material = RatingTrials.prepare("svd", small, 3, seed=0)
    measured = material.measure(configure("svd", QUICK), WATCHER)
    sizes = np.bincount(material.folds)
    total = sum(fold.value**2 * size for fold, size in zip(measured.folds, sizes, strict=True))
    assert measured.errors.sums["rmse"].sum() == pytest.approx(total, rel=1e-5)
    assert measured.errors.ratings.sum() == len(material.data)
    assert measured.value == pytest.approx(np.mean([fold.value for fold in measured.folds]))
    assert all(1 <= fold.epochs <= 10 for fold in measured.folds)


def test_a_watcher_sees_folds_and_looks_and_may_end_it(small: Interactions) -> None:
    material = RatingTrials.prepare("svd", small, 2, seed=0)
    seen: list[Any] = []
    watcher = Watcher(
        Event(), nothing, lambda fold: seen.append(fold), lambda step, rmse: seen.append(step), lambda fold: None
    )
    material.measure(configure("svd", QUICK | {"patience": 0}), watcher)
    steps = [6, 8, FOLD_STEPS - 1]
    assert seen == [0, *steps, 1, *(FOLD_STEPS + step for step in steps)]

    def give_up(step: int, rmse: float) -> None:
        raise optuna.TrialPruned

    with pytest.raises(optuna.TrialPruned):
        material.measure(configure("svd", QUICK), replace(watcher, look=give_up))
    stop = Event()
    stop.set()
    with pytest.raises(Cancelled):
        material.measure(configure("svd", QUICK), replace(watcher, cancelled=stop))


def test_looks_grow_rarer() -> None:
    assert [epoch for epoch in range(1, 70) if is_looked_at(epoch)] == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64]


def test_too_few_ratings_are_refused(small: Interactions) -> None:
    with pytest.raises(InvalidInput, match="too few"):
        RatingTrials.prepare("svd", small.subset(np.arange(30)), 3, seed=0)
