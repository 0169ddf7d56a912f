"""Property 4: an update moves the prediction towards the rating, and updates commute to the fold-in from scratch."""

from __future__ import annotations

from functools import cache
from threading import Barrier, Event, Thread
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.history import UNKNOWN
from engine.data.ratings import Interactions
from engine.models.ease import ItemSimilarityConfig, ItemSimilarityRanker
from engine.models.registry import MODELS
from engine.models.version import LearnedCounts, VersionBundle
from engine.recommending.bundling import measure_offsets
from engine.recommending.cold_start import popularity
from engine.recommending.fold_in import RealtimeLearner
from tests.conftest import planted
from tests.engine.models.quick import quick_model

NEW_MOVIES = 4  # that nobody had rated when the version learned
USERS = st.integers(0, 63)  # the last four are new
MOVIES = st.integers(0, 79)
RATINGS = st.integers(1, 10).map(lambda halves: halves / 2)
TIMES = st.one_of(st.just(UNKNOWN), st.integers(1_030_000, 1_030_009), st.integers(2_000_000, 2_000_003))
UPDATES = st.lists(st.tuples(USERS, MOVIES, st.one_of(st.none(), RATINGS), TIMES), min_size=1, max_size=25)
Update = tuple[int, int, float | None, int]


@cache
def version(kind: str) -> tuple[VersionBundle, Interactions]:
    data = Interactions.from_frame(*planted(), scale=(0.5, 5.0))
    train = data.subset(data.items < data.n_movies - NEW_MOVIES)
    ranker = ItemSimilarityRanker(ItemSimilarityConfig(recency=0.3)).fit(train)
    popular = popularity(train, ranker.weigher.like(train.ratings))
    model = quick_model(kind).fit(train)
    offsets = measure_offsets(model, train)
    return VersionBundle(model, ranker, popular, None, LearnedCounts.of(train), offsets), train


def learner_of(kind: str) -> RealtimeLearner:
    return RealtimeLearner(*version(kind))


def apply(learner: RealtimeLearner, updates: list[Update]) -> None:
    for user, movie, rating, time in updates:
        if rating is None:
            learner.unrate(user, movie)
        else:
            learner.rate(user, movie, rating, time)


def state_of(learner: RealtimeLearner) -> list[np.ndarray]:
    """Everything that anybody may be told."""
    everything = np.arange(-1, learner.data.n_movies + 1, dtype=np.int32)
    states = [learner.state(user) for user in range(64)]
    told = [
        part
        for one in states
        for part in (one.items, one.ratings, one.history.times, one.vector, one.predict(everything))
    ]
    scores = [learner.bundle.ranker.score_history(one.history) for one in states]
    return [*told, *scores, states[0].movies.counts_of(everything)]


def assert_same(first: list[np.ndarray], second: list[np.ndarray]) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one, other)


def from_scratch(kind: str, updates: list[Update]) -> RealtimeLearner:
    """The ratings as they are after all updates, and whoever was concerned folded in once."""
    bundle, data = version(kind)
    assert data.timestamps is not None
    given = zip(data.ratings.tolist(), data.timestamps.tolist(), strict=True)
    ratings: dict[tuple[int, int], tuple[float | None, int]] = dict(
        zip(zip(data.users.tolist(), data.items.tolist(), strict=True), given, strict=True)
    )
    ratings |= {(user, movie): (rating, time) for user, movie, rating, time in updates}
    rows = sorted((*pair, rating, time) for pair, (rating, time) in ratings.items() if rating is not None)
    learner = RealtimeLearner(bundle, data)
    for user in {update[0] for update in updates}:
        mine = [(movie, rating, time) for other, movie, rating, time in rows if other == user]
        learner.update_user_embedding(user, *_columns(mine), np.array([time for *_, time in mine], np.int64))
    for movie in {update[1] for update in updates}:
        its = [(user, rating, time) for user, other, rating, time in rows if other == movie]
        learner.update_movie_embedding(movie, *_columns(its))
    return learner


def _columns(rows: list[tuple[int, float, int]]) -> tuple[Any, Any]:
    return np.array([key for key, *_ in rows], np.int32), np.array([rating for _, rating, _ in rows], np.float32)


@pytest.mark.parametrize("kind", MODELS)
@settings(max_examples=60)
@given(before=UPDATES, user=USERS, movie=MOVIES, rating=RATINGS)
def test_a_rating_moves_its_prediction_towards_it(
    kind: str, before: list[Update], user: int, movie: int, rating: float
) -> None:
    """Further than the same movie rated just as it was predicted, which is one more rating but no news."""
    column = np.array([movie], np.int32)

    def after(value: float | None) -> float:
        learner = learner_of(kind)
        apply(learner, [*before, (user, movie, None, UNKNOWN)])
        if value is not None:
            learner.rate(user, movie, value)
        return float(learner.state(user).predict(column)[0])

    expected = after(None)
    moved = after(rating) - after(expected)
    if rating > expected:
        assert moved >= -1e-4
    else:
        assert moved <= 1e-4


@pytest.mark.parametrize("kind", MODELS)
def test_predictions_of_what_was_just_rated_are_nearer(kind: str) -> None:
    rng = np.random.default_rng(0)
    before, after = [], []
    learner = learner_of(kind)
    for _ in range(200):
        user, movie, rating = int(rng.integers(64)), int(rng.integers(80)), float(rng.integers(1, 11)) / 2
        column = np.array([movie], np.int32)
        before.append(abs(float(learner.state(user).predict(column)[0]) - rating))
        after.append(abs(float(learner.rate(user, movie, rating).predict(column)[0]) - rating))
    assert np.mean(after) < 0.9 * np.mean(before)
    assert np.mean(np.array(after) <= np.array(before) + 1e-6) > 0.9


@pytest.mark.parametrize("kind", MODELS)
@settings(max_examples=25)
@given(updates=UPDATES, threads=st.integers(2, 6))
def test_any_interleaving_ends_in_the_fold_in_from_scratch(kind: str, updates: list[Update], threads: int) -> None:
    """Updates of one pair keep their order, as the store gives them one; all others come as they come."""
    learner, together = learner_of(kind), Barrier(threads)

    def work(number: int) -> None:
        together.wait()
        apply(learner, [one for one in updates if hash(one[:2]) % threads == number])

    running = [Thread(target=work, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    in_order = learner_of(kind)
    apply(in_order, updates)
    assert_same(state_of(learner), state_of(in_order))
    assert_same(state_of(learner), state_of(from_scratch(kind, updates)))


def test_a_reader_sees_both_sides_of_a_rating_or_neither() -> None:
    learner, stop, torn = learner_of("svd"), Event(), []
    movie, user = 79, 62  # both new, and nobody else rates it
    column = np.array([movie], np.int32)

    def read() -> None:
        while not stop.is_set():
            seen = learner.state(user)
            if (movie in seen.items) != bool(seen.movies.counts_of(column)[0]):
                torn.append(seen)

    readers = [Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for turn in range(150):
        learner.rate(user, movie, 1 + turn % 5)
        learner.unrate(user, movie)
    stop.set()
    for reader in readers:
        reader.join()
    assert torn == []


def test_a_state_that_was_taken_stays_as_it_is() -> None:
    learner = learner_of("ncf")
    everything = np.arange(80, dtype=np.int32)
    taken = learner.state(3)
    vector, predicted = taken.vector.copy(), taken.predict(everything)
    for movie in range(80):
        learner.rate(3, movie, 5)
    assert np.array_equal(taken.vector, vector)
    assert np.array_equal(taken.predict(everything), predicted)
    assert not np.array_equal(learner.state(3).predict(everything), predicted)


@pytest.mark.parametrize("kind", MODELS)
def test_without_news_nothing_moves(kind: str) -> None:
    """Folding in the ratings that the version has learned gives what it has learned, for users and movies."""
    learner = learner_of(kind)
    data, everything = learner.data, np.arange(80, dtype=np.int32)
    before = np.array([learner.state(user).predict(everything) for user in range(60)])
    for user in range(60):
        rows = data.by_user.of(user)
        learner.update_user_embedding(user, data.items[rows], data.ratings[rows])
    for movie in range(76):
        rows = data.by_movie.of(movie)
        learner.update_movie_embedding(movie, data.users[rows], data.ratings[rows])
    after = np.array([learner.state(user).predict(everything) for user in range(60)])
    np.testing.assert_allclose(after, before, atol=1e-4)
    assert learner.folded_users == 60
