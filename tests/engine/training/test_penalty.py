"""The ranker's penalty is chosen on held-out ratings of the training part, and on nothing else."""

from __future__ import annotations

from typing import NoReturn

import numpy as np
import pandas as pd
import pytest

from engine.data.ratings import Interactions
from engine.errors import Cancelled
from engine.models.ease import ItemSimilarityConfig
from engine.training.penalty import choose_penalty

START = ItemSimilarityConfig(l2=16, min_ratings=1)


def nothing() -> None:
    """Nobody cancels."""


def clubs(n_users: int, groups: int = 8, size: int = 12, noise: float = 0.2, seed: int = 0) -> Interactions:
    """Each user rates movies of one group, and some of all others: the more users, the clearer the groups."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        chance = np.where(np.arange(groups * size) // size == user % groups, 0.5, noise / 4)
        rated = np.flatnonzero(rng.random(groups * size) < chance)
        rows += [(f"u{user}", f"m{movie}", float(rng.choice([3, 4, 4.5, 5]))) for movie in rated]
    return Interactions.from_frame(pd.DataFrame(rows, columns=["user_id", "movie_id", "rating"]), scale=(0.5, 5.0))


def test_more_data_bear_a_larger_penalty() -> None:
    few, many = (choose_penalty(clubs(n), START, nothing).l2 for n in (60, 900))
    assert many > few


def test_equal_data_and_seed_give_an_equal_choice() -> None:
    data = clubs(150)
    assert choose_penalty(data, START, nothing) == choose_penalty(data, START, nothing)


def test_all_but_the_penalty_stays() -> None:
    chosen = choose_penalty(clubs(150), START, nothing)
    assert chosen.model_copy(update={"l2": START.l2}) == START


def test_too_few_users_to_judge_by_leave_it_alone() -> None:
    assert choose_penalty(clubs(10), START, nothing) == START


def test_only_the_most_rated_movies_take_part(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    solve = "engine.models.ease._solve"
    original = __import__("engine.models.ease", fromlist=["_solve"])._solve
    monkeypatch.setattr(solve, lambda gram, l2: sizes.append(len(gram)) or original(gram, l2))
    monkeypatch.setattr("engine.training.penalty.MAX_MOVIES", 30)
    chosen = choose_penalty(clubs(150), START, nothing)
    assert set(sizes) == {30}
    assert chosen.max_movies == START.max_movies


def test_it_can_be_cancelled_between_two_solutions() -> None:
    def cancel() -> NoReturn:
        raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        choose_penalty(clubs(150), START, cancel)


def test_a_gain_that_is_noise_moves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of equal quality, whose means differ in the last digits."""
    noise = iter(np.linspace(0, 1e-12, 50))
    monkeypatch.setattr(
        "engine.training.penalty.metrics.ndcg", lambda hits, relevant: np.full(len(hits), 0.25 + next(noise))
    )
    assert choose_penalty(clubs(150), START, nothing) == START
