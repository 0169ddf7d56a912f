"""Rating scales: their values, their steps, and what is no scale."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.scale import MAX_VALUES, STARS, RatingScale


def test_half_stars() -> None:
    assert STARS.ends == (0.5, 5.0)
    assert STARS.values() == (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0)
    assert [STARS.snap(rating) for rating in (-math.inf, 0.5, 3.2, 3.3, 9)] == [0.5, 0.5, 3, 3.5, 5]


def test_whole_numbers_become_the_same_floats() -> None:
    assert repr(RatingScale(1, 10, 1).ends) == "(1.0, 10.0)"
    assert RatingScale(1, 10, 1) == RatingScale(1.0, 10.0, 1.0)


@pytest.mark.parametrize(
    ("scale", "values"),
    [
        (RatingScale(1, 10, 1), 10),
        (RatingScale(0, 1, 1), 2),
        (RatingScale(-10, 10, 1), 21),
        (RatingScale(0, 1, 0.1), 11),
        (RatingScale(1, 5, 3), 3),  # the last step is shorter
        (RatingScale(0, 100, 1), None),
        (RatingScale(-10, 10, 0.01), None),
    ],
)
def test_values_are_listed_where_they_are_few(scale: RatingScale, values: int | None) -> None:
    listed = scale.values()
    assert (None if listed is None else len(listed)) == values
    assert listed is None or (listed[0], listed[-1]) == scale.ends


def test_values_are_written_without_noise() -> None:
    assert RatingScale(0, 1, 0.1).values() == (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)


@pytest.mark.parametrize(
    ("low", "high", "step", "decimals"),
    [
        (0.5, 5, 0.5, 1),
        (1, 5, 1, 0),
        (0, 100, 1, 0),
        (-10, 10, 1, 0),
        (0, 4.5, 0.5, 1),
        (0.1, 0.9, 0.1, 1),
        (0.25, 4.75, 0.01, 2),
        (0, math.pi, math.pi / 100, 2),
    ],
)
def test_a_step_is_derived_from_the_ends(low: float, high: float, step: float, decimals: int) -> None:
    scale = RatingScale.between(low, high)
    assert (scale.step, scale.decimals) == (step, decimals)


@pytest.mark.parametrize(
    "wrong", [(5, 5, 1), (5, 1, 1), (0, 5, 0), (0, 5, -1), (0, 1, 2), (0, math.inf, 1), (math.nan, 5, 1)]
)
def test_what_is_no_scale_is_refused(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="is not a rating scale"):
        RatingScale(*wrong)


@given(st.integers(-50, 50), st.integers(1, 200), st.sampled_from([0.01, 0.1, 0.25, 0.5, 1.0, 3.0]), st.floats(-1, 2))
def test_the_nearest_value_is_on_the_scale_and_is_its_own(low: int, steps: int, step: float, place: float) -> None:
    scale = RatingScale(low, low + steps * step, step)
    rating = scale.low + place * (scale.high - scale.low)
    nearest = scale.snap(rating)
    assert scale.low <= nearest <= scale.high
    assert scale.snap(nearest) == nearest
    if scale.low <= rating <= scale.high:
        assert abs(nearest - rating) <= step / 2 + 1e-6
    values = scale.values()
    assert (values is None) == (steps >= MAX_VALUES)
    assert values is None or (nearest in values and len(values) == steps + 1)
