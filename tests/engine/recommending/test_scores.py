"""The predicted rating in the order of a list: what it adds, to whom, and how an explanation names it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.data.arrays import Float32, Int32
from engine.data.history import NOBODY
from engine.data.ratings import Interactions
from engine.models.base import top
from engine.models.ease import ItemSimilarityConfig, ItemSimilarityRanker
from engine.recommending.bundling import bundle_version, measure_spread
from engine.recommending.cold_start import blend, popularity
from engine.recommending.lists import ListOptions
from engine.recommending.scoring import CANDIDATES, ListScorer, Predict, Scores
from engine.recommending.state import ServingState
from store.records import RatingChange
from tests.engine.models.quick import quick_model

NOTHING = np.empty(0, np.int32)
PERSONAL = blend(25, 25, known=True, personal_from=10)


def predicting(ratings: Float32, level: float) -> Predict:
    """A user with these predicted ratings."""
    return lambda movies: np.where(movies < 0, np.float32(level), ratings[movies])


def naive(scores: Scores, ratings: Float32, level: float, n: int, drop: Int32) -> np.ndarray:
    """The list by definition: the best by linear score, sorted by the whole score, ties by index."""
    allowed = [movie for movie in range(len(ratings)) if movie not in drop]
    first = sorted(allowed, key=lambda movie: (-scores.linear[movie], movie))[: max(n, CANDIDATES)]
    whole = {m: scores.linear[m] + (ratings[m] - np.float32(level)) * np.float32(scores.per_rating) for m in first}
    return np.array(sorted(first, key=lambda movie: (-whole[movie], movie))[:n])


@pytest.mark.parametrize("n", [1, 10, 490, 600])
def test_the_predicted_rating_orders_the_candidates(n: int) -> None:
    rng = np.random.default_rng(n)
    scores = Scores(rng.integers(0, 40, 700).astype(np.float32), 3.0)
    ratings, drop = (rng.integers(1, 11, 700) / 2).astype(np.float32), np.arange(0, 700, 9, dtype=np.int32)
    found = scores.best(n, predicting(ratings, 3.0), drop=drop)
    assert found.movies.tolist() == naive(scores, ratings, 3.0, n, drop).tolist()
    assert (np.diff(found.scores) <= 0).all()
    np.testing.assert_allclose(found.scores, scores.linear[found.movies] + 3 * (ratings[found.movies] - 3))


def test_beyond_the_candidates_a_predicted_rating_changes_nothing() -> None:
    linear = np.arange(2 * CANDIDATES, dtype=np.float32)[::-1].copy()
    ratings = np.full(len(linear), 3.0, np.float32)
    ratings[[CANDIDATES - 1, CANDIDATES]] = 5  # the last candidate, and the first movie that is none
    found = Scores(linear, 1e6).best(10, predicting(ratings, 3.0))
    assert found.movies.tolist() == [CANDIDATES - 1, *range(9)]


def test_only_allowed_movies_are_candidates() -> None:
    linear, ratings = np.arange(600, dtype=np.float32), np.full(600, 3.0, np.float32)
    allowed = np.arange(600) < 5
    found = Scores(linear, 1.0).best(10, predicting(ratings, 3.0), allowed=allowed, drop=np.array([3], np.int32))
    assert found.movies.tolist() == [4, 2, 1, 0]


def test_without_a_weight_nobody_is_asked_for_a_prediction() -> None:
    def never(_: Int32) -> Float32:
        raise AssertionError

    linear = np.arange(20, dtype=np.float32)
    assert Scores(linear, 0.0).best(3, never).movies.tolist() == top(linear, 3).tolist()


def scorer_of(data: Interactions, spread: float, **settings: Any) -> ListScorer:
    ranker = ItemSimilarityRanker(ItemSimilarityConfig(min_ratings=1, **settings)).fit(data)
    return ListScorer(ranker, popularity(data, ranker.weigher.like(data.ratings)), data.movies, spread)


def test_a_standard_deviation_of_the_prediction_counts_as_much_of_the_score(small: Interactions) -> None:
    scorer, past = scorer_of(small, 0.8, rating_weight=0.4), small.history(3)
    few = blend(4, 4, known=True, personal_from=10)
    for how in (PERSONAL, few):
        scores = scorer.score(how, scorer.popularity, past)
        personal = how.personal * scorer.ranker.score_history(past)
        assert scores.per_rating * 0.8 == pytest.approx(0.4 * personal.std(), rel=1e-4)


@pytest.mark.parametrize(("spread", "weight"), [(0.0, 0.4), (0.8, 0.0)])
def test_it_adds_nothing_without_a_spread_or_a_weight(small: Interactions, spread: float, weight: float) -> None:
    scorer = scorer_of(small, spread, rating_weight=weight)
    assert scorer.score(PERSONAL, scorer.popularity, small.history(3)).per_rating == 0


def test_it_adds_nothing_for_somebody_without_ratings(small: Interactions) -> None:
    scorer = scorer_of(small, 0.8, rating_weight=0.4)
    scores = scorer.score(blend(0, 0, known=False, personal_from=10), scorer.popularity, NOBODY)
    assert scores.per_rating == 0


def test_the_spread_is_that_of_a_users_predictions(small: Interactions) -> None:
    model = quick_model("svd").fit(small)
    movies = np.arange(0, small.n_movies, 3, dtype=np.int32)
    each = [model.predict_indices(np.full(len(movies), user, np.int32), movies).std() for user in range(small.n_users)]
    assert measure_spread(model, small, movies) == pytest.approx(np.mean(each), rel=1e-5)
    assert measure_spread(model, small, movies[:0]) == 0
    assert measure_spread(model, small.subset(np.arange(0)), movies) == 0


def serve(data: Interactions, **settings: Any) -> ServingState:
    ranker = ItemSimilarityRanker(ItemSimilarityConfig(l2=20, **settings)).fit(data)
    return ServingState.build(1, bundle_version(quick_model("svd").fit(data), ranker, data), data, 0, 10)


@pytest.fixture(scope="module")
def mixed(small: Interactions) -> ServingState:
    return serve(small, rating_weight=0.5)


@pytest.fixture(scope="module")
def linear(small: Interactions) -> ServingState:
    return serve(small, rating_weight=0.0)


@pytest.mark.parametrize("user_id", ["u1", "u20", "u41"])
def test_a_listed_score_is_the_linear_part_and_what_the_prediction_adds(mixed: ServingState, user_id: str) -> None:
    user = mixed.listen(user_id)
    made = mixed.make_list(user, ListOptions(n=10), NOTHING)
    added = []
    for movie in made.movies.tolist():
        found = mixed.explain(user_id, user, movie)
        assert found.score == pytest.approx(float(made.scores[movie]), abs=1e-5)
        assert found.score == pytest.approx(float(user.scores.linear[movie]) + found.from_rating, abs=1e-6)
        shares = sum(one.share for one in found.contributions)
        assert found.baseline + shares + found.residual == pytest.approx(found.score, abs=1e-6)
        assert found.residual == pytest.approx(found.from_rating, abs=1e-4)
        added.append(found.from_rating)
    assert max(added) > 0.01


def test_without_a_weight_an_explanation_names_no_prediction(linear: ServingState) -> None:
    user = linear.listen("u1")
    for movie in linear.make_list(user, ListOptions(n=10), NOTHING).movies.tolist():
        found = linear.explain("u1", user, movie)
        assert found.from_rating == 0
        assert "rating to expect" not in found.text


def test_the_weight_changes_the_order_towards_higher_predictions(mixed: ServingState, linear: ServingState) -> None:
    predicted = []
    for state in (linear, mixed):
        users = [state.listen(f"u{number}") for number in range(30)]
        lists = [state.make_list(user, ListOptions(n=10), NOTHING).movies.astype(np.int32) for user in users]
        each = [user.state.predict(movies).mean() for user, movies in zip(users, lists, strict=True)]
        predicted.append(float(np.mean(each)))
    assert predicted[1] > predicted[0] + 0.05


def test_one_star_for_the_first_movie_moves_its_like_down(small: Interactions) -> None:
    """Rated lowest, it lowers the scores of the movies that go with it most, and raises those of none of them."""
    state = serve(small)
    for number in range(10):
        user_id = f"u{number}"
        before = state.listen(user_id)
        first = int(state.make_list(before, ListOptions(n=1), before.state.items).movies[0])
        ranker = state.bundle.ranker
        assert isinstance(ranker, ItemSimilarityRanker)
        like = ranker.movies_[np.argsort(-ranker.weights_[ranker.position_[first]])[:5]]
        change = RatingChange(before.key, first, 0.5, None, 1, 1, new_user=False)
        state.learn(user_id, change)
        after = state.listen(user_id)
        assert (after.scores.linear[like] < before.scores.linear[like]).all()
        shares = {one.movie_id: one.share for one in state.explain(user_id, after, int(like[0])).contributions}
        assert shares[small.movie_ids.raw(first)] < 0
