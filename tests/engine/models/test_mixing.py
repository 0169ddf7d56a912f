"""Similarities of several origins are mixed by share and size, and factors smooth what few ratings say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from engine.data.ratings import Interactions
from engine.models.ease import ItemSimilarityConfig, ItemSimilarityRanker
from engine.models.mixing import ROWS_AT_ONCE, Part
from engine.models.smoothing import learn_smoothed


def drawn(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, n)).astype(np.float32)


@pytest.mark.parametrize("n", [3, ROWS_AT_ONCE + 5])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_part_gets_its_share_of_the_size(n: int, share: float) -> None:
    weights, other = drawn(n), 50 * drawn(n, 1)
    expected = (1 - share) * weights + share * np.linalg.norm(weights) / np.linalg.norm(other) * other
    mixed = weights.copy()
    Part(np.arange(n), other).mix_into(mixed, share)
    np.testing.assert_allclose(mixed, expected, atol=1e-4)


def test_other_movies_only_lose_their_share() -> None:
    mixed, part = drawn(5), Part(np.array([1, 3]), drawn(2, 1))
    whole = np.zeros((5, 5), np.float32)
    whole[np.ix_(part.movies, part.movies)] = part.weights
    expected = 0.75 * mixed + 0.25 * np.linalg.norm(mixed) / np.linalg.norm(whole) * whole
    part.mix_into(mixed, 0.25)
    np.testing.assert_allclose(mixed, expected, atol=1e-6)


def test_a_part_of_nothing_adds_nothing() -> None:
    mixed = drawn(4)
    expected = np.float32(0.5) * mixed
    Part(np.arange(4), np.zeros((4, 4), np.float32)).mix_into(mixed, 0.5)
    assert np.array_equal(mixed, expected)


def groups(seed: int = 0) -> Interactions:
    """Everybody rates a few of the 15 movies of one of four groups, so two movies of a group share few people."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"u{user}", f"m{15 * (user % 4) + movie:02}", 4.0)
        for user in range(80)
        for movie in rng.choice(15, 4, replace=False).tolist()
    ]
    frame = pd.DataFrame(rows, columns=["user_id", "movie_id", "rating"])
    return Interactions.from_frame(frame, scale=(0.5, 5.0))


def test_factors_find_groups_of_movies() -> None:
    data = groups()
    ranker = ItemSimilarityRanker(ItemSimilarityConfig(min_ratings=1)).fit(data)
    found = learn_smoothed(ranker, data)
    group = np.array([int(str(data.movie_ids.raw(int(movie)))[1:]) // 15 for movie in ranker.movies_[found.movies]])
    same = (group[:, None] == group) & ~np.eye(len(group), dtype=bool)
    assert np.quantile(found.weights[same], 0.05) > np.quantile(found.weights[~same], 0.95)
    assert found.weights[same].mean() > 10 * abs(found.weights[~same].mean())
    assert not np.diag(found.weights).any()


def test_a_rankers_share_of_factors_is_that_of_the_mix() -> None:
    data = groups()
    plain, mixed = (
        ItemSimilarityRanker(ItemSimilarityConfig(min_ratings=1, popularity_discount=0, factor_weight=share)).fit(data)
        for share in (0.0, 0.4)
    )
    expected = plain.weights_.copy()
    learn_smoothed(plain, data).mix_into(expected, 0.4)
    np.testing.assert_allclose(mixed.weights_, expected, atol=1e-6)
    again = ItemSimilarityRanker(mixed.config).fit(data)
    assert np.array_equal(again.weights_, mixed.weights_)


@pytest.mark.parametrize("setting", ["factor_weight", "next_weight", "l2", "popularity_discount", "rating_power"])
def test_variants_are_what_a_fit_gives(small: Interactions, setting: str) -> None:
    """In any order of settings, as what they have in common is kept."""
    variants = ItemSimilarityRanker.variants(small, 50)
    start = ItemSimilarityConfig(l2=20, next_weight=0.3, factor_weight=0.2)
    other = start.model_copy(update={setting: {"l2": 90.0, "rating_power": 1.0}.get(setting, 0.0)})
    for config in (start, other, start):
        found = variants(config)
        expected = ItemSimilarityRanker(config.model_copy(update={"max_movies": 50})).fit(small)
        assert len(found.movies_) == 50
        for name, array in expected.arrays().items():
            assert np.array_equal(found.arrays()[name], array), name
        assert np.array_equal(found.score_user(3), expected.score_user(3))
