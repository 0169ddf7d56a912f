"""Priors of folding in are the variances that ratings were made with, where there are enough to tell."""

from __future__ import annotations

from dataclasses import replace
from operator import mul

import numpy as np
import pandas as pd
import pytest

from engine.data.ratings import Interactions
from engine.models.shrinkage import BIAS, FACTORS, MIN_KEPT_OUT, KeptOut, Penalty, Side, climb, learn_prior
from engine.models.svd import MatrixFactorizationConfig, MatrixFactorizationModel
from tests.zoo import ZOO

START = Penalty(BIAS, FACTORS, 0.0, 0.0)
MOVIES, SIZE, MEAN = 300, 4, 50.0


def ratings(bias: float, taste: float, users: int = 150, each: int = 40) -> tuple[Interactions, Side]:
    """Ratings with noise of variance 1, users' biases and factors of these variances, and what is known of movies."""
    rng = np.random.default_rng(0)
    movies = Side(rng.normal(0, 0.3, MOVIES), rng.normal(0, 1, (MOVIES, SIZE)))
    rows = []
    for user in range(users):
        own, factors = rng.normal(0, np.sqrt(bias)), rng.normal(0, np.sqrt(taste), SIZE)
        for place, movie in enumerate(rng.choice(MOVIES, each, replace=False).tolist()):
            value = MEAN + movies.bias[movie] + own + factors @ movies.factors[movie] + rng.normal()
            rows.append((f"u{user}", f"m{movie}", value, place))
    frame = pd.DataFrame(rows, columns=["user_id", "movie_id", "rating", "timestamp"])
    data = Interactions.from_frame(frame, scale=(0.0, 100.0))
    order = [int(raw[1:]) for raw in data.movie_ids.ids]
    return data, Side(movies.bias[order], movies.factors[order])


@pytest.mark.parametrize(("bias", "taste"), [(0.25, 0.25), (1.0, 0.02), (0.02, 1.0)])
def test_a_prior_is_the_variance_of_a_rating_over_that_of_what_is_learned(bias: float, taste: float) -> None:
    """The best predictor of normal biases and factors is the ridge regression with these penalties."""
    found = learn_prior(*ratings(bias, taste), MEAN, START, movies=False)
    assert 0.4 / bias <= found.bias <= 2.5 / bias
    assert 0.4 / taste <= found.factors <= 2.5 / taste


def test_where_nobody_differs_next_to_nothing_is_believed() -> None:
    found = learn_prior(*ratings(0.0, 0.0), MEAN, START, movies=False)
    assert found.bias > 8 * BIAS
    assert found.factors > 8 * FACTORS


def test_movies_have_a_prior_of_their_own() -> None:
    """Users and movies exchanged: the same ratings, looked at from the other side."""
    data, movies = ratings(0.25, 0.25)
    turned = replace(
        data, users=data.items, items=data.users, user_ids=data.movie_ids, movie_ids=data.user_ids, movies=data.movies
    )
    expected = learn_prior(data, movies, MEAN, START, movies=False)
    assert learn_prior(turned, movies, MEAN, START, movies=True) == expected != START


def test_of_too_few_nothing_is_learned() -> None:
    data, movies = ratings(0.02, 1.0, users=MIN_KEPT_OUT - 1)
    assert learn_prior(data, movies, MEAN, START, movies=False) == START
    enough, movies = ratings(0.02, 1.0)
    lost = replace(movies, factors=np.full_like(movies.factors, np.nan))  # as when the factorisation diverges
    assert learn_prior(enough, lost, MEAN, START, movies=False) == START
    for name in ("one rating", "one user", "one movie", "likes"):
        model = MatrixFactorizationModel().fit(ZOO[name]())
        assert [(one.bias, one.factors > 0) for one in model.penalties_] == [(BIAS, True)] * 2


def test_who_judges_is_not_learned_from() -> None:
    data, _ = ratings(0.25, 0.25)
    parts = KeptOut.draw(data, 3)
    users, movies = set(parts.learned.users.tolist()), set(parts.learned.items.tolist())
    assert users
    assert movies
    assert len(parts.of_users)
    assert len(parts.of_movies)
    assert not users & set(parts.of_users.users.tolist())
    assert set(parts.of_users.items.tolist()) <= movies
    assert not movies & set(parts.of_movies.items.tolist())
    assert set(parts.of_movies.users.tolist()) <= users


def test_the_first_rating_of_a_newcomer_moves_less_than_the_tenth_time_the_same() -> None:
    """One rating at the top of the scale says little, many say much, and none says nothing."""
    data, _ = ratings(0.25, 0.02)
    model = MatrixFactorizationModel(MatrixFactorizationConfig(factors=4, epochs=20)).fit(data)
    movies = np.arange(20, dtype=np.int32)
    given = (model.mean_ + model.movie_bias_[movies] + 2).astype(np.float32)
    moved = [float(model.fold_in_user(movies[:n], given[:n])[0]) for n in (0, 1, 10, 20)]
    assert moved[0] == 0
    assert 0 < moved[1] < 0.6
    assert moved == sorted(moved)
    assert moved[3] > 2.5 * moved[1]


def test_a_model_of_an_earlier_release_folds_in_as_it_did(small: Interactions) -> None:
    """It kept no priors: the penalty is the regularization of each rating alone."""
    model = MatrixFactorizationModel(MatrixFactorizationConfig(factors=4, epochs=5, regularization=0.1)).fit(small)
    arrays = model.arrays()
    del arrays["penalties"]
    arrays["constants"] = arrays["constants"][:3]
    again = MatrixFactorizationModel.from_arrays(model.config, arrays)
    assert again.given_ == again.scale_ == small.scale
    movies, given = np.arange(6, dtype=np.int32), np.array([5, 4, 4, 3, 1, 2], np.float32)
    design = np.c_[np.ones(6), model.movie_factors_[movies]].astype(np.float64)
    target = given - model.mean_ - model.movie_bias_[movies]
    expected = np.linalg.solve(design.T @ design + 6 * 0.1 * np.eye(5), design.T @ target)
    np.testing.assert_allclose(again.fold_in_user(movies, given), expected, atol=1e-5)
    assert not np.allclose(model.fold_in_user(movies, given), expected, atol=1e-3)


@pytest.mark.parametrize("peak", [1, 4, 16, 64, 2048])
def test_the_way_leads_to_the_lowest_cost(peak: float) -> None:
    asked: list[float] = []

    def cost(value: float) -> float:
        asked.append(value)
        return float(abs(np.log(value / peak)))

    assert climb(cost, 16.0, mul) == min(max(peak, 16 / 64), 16 * 64)
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize(("takes_ties", "found"), [(False, 1.0), (True, 64.0)])
def test_a_tie_counts_upwards_only_if_asked(takes_ties: bool, found: float) -> None:
    assert climb(lambda _: 0.0, 1.0, mul, takes_ties=takes_ties) == found
