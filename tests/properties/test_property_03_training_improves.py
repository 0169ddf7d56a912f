"""Property 3: training improves. The loss falls, and planted tastes are found that no mean and no bias can tell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.ratings import Interactions
from engine.data.splits import Split, split_random
from engine.models.epochs import run_epochs, validation_rmse
from engine.models.registry import MODELS
from tests.conftest import planted
from tests.engine.models.quick import quick_model

SEEDS = st.integers(0, 2**31)


def plant(seed: int) -> Split:
    """80 users' 30 ratings each of 60 movies; a fifth is held out."""
    frame, movies = planted(80, 60, 30, seed)
    return split_random(Interactions.from_frame(frame, movies, scale=(0.5, 5.0)), 0.2, seed)


def bias_rmse(split: Split) -> float:
    """Of the mean plus a bias of each user and movie, by ridge regression: the best that knows nothing of tastes."""
    train, test = split.train, split.test
    users, movies = np.zeros(train.n_users), np.zeros(train.n_movies)
    for _ in range(20):
        left = train.ratings - train.mean - users[train.users]
        movies = np.bincount(train.items, left, train.n_movies) / (train.movie_counts + 1)
        left = train.ratings - train.mean - movies[train.items]
        users = np.bincount(train.users, left, train.n_users) / (train.user_counts + 1)
    predicted = np.clip(train.mean + users[test.users] + movies[test.items], *test.scale)
    return float(np.sqrt(np.mean((predicted - test.ratings) ** 2)))


@pytest.mark.parametrize("kind", MODELS)
@settings(max_examples=10)
@given(seed=SEEDS)
def test_the_loss_falls(kind: str, seed: int) -> None:
    losses = [report.train_loss for report in run_epochs(quick_model(kind), plant(seed).train)]
    half = len(losses) // 2
    assert half >= 1
    assert losses[-1] < losses[0]
    assert np.mean(losses[half:]) < np.mean(losses[:half])


@pytest.mark.parametrize("kind", MODELS)
@settings(max_examples=10)
@given(seed=SEEDS)
def test_planted_tastes_are_found(kind: str, seed: int) -> None:
    split = plant(seed)
    model = quick_model(kind).fit(split.train)
    mean = float(np.sqrt(np.mean((split.train.mean - split.test.ratings) ** 2)))
    # Both models leave at most 0.45 of it over 22 seeds, and biases that are learned along with tastes at least 0.96.
    assert validation_rmse(model, split.test) < 0.7 * min(bias_rmse(split), mean)


def plant_what_bends(seed: int) -> Split:
    """Tastes that hardly ever leave anybody indifferent: a sum of products tells the direction, but not how far."""
    rng = np.random.default_rng(seed)
    taste, trait = rng.normal(0, 1, (120, 2)), rng.normal(0, 1, (60, 2))
    likes, known = rng.normal(0, 0.5, 120), rng.normal(0, 0.5, 60)
    rows = []
    for user in range(120):
        for movie in rng.choice(60, 40, replace=False).tolist():
            value = 3 + 2 * np.tanh(3 * (taste[user] @ trait[movie] + likes[user] + known[movie]))
            rows.append((f"u{user}", movie, float(np.clip(value + rng.normal(0, 0.2), 0.5, 5))))
    frame = pd.DataFrame(rows, columns=["user_id", "movie_id", "rating"])
    return split_random(Interactions.from_frame(frame, scale=(0.5, 5.0)), 0.2, seed)


@settings(max_examples=5)
@given(seed=SEEDS)
def test_networks_find_what_no_factorisation_can(seed: int) -> None:
    split = plant_what_bends(seed)
    networks, factors = (quick_model("ncf", epochs=20), quick_model("svd"))
    with_networks, without = (validation_rmse(model.fit(split.train), split.test) for model in (networks, factors))
    assert with_networks < 0.92 * without
