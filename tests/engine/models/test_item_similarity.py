"""The ranker solves EASE's equations, its shares sum to its scores, and it survives odd data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.dataset.interactions import Interactions
from engine.models.item_similarity import ItemSimilarityConfig, ItemSimilarityRanker


def by_definition(data: Interactions, l2: float, discount: float) -> np.ndarray:
    """EASE in float64 from its closed form, with every movie kept."""
    matrix = np.zeros((data.n_users, data.n_movies))
    matrix[data.users, data.items] = ((data.ratings - 0.5) / 4.5 / 0.75) ** 2
    gram = matrix.T @ matrix
    inverse = np.linalg.inv(gram + l2 * np.eye(data.n_movies))
    weights = inverse / -np.diag(inverse)
    weights[np.diag_indices_from(weights)] = 0
    popularity = np.diag(gram) + 1
    return matrix @ weights * (popularity.max() / popularity) ** discount


@pytest.mark.parametrize("discount", [0.0, 0.3])
def test_scores_are_those_of_the_closed_form(small: Interactions, discount: float) -> None:
    config = ItemSimilarityConfig(l2=20, min_ratings=1, popularity_discount=discount)
    ranker = ItemSimilarityRanker(config).fit(small)
    expected = by_definition(small, 20, discount)
    ours = np.array([ranker.score_user(user) for user in range(small.n_users)])
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_shares_sum_to_the_score(small: Interactions) -> None:
    ranker = ItemSimilarityRanker().fit(small)
    for user in range(small.n_users):
        rows = small.by_user.of(user)
        items, ratings = small.items[rows], small.ratings[rows]
        scores = ranker.score_history(items, ratings)
        for movie in np.argsort(-scores)[:5]:
            assert ranker.shares(items, ratings, int(movie)).sum() == pytest.approx(scores[movie], abs=1e-5)


def test_removing_a_rating_lowers_the_score_by_its_share(small: Interactions) -> None:
    ranker = ItemSimilarityRanker().fit(small)
    rows = small.by_user.of(5)
    items, ratings = small.items[rows], small.ratings[rows]
    scores = ranker.score_history(items, ratings)
    movie = int(np.argmax(scores))
    shares = ranker.shares(items, ratings, movie)
    largest = int(np.argmax(shares))
    left = np.arange(len(items)) != largest
    assert scores[movie] - ranker.score_history(items[left], ratings[left])[movie] == pytest.approx(
        shares[largest], abs=1e-5
    )


def test_rarely_rated_movies_have_no_weights(small: Interactions) -> None:
    threshold = int(np.median(small.movie_counts))
    ranker = ItemSimilarityRanker(ItemSimilarityConfig(min_ratings=threshold)).fit(small)
    assert set(ranker.movies_.tolist()) == set(np.flatnonzero(small.movie_counts >= threshold).tolist())
    scores = ranker.score_user(0)
    assert not scores[small.movie_counts < threshold].any()


def test_only_the_most_rated_movies_fit_under_the_cap(small: Interactions) -> None:
    ranker = ItemSimilarityRanker(ItemSimilarityConfig(max_movies=10)).fit(small)
    assert len(ranker.movies_) == 10
    assert small.movie_counts[ranker.movies_].min() >= np.sort(small.movie_counts)[-10]


def test_a_single_user_is_enough_to_fit(small: Interactions) -> None:
    ranker = ItemSimilarityRanker().fit(small.subset(small.users == 0))
    assert np.isfinite(ranker.score_user(0)).all()


def test_unknown_movies_in_a_history_add_nothing(small: Interactions) -> None:
    ranker = ItemSimilarityRanker().fit(small)
    items, ratings = np.array([3, -1, small.n_movies + 7], np.int32), np.array([5, 5, 5], np.float32)
    assert np.array_equal(ranker.score_history(items, ratings), ranker.score_history(items[:1], ratings[:1]))
    assert ranker.count_known(items) == 1


def test_round_trip_through_arrays(small: Interactions) -> None:
    ranker = ItemSimilarityRanker().fit(small)
    again = ItemSimilarityRanker.from_arrays(ranker.config, ranker.arrays())
    rows = small.by_user.of(2)
    history = small.items[rows], small.ratings[rows]
    assert np.array_equal(again.score_history(*history), ranker.score_history(*history))


def test_recommends_distinct_unseen_movies(small: Interactions) -> None:
    listed = ItemSimilarityRanker().fit(small).recommend("u7", 10)
    seen = small.items[small.by_user.of(small.user_ids.index("u7"))]
    assert len(set(listed)) == 10
    assert not np.isin(small.movie_ids.indices(listed), seen).any()


def test_equal_data_gives_equal_arrays(small: Interactions) -> None:
    first, second = (ItemSimilarityRanker().fit(small).arrays() for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_ratings_that_are_all_alike_count_alike(small: Interactions) -> None:
    alike = replace(small, ratings=np.ones(len(small), np.float32), scale=(1.0, 1.0))
    ranker = ItemSimilarityRanker().fit(alike)
    assert np.isfinite(ranker.score_user(0)).all()
    assert ranker.score_user(0).any()
