"""The tables behind the charts: they add up to the report's own figures, and hold what they are named after."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from engine.data.ratings import Interactions
from engine.data.splits import Split, split_random
from engine.evaluation.charts import ChartRow, JudgedRatings, chart_lists, chart_ratings
from engine.evaluation.report import EvaluationReport, EvaluationService
from engine.evaluation.segments import MIN_GENRE_RATINGS
from engine.models.intervals import Calibration
from engine.models.svd import MatrixFactorizationConfig, MatrixFactorizationModel

WIDTHS = np.linspace(0.2, 1.8, 9).reshape(3, 3)


@pytest.fixture(scope="module")
def split(small: Interactions) -> Split:
    """Users of 4 to 25 ratings, movies of none to many."""
    rng = np.random.default_rng(0)
    keep = rng.random(len(small)) < np.linspace(0.2, 1, small.n_users)[small.users]
    return split_random(small.subset(keep), 0.4)


@pytest.fixture(scope="module")
def model(split: Split) -> MatrixFactorizationModel:
    return MatrixFactorizationModel(MatrixFactorizationConfig(factors=8, epochs=30)).fit(split.train)


@pytest.fixture(scope="module")
def predicted(model: MatrixFactorizationModel, split: Split) -> np.ndarray:
    return model.predict_indices(split.test.users, split.test.items)


@pytest.fixture(scope="module")
def report(model: MatrixFactorizationModel, split: Split) -> EvaluationReport:
    calibration = Calibration(WIDTHS, (0.5, 5.0), 0.9)
    return EvaluationService().generate_report(model, split.train, split.test, calibration=calibration)


def numbers(row: ChartRow, *names: str) -> Iterator[float]:
    for name in names:
        value = row[name]
        assert isinstance(value, int | float)
        yield value


def total(rows: list[ChartRow], name: str, power: int = 1) -> float:
    """The mean of a column over all ratings, each row counted by its ratings."""
    pairs = [tuple(numbers(row, name, "ratings")) for row in rows]
    return sum(value**power * ratings for value, ratings in pairs) / sum(ratings for _, ratings in pairs)


def test_charts_are_small_tables_of_json(report: EvaluationReport) -> None:
    said = json.dumps(report.charts, allow_nan=False)
    assert json.loads(said) == report.charts
    assert len(said) < 20_000
    assert len(report.charts) > 6
    for name, rows in report.charts.items():
        assert rows, name
        assert all(row.keys() == rows[0].keys() for row in rows), name


def test_every_bar_has_its_interval_around_it(report: EvaluationReport) -> None:
    for rows, name in (
        (report.charts["rmse_by_user_ratings"], "rmse"),
        (report.charts["rmse_by_movie_ratings"], "rmse"),
        (report.charts["predicted_and_actual"], "actual"),
        (report.charts["interval_coverage"], "interval_coverage"),
        (report.charts["segments"], "rmse"),
    ):
        assert rows, name
        for row in rows:
            low, value, high = numbers(row, "low", name, "high")
            assert low <= value <= high


@pytest.mark.parametrize("side", ["user", "movie"])
def test_errors_by_number_of_ratings_are_those_of_the_ratings_they_name(
    report: EvaluationReport, split: Split, predicted: np.ndarray, side: str
) -> None:
    rows = report.charts[f"rmse_by_{side}_ratings"]
    assert total(rows, "rmse", 2) ** 0.5 == pytest.approx(report.metrics["rmse"].value)
    assert sum(row["ratings"] for row in rows) == len(split.test)  # type: ignore[misc]
    learned = (
        split.train.user_counts[split.test.users] if side == "user" else split.train.movie_counts[split.test.items]
    )
    starts = [int(next(numbers(row, "from"))) for row in rows]
    assert starts == sorted(starts)
    row = next(row for row in rows if row["label"] == "5-9")
    chosen = (learned >= 5) & (learned <= 9)
    assert row["ratings"] == chosen.sum()
    squared = (predicted[chosen].astype(float) - split.test.ratings[chosen]) ** 2
    assert row["rmse"] == pytest.approx(np.sqrt(squared.mean()))


def test_ratings_that_no_bar_ends_are_in_the_last(split: Split) -> None:
    everyone = np.ones(len(split.test), np.float32)
    many = replace(split.train, users=np.repeat(split.train.users, 200), items=np.repeat(split.train.items, 200))
    rows = chart_ratings(JudgedRatings(many, split.test, everyone, {"rmse": everyone.astype(np.float64)}, 0))
    assert rows["rmse_by_user_ratings"][-1]["label"] == "1000 or more"


def test_the_distribution_counts_every_error_once(
    report: EvaluationReport, split: Split, predicted: np.ndarray
) -> None:
    rows = report.charts["errors"]
    assert sum(row["ratings"] for row in rows) == len(split.test)  # type: ignore[misc]
    error = predicted.astype(float) - split.test.ratings
    for row in rows:
        start, end, ratings = numbers(row, "from", "to", "ratings")
        assert end - start == pytest.approx(0.125)
        assert ((error >= start) & (error < end)).sum() == ratings


def test_predictions_stand_beside_the_mean_of_what_was_rated(
    report: EvaluationReport, split: Split, predicted: np.ndarray
) -> None:
    rows = report.charts["predicted_and_actual"]
    assert len(rows) == 10
    assert total(rows, "actual") == pytest.approx(split.test.ratings.mean(), rel=1e-5)
    assert total(rows, "predicted") == pytest.approx(predicted.mean(), rel=1e-5)
    lowest = np.argsort(predicted, kind="stable")[: rows[0]["ratings"]]  # type: ignore[misc]
    assert rows[0]["actual"] == pytest.approx(split.test.ratings[lowest].mean())
    assert rows[0]["predicted"] == pytest.approx(predicted[lowest].mean(), rel=1e-5)


def test_equal_predictions_are_one_bar(split: Split) -> None:
    flat = np.full(len(split.test), 3, np.float32)
    rows = chart_ratings(JudgedRatings(split.train, split.test, flat, {"rmse": flat.astype(np.float64)}, 0))
    assert [row["ratings"] for row in rows["predicted_and_actual"]] == [len(split.test)]


def test_coverage_is_told_by_how_much_of_user_and_movie_was_learned(
    report: EvaluationReport, split: Split, predicted: np.ndarray
) -> None:
    rows = report.charts["interval_coverage"]
    assert total(rows, "interval_coverage") == pytest.approx(report.metrics["interval_coverage"].value)
    row = next(row for row in rows if (row["user_ratings"], row["movie_ratings"]) == ("0-19", "5-49"))
    movies = split.train.movie_counts[split.test.items]
    chosen = (split.train.user_counts[split.test.users] < 20) & (movies >= 5) & (movies < 50)
    inside = np.abs(predicted - split.test.ratings) <= WIDTHS[0, 1]
    assert row["ratings"] == chosen.sum()
    assert row["interval_coverage"] == pytest.approx(inside[chosen].mean())


def test_segments_say_how_many_ratings_they_have(report: EvaluationReport, split: Split) -> None:
    rows = {row["segment"]: row for row in report.charts["segments"]}
    assert rows.keys() == report.segments.keys()
    movies = [rows[name]["ratings"] for name in ("head_movies", "tail_movies")]
    assert sum(movies) == len(split.test)  # type: ignore[arg-type]
    for name, row in rows.items():
        assert row["rmse"] == pytest.approx(report.segments[str(name)]["rmse"].value)


def test_genres_with_enough_ratings_are_segments(report: EvaluationReport, split: Split, predicted: np.ndarray) -> None:
    error = (predicted.astype(float) - split.test.ratings) ** 2
    measured = set()
    for column, genre in enumerate(split.test.movies.genre_names):
        rows = split.test.movies.genres[split.test.items, column]
        if rows.sum() < MIN_GENRE_RATINGS:
            continue
        measured.add(f"genre:{genre}")
        assert report.segments[f"genre:{genre}"]["rmse"].value == pytest.approx(np.sqrt(error[rows].mean()))
    assert {name for name in report.segments if name.startswith("genre:")} == measured != set()
    assert len(measured) >= 3


def test_nothing_is_said_of_a_genre_with_few_ratings(model: MatrixFactorizationModel, split: Split) -> None:
    few = split.test.subset(np.arange(MIN_GENRE_RATINGS - 1))
    found = EvaluationService().generate_report(model, split.train, few).segments
    assert not [name for name in found if name.startswith("genre:")]
    assert "tail_movies" in found


def test_of_hundreds_of_genres_only_the_most_rated_are_measured(model: MatrixFactorizationModel, split: Split) -> None:
    """Every movie has each genre up to its own number, so the first genres are the most rated."""
    genres = np.arange(300) <= 3 * np.arange(80)[:, None]
    movies = replace(split.test.movies, genres=genres, genre_names=tuple(f"tag {n:03}" for n in range(300)))
    found = EvaluationService().generate_report(
        model, replace(split.train, movies=movies), replace(split.test, movies=movies)
    )
    assert [name for name in found.segments if name.startswith("genre:")] == [f"genre:tag {n:03}" for n in range(40)]
    assert len(json.dumps(found.charts)) < 20_000


def test_precision_and_recall_end_at_the_reports_own(report: EvaluationReport) -> None:
    rows = report.charts["precision_and_recall"]
    assert [row["k"] for row in rows] == list(range(1, 11))
    assert rows[-1]["precision"] == pytest.approx(report.metrics["precision_at_k"].value)
    assert rows[-1]["recall"] == pytest.approx(report.metrics["recall_at_k"].value)
    recall = [next(numbers(row, "recall")) for row in rows]
    assert recall == sorted(recall)


def test_long_lists_give_no_longer_table() -> None:
    hits = np.random.default_rng(0).random((5, 1000)) < 0.1
    rows = chart_lists(hits, hits.sum(axis=1), np.ones(3))["precision_and_recall"]
    assert len(rows) == 50
    assert (rows[0]["k"], rows[-1]["k"]) == (1, 1000)
    assert rows[-1]["recall"] == 1


def test_the_area_above_the_exposure_curve_is_the_gini_index(report: EvaluationReport) -> None:
    rows = report.charts["exposure"]
    movies, places = np.array([tuple(numbers(row, "movies", "places")) for row in rows]).T
    assert (movies[0], places[0], movies[-1], places[-1]) == (0, 0, 1, pytest.approx(1))
    assert (np.diff(np.diff(places) / np.diff(movies)) >= -1e-9).all()
    assert 1 - 2 * np.trapezoid(places, movies) == pytest.approx(report.metrics["gini"].value, abs=0.02)


def test_the_curve_is_told_where_few_movies_have_all_places() -> None:
    """Of 100,000 movies only 100 are shown; points by movies alone would leave out the whole rise."""
    shown = np.zeros(100_000)
    shown[:100] = np.arange(1, 101)
    rows = chart_lists(np.ones((1, 1), bool), np.array([1]), shown)["exposure"]
    assert len(rows) <= 50
    assert sum(0 < next(numbers(row, "places")) < 1 for row in rows) >= 20


def test_lists_without_a_movie_have_a_flat_curve() -> None:
    rows = chart_lists(np.zeros((1, 1), bool), np.array([1]), np.zeros(4))["exposure"]
    assert {row["places"] for row in rows} == {0}


def test_what_was_not_judged_has_no_chart(model: MatrixFactorizationModel, split: Split) -> None:
    disliked = split.test.subset(split.test.ratings < 3)
    found = EvaluationService().generate_report(model, split.train, disliked).charts
    assert found.keys() == {
        "rmse_by_user_ratings",
        "rmse_by_movie_ratings",
        "errors",
        "predicted_and_actual",
        "segments",
    }


def test_a_scale_of_one_rating_has_one_error(split: Split) -> None:
    test = replace(split.test, scale=(3.0, 3.0), ratings=np.full(len(split.test), 3, np.float32))
    judged = JudgedRatings(split.train, test, test.ratings, {"rmse": np.zeros(len(test))}, 0)
    assert [row["ratings"] for row in chart_ratings(judged)["errors"]] == [len(test)]
