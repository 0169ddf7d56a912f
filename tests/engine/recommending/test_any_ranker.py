"""Lists, explanations, fold-in and the interview work with every ranker."""

from __future__ import annotations

import json

import numpy as np
import pytest

from engine.data.ratings import Interactions
from engine.models.rankers import RANKERS, build_ranker, configure_ranker
from engine.models.version import VersionBundle
from engine.recommending.bundling import bundle_version
from engine.recommending.lists import ListOptions
from engine.recommending.state import ServingState
from engine.services.warmup import try_out
from store.records import RatingChange
from tests.engine.models.quick import quick_model

LIST = ListOptions(n=10)


@pytest.fixture(params=list(RANKERS), scope="module")
def bundle(request: pytest.FixtureRequest, small: Interactions) -> VersionBundle:
    settings = {"method": request.param, "min_ratings": 18, "recency": 0.3, "rating_weight": 0.3}
    ranker = build_ranker(configure_ranker(settings)).fit(small)
    assert len(ranker.movies_) < small.n_movies  # the others are scored by their neighbours
    return bundle_version(quick_model("svd").fit(small), ranker, small)


@pytest.fixture
def state(bundle: VersionBundle, small: Interactions) -> ServingState:
    return ServingState.build(1, bundle, small, 0, 10)


def test_everything_that_requests_ask_for_is_answered(state: ServingState) -> None:
    try_out(state)


def test_a_stored_version_answers_bit_for_bit(bundle: VersionBundle, state: ServingState, small: Interactions) -> None:
    stored = VersionBundle.from_arrays("svd", json.loads(json.dumps(bundle.config())), bundle.arrays())
    again = ServingState.build(1, stored, small, 0, 10)
    for user_id in ("u1", "u20", "nobody"):
        lists = [one.make_list(one.listen(user_id), LIST, np.empty(0, np.int32)) for one in (state, again)]
        assert np.array_equal(lists[0].movies, lists[1].movies)
        assert np.array_equal(lists[0].scores, lists[1].scores)


def test_the_parts_of_a_score_sum_to_it(state: ServingState, small: Interactions) -> None:
    by_neighbours = 0
    for user_id in ("u1", "u20", "u41"):
        user = state.listen(user_id)
        for movie in range(0, small.n_movies, 3):
            found = state.explain(user_id, user, movie)
            shares = sum(one.share for one in found.contributions)
            assert found.score == pytest.approx(found.baseline + shares + found.from_rating, abs=1e-4)
            by_neighbours += found.by_neighbours
    assert by_neighbours


def test_a_rating_counts_in_the_next_list(state: ServingState) -> None:
    before = state.listen("u3").scores.linear.copy()
    movie = int(state.bundle.ranker.movies_[np.argmin(before[state.bundle.ranker.movies_])])
    state.learn("u3", RatingChange(state.users["u3"], movie, 5.0, None, 1, 1, new_user=False))
    after = state.listen("u3").scores.linear
    assert after[movie] > before[movie] or not np.array_equal(after, before)
    assert state.listen("u3").state.history.rating_of(movie) == 5.0


def test_the_interview_asks_about_movies_that_the_ranker_knows(state: ServingState) -> None:
    nothing = np.empty(0, np.int32)
    asked = state.interview.questions(nothing, np.empty(0, np.float32), nothing, 5)
    assert len(asked) == 5
    assert {one.movie for one in asked} <= set(state.bundle.ranker.movies_.tolist())
