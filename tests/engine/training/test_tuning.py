"""Cross-validation of a trial, what it proves, and that no trial sees the ratings that judge at the end."""

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
from engine.evaluation.differences import MetricDifference
from engine.evaluation.newcomers import choose_newcomers
from engine.evaluation.report import UserErrors
from engine.models.registry import SearchRange, configure, search_space
from engine.training import tuning
from engine.training.tuning import FoldResult
from tests.conftest import planted

QUICK = {"epochs": 10, "factors": 6, "learning_rate": 0.02}


def nothing() -> None:
    """Nobody asks for a stop."""


WATCHER = tuning.Watcher(Event(), nothing)


def test_folds_hold_every_rating_once_and_stay_when_ratings_come(small: Interactions) -> None:
    folds = assign_folds(small, 4, seed=3)
    sizes = np.bincount(folds, minlength=4)
    assert len(sizes) == 4
    assert sizes.min() > 0.8 * len(small) / 4
    rows = np.random.default_rng(0).random(len(small)) < 0.7
    np.testing.assert_array_equal(assign_folds(small.subset(rows), 4, seed=3), folds[rows])
    assert (assign_folds(small, 4, seed=4) != folds).mean() > 0.5


def test_no_fold_holds_a_rating_that_judges_at_the_end(small: Interactions) -> None:
    material = tuning.Material.part(small, 3, seed=0)
    held_out = material.parts.test
    assert held_out is not None
    pairs = set(zip(held_out.users.tolist(), held_out.items.tolist(), strict=True))
    assert not pairs & set(zip(material.data.users.tolist(), material.data.items.tolist(), strict=True))
    assert len(material.data) + len(held_out) == len(small)


def test_no_trial_sees_the_people_on_whom_versions_are_judged() -> None:
    data = Interactions.from_frame(*planted(n_users=200), scale=(0.5, 5.0))
    newcomers, material = choose_newcomers(data), tuning.Material.part(data, 2, seed=0)
    assert len(newcomers)
    for part in (material.data, material.parts.test, material.parts.validation):
        assert part is not None
        assert not np.isin(newcomers, part.users).any()


@pytest.mark.parametrize("kind", ["svd", "ncf"])
def test_nothing_of_the_held_out_ratings_reaches_a_trial(small: Interactions, kind: str) -> None:
    """With every rating that judges turned round, all folds come out the same, bit for bit."""
    material = tuning.Material.part(small, 2, seed=0)
    turned = small.ratings.copy()
    judged = hold_out(small, 0.2, 0.1).test
    assert judged is not None
    rows = np.isin(small.users.astype(np.int64) << 32 | small.items, judged.users.astype(np.int64) << 32 | judged.items)
    turned[rows] = sum(small.scale) - turned[rows]
    other = tuning.Material.part(replace(small, ratings=turned), 2, seed=0)
    quick = QUICK if kind == "svd" else {"epochs": 2, "factors": 4, "iterations": 2, "parts": 2, "networks": 1}
    one, two = (tuning.measure(configure(kind, quick), part, WATCHER) for part in (material, other))
    assert [fold.rmse for fold in one.folds] == [fold.rmse for fold in two.folds]
    assert one.errors.sums["rmse"].tobytes() == two.errors.sums["rmse"].tobytes()


def test_a_fold_is_predicted_by_a_model_that_did_not_see_it(small: Interactions) -> None:
    """With the ratings of the first fold turned round, its error is of the same predictions."""
    material = tuning.Material.part(small, 2, seed=0)
    first = material.folds == 0
    ratings = material.data.ratings.copy()
    ratings[first] = sum(small.scale) - ratings[first]
    other = replace(material, data=replace(material.data, ratings=ratings))
    found: list[list[float]] = []
    for part in (material, other):
        data, chosen = part.data, part.folds == 0
        parts = hold_out(data.subset(~chosen), 0.1)
        predicted, _ = tuning.fit_predict(configure("svd", QUICK), parts.train, parts.test, data, WATCHER)
        found.append(predicted[chosen].tolist())
    assert found[0] == found[1]


def test_errors_of_all_folds_are_those_of_each_user(small: Interactions) -> None:
    material = tuning.Material.part(small, 3, seed=0)
    measured = tuning.measure(configure("svd", QUICK), material, WATCHER)
    sizes = np.bincount(material.folds)
    total = sum(fold.rmse**2 * size for fold, size in zip(measured.folds, sizes, strict=True))
    assert measured.errors.sums["rmse"].sum() == pytest.approx(total, rel=1e-5)
    assert measured.errors.ratings.sum() == len(material.data)
    assert measured.rmse == pytest.approx(np.mean([fold.rmse for fold in measured.folds]))
    assert all(1 <= fold.epochs <= 10 for fold in measured.folds)


def test_a_watcher_sees_folds_and_looks_and_may_end_it(small: Interactions) -> None:
    material = tuning.Material.part(small, 2, seed=0)
    seen: list[Any] = []
    watcher = tuning.Watcher(
        Event(), nothing, lambda fold: seen.append(fold), lambda step, rmse: seen.append(step), lambda fold: None
    )
    tuning.measure(configure("svd", QUICK | {"patience": 0}), material, watcher)
    steps = [6, 8, tuning.FOLD_STEPS - 1]
    assert seen == [0, *steps, 1, *(tuning.FOLD_STEPS + step for step in steps)]

    def give_up(step: int, rmse: float) -> None:
        raise optuna.TrialPruned

    with pytest.raises(optuna.TrialPruned):
        tuning.measure(configure("svd", QUICK), material, replace(watcher, look=give_up))
    stop = Event()
    stop.set()
    with pytest.raises(Cancelled):
        tuning.measure(configure("svd", QUICK), material, replace(watcher, cancelled=stop))


def test_looks_grow_rarer() -> None:
    assert [epoch for epoch in range(1, 70) if tuning.is_looked_at(epoch)] == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64]


def test_too_few_ratings_are_refused(small: Interactions) -> None:
    with pytest.raises(InvalidInput, match="too few"):
        tuning.Material.part(small.subset(np.arange(30)), 3, seed=0)


BETTER = MetricDifference(0.91, 0.92, -0.01, -0.02, -0.001, 0.001, 50, "better")


def measured(squared: np.ndarray, rmse: tuple[float, ...]) -> tuning.Measured:
    users = np.arange(len(squared))
    errors = UserErrors(users, np.ones(len(users), np.int64), np.zeros(len(users), np.uint64), {"rmse": squared})
    return tuning.Measured(tuple(FoldResult(n, value, 5, 1.0) for n, value in enumerate(rmse)), errors)


def test_the_best_of_many_has_to_be_much_better() -> None:
    """The same difference is shown by one trial and may be chance as the best of a thousand."""
    rng = np.random.default_rng(1)
    theirs = rng.chisquare(3, 200)
    ours = theirs * rng.normal(0.955, 0.14, 200)
    pair = measured(ours, (0.8, 0.9)), measured(theirs, (0.9, 0.85))
    alone, best = (tuning.weigh(4, *pair, tried, BETTER) for tried in (1, 1000))
    assert 1e-4 < alone.difference.p_value < 0.05
    assert (alone.better, best.better) == (True, False)
    assert alone.folds_won == 1
    assert "lower in 1 of 2 folds" in alone.text
    assert "better than the defaults" in alone.text
    assert "may be chance" in best.text


@pytest.mark.parametrize(
    ("held_out", "told"),
    [
        (BETTER, "It is better than the defaults (p = "),
        (None, "the ratings that no trial saw decide when the study has ended (p = "),
        (
            replace(BETTER, verdict="no difference shown", p_value=0.77),
            "not on the ratings that no trial saw, so the defaults",
        ),
        (replace(BETTER, verdict="worse"), "not on the ratings that no trial saw, so the defaults"),
    ],
)
def test_what_the_folds_show_the_held_out_ratings_must_show_too(held_out: MetricDifference | None, told: str) -> None:
    theirs = np.random.default_rng(1).chisquare(3, 200)
    pair = measured(theirs * 0.9, (0.8, 0.8)), measured(theirs, (0.9, 0.9))
    evidence = tuning.weigh(4, *pair, 3, held_out)
    assert evidence.difference.verdict == "better"
    assert evidence.difference.p_value < 1e-6
    assert evidence.better == (held_out is BETTER)
    assert told in evidence.text


def test_what_the_held_out_ratings_say_is_told() -> None:
    squared = np.random.default_rng(1).chisquare(3, 50)
    held_out = replace(BETTER, verdict="no difference shown")
    evidence = tuning.weigh(4, measured(squared, (0.9,)), measured(squared, (0.9,)), 3, held_out)
    assert evidence.text.endswith("it has RMSE 0.9100, the defaults 0.9200: no difference shown.")
    assert "may be chance" in evidence.text
    assert not evidence.better


def test_no_difference_is_told_as_a_negative_zero() -> None:
    theirs = np.random.default_rng(1).chisquare(3, 50)
    evidence = tuning.weigh(1, measured(theirs * (1 - 1e-6), (0.9,)), measured(theirs, (0.9,)), 1, None)
    assert -1e-6 < evidence.difference.difference < 0
    assert "a difference of +0.0000 (+0.0000 to +0.0000)" in evidence.text


def test_of_too_few_users_no_interval_is_told() -> None:
    squared = np.random.default_rng(1).chisquare(3, 9)
    evidence = tuning.weigh(1, measured(squared / 2, (0.9,)), measured(squared, (0.9,)), 1, None)
    assert "(too few users for an interval), lower in 0 of 1 folds" in evidence.text
    assert not evidence.better


def test_equal_trials_tie_whatever_their_last_digits() -> None:
    squared = np.random.default_rng(1).chisquare(3, 50)
    ours, theirs = measured(squared, (0.3 - 0.2, 0.9)), measured(squared, (0.2 - 0.1, 0.9))
    assert (0.3 - 0.2) < (0.2 - 0.1)
    assert tuning.weigh(1, ours, theirs, 1, None).folds_won == 0
    assert ours.rmse == theirs.rmse == 0.5


def test_draws_lie_in_the_ranges_and_hold_the_defaults() -> None:
    space = [
        SearchRange("factors", "Factors", 2, 50, log=True, whole=True),
        SearchRange("learning_rate", "Learning rate", 0.02, 0.05, log=True),
        SearchRange("hidden", "Hidden layers", choices=((32,), (8, 4))),
    ]
    drawn = tuning.distributions(space, configure("ncf", {}))
    assert drawn["factors"] == optuna.distributions.IntDistribution(2, 50, log=True)
    assert drawn["learning_rate"] == optuna.distributions.FloatDistribution(0.002, 0.05, log=True)
    assert drawn["hidden"] == optuna.distributions.CategoricalDistribution(["32", "8, 4", "64, 32"])
    first = tuning.first_trial(configure("ncf", {}), space)
    assert first == {"factors": 16, "learning_rate": 0.002, "hidden": "64, 32"}
    assert tuning.read_trial("ncf", space, first)["hidden"] == (64, 32)
    assert tuning.read_trial("ncf", space, first | {"hidden": "8, 4"})["hidden"] == (8, 4)


@pytest.mark.parametrize(("kind", "numbers"), [("svd", {"factors": 100, "regularization": 0.1}), ("ncf", {})])
def test_every_draw_is_allowed_by_the_model(kind: str, numbers: dict[str, float]) -> None:
    space = search_space(kind)
    assert len(space) >= 3
    study = optuna.create_study(sampler=tuning.sampler(5, 0))
    draws = tuning.distributions(space, configure(kind, numbers))
    for _ in range(30):
        trial = study.ask(draws)
        config = configure(kind, tuning.read_trial(kind, space, trial.params))
        for one in space:
            value = getattr(config, one.name)
            assert value in one.choices if one.choices else one.low <= value <= one.high
        study.tell(trial, 1.0)


def test_importances_find_what_matters() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=2))
    draws: dict[str, Any] = {name: optuna.distributions.FloatDistribution(0, 1) for name in ("matters", "idle")}
    for n in range(30):
        assert bool(tuning.importances(study)) == (n >= 4)
        trial = study.ask(draws)
        study.tell(trial, trial.params["matters"] ** 2)
    found = tuning.importances(study)
    assert found["matters"] > 0.9
    assert sum(found.values()) == pytest.approx(1)
