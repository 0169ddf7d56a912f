"""Times, durations and ratings as text."""

from __future__ import annotations

import numpy as np
import pytest

from engine.data.scale import STARS, RatingScale
from pages.ui.format import (
    day,
    duration,
    hyperparameters,
    rating_date,
    rating_format,
    rating_period,
    roughly,
    took,
    when,
)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, "–"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3725, "1 h 2 min"),
    ],
)
def test_duration(seconds: float | None, expected: str) -> None:
    assert duration(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "a few seconds"),
        (7.4, "about 7 s"),
        (38.0, "about 40 s"),
        (119.0, "about 120 s"),
        (121.0, "about 2 min"),
        (3500.0, "about 58 min"),
        (7600.0, "about 2 h 5 min"),
    ],
)
def test_forecasts_are_rounded(seconds: float, expected: str) -> None:
    assert roughly(seconds) == expected


def test_moments() -> None:
    assert when(0) == "1970-01-01 00:00"
    assert day(1_476_640_644) == "2016-10-16"
    assert when(None) == "–"
    assert took(10.0, 12.5) == "2.5 s"
    assert took(10.0, None) == "–"


def test_ratings_without_a_date() -> None:
    assert rating_date(None) == "Date unknown"
    assert rating_date(1_476_640_644) == "2016-10-16"
    assert rating_period(None, None) == "These ratings have no dates."
    assert rating_period(0, 1_476_640_644) == "From 1970-01-01 to 2016-10-16."


def test_ratings_have_the_decimals_of_their_scale() -> None:
    assert rating_format([3.5, 4.0], STARS) == "%.1f"
    assert rating_format([3.0, 9.0], RatingScale(1, 10, 1)) == "%.0f"
    assert rating_format([float(np.float32(-3.14))], RatingScale(-10, 10, 0.01)) == "%.2f"
    assert rating_format([3.25, 9.0], RatingScale(1, 10, 1)) is None  # shown as they are


def test_hyperparameters_tell_what_was_asked_for_from_what_was_used() -> None:
    asked = {"iterations": 16, "learning_rate": "auto"}
    used = {"iterations": 16, "learning_rate": 0.002, "old_one": 1}
    assert hyperparameters("ncf", asked, used) == [
        {"Name": "Embedding iterations", "Asked for": 16, "Used": 16},
        {"Name": "Learning rate", "Asked for": "auto", "Used": 0.002},
        {"Name": "Old one", "Asked for": "–", "Used": 1},
    ]
    assert hyperparameters("gone", asked, {})[0] == {"Name": "Iterations", "Asked for": 16}
