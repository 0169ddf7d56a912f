"""What people rated next: the closed form, planted orders, and only some of the data where there is much."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from engine.data.arrays import Float32
from engine.data.history import rank_from_newest
from engine.data.ratings import Interactions
from engine.models import sequences
from engine.models.ease import ItemSimilarityConfig, ItemSimilarityRanker
from engine.models.sequences import learn_following


def by_definition(data: Interactions, likes: np.ndarray, l2: float) -> np.ndarray:
    """Ridge regression of the next ninth of each history on what came before, at eight moments of each."""
    assert data.timestamps is not None
    ranks = rank_from_newest(data.users, data.timestamps)
    before, after = [], []
    for user in range(data.n_users):
        rows = np.flatnonzero(data.users == user)
        for cut in range(1, 9):
            earlier, next_ones = np.zeros((2, data.n_movies))
            for row in rows:
                age = 9 * (ranks[row] + 0.5)  # in ninths of a rating
                if age > cut * len(rows):
                    rank = max(ranks[row] - cut * len(rows) / 9, 0)
                    earlier[data.items[row]] = likes[row] * (1 + rank) ** -0.3
                elif age > (cut - 1) * len(rows):
                    next_ones[data.items[row]] = likes[row]
            before.append(earlier)
            after.append(next_ones)
    x, y = np.array(before), np.array(after)
    weights = np.linalg.solve(x.T @ x + l2 * np.eye(data.n_movies), x.T @ y)
    np.fill_diagonal(weights, 0)
    return weights


def rows_of_movies(n_users: int = 120, n_movies: int = 30, length: int = 9) -> Interactions:
    """Everybody begins somewhere in a ring of movies, and rates each next one."""
    rows = [
        (f"u{user}", f"m{(start + step) % n_movies:02}", 4.0, 1000 + step)
        for user, start in enumerate(np.random.default_rng(1).integers(n_movies, size=n_users).tolist())
        for step in range(length)
    ]
    frame = pd.DataFrame(rows, columns=["user_id", "movie_id", "rating", "timestamp"])
    return Interactions.from_frame(frame, scale=(0.5, 5.0))


def by_height(ratings: Float32) -> Float32:
    return (ratings / 5).astype(np.float32)


def alike(ratings: Float32) -> Float32:
    return np.ones(len(ratings), np.float32)


@pytest.mark.parametrize("l2", [2.0, 50.0])
def test_weights_are_those_of_the_closed_form(small: Interactions, l2: float) -> None:
    likes = by_height(small.ratings)
    found = learn_following(small, small.items, small.n_movies, by_height, l2)
    assert found.movies.tolist() == list(range(small.n_movies))
    np.testing.assert_allclose(found.weights, by_definition(small, likes, l2), atol=1e-4)


def test_a_planted_order_is_found() -> None:
    data = rows_of_movies()
    weights = learn_following(data, data.items, data.n_movies, alike, 5.0).weights
    following = data.movie_ids.indices([f"m{(int(movie[1:]) + 1) % 30:02}" for movie in data.movie_ids.ids])
    assert np.argmax(weights, axis=1).tolist() == following.tolist()


def test_lists_follow_the_order_where_it_counts() -> None:
    """The movie after the newest one, and not the one before the oldest, which goes with the history as well."""
    data = rows_of_movies(length=6)
    ranker = ItemSimilarityRanker(ItemSimilarityConfig(l2=5, next_weight=0.5, recency=0.3)).fit(data)
    first = 0
    for user in range(data.n_users):
        history = data.history(user)
        newest = str(data.movie_ids.raw(int(history.items[np.argmax(history.times)])))
        scores = ranker.score_history(history)
        scores[history.items] = -np.inf
        first += data.movie_ids.raw(int(np.argmax(scores))) == f"m{(int(newest[1:]) + 1) % 30:02}"
    assert first > 0.9 * data.n_users


def test_without_times_nothing_is_learned(small: Interactions) -> None:
    untimed = Interactions.from_frame(
        pd.DataFrame(
            {
                "user_id": small.user_ids.ids[small.users],
                "movie_id": small.movie_ids.ids[small.items],
                "rating": small.ratings,
            }
        ),
        scale=small.scale,
    )
    some, none = (ItemSimilarityRanker(ItemSimilarityConfig(next_weight=share)).fit(untimed) for share in (0.5, 0.0))
    assert np.array_equal(some.weights_, none.weights_)


def test_only_the_most_rated_movies_take_part(small: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "MAX_MOVIES", 20)
    found = learn_following(small, small.items, small.n_movies, alike, 20.0)
    assert found.weights.shape == (20, 20)
    others = np.setdiff1d(np.arange(small.n_movies), found.movies)
    assert small.movie_counts[found.movies].min() >= small.movie_counts[others].max()


def test_of_many_ratings_those_of_some_users_are_taken(small: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = learn_following(small, small.items, small.n_movies, alike, 20.0).weights
    monkeypatch.setattr(sequences, "MAX_RATINGS", 500)
    some, again, others = (
        learn_following(small, small.items, small.n_movies, alike, 20.0, seed=seed).weights for seed in (0, 0, 1)
    )
    assert np.array_equal(some, again)
    assert not np.array_equal(some, others)
    assert 0 < np.linalg.norm(some) < np.linalg.norm(everybody)


def test_one_rating_each_says_nothing_of_what_is_next() -> None:
    data = rows_of_movies(length=1)
    weights = learn_following(data, data.items, data.n_movies, alike, 5.0).weights
    assert not weights.any()
