"""Property 8: every metric equals an independent definition, scikit-learn's where there is one."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import (
    label_ranking_average_precision_score,
    mean_absolute_error,
    mean_squared_error,
    ndcg_score,
    precision_score,
    recall_score,
    root_mean_squared_error,
)

from engine.data.ratings import Interactions
from engine.errors import InvalidInput
from engine.evaluation import metrics
from engine.evaluation.report import EvaluationService
from engine.models.base import RatingModel, top
from tests.properties.ratings import interactions

STARS = st.integers(1, 10).map(lambda half: half / 2)


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0.5, 5, width=32), STARS), min_size=1, max_size=30))
def test_errors_of_ratings_equal_scikit_learns(rows: list[tuple[int, float, float]]) -> None:
    users = np.array([user for user, _, _ in rows])
    predicted, actual = (np.array(column, np.float32) for column in list(zip(*rows, strict=True))[1:])
    assert metrics.squared_errors(predicted, actual).mean() == pytest.approx(mean_squared_error(actual, predicted))
    assert metrics.absolute_errors(predicted, actual).mean() == pytest.approx(mean_absolute_error(actual, predicted))
    rmse, mae = metrics.rmse(predicted, actual, users, 5), metrics.mae(predicted, actual, users, 5)
    assert np.isnan(rmse).tolist() == np.isnan(mae).tolist() == [user not in users for user in range(5)]
    for user in set(users.tolist()):
        own = actual[users == user], predicted[users == user]
        assert rmse[user] == pytest.approx(math.sqrt(mean_squared_error(*own)), rel=1e-5, abs=1e-6)
        assert mae[user] == pytest.approx(mean_absolute_error(*own), rel=1e-5, abs=1e-6)


@st.composite
def lists(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Hits of a few users' lists, and how many relevant movies each has: at least one, and no fewer than were hit."""
    k = draw(st.integers(1, 8))
    hits = draw(hnp.arrays(bool, st.tuples(st.integers(1, 5), st.just(k))))
    more = draw(hnp.arrays(np.int64, len(hits), elements=st.integers(0, 6)))
    return hits, np.maximum(hits.sum(axis=1) + more, 1)


@given(lists())
def test_list_metrics_equal_their_definitions(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    hits, relevant = drawn
    k = hits.shape[1]
    found = {
        "precision": metrics.precision(hits),
        "recall": metrics.recall(hits, relevant),
        "hit": metrics.hit_rate(hits),
        "mrr": metrics.reciprocal_rank(hits),
        "map": metrics.average_precision(hits, relevant),
        "ndcg": metrics.ndcg(hits, relevant),
    }
    for user, row in enumerate(hits):
        places = [place for place in range(1, k + 1) if row[place - 1]]
        ideal = sum(1 / math.log2(place + 1) for place in range(1, min(relevant[user], k) + 1))
        expected = {
            "precision": len(places) / k,
            "recall": len(places) / relevant[user],
            "hit": float(bool(places)),
            "mrr": 1 / places[0] if places else 0.0,
            "map": sum((n + 1) / place for n, place in enumerate(places)) / min(relevant[user], k),
            "ndcg": sum(1 / math.log2(place + 1) for place in places) / ideal,
        }
        for name, value in expected.items():
            assert found[name][user] == pytest.approx(value), name


@given(hnp.arrays(bool, st.integers(2, 30)), st.integers(1, 10))
def test_ndcg_equals_scikit_learns(relevant: np.ndarray, k: int) -> None:
    """Movies stand in the order of their index; k is at most their number."""
    assume(relevant.any())
    k = min(k, len(relevant))
    scores = -np.arange(len(relevant), dtype=float)
    expected = ndcg_score(relevant[None, :].astype(float), scores[None, :], k=k)
    assert metrics.ndcg(relevant[None, :k], np.array([relevant.sum()]))[0] == pytest.approx(expected)


@given(st.permutations(range(15)), hnp.arrays(bool, 15), st.integers(1, 15))
def test_lists_from_scores_equal_scikit_learns(order: list[int], relevant: np.ndarray, k: int) -> None:
    """From distinct scores to list to metric: NDCG at k, and average precision of the whole catalogue."""
    assume(relevant.any())
    scores, wanted = np.array(order, np.float32), np.array([relevant.sum()])
    hits = relevant[top(scores, 15)][None, :]
    truth, given_scores = relevant[None, :].astype(int), scores[None, :]
    assert metrics.ndcg(hits[:, :k], wanted)[0] == pytest.approx(ndcg_score(truth, given_scores, k=k))
    expected = label_ranking_average_precision_score(truth, given_scores)
    assert metrics.average_precision(hits, wanted)[0] == pytest.approx(expected)


@given(hnp.arrays(np.int64, st.tuples(st.integers(1, 5), st.integers(1, 6)), elements=st.integers(-1, 9)))
def test_catalogue_metrics_equal_their_definitions(listed: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    counts, genres = rng.integers(0, 20, 10), rng.random((10, 4)) < 0.5
    shown = [int(movie) for movie in listed.ravel() if movie >= 0]
    exposure = metrics.exposure(listed, 10)
    assert exposure.tolist() == [shown.count(movie) for movie in range(10)]
    assert metrics.coverage(exposure) == len(set(shown)) / 10

    novelty, diversity = metrics.novelty(listed, counts, 20), metrics.diversity(listed, genres)
    for user, row in enumerate(listed):
        movies = [int(movie) for movie in row if movie >= 0]
        bits = [-math.log2(max(counts[movie], 1) / 20) for movie in movies]
        assert novelty[user] == pytest.approx(np.mean(bits) if bits else 0.0)
        unlike = []
        for one, other in itertools.combinations(movies, 2):
            union = (genres[one] | genres[other]).sum()
            unlike.append(1 - (genres[one] & genres[other]).sum() / union if union else 0.0)
        assert diversity[user] == pytest.approx(np.mean(unlike) if unlike else 0.0, abs=1e-6)

    difference = sum(abs(int(a) - int(b)) for a in exposure for b in exposure)
    expected = difference / (2 * 10 * exposure.sum()) if shown else 0.0
    assert metrics.gini(exposure) == pytest.approx(expected)


class Told(RatingModel):
    """A model that says what it is told to, of each pair."""

    def __init__(self, table: np.ndarray) -> None:
        self.table = table

    def predict_indices(self, users: np.ndarray, movies: np.ndarray) -> np.ndarray:
        return self.table[users, movies]


Told.__abstractmethods__ = frozenset()  # the judgement asks for nothing else


@st.composite
def judgements(draw: st.DrawFn) -> tuple[Interactions, Interactions, np.ndarray, np.ndarray, int]:
    """Training and test part, what is predicted of each pair, and the scores that order lists, ties among them."""
    data = draw(interactions(min_size=2))
    held = draw(hnp.arrays(bool, len(data)))
    assume(held.any())
    shape = (data.n_users, data.n_movies)
    low, high = data.scale
    predicted = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 16))) / 16 * (high - low) + low
    scores = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 9)))
    return data.subset(~held), data.subset(held), predicted.astype(np.float32), scores, draw(st.integers(1, 8))


@settings(max_examples=60)
@given(judgements())
def test_a_report_equals_scikit_learns_and_brute_force(
    drawn: tuple[Interactions, Interactions, np.ndarray, np.ndarray, int],
) -> None:
    """From ratings and scores to the report: who is judged, what is dropped, what is relevant, and the metrics."""
    train, test, predicted, scores, k = drawn
    order = scores.astype(np.float32)
    model = Told(predicted)  # type: ignore[abstract]
    report = EvaluationService().generate_report(model, train, test, k, score_user=lambda user: order[user])
    actual, of_pairs = test.ratings.astype(float), predicted[test.users, test.items].astype(float)
    assert report.metrics["rmse"].value == pytest.approx(root_mean_squared_error(actual, of_pairs), abs=1e-9)
    assert report.metrics["mae"].value == pytest.approx(mean_absolute_error(actual, of_pairs), abs=1e-9)

    low, high = test.scale
    users, expected, listed = [], [], set()
    for user in range(train.n_users):
        rows = test.by_user.of(user)
        liked = np.zeros(train.n_movies, bool)
        liked[test.items[rows][test.ratings[rows] >= low + 0.75 * (high - low)]] = True
        if not liked.any():
            continue
        seen = set(train.items[train.by_user.of(user)].tolist())
        left = [movie for movie in range(train.n_movies) if movie not in seen]
        best = sorted(left, key=lambda movie: (-scores[user, movie], movie))[:k]
        shown = np.isin(np.arange(train.n_movies), best)
        users.append(user)
        listed |= set(best)
        # Places that no movie is left for count as misses; scikit-learn knows only those that are there.
        precision = precision_score(liked, shown, zero_division=0) * len(best) / k
        first = next((1 / place for place, movie in enumerate(best, 1) if liked[movie]), 0.0)
        expected.append((precision, recall_score(liked, shown), float((liked & shown).any()), first))
    assert report.users.tolist() == users
    if users:
        assert report.metrics["coverage"].value == pytest.approx(len(listed) / train.n_movies)
        for name, column in zip(
            ("precision_at_k", "recall_at_k", "hit_rate_at_k", "mrr"), np.array(expected).T, strict=True
        ):
            assert report.per_user[name] == pytest.approx(column), name
            assert report.metrics[name].value == pytest.approx(column.mean()), name


@settings(max_examples=100)
@given(judgements())
def test_single_figures_equal_scikit_learns(
    drawn: tuple[Interactions, Interactions, np.ndarray, np.ndarray, int],
) -> None:
    """Of lists ordered by what is predicted, as whoever asks for one figure gets them."""
    train, test, predicted, _, k = drawn
    model, service = Told(predicted), EvaluationService()  # type: ignore[abstract]
    of_pairs = predicted[test.users, test.items].astype(float)
    rmse = root_mean_squared_error(test.ratings.astype(float), of_pairs)
    assert service.calculate_rmse(model, test) == pytest.approx(rmse, abs=1e-9)

    low, high = test.scale
    precision, recall, listed = [], [], set()
    for user in range(train.n_users):
        rows = test.by_user.of(user)
        liked = np.isin(range(train.n_movies), test.items[rows][test.ratings[rows] >= low + 0.75 * (high - low)])
        if not liked.any():
            continue
        left = np.setdiff1d(np.arange(train.n_movies), train.items[train.by_user.of(user)])
        best = sorted(left.tolist(), key=lambda movie: (-predicted[user, movie], movie))[:k]
        shown = np.isin(range(train.n_movies), best)
        precision.append(precision_score(liked, shown, zero_division=0) * len(best) / k)
        recall.append(recall_score(liked, shown))
        listed |= set(best)
    asked = {
        service.calculate_precision_at_k: np.mean(precision) if precision else None,
        service.calculate_recall_at_k: np.mean(recall) if recall else None,
        service.calculate_coverage: len(listed) / train.n_movies if recall else None,
    }
    for ask, expected in asked.items():
        if expected is None:
            with pytest.raises(InvalidInput, match="no test rating is"):
                ask(model, train, test, k)
        else:
            assert ask(model, train, test, k) == pytest.approx(expected), ask.__name__
