"""Property 9: embeddings have the length that the config gives, whatever the data and whoever is asked for."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.ratings import Interactions
from engine.models.registry import MODELS
from engine.models.svd import MatrixFactorizationConfig, MatrixFactorizationModel
from tests.engine.models.quick import quick_config, quick_model
from tests.properties.ratings import ANY_ID, MOVIES, USERS, interactions

HISTORIES = st.dictionaries(st.integers(-1, 12), st.integers(0, 8), max_size=10)


def rated(history: dict[int, int], data: Interactions) -> tuple[np.ndarray, np.ndarray]:
    low, high = data.scale
    ratings = [low + (high - low) * step / 8 for step in history.values()]
    return np.array(list(history), np.int32), np.array(ratings, np.float32)


@settings(max_examples=40)
@given(
    data=interactions(),
    factors=st.integers(1, 40),
    precision=st.sampled_from(["float32", "float64"]),
    ids=st.lists(st.one_of(USERS, MOVIES, ANY_ID), max_size=8),
    history=HISTORIES,
)
def test_the_factorisations_vectors_have_as_many_factors_as_asked_for(
    data: Interactions, factors: int, precision: str, ids: list[Hashable], history: dict[int, int]
) -> None:
    config = MatrixFactorizationConfig.model_validate({"factors": factors, "epochs": 2, "precision": precision})
    model = MatrixFactorizationModel(config).fit(data)
    for raw in [*data.user_ids.ids, *data.movie_ids.ids, *ids]:
        for embedding in (model.get_user_embedding(raw), model.get_movie_embedding(raw)):
            assert embedding.shape == (factors,)
            assert embedding.dtype == np.float32
    for user in range(-1, data.n_users + 2):
        assert model.user_vector(user).shape == (1 + factors,)
    assert model.fold_in_user(*rated(history, data)).shape == (1 + factors,)
    shapes = {name: array.shape for name, array in model.arrays().items()}
    assert shapes["user_factors"] == (data.n_users, factors)
    assert shapes["movie_factors"] == (data.n_movies, factors)
    assert model.user_factors_.shape[1] == model.movie_factors_.shape[1] == factors


@pytest.mark.parametrize("kind", MODELS)
@settings(max_examples=20)
@given(
    data=interactions(),
    factors=st.integers(1, 20),
    ids=st.lists(st.one_of(USERS, MOVIES, ANY_ID), max_size=8),
)
def test_embeddings_of_every_model_have_as_many_factors_as_asked_for(
    kind: str, data: Interactions, factors: int, ids: list[Hashable]
) -> None:
    """Of learned users and movies and of unknown ones; those of the stored model are the same."""
    model = quick_model(kind, factors=factors, epochs=1).fit(data)
    again = type(model).from_arrays(quick_config(kind, factors=factors, epochs=1), model.arrays())
    again.bind(data)
    for raw in [*data.user_ids.ids, *data.movie_ids.ids, *ids]:
        for name in ("get_user_embedding", "get_movie_embedding"):
            embedding = getattr(model, name)(raw)
            assert embedding.shape == (factors,)
            assert embedding.dtype == np.float32
            assert np.array_equal(getattr(again, name)(raw), embedding)


@pytest.mark.parametrize("kind", MODELS)
@settings(max_examples=20)
@given(data=interactions(), raters=HISTORIES, movie=st.integers(-1, 12))
def test_every_movie_of_a_model_has_a_vector_of_one_length(
    kind: str, data: Interactions, raters: dict[int, int], movie: int
) -> None:
    """Learned, folded in, and unknown."""
    model = quick_model(kind, epochs=1).fit(data)
    lengths = {model.movie_vector(one).shape for one in range(-1, data.n_movies + 2)}
    lengths |= {model.fold_in_movie(*rated(given, data), movie).shape for given in (raters, {})}
    assert len(lengths) == 1


@pytest.mark.parametrize("kind", MODELS)
@settings(max_examples=20)
@given(data=interactions(), history=HISTORIES)
def test_every_user_of_a_model_has_a_vector_of_one_length(
    kind: str, data: Interactions, history: dict[int, int]
) -> None:
    """Learned, folded in, unknown, and of the model restored from its arrays."""
    model = quick_model(kind, epochs=2).fit(data)
    again = type(model).from_arrays(quick_config(kind, epochs=2), model.arrays())
    lengths = {
        vector.shape
        for one in (model, again)
        for vector in (
            *(one.user_vector(user) for user in range(-1, data.n_users + 2)),
            one.fold_in_user(*rated(history, data)),
            one.fold_in_user(*rated({}, data)),
        )
    }
    assert len(lengths) == 1


@pytest.mark.parametrize("kind", MODELS)
@settings(max_examples=10)
@given(one=interactions(), other=interactions())
def test_the_length_does_not_depend_on_the_ratings(kind: str, one: Interactions, other: Interactions) -> None:
    lengths = {quick_model(kind, epochs=1).fit(data).user_vector(0).shape for data in (one, other)}
    assert len(lengths) == 1
