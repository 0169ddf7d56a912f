"""The file of hyperparameters: complete, inside the models' ranges, and refused with a reason where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import InvalidInput, InvalidSettings
from engine.models.hyperparameters import AUTO, default, read
from engine.models.list_settings import RANKING, check_list_settings, ranking_space
from engine.models.registry import MODELS, check_settings, search_space


def test_the_file_gives_every_default_and_nothing_else() -> None:
    check_settings()
    for kind, entry in MODELS.items():
        assert set(read()[kind]["defaults"]) == set(entry.config.model_fields)


@pytest.mark.parametrize("kind", MODELS)
def test_ranges_hold_the_defaults(kind: str) -> None:
    defaults, space = MODELS[kind].config(), search_space(kind)
    assert len(space) >= 3
    for tried in space:
        value = getattr(defaults, tried.name)
        if value == AUTO:
            continue
        assert value in tried.choices if tried.choices else tried.low <= value <= tried.high, tried.name


def test_ranges_know_whole_numbers_and_orders_of_magnitude() -> None:
    tried = {one.name: one for one in search_space("svd")}
    assert (tried["factors"].whole, tried["learning_rate"].whole) == (True, False)
    assert tried["learning_rate"].log
    assert tried["learning_rate"].title == "Learning rate"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"factors": {"low": 0, "high": 10}}, "factors is 0, but must be auto or a whole number from 1 to 1000"),
        ({"learning_rate": {"low": 0.1, "high": 7.0}}, "learning_rate is 7.0"),
        ({"layers": {"low": 1, "high": 2}}, "no hyperparameter 'layers'"),
        ({"factors": {"low": 10, "high": 10}}, "low being the lower"),
        ({"factors": {"low": 10}}, "give low and high"),
        ({"factors": {"low": 1, "high": 5, "choices": [1, 2]}}, "or choices"),
        ({"factors": {"choices": [8]}}, "at least two"),
        ({"regularization": {"low": 0.0, "high": 1.0, "log": True}}, "log needs a low above 0"),
        ({"factors": {"low": 1, "high": 5, "step": 2}}, "Extra inputs"),
        ({"factors": 5}, "svd.search"),
    ],
)
def test_what_no_model_allows_is_refused_with_the_place(line: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidSettings, match=r"hyperparameters\.toml, \[svd\.search\]") as refused:
        search_space("svd", {"svd": {"search": line}})
    assert reason in str(refused.value)


def test_settings_of_lists_have_ranges() -> None:
    check_list_settings()
    space = {one.name: one for one in ranking_space()}
    assert set(space) <= set(RANKING.model_fields)
    assert {"l2", "recency", "rating_weight", "popularity_discount"} <= set(space)
    assert space["l2"].log
    assert space["l2"].title == "L2"
    assert ranking_space({}) == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"recency": {"low": 0.0, "high": 7.0}}, "recency is 7.0, but must be auto or a number from 0 to 5"),
        ({"epoch": {"low": 1, "high": 2}}, "no hyperparameter 'epoch'"),
        ({"method": {"choices": ["ease", "als"]}}, "a study has one method"),
    ],
)
def test_settings_of_lists_that_are_not_allowed_are_refused(line: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidSettings, match=r"hyperparameters\.toml, \[ranker\.search\]") as refused:
        ranking_space({"ranker": {"search": line}})
    assert reason in str(refused.value)


def test_a_model_without_ranges_has_nothing_to_search() -> None:
    assert search_space("svd", {}) == []
    with pytest.raises(InvalidInput, match="no model"):
        search_space("oracle")


def test_a_file_that_is_no_toml_says_so(tmp_path: Path) -> None:
    broken = tmp_path / "hyperparameters.toml"
    broken.write_text("[svd.defaults\nfactors = 3")
    with pytest.raises(InvalidSettings, match="can't be read"):
        read(broken)
    with pytest.raises(InvalidSettings, match="can't be read"):
        read(tmp_path / "none.toml")


def test_a_default_that_is_missing_is_named() -> None:
    with pytest.raises(InvalidSettings, match=r"add layers under \[svd.defaults\]"):
        default("svd", "layers")
