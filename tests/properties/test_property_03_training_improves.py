"""Property 3: training improves. The loss falls, and planted tastes are found that no mean and no bias can tell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.dataset.interactions import Interactions
from engine.dataset.splitting import Split, split_random
from engine.models.catalog import MODELS
from engine.training import run_epochs, validation_rmse
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
    assert validation_rmse(model, split.test) < min(bias_rmse(split), mean)
