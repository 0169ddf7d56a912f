"""Every ranker keeps one contract: exact shares, the same lists for learned users and newcomers, equal arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.data.history import NOBODY, History
from engine.data.ratings import Interactions
from engine.errors import InvalidHyperparameter, InvalidInput, NotReady
from engine.models.ranker import Ranker
from engine.models.rankers import RANKERS, build_ranker, configure_ranker, ranker_settings, restore_ranker

SETTINGS: dict[str, dict[str, Any]] = {"ease": {"l2": 20.0}, "als": {"factors": 8}, "spark_als": {"factors": 8}}
"""What suits a few planted ratings."""


def quick(method: str, **changes: Any) -> Ranker:
    return build_ranker(configure_ranker({"method": method, "recency": 0.3, **SETTINGS[method], **changes}))


@pytest.fixture(params=list(RANKERS), scope="module")
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def fitted(method: str, small: Interactions) -> Ranker:
    return quick(method).fit(small)


def histories(data: Interactions, n: int = 20) -> Iterator[History]:
    return (data.history(user) for user in range(n))


def without_one(ranker: Ranker, past: History, left_out: int, movie: int) -> float:
    """A movie's score by definition, without one rating, the weights of the others kept."""
    weights = ranker.weigher.weights_of(past).astype(np.float64)
    rows, row = ranker.position_[past.items], ranker.position_[movie]
    known = rows >= 0
    counts = known & (np.arange(len(past)) != left_out)
    learned = ranker.arrays()
    if "weights" in learned:
        return float(weights[counts] @ learned["weights"][rows[counts], row])
    config: Any = ranker.config
    factors = learned["factors"].astype(np.float64)
    mine, weights = factors[rows], weights * config.confidence
    each, least = learned["penalty"]
    matrix = factors.T @ factors + (mine[known].T * np.abs(weights[known])) @ mine[known]
    matrix += (each * known.sum() + least) * np.eye(factors.shape[1])
    vector = np.linalg.solve(matrix, weights[counts] @ mine[counts])
    return float(factors[row] @ vector * learned["raised"][row])


def test_shares_sum_to_the_score(fitted: Ranker, small: Interactions) -> None:
    for past in histories(small):
        scores = fitted.score_history(past)
        for movie in [*np.argsort(-scores)[:3].tolist(), int(past.items[0]), int(np.argmin(scores))]:
            shares = fitted.shares(past, movie)
            assert shares.dtype == np.float32
            assert shares.shape == past.items.shape
            assert float(shares.sum(dtype=np.float64)) == pytest.approx(float(scores[movie]), abs=1e-5)


def test_dropping_a_rating_lowers_the_score_by_its_share(fitted: Ranker, small: Interactions) -> None:
    for past in histories(small):
        scores = fitted.score_history(past)
        movie = int(np.argmax(scores))
        shares = fitted.shares(past, movie)
        for left_out in (int(np.argmax(shares)), int(np.argmin(shares))):
            dropped = float(scores[movie]) - without_one(fitted, past, left_out, movie)
            assert dropped == pytest.approx(float(shares[left_out]), abs=1e-5)


def test_learned_users_get_the_lists_of_newcomers_with_the_same_ratings(fitted: Ranker, small: Interactions) -> None:
    for user in range(small.n_users):
        assert np.array_equal(fitted.score_user(user), fitted.score_history(small.history(user)))
    assert not fitted.score_user(-1).any()


def test_lists_hold_what_was_held_out_more_often_than_popularity(method: str, small: Interactions) -> None:
    """Everybody rated one of two halves of the catalogue, half as many movies of the second one."""
    rng = np.random.default_rng(3)
    half = np.repeat(np.arange(2), small.n_movies // 2)
    users, items = [], []
    for user in range(small.n_users):
        mine = np.flatnonzero(half == (user % 3 == 0))
        users += [user] * 20
        items += rng.choice(mine, 20, replace=False).tolist()
    data = replace(
        small,
        users=np.array(users, np.int32),
        items=np.array(items, np.int32),
        ratings=np.full(len(users), 4.0, np.float32),
        timestamps=None,
    )
    ranker = quick(method).fit(data)
    for user in range(small.n_users):
        scores = ranker.score_user(user)
        scores[data.history(user).items] = -np.inf
        assert (half[np.argsort(-scores)[:10]] == (user % 3 == 0)).all()


def test_round_trip_through_settings_and_arrays(fitted: Ranker, small: Interactions) -> None:
    again = restore_ranker(ranker_settings(fitted.config), fitted.arrays())
    assert type(again) is type(fitted)
    assert again.config == fitted.config
    for past in histories(small):
        assert np.array_equal(again.score_history(past), fitted.score_history(past))
        assert np.array_equal(again.shares(past, 3), fitted.shares(past, 3))
        assert np.array_equal(again.weigher.weights_of(past), fitted.weigher.weights_of(past))


def test_equal_data_gives_equal_arrays(method: str, fitted: Ranker, small: Interactions) -> None:
    first, second = fitted.arrays(), quick(method).fit(small).arrays()
    assert first.keys() == second.keys()
    assert len(first) > 1
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_settings_round_trip_through_json(fitted: Ranker) -> None:
    config = fitted.config
    assert type(config).model_validate_json(config.model_dump_json()) == config
    assert configure_ranker(ranker_settings(config)) == config


def test_movies_that_nobody_knows_add_nothing(method: str, small: Interactions) -> None:
    fitted = quick(method, recency=0.0).fit(small)
    one = History.of(np.array([3], np.int32), np.array([5], np.float32))
    more = History.of(np.array([3, -1, small.n_movies + 7], np.int32), np.full(3, 5, np.float32))
    assert np.array_equal(fitted.score_history(more), fitted.score_history(one))
    assert fitted.known(more).tolist() == [0]
    assert fitted.shares(more, 5)[1:].tolist() == [0, 0]
    for movie in (-1, small.n_movies + 7):
        assert not fitted.shares(one, movie).any()


def test_an_empty_history_scores_nothing(fitted: Ranker, small: Interactions) -> None:
    assert fitted.score_history(NOBODY).tolist() == [0] * small.n_movies
    assert fitted.shares(NOBODY, 3).shape == (0,)


def test_newer_ratings_weigh_more_where_times_are_known(method: str, small: Interactions) -> None:
    ranker, past = quick(method, recency=1.0).fit(small), small.history(0)
    alike = replace(past, ratings=np.full(len(past), 4.0, np.float32))
    weights = ranker.weigher.weights_of(alike)
    assert (np.diff(weights[np.argsort(past.times)]) > 0).all()
    turned = replace(past, times=-past.times)
    assert not np.array_equal(ranker.score_history(turned), ranker.score_history(past))
    same = replace(past, times=np.zeros_like(past.times))
    assert len(set(ranker.weigher.weights_of(replace(same, ratings=alike.ratings)).tolist())) == 1


def test_one_rating_is_enough(method: str, small: Interactions) -> None:
    ranker = quick(method).fit(small.subset(np.arange(1)))
    assert np.isfinite(ranker.score_user(int(small.users[0]))).all()
    assert ranker.movies_.tolist() == [int(small.items[0])]


def test_ratings_that_are_all_alike_give_lists(method: str, small: Interactions) -> None:
    alike = replace(small, ratings=np.ones(len(small), np.float32), scale=(1.0, 1.0))
    ranker = quick(method).fit(alike)
    assert np.isfinite(ranker.score_user(0)).all()
    assert ranker.score_user(0).any()


def test_rarely_rated_movies_are_left_out(method: str, small: Interactions) -> None:
    threshold = int(np.median(small.movie_counts))
    ranker = quick(method, min_ratings=threshold).fit(small)
    assert ranker.movies_.tolist() == np.flatnonzero(small.movie_counts >= threshold).tolist()
    assert not ranker.score_user(0)[small.movie_counts < threshold].any()


def test_only_the_most_rated_movies_fit_under_the_cap(method: str, small: Interactions) -> None:
    ranker = quick(method, max_movies=10).fit(small)
    assert len(ranker.movies_) == 10
    assert small.movie_counts[ranker.movies_].min() >= np.sort(small.movie_counts)[-10]


def test_variants_are_what_fitting_each_of_them_gives(method: str, small: Interactions) -> None:
    """Whatever order they are made in; what they share is never changed. Of a ranker on Spark they are learned here."""
    variant = RANKERS[method].ranker.variants(small, small.n_movies)
    settings = [{}, {"popularity_discount": 0.3}, {"recency": 0.0}, {"rating_power": 1.0}, {"dislike": 0.0}, {}]
    for changes in settings:
        alone = quick("als" if method == "spark_als" else method, **changes).fit(small)
        assert np.array_equal(variant(alone.config).score_user(5), alone.score_user(5))
    few = RANKERS[method].ranker.variants(small, 10)(quick(method).config)
    assert len(few.movies_) == 10


def test_a_discount_raises_what_is_less_rated(method: str, small: Interactions) -> None:
    plain, raised = (quick(method, popularity_discount=discount).fit(small) for discount in (0.0, 0.5))
    before, after = plain.score_user(3), raised.score_user(3)
    weight = np.bincount(small.items, plain.weigher.like(small.ratings).astype(np.float64) ** 2, small.n_movies) + 1
    np.testing.assert_allclose(after, before * (weight.max() / weight) ** 0.5, rtol=1e-3, atol=1e-6)


def test_an_unfitted_ranker_says_so(method: str) -> None:
    with pytest.raises(NotReady, match="is not fitted yet"):
        quick(method).recommend("u1")


def test_recommends_distinct_unseen_movies(fitted: Ranker, small: Interactions) -> None:
    listed = fitted.recommend("u7", 10)
    seen = small.items[small.by_user.of(small.user_ids.index("u7"))]
    assert len(set(listed)) == 10
    assert not np.isin(small.movie_ids.indices(listed), seen).any()


def test_settings_are_validated() -> None:
    with pytest.raises(InvalidInput, match=r"There is no ranker .svd.\. Choose one of: ease, als"):
        configure_ranker({"method": "svd"})
    with pytest.raises(InvalidHyperparameter, match=r"regularization is -1\.0, but must be a number above 0"):
        configure_ranker({"method": "als", "regularization": -1.0})
    with pytest.raises(InvalidHyperparameter, match="There is no hyperparameter 'l2'"):
        configure_ranker({"method": "als", "l2": 10.0})


def test_settings_without_a_method_are_those_of_ease(small: Interactions) -> None:
    """Versions of earlier releases have no method, and settings that no longer exist."""
    fitted = quick("ease").fit(small)
    earlier = {"l2": 20.0, "min_ratings": 4, "gone": True}
    assert restore_ranker(earlier, fitted.arrays()).config == configure_ranker({"l2": 20.0})
