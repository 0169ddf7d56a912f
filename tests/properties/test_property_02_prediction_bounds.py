"""Property 2: a predicted rating lies in the scale, whatever was learned and whoever is asked for."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.dataset.interactions import Interactions
from engine.models.catalog import MODELS
from tests.engine.models.quick import quick_model
from tests.properties.ratings import ANY_ID, MOVIES, USERS, interactions

INDICES = st.one_of(st.integers(-2, 12), st.sampled_from([2**31 - 1, -(2**31)]))


def assert_inside(predicted: np.ndarray, data: Interactions, n: int) -> None:
    low, high = data.scale
    assert predicted.dtype == np.float32
    assert predicted.shape == (n,)
    assert ((predicted >= low) & (predicted <= high)).all()  # not a number is neither


@pytest.mark.parametrize("kind", MODELS)
@settings(max_examples=25)
@given(
    data=interactions(),
    pairs=st.lists(st.tuples(st.one_of(USERS, ANY_ID), st.one_of(MOVIES, ANY_ID)), max_size=12),
    indices=st.lists(st.tuples(INDICES, INDICES), max_size=12),
    seed=st.integers(0, 9),
)
def test_predictions_lie_in_the_scale(
    kind: str,
    data: Interactions,
    pairs: list[tuple[Hashable, Hashable]],
    indices: list[tuple[int, int]],
    seed: int,
) -> None:
    model = quick_model(kind, epochs=3, seed=seed).fit(data)
    assert_inside(model.predict([user for user, _ in pairs], [movie for _, movie in pairs]), data, len(pairs))
    users, movies = np.array(indices, np.int32).reshape(-1, 2).T.copy()
    assert_inside(model.predict_indices(users, movies), data, len(indices))
    everything = np.arange(-1, data.n_movies + 1, dtype=np.int32)
    for user in range(-1, data.n_users + 1):
        assert_inside(model.predict_vector(model.user_vector(user), everything), data, len(everything))


@pytest.mark.parametrize("kind", MODELS)
@settings(max_examples=25)
@given(
    data=interactions(),
    history=st.dictionaries(st.integers(-1, 12), st.integers(0, 8), max_size=10),
    seed=st.integers(0, 9),
)
def test_a_new_users_predictions_lie_in_the_scale(
    kind: str, data: Interactions, history: dict[int, int], seed: int
) -> None:
    """Whatever a newcomer rated, and movies nobody knows among it."""
    low, high = data.scale
    model = quick_model(kind, epochs=3, seed=seed).fit(data)
    rated: Any = np.array(list(history), np.int32)
    ratings = np.array([low + (high - low) * step / 8 for step in history.values()], np.float32)
    everything = np.arange(-1, data.n_movies + 1, dtype=np.int32)
    assert_inside(model.predict_vector(model.fold_in_user(rated, ratings), everything), data, len(everything))
