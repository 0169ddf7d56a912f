"""What trials draw: inside the ranges, with the defaults, and allowed by the model."""

from __future__ import annotations

from typing import Any

import optuna
import pytest

from engine.models.list_settings import DEFAULT_RANKING, ranking_space
from engine.models.registry import MODELS, SearchRange, configure, search_space
from engine.training import search


def test_draws_lie_in_the_ranges_and_hold_the_defaults() -> None:
    space = [
        SearchRange("factors", "Factors", 2, 50, log=True, whole=True),
        SearchRange("learning_rate", "Learning rate", 0.02, 0.05, log=True),
        SearchRange("hidden", "Hidden layers", choices=((32,), (8, 4))),
    ]
    drawn = search.distributions(space, configure("ncf", {}))
    assert drawn["factors"] == optuna.distributions.IntDistribution(2, 50, log=True)
    assert drawn["learning_rate"] == optuna.distributions.FloatDistribution(0.002, 0.05, log=True)
    assert drawn["hidden"] == optuna.distributions.CategoricalDistribution(["32", "8, 4", "64, 32"])
    first = search.first_trial(configure("ncf", {}), space)
    assert first == {"factors": 16, "learning_rate": 0.002, "hidden": "64, 32"}
    assert search.read_trial(configure("ncf", {}), space, first)["hidden"] == (64, 32)
    assert search.read_trial(configure("ncf", {}), space, first | {"hidden": "8, 4"})["hidden"] == (8, 4)


@pytest.mark.parametrize(("kind", "numbers"), [("svd", {"factors": 100, "regularization": 0.1}), ("ncf", {})])
def test_every_draw_is_allowed_by_the_model(kind: str, numbers: dict[str, float]) -> None:
    space = search_space(kind)
    assert len(space) >= 3
    study = optuna.create_study(sampler=search.sampler(5, 0))
    draws = search.distributions(space, configure(kind, numbers))
    for _ in range(30):
        trial = study.ask(draws)
        config = configure(kind, search.read_trial(MODELS[kind].config(), space, trial.params))
        for one in space:
            value = getattr(config, one.name)
            assert value in one.choices if one.choices else one.low <= value <= one.high
        study.tell(trial, 1.0)


def test_importances_find_what_matters() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=2))
    draws: dict[str, Any] = {name: optuna.distributions.FloatDistribution(0, 1) for name in ("matters", "idle")}
    for n in range(30):
        assert bool(search.importances(study)) == (n >= 4)
        trial = study.ask(draws)
        study.tell(trial, trial.params["matters"] ** 2)
    found = search.importances(study)
    assert found["matters"] > 0.9
    assert sum(found.values()) == pytest.approx(1)


def test_a_goal_has_its_space_and_direction() -> None:
    assert search.space_of("rmse", "svd") == search_space("svd")
    assert search.space_of("ndcg_at_k", "svd") == ranking_space()
    assert search.asked_of("ndcg_at_k", "svd") == DEFAULT_RANKING
    assert search.asked_of("rmse", "ncf") == MODELS["ncf"].config()
    assert [search.direction(goal) for goal in ("rmse", "ndcg_at_k")] == ["minimize", "maximize"]
