"""Reports: right numbers, intervals that hold, the whole catalogue, nothing of the training part."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from benchmarks.data import demo_frame, interactions
from engine.data.arrays import Float32, Int32
from engine.data.ratings import Interactions
from engine.data.splits import Split, split_by_user_time
from engine.errors import InvalidInput, NotReady
from engine.evaluation.intervals import MetricValue, estimate, estimate_lists
from engine.evaluation.report import EvaluationReport, EvaluationService
from engine.models.ease import ItemSimilarityRanker
from engine.models.svd import MatrixFactorizationConfig, MatrixFactorizationModel


@pytest.fixture(scope="module")
def split(small: Interactions) -> Split:
    return split_by_user_time(small)


@pytest.fixture(scope="module")
def model(split: Split) -> MatrixFactorizationModel:
    return MatrixFactorizationModel(MatrixFactorizationConfig(factors=8, epochs=30, regularization=0.05)).fit(
        split.train
    )


def test_errors_are_scikit_learns(model: MatrixFactorizationModel, split: Split) -> None:
    predicted = model.predict_indices(split.test.users, split.test.items)
    service = EvaluationService()
    report = service.generate_report(model, split.train, split.test)
    rmse = root_mean_squared_error(split.test.ratings, predicted)
    assert report.metrics["rmse"].value == pytest.approx(rmse, abs=1e-5)
    assert service.calculate_rmse(model, split.test) == pytest.approx(rmse, abs=1e-5)
    assert report.metrics["mae"].value == pytest.approx(mean_absolute_error(split.test.ratings, predicted), abs=1e-5)


def test_lists_are_those_of_a_full_sort(model: MatrixFactorizationModel, split: Split) -> None:
    """Brute force over every user and the whole catalogue."""
    ranker = ItemSimilarityRanker().fit(split.train)
    report = EvaluationService().generate_report(model, split.train, split.test, 5, score_user=ranker.score_user)
    precision, listed = [], set()
    for user in range(split.train.n_users):
        rows = split.test.by_user.of(user)
        liked = {int(m) for m, r in zip(split.test.items[rows], split.test.ratings[rows], strict=True) if r >= 3.875}
        if not liked:
            continue
        seen = set(split.train.items[split.train.by_user.of(user)].tolist())
        scores = ranker.score_user(user)
        order = sorted((m for m in range(split.train.n_movies) if m not in seen), key=lambda m: (-scores[m], m))[:5]
        precision.append(len(liked & set(order)) / 5)
        listed |= set(order)
    assert report.per_user["precision_at_k"].tolist() == pytest.approx(precision)
    assert report.metrics["precision_at_k"].value == pytest.approx(np.mean(precision))
    assert report.metrics["coverage"].value == len(listed) / split.train.n_movies
    assert report.protocol["users_with_lists"] == len(precision)
    assert report.protocol["catalogue"] == 80


def test_popularity_on_the_demo_data_is_worth_what_is_known() -> None:
    """The reference that ranking figures are quoted beside: 0.143 with a random fifth held out; ALS has 0.27."""
    data = interactions(demo_frame())
    held_out = np.random.default_rng(1).integers(0, 5, len(data)) == 0
    train, test = data.subset(~held_out), data.subset(held_out)
    counts = train.movie_counts.astype(np.float32)
    model = MatrixFactorizationModel(MatrixFactorizationConfig(factors=1, epochs=1)).fit(train)
    report = EvaluationService().generate_report(model, train, test, score_user=lambda _: counts)
    assert report.metrics["ndcg_at_k"].value == pytest.approx(0.143, abs=0.001)
    relevant = np.zeros((data.n_users, data.n_movies))
    relevant[test.users, test.items] = test.ratings >= 4
    scores = np.tile(counts, (data.n_users, 1))
    scores[train.users, train.items] = -np.inf
    hits = np.take_along_axis(relevant, np.argsort(-scores, axis=1, kind="stable")[:, :10], axis=1)[report.users]
    discount = 1 / np.log2(np.arange(2, 12))
    best = [discount[: int(n)].sum() for n in np.minimum(relevant.sum(axis=1), 10)[report.users]]
    assert report.per_user["ndcg_at_k"].tolist() == pytest.approx((hits @ discount / best).tolist())


def test_the_named_measures_agree_with_the_report(model: MatrixFactorizationModel, split: Split) -> None:
    service = EvaluationService()
    found = service.generate_report(model, split.train, split.test).metrics
    parts = model, split.train, split.test
    assert service.calculate_precision_at_k(*parts) == pytest.approx(found["precision_at_k"].value)
    assert service.calculate_recall_at_k(*parts) == pytest.approx(found["recall_at_k"].value)
    assert service.calculate_coverage(*parts) == pytest.approx(found["coverage"].value)


def test_of_fewer_than_ten_users_no_interval_is_claimed(model: MatrixFactorizationModel, split: Split) -> None:
    few, enough = (split.test.subset(np.isin(split.test.users, np.arange(n))) for n in (9, 10))
    report = EvaluationService().generate_report(model, split.train, few)
    assert "hit_rate_at_k" in report.metrics
    assert "coverage" in report.metrics
    for found in (report.metrics, *report.segments.values()):
        assert {(one.low, one.high) for one in found.values()} == {(None, None)}
    assert {(row["low"], row["high"]) for row in report.charts["segments"]} == {(None, None)}
    assert json.loads(json.dumps(report.charts, allow_nan=False)) == report.charts
    rmse = EvaluationService().generate_report(model, split.train, enough).metrics["rmse"]
    assert rmse.low is not None
    assert rmse.high is not None
    assert rmse.low < rmse.value < rmse.high


def test_an_estimate_lies_in_its_interval_however_few_hold_all_of_it() -> None:
    """One of ten users has all the hits; the draws of catalogue coverage are moved back to where they belong."""
    rng = np.random.default_rng(5)
    for seed in range(100):
        skewed = {"mrr": np.append(np.zeros(9), 1.0), "other": rng.exponential(1, 10) ** 6}
        for name, found in estimate_lists(skewed, seed).items():
            assert found.low is not None, name
            assert found.low <= found.value <= found.high, name
    assert estimate(0.8667, 0.8672, 0.8672) == MetricValue(0.8667, 0.8667, 0.8672)


def test_metrics_are_kept_without_noise() -> None:
    users = 30
    found = estimate_lists({"mrr": np.full(users, 0.1), "none": np.full(users, -0.0)}, seed=0)
    assert found["mrr"] == MetricValue(0.1, 0.1, 0.1)
    assert [str(end) for end in (found["none"].value, found["none"].low, found["none"].high)] == ["0.0"] * 3


def test_every_metric_has_an_interval_around_it_and_repeats(model: MatrixFactorizationModel, split: Split) -> None:
    one, two = (EvaluationService().generate_report(model, split.train, split.test) for _ in range(2))
    assert one.metrics == two.metrics
    assert one.metrics.keys() >= {"rmse", "mae", "ndcg_at_k", "coverage"}
    for name, value in one.metrics.items():
        assert value.low <= value.value <= value.high, name
    assert set(one.segments) >= {"light_users", "head_movies", "tail_movies"}


def test_segments_are_of_the_movies_and_users_they_name(model: MatrixFactorizationModel, split: Split) -> None:
    """The most rated fifth of the movies is the head; every user here has 20 ratings in training, so all are light."""
    report = EvaluationService().generate_report(model, split.train, split.test)
    squared = (model.predict_indices(split.test.users, split.test.items) - split.test.ratings) ** 2
    head = np.isin(split.test.items, np.argsort(-split.train.movie_counts, kind="stable")[:16])
    for name, rows in (("head_movies", head), ("tail_movies", ~head)):
        assert report.segments[name]["rmse"].value == pytest.approx(np.sqrt(squared[rows].mean()), abs=1e-5)
    assert report.segments["light_users"]["ndcg_at_k"] == report.metrics["ndcg_at_k"]
    assert "new_users" not in report.segments


def test_an_empty_test_part_is_refused(model: MatrixFactorizationModel, split: Split) -> None:
    with pytest.raises(InvalidInput, match="empty"):
        EvaluationService().generate_report(model, split.train, split.test.subset(np.zeros(0, int)))


@pytest.mark.parametrize("k", [0, -1])
def test_lists_without_a_place_are_refused(model: MatrixFactorizationModel, split: Split, k: int) -> None:
    with pytest.raises(InvalidInput, match="at least 1 place") as refused:
        EvaluationService().generate_report(model, split.train, split.test, k)
    assert refused.value.field == "k"


def test_without_a_relevant_rating_there_are_errors_but_no_lists(model: MatrixFactorizationModel, split: Split) -> None:
    disliked = split.test.subset(split.test.ratings < 3)
    service = EvaluationService()
    report = service.generate_report(model, split.train, disliked)
    assert set(report.metrics) == {"rmse", "mae"}
    assert report.protocol["users_with_lists"] == 0
    measures = service.calculate_precision_at_k, service.calculate_recall_at_k, service.calculate_coverage
    for measure in measures:
        with pytest.raises(InvalidInput, match=r"no test rating is 3\.875 or higher"):
            measure(model, split.train, disliked)


def test_no_rmse_of_nothing(model: MatrixFactorizationModel, split: Split) -> None:
    with pytest.raises(InvalidInput, match="empty"):
        EvaluationService().calculate_rmse(model, split.test.subset(np.zeros(0, int)))


def test_equal_scores_stand_in_the_order_of_their_index(model: MatrixFactorizationModel, split: Split) -> None:
    """With one score for all movies a list is the first k that the user has not rated."""
    report = EvaluationService().generate_report(
        model, split.train, split.test, 3, score_user=lambda _: np.zeros(80, np.float32)
    )
    hits = []
    for user in report.users.tolist():
        seen = split.train.items[split.train.by_user.of(user)]
        listed = np.setdiff1d(np.arange(80), seen)[:3]
        rows = split.test.by_user.of(user)
        hits.append(np.isin(listed, split.test.items[rows][split.test.ratings[rows] >= 4]).mean())
    assert report.per_user["precision_at_k"].tolist() == pytest.approx(hits)


def test_lists_longer_than_the_catalogue_end_with_it(model: MatrixFactorizationModel, split: Split) -> None:
    """Every movie that is left is listed, so everything relevant is found."""
    report = EvaluationService().generate_report(model, split.train, split.test, 200)
    assert report.metrics["recall_at_k"].value == 1
    assert report.metrics["coverage"].value == 1


def test_without_genres_nothing_is_said_of_diversity(model: MatrixFactorizationModel, split: Split) -> None:
    bare = replace(split.train.movies, genres=np.zeros((80, 0), bool), genre_names=())
    report = EvaluationService().generate_report(model, replace(split.train, movies=bare), split.test)
    assert "diversity" not in report.metrics
    assert "novelty" in report.metrics


def test_the_protocol_is_json_and_says_how_it_was_measured(model: MatrixFactorizationModel, split: Split) -> None:
    report = EvaluationService().generate_report(model, split.train, split.test, seed=7, split="last fifth by time")
    said = json.loads(json.dumps(report.protocol, allow_nan=False))
    assert said == report.protocol
    assert said["split"] == "last fifth by time"
    assert "split" not in EvaluationService().generate_report(model, split.train, split.test).protocol
    assert (said["k"], said["relevant_from"], said["seed"]) == (10, 3.875, 7)
    assert (said["train_ratings"], said["test_ratings"]) == (len(split.train), len(split.test))


def test_what_each_user_adds_to_the_errors_sums_to_them(model: MatrixFactorizationModel, split: Split) -> None:
    test = split.test.subset(np.arange(40, 200))
    report = EvaluationService().generate_report(model, split.train, test)
    errors = report.errors
    assert errors.users.tolist() == sorted(set(test.users.tolist()))
    assert errors.ratings.sum() == len(test)
    for name, power in (("rmse", 0.5), ("mae", 1.0)):
        assert (errors.sums[name].sum() / len(test)) ** power == pytest.approx(report.metrics[name].value)
    user = int(errors.users[3])
    rows = test.by_user.of(user)
    off = np.abs(model.predict_indices(test.users[rows], test.items[rows]).astype(float) - test.ratings[rows])
    assert errors.sums["mae"][3] == pytest.approx(off.sum())
    assert errors.ratings[3] == len(rows)


def test_a_report_is_restored_from_its_arrays(model: MatrixFactorizationModel, split: Split) -> None:
    report = EvaluationService().generate_report(model, split.train, split.test)
    again = EvaluationReport.restore(report.metrics, report.segments, report.protocol, report.charts, report.arrays())
    assert again.arrays().keys() == report.arrays().keys() >= {"users", "list/ndcg_at_k", "error/rmse", "row/ratings"}
    assert all(np.array_equal(again.arrays()[name], array) for name, array in report.arrays().items())
    assert again.per_user.keys() == report.per_user.keys()
    assert again.errors.sums.keys() == report.errors.sums.keys()


def test_the_fingerprint_is_that_of_the_test_part(model: MatrixFactorizationModel, split: Split) -> None:
    """Equal for whatever model was judged on it, another for other ratings."""
    other = split.test.subset(np.arange(len(split.test) - 1))
    prints = [
        EvaluationService().generate_report(one, split.train, test).protocol["test_fingerprint"]
        for one, test in (
            (model, split.test),
            (MatrixFactorizationModel(MatrixFactorizationConfig(epochs=1)).fit(split.train), split.test),
            (model, other),
        )
    ]
    assert prints[0] == prints[1] != prints[2]


def test_a_ranker_is_evaluated_by_its_lists_and_not_by_ratings(split: Split) -> None:
    ranker, service = ItemSimilarityRanker().fit(split.train), EvaluationService()
    report = service.generate_report(Told(3.5), split.train, split.test, score_user=ranker.score_user)
    found = service.calculate_precision_at_k(ranker, split.train, split.test)
    assert found == pytest.approx(report.metrics["precision_at_k"].value)
    with pytest.raises(InvalidInput, match="ItemSimilarityRanker has no predict_indices"):
        service.calculate_rmse(ranker, split.test)  # type: ignore[arg-type]
    with pytest.raises(NotReady, match="ItemSimilarityRanker is not fitted"):
        service.calculate_coverage(ItemSimilarityRanker(), split.train, split.test)


class Told:
    """A model of another library: it predicts the same for everything."""

    def __init__(self, rating: float) -> None:
        self.rating = rating

    def predict_indices(self, users: Int32, movies: Int32) -> Float32:
        return np.full(len(users), self.rating, np.float32)


def test_what_can_not_be_evaluated_is_refused(model: MatrixFactorizationModel, split: Split) -> None:
    service: Any = EvaluationService()
    table = pd.DataFrame({"user_id": [1], "movie_id": [1], "rating": [4.0]})
    others = Interactions.from_frame(table, scale=split.test.scale)
    refused = [
        ((table, split.train, split.test), "DataFrame has no predict_indices"),
        ((model, table, split.test), "Pass Interactions, not DataFrame"),
        ((model, split.train, table), "Pass Interactions, not DataFrame"),
        ((model, split.train, others), "different users or movies"),
        ((model, others, others), "fitted on other users or movies"),
    ]
    for arguments, message in refused:
        with pytest.raises(InvalidInput, match=message):
            service.generate_report(*arguments)
    with pytest.raises(NotReady, match="not fitted yet"):
        service.generate_report(MatrixFactorizationModel(), split.train, split.test)
