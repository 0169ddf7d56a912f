"""Property 5: every part of an explanation is there, the parts sum to the score, and each does what it claims."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.cold_start import popularity
from engine.dataset.interactions import Interactions
from engine.models.bundle import LearnedCounts, VersionBundle
from engine.models.catalog import MODELS
from engine.models.item_similarity import ItemSimilarityConfig, ItemSimilarityRanker
from engine.realtime import UserState, measure_offsets
from engine.services.listening import Listener, ServingState
from engine.types import RatingExplanation
from tests.conftest import planted
from tests.engine.models.quick import quick_model

PERSONAL_FROM = 10
USERS = st.integers(0, 61)  # the last two are new
MOVIES = st.integers(0, 79)
RATINGS = st.integers(1, 10).map(lambda halves: halves / 2)
UPDATES = st.lists(st.tuples(USERS, MOVIES, RATINGS), max_size=20)
Update = tuple[int, int, float]
PAIRS = settings(max_examples=200)


@cache
def version(kind: str) -> tuple[VersionBundle, Interactions]:
    """Some of the movies are new to the ranker, some to the whole version."""
    data = Interactions.from_frame(*planted(), scale=(0.5, 5.0))
    train = data.subset(data.items < data.n_movies - 4)
    ranker = ItemSimilarityRanker(ItemSimilarityConfig(min_ratings=16)).fit(train)
    popular = popularity(train, ranker.weigh(train.ratings))
    model = quick_model(kind).fit(train)
    offsets = measure_offsets(model, train)
    return VersionBundle(model, ranker, popular, None, LearnedCounts.of(train), offsets), train


def after(kind: str, updates: list[Update]) -> ServingState:
    bundle, data = version(kind)
    state = ServingState.build(1, bundle, data, 0, PERSONAL_FROM)
    for user, movie, rating in updates:
        state.learner.rate(user, movie, rating)
    return state


def without(state: ServingState, key: int, place: int) -> UserState:
    """The user as if that one rating had never been given, recomputed from nothing."""
    user = state.learner.state(key)
    kept = np.arange(len(user.items)) != place
    return state.learner.imagine(user.items[kept], user.ratings[kept], key)


def unclipped(user: UserState, movie: int) -> float:
    return float(user.movies.model.unclipped(user.vector[None], user.movies.vector(movie)[None])[0])


def total(rating: RatingExplanation) -> float:
    return rating.baseline + sum(one.share for one in rating.contributions) + rating.residual


@pytest.mark.parametrize("kind", MODELS)
@PAIRS
@given(updates=UPDATES, key=USERS, movie=MOVIES, liked=st.sets(st.sampled_from(["Drama", "War"])))
def test_the_parts_sum_to_the_score(kind: str, updates: list[Update], key: int, movie: int, liked: set[str]) -> None:
    state = after(kind, updates)
    user = state.listen_to(state.learner.state(key), sorted(liked))
    score = float(user.scores[movie])
    parts = state.scorer.take_apart(user.blend, user.prior, user.state.items, user.state.ratings, movie, score)
    assert len(parts.shares) == len(user.state.items)
    assert abs(parts.residual) < 1e-4
    assert parts.baseline + float(parts.shares.sum(dtype=np.float64)) == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize("kind", MODELS)
@PAIRS
@given(updates=UPDATES, key=USERS, movie=MOVIES)
def test_the_parts_sum_to_the_predicted_rating(kind: str, updates: list[Update], key: int, movie: int) -> None:
    state = after(kind, updates)
    user = state.learner.state(key)
    rating = state.explainer.explain_rating(user, movie)
    predicted = float(user.predict(np.array([movie], np.int32))[0])
    assert rating.predicted_rating == predicted
    assert total(rating) == pytest.approx(predicted, abs=1e-4)
    assert rating.level + rating.together + rating.learned + rating.clipped == pytest.approx(rating.residual, abs=1e-9)
    assert len(rating.contributions) == len(user.items)
    assert {one.title for one in rating.contributions} == {str(state.data.movies.titles[m]) for m in user.items}
    if key >= 60:  # nobody whom the version has learned
        assert rating.learned == pytest.approx(0, abs=1e-5)
    nobody = state.learner.state(-1).predict(np.array([movie], np.int32))[0]
    assert rating.baseline == pytest.approx(nobody, abs=1e-5)
    if 0.5 < predicted < 5 and 0.5 < nobody < 5:
        assert rating.clipped == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("kind", MODELS)
@PAIRS
@given(updates=UPDATES, key=USERS, movie=MOVIES)
def test_a_score_falls_by_the_largest_share_when_its_rating_goes(
    kind: str, updates: list[Update], key: int, movie: int
) -> None:
    """The blend is that of today: another count of ratings shifts what comes from popularity, which is no share."""
    state = after(kind, updates)
    user = state.listen_to(state.learner.state(key))
    if not len(user.state.items):
        return
    score = float(user.scores[movie])
    parts = state.scorer.take_apart(user.blend, user.prior, user.state.items, user.state.ratings, movie, score)
    place = int(np.argmax(parts.shares))
    gone = without(state, key, place)
    again = state.scorer.score(user.blend, user.prior, gone.items, gone.ratings)
    assert score - float(again[movie]) == pytest.approx(float(parts.shares[place]), abs=1e-3)
    other: Listener = state.listen_to(gone)
    if other.blend.status == user.blend.status == "personal":
        assert np.array_equal(other.scores, again)


@pytest.mark.parametrize("kind", MODELS)
@PAIRS
@given(updates=UPDATES, key=USERS, movie=MOVIES)
def test_a_prediction_falls_by_a_share_when_its_rating_goes(
    kind: str, updates: list[Update], key: int, movie: int
) -> None:
    state = after(kind, updates)
    user = state.learner.state(key)
    if not len(user.items):
        return
    rating = state.explainer.explain_rating(user, movie)
    ids = [str(state.data.movie_ids.raw(int(item))) for item in user.items]
    for one in (max(rating.contributions, key=lambda one: one.share), rating.contributions[-1]):
        gone = without(state, key, ids.index(one.movie_id))
        assert unclipped(user, movie) - unclipped(gone, movie) == pytest.approx(one.share, abs=1e-3)


def test_shares_are_not_all_nothing() -> None:
    """What the tests above compare is large beside their tolerance."""
    for kind in MODELS:
        state = after(kind, [])
        movies = range(0, 80, 9)
        shares = [
            state.explainer.explain_rating(state.learner.state(user), movie).contributions[0].share
            for user in range(20)
            for movie in movies
        ]
        assert np.median(np.abs(shares)) > 0.02
