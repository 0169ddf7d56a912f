"""Implicit-feedback ALS finds the minimum of its loss, whatever the number of threads, and beyond EASE's cap."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from engine import parallel
from engine.data.history import History
from engine.data.ratings import Interactions
from engine.models import als
from engine.models.als import ImplicitALSConfig, ImplicitALSRanker
from engine.models.ease import ItemSimilarityConfig
from engine.models.list_settings import DEFAULT_RANKING, configure_ranking

CONFIG = ImplicitALSConfig(factors=4, min_ratings=1, dislike=0.0)


def weighted(ranker: ImplicitALSRanker, data: Interactions) -> np.ndarray:
    """float64[users, movies]: confidence times weight of each rating."""
    matrix = np.zeros((data.n_users, data.n_movies))
    matrix[data.users, data.items] = ranker.config.confidence * ranker.weigher.like(data.ratings)
    return matrix


def penalties(data: Interactions) -> tuple[np.ndarray, np.ndarray]:
    """float64[users], float64[movies]: the penalty of each vector, by definition."""
    confidence, counts = CONFIG.confidence, (data.user_counts, data.movie_counts)
    shapes = [count + len(other) / confidence for count, other in (counts, counts[::-1])]
    noise = confidence * sum(np.sqrt(count.mean()) for count in counts)
    strength = CONFIG.regularization * noise / np.sqrt(shapes[0].mean() * shapes[1].mean())
    return strength * shapes[0], strength * shapes[1]


def solved(weights: np.ndarray, fixed: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """float64[n, k]: one side's factors by definition, with the other side fixed."""
    out = np.zeros((len(weights), fixed.shape[1]))
    for owner, row in enumerate(weights):
        matrix = fixed.T @ fixed + (fixed.T * row) @ fixed + penalty[owner] * np.eye(fixed.shape[1])
        out[owner] = np.linalg.solve(matrix, row @ fixed)
    return out


def test_another_turn_changes_nothing_at_the_end(small: Interactions) -> None:
    ranker = ImplicitALSRanker(CONFIG.model_copy(update={"epochs": 300})).fit(small)
    weights, (of_users, of_movies) = weighted(ranker, small), penalties(small)
    users = solved(weights, ranker.factors_.astype(np.float64), of_users)
    movies = solved(weights.T, users, of_movies)
    assert np.abs(movies).max() > 0.1
    np.testing.assert_allclose(movies, ranker.factors_, atol=1e-4)
    scores = np.array([ranker.score_user(user) for user in range(small.n_users)])
    np.testing.assert_allclose(scores, users @ movies.T, atol=1e-4)


def test_the_loss_falls_with_every_epoch(small: Interactions) -> None:
    ranker, losses, (of_users, of_movies) = ImplicitALSRanker(CONFIG), [], penalties(small)
    for _ in ranker.turns(small):
        weights, movies = weighted(ranker, small), ranker.factors_.astype(np.float64)
        users = solved(weights, movies, of_users)
        found = users @ movies.T
        penalty = of_users @ (users**2).sum(axis=1) + of_movies @ (movies**2).sum(axis=1)
        losses.append((found**2).sum() + (weights * (1 - found) ** 2).sum() + penalty)
    assert len(losses) == CONFIG.epochs
    assert (np.diff(losses) <= 1e-4 * losses[0]).all()
    assert losses[-1] < 0.9 * losses[0]


def test_the_number_of_threads_changes_nothing(small: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(parallel, "processors", lambda threads=threads: threads)
        found.append(ImplicitALSRanker(CONFIG).fit(small).arrays())
    assert all(np.array_equal(found[0][name], other[name]) for other in found[1:] for name in other)


def test_another_seed_gives_other_factors(small: Interactions) -> None:
    first, second = (ImplicitALSRanker(CONFIG.model_copy(update={"seed": seed})).fit(small) for seed in (0, 1))
    assert not np.array_equal(first.factors_, second.factors_)


def test_a_catalogue_beyond_the_cap_of_ease_is_ranked_as_a_whole() -> None:
    """Each of 500 people played 200 movies of one half of 50,000."""
    rng, size, people = np.random.default_rng(0), 50_000, 500
    movies = np.concatenate([rng.choice(size // 2, 200, replace=False) * 2 + user % 2 for user in range(people)])
    frame = pd.DataFrame({"user_id": np.repeat(np.arange(people), 200), "movie_id": movies, "rating": 1.0})
    data = Interactions.from_frame(frame)
    ranker = ImplicitALSRanker(ImplicitALSConfig(factors=2, min_ratings=1)).fit(data)
    assert len(ranker.movies_) == data.n_movies > ItemSimilarityConfig().max_movies
    even = np.flatnonzero(data.movie_ids.ids.to_numpy() % 2 == 0).astype(np.int32)
    scores = ranker.score_history(History.of(even[:3], np.ones(3, np.float32)))
    assert scores[even].mean() > 10 * abs(np.delete(scores, even).mean())


def test_no_ratings_give_no_scores(small: Interactions) -> None:
    ranker = ImplicitALSRanker(CONFIG).fit(small.subset(np.zeros(len(small), bool)))
    assert not len(ranker.movies_)
    assert not ranker.score_history(small.history(0)).any()
    assert not ranker.shares(small.history(0), 3).any()


def test_settings_are_compared_on_some_of_many_users(small: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(als, "MAX_RATINGS", 500)
    some = ImplicitALSRanker.variants(small, small.n_movies)(CONFIG)
    assert len(some.data_) == 500
    assert sorted({*some.data_.user_counts.tolist()}) == [0, 25]


def test_it_is_taken_where_ease_would_leave_out_too_many_ratings(small: Interactions) -> None:
    counts = np.sort(small.movie_counts)[::-1].cumsum() / len(small)
    enough, few = (int(np.searchsorted(counts, share)) + 1 for share in (0.65, 0.5))
    assert DEFAULT_RANKING.choose_method(small) == "ease"
    assert configure_ranking({"max_movies": enough}).choose_method(small) == "ease"
    assert configure_ranking({"max_movies": few}).choose_method(small) == "als"
    assert configure_ranking({"max_movies": few, "method": "ease"}).choose_method(small) == "ease"
    assert "regularization" in DEFAULT_RANKING.choices("als")
