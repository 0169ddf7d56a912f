"""The settings of lists are chosen on held-out ratings of the training part, and on nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pytest

from engine.data.arrays import Float32, Int32
from engine.data.ratings import Interactions
from engine.data.splits import HeldOut, hold_out
from engine.errors import Cancelled
from engine.models.list_settings import CHOSEN, DEFAULT_RANKING, RankingConfig, configure_ranking
from engine.models.rankers import RANKERS
from engine.models.svd import MatrixFactorizationModel
from engine.training.ranking import BY_TIME, START, TIMELESS_START, TRIED, ChosenRanking, choose_ranking
from tests.engine.models.quick import quick_model

NDCG = "engine.training.ranking.metrics.ndcg"


def nothing() -> None:
    """Nobody cancels."""


class Constant(MatrixFactorizationModel):
    """Predicts one rating."""

    def predict_indices(self, users: Int32, movies: Int32) -> Float32:
        return np.full(len(movies), 3, np.float32)


class Oracle(MatrixFactorizationModel):
    """Knows who will like what."""

    def __init__(self, later: Interactions) -> None:
        super().__init__()
        self._liked = np.full((later.n_users, later.n_movies + 1), 3, np.float32)
        self._liked[later.users, later.items] = later.ratings

    def predict_indices(self, users: Int32, movies: Int32) -> Float32:
        return self._liked[users, movies]


def clubs(
    n_users: int, groups: int = 8, size: int = 12, noise: float = 0.2, seed: int = 0, *, timed: bool = True
) -> Interactions:
    """Each user rates movies of one group, and some of all others: the more users, the clearer the groups."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        chance = np.where(np.arange(groups * size) // size == user % groups, 0.5, noise / 4)
        rated = rng.permutation(np.flatnonzero(rng.random(groups * size) < chance))
        rows += [(f"u{user}", f"m{m}", float(rng.choice([3, 4, 4.5, 5])), 1000 + n) for n, m in enumerate(rated)]
    frame = pd.DataFrame(rows, columns=["user_id", "movie_id", "rating", "timestamp"])
    return Interactions.from_frame(frame if timed else frame.drop(columns="timestamp"), scale=(0.5, 5.0))


def rows_of_movies(n_users: int = 150, n_movies: int = 60, length: int = 16) -> Interactions:
    """Everybody begins somewhere and watches a long row of movies in its order, so the newest tell what is next."""
    rng = np.random.default_rng(1)
    rows = [
        (f"u{user}", f"m{(start + 2 * step + int(rng.integers(2))) % n_movies}", 4.0, 1000 + step)
        for user, start in enumerate(rng.integers(n_movies, size=n_users).tolist())
        for step in range(length)
    ]
    return Interactions.from_frame(
        pd.DataFrame(rows, columns=["user_id", "movie_id", "rating", "timestamp"]), scale=(0.5, 5.0)
    )


def choose(parts: HeldOut, asked: RankingConfig = DEFAULT_RANKING, model: Any = None) -> ChosenRanking:
    return choose_ranking(asked, parts, model or Constant(), nothing)


@pytest.fixture(scope="module")
def parts() -> HeldOut:
    return hold_out(clubs(150))


def chosen_of(found: ChosenRanking) -> dict[str, Any]:
    """The settings that a training chooses, of those that the ranker has."""
    return {name: value for name, value in found.config.model_dump().items() if name in CHOSEN}


@pytest.mark.parametrize("method", list(RANKERS))
def test_equal_ratings_give_an_equal_choice(method: str, parts: HeldOut) -> None:
    model = quick_model("svd").fit(parts.fit)
    first, second = (choose(parts, configure_ranking({"method": method}), model) for _ in range(2))
    assert first == second
    assert type(first.config) is RANKERS[method].config
    assert first.frontier


@pytest.mark.parametrize("method", list(RANKERS))
def test_settings_that_are_given_stay(method: str, parts: HeldOut) -> None:
    values = {
        "l2": 33.0,
        "regularization": 0.9,
        "recency": 0.7,
        "next_weight": 0.15,
        "rating_weight": 0.35,
        "popularity_discount": 0.05,
        "dislike": 0.6,
        "min_ratings": 2,
    }
    found = choose(parts, configure_ranking({"method": method, **values}), Oracle(parts.train)).config.model_dump()
    assert {name: value for name, value in found.items() if name in values} == {
        name: value for name, value in values.items() if name in found
    }


@pytest.mark.parametrize("name", sorted(START))
def test_one_that_is_given_leaves_the_others_to_the_training(name: str, parts: HeldOut) -> None:
    asked = configure_ranking({name: 0.45})
    assert asked.choices("ease") == CHOSEN & set(RANKERS["ease"].config.model_fields) - {name}
    found = choose(parts, asked)
    assert found.config.model_dump()[name] == 0.45


def test_more_ratings_bear_a_larger_penalty() -> None:
    few, many = (choose(hold_out(clubs(n, timed=False))).config.model_dump()["l2"] for n in (60, 900))
    assert many > few


def test_too_few_lists_leave_the_start() -> None:
    found = choose(hold_out(clubs(10)))
    assert {name: found.config.model_dump()[name] for name in START} == START
    assert found.frontier == []


def test_without_a_validation_part_there_is_the_start(parts: HeldOut) -> None:
    found = choose(replace(parts, validation=None))
    assert {name: found.config.model_dump()[name] for name in START} == START


@pytest.mark.parametrize("n_users", [10, 150])
def test_without_times_nothing_depends_on_them(n_users: int) -> None:
    found = choose(hold_out(clubs(n_users, timed=False))).config.model_dump()
    assert [found[name] for name in sorted(BY_TIME)] == [0, 0]


def test_where_the_newest_tell_what_is_next_they_count_more() -> None:
    found = chosen_of(choose(hold_out(rows_of_movies())))
    assert found["recency"] + found["next_weight"] > 0


def test_predictions_count_where_they_know_better(parts: HeldOut) -> None:
    assert choose(parts, model=Oracle(parts.train)).config.rating_weight == max(TRIED["rating_weight"])


def test_predictions_that_are_all_alike_do_not_count(parts: HeldOut) -> None:
    assert choose(parts).config.rating_weight == 0


def swap_movies(parts: HeldOut) -> HeldOut:
    assert parts.test is not None
    items = np.random.default_rng(0).integers(0, parts.test.n_movies, len(parts.test)).astype(np.int32)
    return replace(parts, test=replace(parts.test, items=items, ratings=np.full(len(items), 5, np.float32)))


def test_the_test_part_changes_nothing(parts: HeldOut) -> None:
    model = quick_model("svd").fit(parts.fit)
    expected = choose(parts, model=model)
    assert choose(swap_movies(parts), model=model) == expected
    assert choose(replace(parts, test=None), model=model) == expected


def test_differences_within_a_standard_error_change_nothing(parts: HeldOut, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = np.random.default_rng(0)
    monkeypatch.setattr(NDCG, lambda hits, relevant: 0.25 + 0.01 * np.resize([1, -1], len(hits)) * draws.random())
    for data in (parts, hold_out(clubs(150, timed=False))):
        found = choose(data, model=Oracle(data.train)).config.model_dump()
        start = START if data.train.timestamps is not None else TIMELESS_START
        assert {name: found[name] for name in start} == start
        assert found["popularity_discount"] == RANKERS["ease"].config().popularity_discount


def test_the_frontier_has_a_row_for_each_discount(parts: HeldOut) -> None:
    found = choose(parts)
    assert [row["popularity_discount"] for row in found.frontier] == list(TRIED["popularity_discount"])
    assert [row["popularity_discount"] for row in found.frontier if row["chosen"]] == [found.config.popularity_discount]
    assert all(0 < float(row[name] or 0) <= 1 for row in found.frontier for name in ("ndcg", "coverage"))


def test_a_given_discount_is_on_the_frontier(parts: HeldOut) -> None:
    found = choose(parts, configure_ranking({"popularity_discount": 0.15}))
    discounts = [row["popularity_discount"] for row in found.frontier]
    assert discounts == sorted({*TRIED["popularity_discount"], 0.15})
    assert [row["popularity_discount"] for row in found.frontier if row["chosen"]] == [0.15]


def test_only_the_most_rated_movies_take_part(parts: HeldOut, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    original = __import__("engine.models.ease", fromlist=["_solve"])._solve
    monkeypatch.setattr("engine.models.ease._solve", lambda gram, l2: sizes.append(len(gram)) or original(gram, l2))
    monkeypatch.setattr("engine.training.ranking.MAX_MOVIES", 30)
    chosen = choose(parts).config.model_dump()
    assert set(sizes) == {30}
    assert chosen["max_movies"] == RANKERS["ease"].config().model_dump()["max_movies"]


def test_it_can_be_cancelled_before_each_fit(parts: HeldOut) -> None:
    calls = [0]

    def cancel_later() -> None:
        calls[0] += 1
        if calls[0] == 3:
            raise Cancelled("enough")

    def cancel() -> NoReturn:
        raise Cancelled("enough")

    for check in (cancel, cancel_later):
        with pytest.raises(Cancelled, match="enough"):
            choose_ranking(DEFAULT_RANKING, parts, Constant(), check)
