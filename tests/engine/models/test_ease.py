"""The ranker solves EASE's equations, its shares sum to its scores, and it survives odd data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from engine.data.history import History
from engine.data.ratings import Interactions
from engine.models.ease import ItemSimilarityConfig, ItemSimilarityRanker


def by_genre(data: Interactions) -> np.ndarray:
    """Cosines of genres, pair by pair."""
    sets = [set(np.flatnonzero(row).tolist()) for row in data.movies.genres]
    return np.array([[len(a & b) / max(np.sqrt(len(a) * len(b)), 1) for a in sets] for b in sets])


def by_year(data: Interactions) -> np.ndarray:
    """1 for one year, 1/e at ten years, 0 where a year is unknown, pair by pair."""
    years = data.movies.years.tolist()
    return np.array([[0 if a != a or b != b else np.exp(-(((a - b) / 10) ** 2)) for a in years] for b in years])


def by_definition(data: Interactions, l2: float, discount: float) -> np.ndarray:
    """EASE in float64 from its closed form, with every movie kept."""
    place = (data.ratings - 0.5) / 4.5
    matrix, tastes = np.zeros((2, data.n_users, data.n_movies))
    matrix[data.users, data.items] = (place / 0.75) ** 2
    tastes[data.users, data.items] = (place / 0.75) ** 2 - 0.3 * np.maximum(1 - place / 0.5, 0)
    gram = matrix.T @ matrix
    inverse = np.linalg.inv(gram + l2 * (np.eye(data.n_movies) + 0.5 * by_genre(data) + 0.2 * by_year(data)))
    weights = inverse / -np.diag(inverse)
    weights[np.diag_indices_from(weights)] = 0
    popularity = np.diag(gram) + 1
    return tastes @ weights * (popularity.max() / popularity) ** discount


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
        past = small.history(user)
        scores = ranker.score_history(past)
        for movie in np.argsort(-scores)[:5]:
            assert ranker.shares(past, int(movie)).sum() == pytest.approx(scores[movie], abs=1e-5)


def test_removing_a_rating_lowers_the_score_by_its_share(small: Interactions) -> None:
    ranker = ItemSimilarityRanker().fit(small)
    past = small.history(5)
    scores = ranker.score_history(past)
    movie = int(np.argmax(scores))
    shares = ranker.shares(past, movie)
    largest = int(np.argmax(shares))
    left = ranker.score_history(past.without(int(past.items[largest])))
    assert scores[movie] - left[movie] == pytest.approx(shares[largest], abs=1e-5)


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
    past = History.of(np.array([3, -1, small.n_movies + 7], np.int32), np.array([5, 5, 5], np.float32))
    assert np.array_equal(ranker.score_history(past), ranker.score_history(past.subset(np.arange(1))))
    assert ranker.known(past).tolist() == [0]


def test_round_trip_through_arrays(small: Interactions) -> None:
    ranker = ItemSimilarityRanker().fit(small)
    again = ItemSimilarityRanker.from_arrays(ranker.config, ranker.arrays())
    past = small.history(2)
    assert np.array_equal(again.score_history(past), ranker.score_history(past))


def test_recommends_distinct_unseen_movies(small: Interactions) -> None:
    listed = ItemSimilarityRanker().fit(small).recommend("u7", 10)
    seen = small.items[small.by_user.of(small.user_ids.index("u7"))]
    assert len(set(listed)) == 10
    assert not np.isin(small.movie_ids.indices(listed), seen).any()


def test_equal_data_gives_equal_arrays(small: Interactions) -> None:
    first, second = (ItemSimilarityRanker().fit(small).arrays() for _ in range(2))
    assert len(first) == len(second) > 1
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_ratings_that_are_all_alike_count_alike(small: Interactions) -> None:
    alike = replace(small, ratings=np.ones(len(small), np.float32), scale=(1.0, 1.0))
    ranker = ItemSimilarityRanker().fit(alike)
    assert np.isfinite(ranker.score_user(0)).all()
    assert ranker.score_user(0).any()


def test_a_movie_is_ranked_by_its_genre_where_ratings_say_nothing() -> None:
    """Everybody rated one of 40 movies of two genres and one more, so that no two movies say anything of a third."""
    rows = [(f"u{n}", f"m{(n + step) % 40}", 5.0) for n in range(40) for step in (0, 20)]
    genres = ["War" if n % 2 else "Drama" for n in range(40)]
    table = pd.DataFrame({"movie_id": [f"m{n}" for n in range(40)], "genres": genres})
    frame = pd.DataFrame(rows, columns=["user_id", "movie_id", "rating"])
    data = Interactions.from_frame(frame, table, scale=(0.5, 5.0))
    config = ItemSimilarityConfig(l2=10, min_ratings=1)
    war = data.movies.genres[:, data.movies.genre_names.index("War")]
    user = data.user_ids.index("u1")
    others = np.setdiff1d(np.arange(40), data.items[data.by_user.of(user)])

    def gap(config: ItemSimilarityConfig) -> float:
        scores = ItemSimilarityRanker(config).fit(data).score_user(user)
        return float(scores[others][war[others]].min() - scores[others][~war[others]].max())

    assert gap(config) > 0.001
    assert gap(config.model_copy(update={"genre_weight": 0.0})) == pytest.approx(0, abs=1e-6)
