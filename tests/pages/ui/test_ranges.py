"""Small drawings of values and intervals."""

from __future__ import annotations

import re

from engine.evaluation.intervals import MetricValue
from pages.ui.ranges import value


def places(html: str) -> list[float]:
    """Left ends of what is drawn, in percent: the mark, the interval, the value."""
    return [float(one) for one in re.findall(r"left:([0-9.]+)%", html)]


def test_values_that_are_shown_as_equal_are_drawn_at_one_place() -> None:
    close = MetricValue(0.96672, None, None)
    assert len(set(places(value(close, [0.96668], "").html))) == 1


def test_other_values_are_drawn_apart() -> None:
    mark, low, middle = places(value(MetricValue(0.5, 0.4, 0.6), [0.3], "").html)
    assert mark < low < middle
