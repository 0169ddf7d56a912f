"""Reports: right numbers, intervals that hold, the whole catalogue, nothing of the training part."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from engine import metrics
from engine.calibration import Calibration
from engine.dataset.interactions import Interactions
from engine.dataset.splitting import Split, hold_out, split_by_user_time
from engine.errors import InvalidInput
from engine.evaluation import EvaluationService
from engine.learning import calibrate
from engine.models.item_similarity import ItemSimilarityRanker
from engine.models.matrix_factorization import MatrixFactorizationConfig, MatrixFactorizationModel
from engine.training import run_epochs


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


def test_the_named_measures_agree_with_the_report(model: MatrixFactorizationModel, split: Split) -> None:
    service = EvaluationService()
    found = service.generate_report(model, split.train, split.test).metrics
    parts = model, split.train, split.test
    assert service.calculate_precision_at_k(*parts) == found["precision_at_k"].value
    assert service.calculate_recall_at_k(*parts) == found["recall_at_k"].value
    assert service.calculate_coverage(*parts) == found["coverage"].value


def test_every_metric_has_an_interval_around_it_and_repeats(model: MatrixFactorizationModel, split: Split) -> None:
    one, two = (EvaluationService().generate_report(model, split.train, split.test) for _ in range(2))
    assert one.metrics == two.metrics
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


def test_bootstrap_intervals_hold_the_mean_as_often_as_they_say() -> None:
    """Of 300 samples of 60 users, 95% intervals miss the true mean in about 15; with 99.9% certainty in 3 to 34."""
    rng = np.random.default_rng(0)
    missed = 0
    for seed in range(300):
        values = rng.exponential(1.0, 60)
        low, high = metrics.bootstrap(values, np.ones(60), seed=seed, samples=400)
        missed += not low <= 1.0 <= high
    assert 3 <= missed <= 34


def test_nothing_of_the_test_part_reaches_what_is_learned(small: Interactions) -> None:
    """Turning every test rating round changes no trained array, no interval and no list, only the judgement."""
    test = hold_out(small).test
    assert test is not None
    judged = set(zip(test.users.tolist(), test.items.tolist(), strict=True))
    rows = np.array([pair in judged for pair in zip(small.users.tolist(), small.items.tolist(), strict=True)])
    turned = replace(small, ratings=np.where(rows, np.float32(5.5) - small.ratings, small.ratings))
    learned, lists, errors = [], [], []
    for data in (small, turned):
        parts = hold_out(data)
        assert parts.test is not None
        model = MatrixFactorizationModel(MatrixFactorizationConfig(epochs=40))
        run_epochs(model, parts.fit, validation=parts.validation, patience=3)
        ranker = ItemSimilarityRanker().fit(parts.train)
        calibration = calibrate(model, parts)
        assert calibration is not None
        learned.append(model.arrays() | ranker.arrays() | calibration.arrays())
        lists.append([ranker.recommend(f"u{n}") for n in range(60)])
        errors.append(EvaluationService().calculate_rmse(model, parts.test))
    for name, array in learned[0].items():
        assert np.array_equal(array, learned[1][name]), name
    assert lists[0] == lists[1]
    assert errors[0] != errors[1]


class TestCalibration:
    """On errors whose size depends on user and movie, as it does in life."""

    @staticmethod
    def draw(n: int, seed: int) -> tuple[Any, ...]:
        rng = np.random.default_rng(seed)
        users, movies = rng.choice([5, 50, 300], n), rng.choice([2, 20, 100], n)
        actual = rng.uniform(1, 5, n)
        spread = 0.3 + 0.8 * (users < 20) + 0.3 * (movies < 5)
        predicted = np.clip(actual + rng.normal(0, 1, n) * spread, 0.5, 5)
        return predicted.astype(np.float32), actual.astype(np.float32), users, movies

    def test_intervals_cover_what_they_promise_in_every_group(self) -> None:
        calibration = Calibration.fit(*self.draw(20_000, 0), (0.5, 5.0))
        assert calibration is not None
        predicted, actual, users, movies = self.draw(40_000, 1)
        low, high = calibration.interval(predicted, users, movies)
        inside = (actual >= low) & (actual <= high)
        assert 0.88 <= inside.mean() <= 0.92
        for count in (5, 50, 300):
            assert 0.87 <= inside[users == count].mean() <= 0.93
        assert (low >= 0.5).all()
        assert (high <= 5).all()
        assert (low <= predicted).all()
        assert (predicted <= high).all()

    def test_wider_where_less_is_known(self) -> None:
        calibration = Calibration.fit(*self.draw(20_000, 0), (0.5, 5.0))
        assert calibration is not None
        assert calibration.widths[0, 0] > calibration.widths[2, 2]

    def test_small_groups_take_their_parents_width(self) -> None:
        predicted, actual, users, _ = self.draw(3000, 2)
        movies = np.where(np.arange(3000) < 10, 2, 100)
        calibration = Calibration.fit(predicted, actual, users, movies, (0.5, 5.0))
        assert calibration is not None
        assert calibration.widths[0, 0] == calibration.widths[0, 1]

    def test_too_few_errors_promise_nothing(self) -> None:
        assert Calibration.fit(*self.draw(49, 0), (0.5, 5.0)) is None

    def test_the_quantile_is_the_finite_sample_one(self) -> None:
        """Of 99 errors 1..99 at 90%: the ceil(100 * 0.9) = 90th smallest."""
        actual = np.arange(1, 100, dtype=np.float32)
        fitted = Calibration.fit(np.zeros(99, np.float32), actual, np.full(99, 50), np.full(99, 50), (0.0, 100.0))
        assert fitted is not None
        assert (fitted.widths == 90).all()

    def test_round_trip_through_arrays(self) -> None:
        calibration = Calibration.fit(*self.draw(2000, 0), (0.5, 5.0))
        assert calibration is not None
        again = Calibration.from_arrays(calibration.arrays())
        assert np.array_equal(again.widths, calibration.widths)
        assert (again.scale, again.level) == (calibration.scale, calibration.level)
