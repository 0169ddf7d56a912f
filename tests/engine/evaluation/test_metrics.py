"""Intervals by resampling, and the corners of the measures; their definitions are held by property 8."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.evaluation import metrics


def test_bootstrap_intervals_hold_the_mean_as_often_as_they_say() -> None:
    """Of 300 samples of 60 users, 95% intervals miss the true mean in about 15; with 99.9% certainty in 3 to 34."""
    values = np.random.default_rng(0).exponential(1.0, (60, 300))
    missed = 0
    for seed, column in enumerate(values.T):
        low, high = metrics.bootstrap(column[:, None], np.ones((60, 1)), seed=seed, samples=400)
        missed += not low[0] <= 1.0 <= high[0]
    assert 3 <= missed <= 34


def test_many_users_are_drawn_in_groups_with_about_the_same_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    counts = rng.integers(1, 50, (20_000, 1)).astype(np.float64)
    sums = counts * rng.exponential(1.0, (20_000, 1))
    alone = np.hstack(metrics.bootstrap(sums, counts, seed=1))
    monkeypatch.setattr(metrics, "MAX_GROUPS", 2000)
    together = np.hstack(metrics.bootstrap(sums, counts, seed=1))
    assert not np.array_equal(alone, together)
    assert together == pytest.approx(alone, abs=0.1 * (alone[1] - alone[0]))


@pytest.mark.parametrize("at_once", [1, 100, 1 << 20])
def test_bootstrap_is_the_drawing_of_whole_users(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """Written out for one draw at a time; how many are drawn at once changes nothing."""
    monkeypatch.setattr(metrics, "DRAWN_AT_ONCE", at_once)
    rng = np.random.default_rng(1)
    sums, counts = rng.random((30, 2)), rng.integers(1, 9, (30, 2)).astype(float)
    low, high = metrics.bootstrap(sums, counts, seed=5, samples=50)
    rng, draws = np.random.default_rng(5), []
    for _ in range(50):
        users = rng.integers(0, 30, 30)
        draws.append(sums[users].sum(axis=0) / counts[users].sum(axis=0))
    expected = np.quantile(draws, [0.025, 0.975], axis=0)
    assert np.array([low, high]) == pytest.approx(expected)


def test_one_user_has_an_interval_without_width() -> None:
    low, high = metrics.bootstrap(np.array([[3.0]]), np.array([[2.0]]), seed=0)
    assert (low[0], high[0]) == (1.5, 1.5)


def test_a_perfect_list_is_worth_one_even_with_fewer_relevant_movies_than_places() -> None:
    hits, relevant = np.array([[True, True, False, False]]), np.array([2])
    assert metrics.ndcg(hits, relevant)[0] == 1
    assert metrics.average_precision(hits, relevant)[0] == 1
    assert metrics.recall(hits, relevant)[0] == 1
    assert metrics.precision(hits)[0] == 0.5


def test_more_relevant_movies_than_places_do_not_spoil_a_perfect_list() -> None:
    hits, relevant = np.ones((1, 3), bool), np.array([50])
    assert metrics.ndcg(hits, relevant)[0] == 1
    assert metrics.average_precision(hits, relevant)[0] == 1


def test_exposure_of_one_movie_alone_is_as_uneven_as_can_be() -> None:
    for listed, expected in ((np.full((5, 1), 3), 0.9), (np.arange(10)[:, None], 0), (np.full((5, 1), -1), 0)):
        assert metrics.gini(metrics.exposure(listed, 10)) == pytest.approx(expected)


def test_lists_drawn_several_times_are_shown_as_often() -> None:
    """What the bootstrap of coverage and Gini counts equals copies of the lists, which would not fit in memory."""
    rng = np.random.default_rng(2)
    listed, drawn = rng.integers(-1, 12, (20, 4)), rng.integers(0, 20, 20)
    times = np.bincount(drawn, minlength=20)
    assert metrics.exposure(listed, 12, times).tolist() == metrics.exposure(listed[drawn], 12).tolist()


def test_no_list_shows_nothing() -> None:
    nothing = np.empty((0, 4), np.int64)
    assert metrics.exposure(nothing, 3).tolist() == [0, 0, 0]
    assert metrics.diversity(nothing, np.ones((3, 2), bool)).shape == (0,)


@pytest.mark.parametrize("at_once", [1, 40, 1 << 22])
def test_diversity_is_the_same_however_many_lists_are_compared_at_once(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    rng = np.random.default_rng(3)
    listed, genres = rng.integers(-1, 12, (25, 4)), rng.random((12, 5)) < 0.4
    expected = metrics.diversity(listed, genres)
    monkeypatch.setattr(metrics, "PAIRS_AT_ONCE", at_once)
    assert metrics.diversity(listed, genres).tolist() == expected.tolist()


def test_users_without_a_rating_have_no_error() -> None:
    users = np.array([0, 0, 2])
    predicted, actual = np.array([1, 2, 3], np.float32), np.array([2, 4, 3], np.float32)
    assert metrics.mae(predicted, actual, users, 3) == pytest.approx([1.5, np.nan, 0], nan_ok=True)
    assert metrics.rmse(predicted, actual, users, 3) == pytest.approx([np.sqrt(2.5), np.nan, 0], nan_ok=True)


@pytest.mark.parametrize("name", metrics.METRICS)
def test_every_metric_is_documented_and_described(name: str) -> None:
    page = (Path(__file__).parents[3] / "docs" / "models.md").read_text(encoding="utf-8")
    one = metrics.METRICS[name]
    assert f"`{name}`" in page
    assert one.label
    assert one.meaning.endswith(".")
    assert sum(formula is not None for formula in (one.of_ratings, one.of_hits, one.of_lists, one.of_exposure)) <= 1
