"""What a factorisation chooses for itself: held-out ratings decide, ties take the simpler, a number stays."""

from __future__ import annotations

import numpy as np
import pytest

from engine.data.arrays import Float32
from engine.data.ratings import Interactions
from engine.data.splits import sample_users
from engine.models.svd import MatrixFactorizationConfig, MatrixFactorizationModel
from engine.models.svd_auto import MAX_FACTORS, MIN_FACTORS, MIN_REGULARIZATION, Size, choose_size
from tests.conftest import planted
from tests.engine.models.contract import RatingModelContract


class TestAuto(RatingModelContract):
    model = MatrixFactorizationModel
    config = MatrixFactorizationConfig(epochs=30)
    rmse_below = 0.9


@pytest.fixture(scope="module")
def clear() -> Interactions:
    """Many ratings from two tastes, with little noise."""
    return Interactions.from_frame(planted(150, 120, 60)[0], scale=(0.5, 5.0))


def shuffled(data: Interactions) -> Interactions:
    """Ratings that say nothing of who gave them, or of what for."""
    order = np.random.default_rng(0).permutation(len(data))
    return Interactions(
        data.users, data.items, data.ratings[order], None, data.user_ids, data.movie_ids, data.movies, data.scale
    )


def test_clear_ratings_get_less_regularization_than_noise(clear: Interactions) -> None:
    model = MatrixFactorizationModel()
    chosen, of_noise = (model.choose(data).model_dump() for data in (clear, shuffled(clear)))
    assert chosen["regularization"] < 0.1 < of_noise["regularization"]
    assert chosen["factors"] == of_noise["factors"] == MIN_FACTORS


def test_it_trains_with_what_it_chose_bit_for_bit(clear: Interactions) -> None:
    model = MatrixFactorizationModel().fit(clear)
    assert model.config.factors == model.config.regularization == "auto"
    again = MatrixFactorizationModel(model.settings_).fit(clear)
    assert again.settings == model.settings == model.choose(clear)
    assert all(np.array_equal(array, again.arrays()[name]) for name, array in model.arrays().items())
    restored = MatrixFactorizationModel.from_arrays(model.config, model.arrays())
    assert restored.settings == model.settings


def test_a_number_is_kept(clear: Interactions) -> None:
    for name, value in (("factors", 5), ("regularization", 0.3)):
        found = MatrixFactorizationModel(MatrixFactorizationConfig.model_validate({name: value})).choose(clear)
        assert getattr(found, name) == value
        assert "auto" not in found.model_dump().values()


class Errors:
    """Predictions that are off by a function of the size."""

    def __init__(self, off: dict[Size, float], other: float = 1.0) -> None:
        self.off, self.other = off, other
        self.tried: list[Size] = []

    def __call__(self, train: Interactions, test: Interactions, size: Size) -> Float32:
        self.tried.append(size)
        return test.ratings + np.float32(self.off.get(size, self.other))


def test_every_size_is_tried_once_and_the_search_stays_within_its_limits(clear: Interactions) -> None:
    low = {Size(MIN_FACTORS, 0.1 / 2**step): 1.0 - 0.1 * step for step in range(9)}
    errors = Errors(low | {Size(factors, MIN_REGULARIZATION): 0.2 - factors / 1e4 for factors in (32, 128)})
    assert choose_size(clear, errors, 0) == Size(MAX_FACTORS, MIN_REGULARIZATION)
    assert len(errors.tried) == len(set(errors.tried))
    assert {size.factors for size in errors.tried} == {MIN_FACTORS, MAX_FACTORS}


def test_a_tie_and_a_divergence_change_nothing(clear: Interactions) -> None:
    start = Size()
    assert choose_size(clear, Errors({start: 0.5}, 0.5 - 1e-6), 0) == start
    assert choose_size(clear, Errors({}, np.nan), 0) == start
    assert choose_size(clear, Errors({start: 0.5}, np.nan), 0) == start


def test_too_few_ratings_decide_nothing(clear: Interactions) -> None:
    errors = Errors({})
    assert choose_size(clear.subset(np.arange(500)), errors, 0) == Size()
    assert choose_size(clear.subset(clear.ratings == clear.ratings[0]), errors, 0) == Size()
    assert not errors.tried


def test_a_sample_has_whole_users(clear: Interactions) -> None:
    drawn = sample_users(clear, 1000)
    counts = drawn.user_counts
    assert len(drawn) == 60 * (counts > 0).sum() == 960
    assert set(counts.tolist()) == {0, 60}
    assert sample_users(clear, 1_000_000) is clear
