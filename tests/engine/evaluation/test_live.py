"""Figures of exams: values by hand, intervals that hold, comparisons that change once, and dips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.evaluation.intervals import MetricValue
from engine.evaluation.live import POINTS, Taken, compare_live, curve, has_dipped, measure, measure_means

SCALE = (0.5, 5.0)


def taken(n: int = 400, error: float = 0.8, seed: int = 0) -> Taken:
    rng = np.random.default_rng(seed)
    predicted = rng.uniform(2, 4, n)
    ratings = np.clip(predicted + rng.normal(0, error, n), *SCALE)
    places = np.where(rng.random(n) < 0.2, np.nan, rng.integers(1, 50, n))
    means = np.where(rng.random(n) < 0.1, np.nan, ratings + 1)
    low, high = predicted - 1.3, predicted + 1.3
    low[0] = high[0] = np.nan
    shown = np.where(np.arange(n) % 5, np.arange(n) % 3 == 0, np.nan)
    return Taken(np.arange(n), ratings, predicted, low, high, means, places, shown, np.arange(n) % 2 == 0)


def test_the_figures_are_those_of_the_formulas() -> None:
    exams = taken()
    found = measure(exams, SCALE, 3.5)
    errors = exams.ratings - exams.predicted
    assert found["rmse"].value == pytest.approx(np.sqrt((errors**2).mean()))
    assert found["mae"].value == pytest.approx(np.abs(errors).mean())
    inside = np.abs(errors[1:]) <= 1.3
    assert found["interval_coverage"].value == pytest.approx(inside.mean())
    liked = exams.served & (exams.ratings >= 3.5)
    known = liked & ~np.isnan(exams.shown)
    assert found["shown_rate"].value == pytest.approx(exams.shown[known].mean())
    assert found["hit_rate"].value == pytest.approx((exams.places[liked] <= 10).mean())
    assert measure_means(exams) == {"rmse": pytest.approx(1), "mae": pytest.approx(1)}
    for value in found.values():
        assert value.low <= value.value <= value.high


def test_figures_of_a_moving_window_have_no_interval_and_nothing_has_no_figure() -> None:
    assert {one.low for one in measure(taken(), SCALE, 3.5, bounded=False).values()} == {None}
    nothing = taken(1)
    nothing = Taken(*(getattr(nothing, name)[:0] for name in Taken.__dataclass_fields__))
    assert measure(nothing, SCALE, 3.5) == {}
    assert (curve(nothing, SCALE), measure_means(nothing)) == ((), {})


def test_the_curve_ends_with_the_figures_and_its_interval_only_narrows_in_the_long_run() -> None:
    exams = taken(2000)
    points, found = curve(exams, SCALE), measure(exams, SCALE, 3.5)
    assert len(points) == POINTS
    last = points[-1]
    assert (last.exams, last.at) == (2000, 1999)
    assert last.rmse == pytest.approx(found["rmse"].value)
    assert (last.low, last.high) == (pytest.approx(found["rmse"].low), pytest.approx(found["rmse"].high))
    assert last.high - last.low < points[5].high - points[5].low
    assert last.coverage == pytest.approx(found["interval_coverage"].value)
    assert curve(taken(5), SCALE)[-1].exams == 5


def test_the_interval_holds_at_every_look() -> None:
    """Of 100 streams the true error leaves its interval at any of 400 looks at most as often as promised."""
    missed = 0
    for seed in range(100):
        exams = taken(400, seed=seed)
        squared = np.full(400, 0.0)
        rng = np.random.default_rng(1000 + seed)
        squared = rng.choice([0.25, 1.0], 400)  # mean square 0.625
        exams = replace(exams, ratings=exams.predicted + np.sqrt(squared))
        missed += any(not point.low <= 0.625**0.5 <= point.high for point in curve(exams, SCALE))
    assert missed <= 8


def test_a_better_shadow_is_called_so_and_the_moment_stays() -> None:
    rng = np.random.default_rng(0)
    ratings = rng.uniform(1, 5, 1000)
    served, shadow = ratings + rng.normal(0, 0.9, 1000), ratings + rng.normal(0, 0.6, 1000)
    served, shadow = np.clip(served, *SCALE), np.clip(shadow, *SCALE)
    whole = compare_live(7, 3, ratings, shadow, served, SCALE, 0.05)
    assert (whole.outcome, whole.version, whole.baseline, whole.exams) == ("better", 7, 3, 1000)
    assert whole.text.startswith("Version 7 is better than version 3: RMSE ")
    count = whole.told_after or 0
    at_once = compare_live(7, 3, ratings[:count], shadow[:count], served[:count], SCALE, 0.05)
    assert at_once.told_after == count
    before = compare_live(7, 3, ratings[: count - 1], shadow[: count - 1], served[: count - 1], SCALE, 0.05)
    assert (before.outcome, before.told_after) == ("no difference shown", None)
    assert compare_live(3, 7, ratings, served, shadow, SCALE, 0.05).outcome == "worse"


def test_equal_versions_are_not_told_apart() -> None:
    rng, alarms = np.random.default_rng(0), 0
    for _ in range(100):
        ratings = rng.uniform(1, 5, 500)
        pair = np.clip(ratings + rng.normal(0, 0.8, (2, 500)), *SCALE)
        alarms += compare_live(2, 1, ratings, pair[0], pair[1], SCALE, 0.05).told_after is not None
    assert alarms <= 9
    same = compare_live(2, 1, ratings, pair[0], pair[0], SCALE, 0.05)
    assert same.outcome == "no difference shown"
    assert compare_live(2, 1, ratings[:0], ratings[:0], ratings[:0], SCALE, 0.05).rmse is None


def test_a_dip_is_an_interval_wholly_above_the_offline_figure() -> None:
    assert has_dipped(MetricValue(1.0, 0.9, 1.1), 0.89)
    assert not has_dipped(MetricValue(1.0, 0.9, 1.1), 0.9)
    assert not has_dipped(MetricValue(1.0, None, None), 0.1)
