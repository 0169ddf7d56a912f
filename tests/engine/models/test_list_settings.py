"""The settings of lists: each a value or left to the training, with the ranges of the rankers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from engine.data.ratings import Interactions
from engine.errors import InvalidHyperparameter, InvalidSettings
from engine.models import hyperparameters, list_settings
from engine.models.hyperparameters import AUTO, read
from engine.models.list_settings import (
    BEYOND,
    CHOSEN,
    DEFAULT_RANKING,
    OWN,
    RANKING,
    check_list_settings,
    configure_ranking,
    ranking_space,
)
from engine.models.rankers import RANKERS, configure_ranker, ranker_settings


def test_the_file_has_the_default_of_every_setting_but_what_one_ranker_chooses() -> None:
    check_list_settings()
    defaults = read()["ranker"]["defaults"]
    assert set(defaults) <= set(RANKING.model_fields)
    assert CHOSEN & set(RANKERS["ease"].config.model_fields) <= set(defaults)
    assert configure_ranking(defaults) == DEFAULT_RANKING


def test_it_has_the_settings_of_every_ranker() -> None:
    assert set(RANKING.model_fields) == {"method"}.union(*(entry.config.model_fields for entry in RANKERS.values()))


def test_by_default_the_training_chooses() -> None:
    assert DEFAULT_RANKING.method == AUTO
    for name in CHOSEN | OWN:
        assert getattr(DEFAULT_RANKING, name) == AUTO
    assert not set(DEFAULT_RANKING.given) & (CHOSEN | OWN)
    for method, entry in RANKERS.items():
        assert DEFAULT_RANKING.choices(method) == CHOSEN & set(entry.config.model_fields)


@pytest.mark.parametrize("method", list(RANKERS))
def test_what_is_given_stays_and_the_rest_is_chosen(method: str) -> None:
    asked = configure_ranking({"recency": 0.7, "dislike": 1.5})
    chosen = {"recency": 0.1, "popularity_discount": 0.25, "l2": 77.0, "regularization": 0.9}
    found = asked.config(method, chosen)
    assert type(found) is RANKERS[method].config
    assert (found.recency, found.dislike, found.popularity_discount) == (0.7, 1.5, 0.25)
    assert asked.choices(method) == DEFAULT_RANKING.choices(method) - {"recency"}
    assert configure_ranker(ranker_settings(found)) == found


def test_a_stored_ranker_can_be_asked_for_again() -> None:
    """The settings of a version are settings of a training that chooses nothing."""
    for method, entry in RANKERS.items():
        stored = ranker_settings(entry.config(max_movies=5000))  # type: ignore[call-arg]  # both rankers have it
        asked = configure_ranking(stored)
        assert asked.choices(method) == frozenset()
        assert ranker_settings(asked.config(method, {})) == stored


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"recency": -1.0}, "recency is -1.0, but must be auto or a number from 0 to 5."),
        ({"recency": "often"}, "recency is 'often', but must be auto or a number from 0 to 5."),
        ({"l2": 0.0}, "l2 is 0.0, but must be auto or a number above 0, at most 1000000."),
        ({"dislike": AUTO}, "dislike is 'auto', but must be a number from 0 to 10."),
        ({"method": "svd"}, "method is 'svd', but must be one of auto, ease, als, spark_als."),
        ({"hype": 1.0}, "There is no hyperparameter 'hype'."),
    ],
)
def test_what_is_out_of_range_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidHyperparameter, match=re.escape(message)) as error:
        configure_ranking(settings)
    assert error.value.field == f"ranker.{next(iter(settings))}"


def with_tail(share: float) -> Interactions:
    """Ten movies with ten ratings each, and others with one, which together have this share of all ratings."""
    counts = [10] * 10 + [1] * round(100 * share / (1 - share))
    movies = [f"m{movie}" for movie, count in enumerate(counts) for _ in range(count)]
    rows = [(f"u{number}", movie, 4.0) for number, movie in enumerate(movies)]
    return Interactions.from_frame(pd.DataFrame(rows, columns=["user_id", "movie_id", "rating"]), scale=(0.5, 5.0))


def test_the_method_follows_from_what_the_maximum_leaves_out() -> None:
    few, many = with_tail(BEYOND - 0.05), with_tail(BEYOND + 0.05)
    limited = configure_ranking({"max_movies": 10})
    assert [limited.choose_method(data) for data in (few, many)] == ["ease", "als"]
    assert DEFAULT_RANKING.choose_method(many) == "ease"  # its own maximum leaves nothing out
    for method in RANKERS:
        assert configure_ranking({"max_movies": 10, "method": method}).choose_method(many) == method


def test_the_search_space_lies_in_the_ranges() -> None:
    names = {one.name for one in ranking_space()}
    assert {"l2", "recency", "rating_weight", "popularity_discount"} <= names <= set(RANKING.model_fields)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"recency": {"low": -1.0, "high": 1.0}}, "recency"),
        ({"method": {"choices": ["ease", "als"]}}, "a study has one method"),
    ],
)
def test_a_search_space_out_of_range_is_refused(tables: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSettings, match=message):
        ranking_space({**read(), "ranker": {"defaults": read()["ranker"]["defaults"], "search": tables}})


def test_a_default_out_of_range_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "hyperparameters.toml"
    text = hyperparameters.FILE.read_text("utf-8")
    path.write_text(text.replace("dislike = 0.3", "dislike = -3.0"), "utf-8")
    monkeypatch.setattr(list_settings, "read", lambda: read(path))
    with pytest.raises(InvalidSettings, match=r"\[ranker\.defaults\].*dislike is -3\.0"):
        check_list_settings()


def test_every_setting_says_what_it_is() -> None:
    for name, info in RANKING.model_fields.items():
        assert info.description, name
    described = RANKING.model_fields["next_weight"].description or ""
    assert "Only for Item similarities" in described
    assert "Only for" not in (RANKING.model_fields["recency"].description or "")
