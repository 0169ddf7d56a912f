"""A rating changes the user's state at once; a rating is taken apart into what each past rating does."""

from __future__ import annotations

import numpy as np
import pytest

from engine.data.history import UNKNOWN
from engine.data.ratings import Interactions
from engine.models.ease import ItemSimilarityRanker
from engine.models.svd import MatrixFactorizationConfig, MatrixFactorizationModel
from engine.models.version import VersionBundle
from engine.recommending.cold_start import popularity
from engine.recommending.explanations import ExplainerService
from engine.recommending.fold_in import RealtimeLearner


@pytest.fixture(scope="module")
def bundle(small: Interactions) -> VersionBundle:
    ranker = ItemSimilarityRanker().fit(small)
    rating = MatrixFactorizationModel(MatrixFactorizationConfig(factors=8, epochs=40, regularization=0.05)).fit(small)
    return VersionBundle(rating, ranker, popularity(small, ranker.weigher.like(small.ratings)), None)


@pytest.fixture
def learner(bundle: VersionBundle, small: Interactions) -> RealtimeLearner:
    return RealtimeLearner(bundle, small)


def timestamps_of(data: Interactions) -> np.ndarray:
    assert data.timestamps is not None
    return data.timestamps


def test_a_learned_user_starts_from_what_the_version_learned(learner: RealtimeLearner, small: Interactions) -> None:
    state = learner.state(4)
    rows = small.by_user.of(4)
    rows = rows[np.argsort(small.items[rows])]
    assert state.items.tolist() == small.items[rows].tolist()
    assert state.history.times.tolist() == timestamps_of(small)[rows].tolist()
    assert np.array_equal(state.vector, learner.bundle.rating.user_vector(4))
    assert learner.folded_users == 0


def test_an_unknown_user_has_no_ratings(learner: RealtimeLearner) -> None:
    for user in (-1, 10_000):
        state = learner.state(user)
        assert (len(state.items), state.mean) == (0, 0.0)


def test_a_rating_moves_the_prediction_towards_it(learner: RealtimeLearner) -> None:
    movie = np.array([7], np.int32)
    predict = learner.bundle.rating.predict_vector
    for user in range(10):
        for rating in (0.5, 5.0):
            before = learner.update_user_embedding(user, learner.state(user).items, learner.state(user).ratings)
            start = float(predict(before.vector, movie)[0])
            moved = float(predict(learner.rate(user, 7, rating).vector, movie)[0])
            assert abs(moved - rating) <= abs(start - rating) + 1e-6


def test_the_order_of_ratings_does_not_matter(bundle: VersionBundle, small: Interactions) -> None:
    given = [(3, 4.0), (9, 1.0), (20, 5.0), (3, 2.5)]
    one, two = RealtimeLearner(bundle, small), RealtimeLearner(bundle, small)
    for movie, rating in given:
        one.rate(999, movie, rating)
    for movie, rating in [given[2], given[1], given[3]]:
        two.rate(999, movie, rating)
    first, second = one.state(999), two.state(999)
    assert np.array_equal(first.items, second.items)
    assert np.array_equal(first.vector, second.vector)
    assert first.history.rating_of(3) == 2.5
    assert first.history.rating_of(4) is None


def test_the_time_of_a_rating_is_kept_and_of_a_changed_one_replaced(learner: RealtimeLearner) -> None:
    learner.rate(999, 9, 4.0, 100)
    learner.rate(999, 3, 4.0, 300)
    learner.rate(999, 9, 2.0, 200)
    past = learner.rate(999, 20, 5.0).history
    assert past.items.tolist() == [3, 9, 20]
    assert past.times.tolist() == [300, 200, UNKNOWN]
    assert learner.unrate(999, 9).history.times.tolist() == [300, UNKNOWN]


def test_an_update_without_times_has_none(learner: RealtimeLearner) -> None:
    items, ratings = np.array([3, 9], np.int32), np.array([4, 2], np.float32)
    assert learner.update_user_embedding(999, items, ratings).history.times.tolist() == [UNKNOWN, UNKNOWN]
    times = np.array([5, 6], np.int64)
    assert learner.update_user_embedding(999, items, ratings, times).history.times.tolist() == [5, 6]


def test_a_state_is_never_changed(learner: RealtimeLearner) -> None:
    before = learner.state(2)
    items = before.items.copy()
    learner.rate(2, 5, 1.0)
    assert np.array_equal(before.items, items)
    assert learner.folded_users == 1


@pytest.fixture(scope="module")
def explainer(bundle: VersionBundle, small: Interactions) -> ExplainerService:
    return ExplainerService(small, bundle.ranker)


def test_similar_rated_movies_are_cosines(
    explainer: ExplainerService, bundle: VersionBundle, learner: RealtimeLearner, small: Interactions
) -> None:
    matrix = np.zeros((small.n_users, small.n_movies))
    matrix[small.users, small.items] = bundle.ranker.weigher.like(small.ratings)
    state = learner.state(3)
    found = explainer.find_similar_rated_movies(state, 10)
    assert 0 < len(found) <= 5
    for similar in found:
        one, other = matrix[:, small.movie_ids.index(similar.movie_id)], matrix[:, 10]
        expected = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
        assert similar.similarity == pytest.approx(expected, abs=1e-5)
        assert similar.rating == state.history.rating_of(small.movie_ids.index(similar.movie_id))
    assert [one.similarity for one in found] == sorted((one.similarity for one in found), reverse=True)


def test_similar_users_rated_the_movie_and_are_somebody_else(
    explainer: ExplainerService, learner: RealtimeLearner, small: Interactions
) -> None:
    movie = int(small.items[small.by_user.of(3)][0])
    found = explainer.get_similar_users_influence(3, learner.state(3), movie)
    raters = {small.user_ids.raw(int(user)) for user in small.users[small.by_movie.of(movie)]}
    assert found
    assert {one.user_id for one in found} <= raters - {small.user_ids.raw(3)}


def test_genre_match_is_the_users_mean_in_the_genre_less_the_mean(
    explainer: ExplainerService, learner: RealtimeLearner, small: Interactions
) -> None:
    state = learner.state(3)
    match = explainer.get_genre_match_score(state, 0)
    assert len(match.genres) == small.movies.genres[0].sum() > 0
    for genre, lift, count in match.genres:
        has = small.movies.genres[state.items, small.movies.genre_names.index(genre)]
        assert count == has.sum()
        assert lift == pytest.approx(state.ratings[has].mean() - state.ratings.mean(), abs=1e-5)
