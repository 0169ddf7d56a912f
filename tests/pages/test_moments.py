"""Times and durations in words."""

from __future__ import annotations

import pytest

from pages.ui.moments import day, duration, took, when


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


def test_moments() -> None:
    assert when(0) == "1970-01-01 00:00"
    assert day(1_476_640_644) == "2016-10-16"
    assert when(None) == "–"
    assert took(10.0, 12.5) == "2.5 s"
    assert took(10.0, None) == "–"
