"""Intervals: they cover what they promise on ratings that neither the model nor they have seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.data.ratings import Interactions
from engine.data.splits import HeldOut, split_random
from engine.models.intervals import Calibration
from engine.models.svd import MatrixFactorizationConfig, MatrixFactorizationModel
from engine.training.pipeline import calibrate
from tests.conftest import planted


def draw(n: int, seed: int) -> tuple[Any, Any, Any, Any]:
    """Errors whose size depends on user and movie, as it does in life."""
    rng = np.random.default_rng(seed)
    users, movies = rng.choice([5, 50, 300], n), rng.choice([2, 20, 100], n)
    actual = rng.uniform(1, 5, n)
    spread = 0.3 + 0.8 * (users < 20) + 0.3 * (movies < 5)
    predicted = np.clip(actual + rng.normal(0, 1, n) * spread, 0.5, 5)
    return predicted.astype(np.float32), actual.astype(np.float32), users, movies


def test_intervals_cover_what_they_promise_in_every_group() -> None:
    calibration = Calibration.fit(*draw(20_000, 0), (0.5, 5.0))
    assert calibration is not None
    predicted, actual, users, movies = draw(40_000, 1)
    low, high = calibration.interval(predicted, users, movies)
    inside = (actual >= low) & (actual <= high)
    assert 0.88 <= inside.mean() <= 0.92
    for count in (5, 50, 300):
        assert 0.87 <= inside[users == count].mean() <= 0.93
    assert (low >= 0.5).all()
    assert (high <= 5).all()
    assert (low <= predicted).all()
    assert (predicted <= high).all()


def test_wider_where_less_is_known() -> None:
    calibration = Calibration.fit(*draw(20_000, 0), (0.5, 5.0))
    assert calibration is not None
    assert calibration.widths[0, 0] > calibration.widths[2, 2]


def test_small_groups_cover_together_and_differ_by_what_their_movies_do() -> None:
    """60 errors of new users' rare movies and 60 of their popular ones: too few each, enough together."""
    rng = np.random.default_rng(4)
    users = np.where(np.arange(6000) < 120, 5, 300)
    movies = np.where(np.arange(6000) % 2, 2, 100)
    spread = 0.4 + 0.4 * (users < 20) + 0.3 * (movies < 5)

    def errors(n: int) -> Any:
        return np.abs(rng.normal(0, 1, (n, 6000)) * spread)

    covered, widths = [], []
    for drawn in errors(200):
        fitted = Calibration.fit(np.zeros(6000, np.float32), drawn.astype(np.float32), users, movies, (0.0, 100.0))
        assert fitted is not None
        assert fitted.widths[0, 0] >= fitted.widths[0, 2] > fitted.widths[2, 2]
        widths.append(fitted.widths)
        new = errors(1)[0][:120]
        covered.append((new[1::2] <= fitted.widths[0, 0], new[::2] <= fitted.widths[0, 2]))
    rare, popular = np.mean(covered, axis=(0, 2))
    assert np.mean(widths, axis=0)[0, 0] > 1.05 * np.mean(widths, axis=0)[0, 2]
    assert 0.87 <= rare <= 0.94
    assert 0.89 <= popular <= 0.97


def test_groups_without_errors_of_their_own_take_their_users_width() -> None:
    predicted, actual, users, _ = draw(3000, 2)
    movies = np.where(np.arange(3000) < 10, 2, 100)
    calibration = Calibration.fit(predicted, actual, users, movies, (0.5, 5.0))
    assert calibration is not None
    assert calibration.widths[0, 0] == calibration.widths[0, 1]


def test_too_few_errors_promise_nothing() -> None:
    assert Calibration.fit(*draw(49, 0), (0.5, 5.0)) is None


def test_the_quantile_is_the_finite_sample_one() -> None:
    """Of 99 errors 1..99 at 90%: the ceil(100 * 0.9) = 90th smallest."""
    actual = np.arange(1, 100, dtype=np.float32)
    fitted = Calibration.fit(np.zeros(99, np.float32), actual, np.full(99, 50), np.full(99, 50), (0.0, 100.0))
    assert fitted is not None
    assert (fitted.widths == 90).all()


@pytest.mark.parametrize("level", [0.55, 0.9, 0.95, 0.99])
def test_the_place_is_exact_at_every_level(level: float) -> None:
    """Of errors 1..n the width is the place itself: the first that is no smaller than (n + 1) level, in hundredths."""
    for n in (99, 179, 199, 399, 1000):
        actual = np.arange(1, n + 1, dtype=np.float32)
        known = np.full(n, 50)
        fitted = Calibration.fit(np.zeros(n, np.float32), actual, known, known, (0.0, 2000.0), level)
        assert fitted is not None
        assert fitted.widths[1, 2] == -(-(n + 1) * round(level * 100) // 100)


def test_too_few_errors_for_the_level_promise_only_the_whole_scale() -> None:
    """50 errors can't hold 99%: the largest of them is exceeded by 1 in 51."""
    calibration = Calibration.fit(*draw(50, 0), (0.5, 5.0), 0.99)
    assert calibration is not None
    low, high = calibration.interval(np.array([3], np.float32), np.array([50]), np.array([50]))
    assert (low[0], high[0]) == (0.5, 5.0)


def test_round_trip_through_arrays() -> None:
    calibration = Calibration.fit(*draw(2000, 0), (0.5, 5.0))
    assert calibration is not None
    again = Calibration.from_arrays(calibration.arrays())
    assert np.array_equal(again.widths, calibration.widths)
    assert (again.scale, again.level) == (calibration.scale, calibration.level)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_real_models_intervals_cover_fresh_ratings(seed: int) -> None:
    """Users with 15, 80 or 190 ratings of planted taste: right for all, and for new, light and heavy users."""
    frame, movies = planted(n_users=600, n_movies=200, per_user=190, seed=seed)
    kept = np.array([15, 80, 190])[frame.user_id.str[1:].astype(int) % 3]
    data = Interactions.from_frame(frame[frame.groupby("user_id").cumcount() < kept], movies, scale=(0.5, 5.0))
    outer = split_random(data, 0.2, seed)
    inner = split_random(outer.train, 0.2, seed)
    model = MatrixFactorizationModel(MatrixFactorizationConfig(factors=8, epochs=20)).fit(inner.train)
    calibration = calibrate(model, HeldOut(inner.train, inner.test, outer.train, outer.test))
    assert calibration is not None
    fresh, counts = outer.test, inner.train.user_counts[outer.test.users]
    predicted = model.predict_indices(fresh.users, fresh.items)
    low, high = calibration.interval(predicted, counts, inner.train.movie_counts[fresh.items])
    inside = (fresh.ratings >= low) & (fresh.ratings <= high)
    assert 0.88 <= inside.mean() <= 0.92
    for group in (counts < 20, (counts >= 20) & (counts < 100), counts >= 100):
        assert group.sum() > 250
        # Three standard deviations of a group's share around 90%, and the same for the width that was learned.
        assert abs(inside[group].mean() - 0.9) < 3 * np.sqrt(0.09 / group.sum() * 2)
