"""Property 2: a predicted rating lies in the scale, whatever was learned and whoever is asked for."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.ratings import Interactions
from engine.models.ease import ItemSimilarityRanker
from engine.models.registry import MODELS
from engine.models.version import VersionBundle
from engine.recommending.bundling import measure_offsets
from engine.recommending.fold_in import RealtimeLearner
from tests.engine.models.quick import quick_model
from tests.properties.ratings import ANY_ID, MOVIES, USERS, interactions

INDICES = st.one_of(st.integers(-2, 12), st.sampled_from([2**31 - 1, -(2**31)]))

UPDATES = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 9), st.integers(0, 8)), min_size=1, max_size=10)
Update = tuple[int, int, int]


def on_scale(given: dict[int, int], data: Interactions) -> np.ndarray:
    """float32[n]: ratings that are drawn as eighths of the way up the scale."""
    low, high = data.scale
    return np.array([low + (high - low) * step / 8 for step in given.values()], np.float32)


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
    model = quick_model(kind, epochs=2, seed=seed).fit(data)
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
    model = quick_model(kind, epochs=2, seed=seed).fit(data)
    vector = model.fold_in_user(np.array(list(history), np.int32), on_scale(history, data))
    everything = np.arange(-1, data.n_movies + 1, dtype=np.int32)
    assert_inside(model.predict_vector(vector, everything), data, len(everything))


@pytest.mark.parametrize("kind", MODELS)
@settings(max_examples=25)
@given(
    data=interactions(),
    movie=st.integers(-1, 12),
    raters=st.dictionaries(st.integers(-1, 8), st.integers(0, 8), max_size=8),
    history=st.dictionaries(st.integers(-1, 12), st.integers(0, 8), max_size=10),
    seed=st.integers(0, 9),
)
def test_predictions_of_a_movie_folded_in_lie_in_the_scale(
    kind: str, data: Interactions, movie: int, raters: dict[int, int], history: dict[int, int], seed: int
) -> None:
    """Whoever has rated it, and for whomever: learned, new or folded in."""
    model = quick_model(kind, epochs=2, seed=seed).fit(data)
    folded = model.fold_in_movie(np.array(list(raters), np.int32), on_scale(raters, data), movie)
    far = np.array([folded, 100 * folded])
    users = [model.user_vector(user) for user in range(-1, data.n_users + 1)]
    users.append(model.fold_in_user(np.array(list(history), np.int32), on_scale(history, data)))
    for user in users:
        assert_inside(model.predict_vectors(user, far), data, len(far))


@pytest.mark.parametrize("kind", MODELS)
@settings(max_examples=25)
@given(data=interactions(min_size=5), updates=UPDATES)
def test_predictions_after_updates_lie_in_the_scale(kind: str, data: Interactions, updates: list[Update]) -> None:
    """As they are served: of users and movies that were rated since the version learned."""
    model = quick_model(kind, epochs=2).fit(data)
    ranker = ItemSimilarityRanker().fit(data)
    bundle = VersionBundle(
        model, ranker, np.zeros(data.n_movies, np.float32), None, offsets=measure_offsets(model, data)
    )
    learner = RealtimeLearner(bundle, data)
    everything = np.arange(-1, data.n_movies + 1, dtype=np.int32)
    low, high = data.scale
    for user, movie, step in updates:
        learner.rate(user, movie % data.n_movies, low + (high - low) * step / 8)
    for user in range(-1, 9):
        assert_inside(learner.state(user).predict(everything), data, len(everything))
