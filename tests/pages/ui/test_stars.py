"""The layout of scales as stars, and what the browser may send."""

from __future__ import annotations

import pytest

from pages.ui.stars import accepted, shape


@pytest.mark.parametrize(
    ("scale", "origin", "unit", "count"),
    [
        ((0.5, 5.0), 0.0, 1.0, 5),
        ((1.0, 10.0), 0.0, 1.0, 10),
        ((0.0, 100.0), 0.0, 20.0, 5),
        ((-5.0, 5.0), -5.0, 1.0, 10),
        ((-10.0, 10.0), -10.0, 4.0, 5),
        ((0.0, 4.5), 0.0, 0.9, 5),
    ],
)
def test_a_row_spans_the_scale(scale: tuple[float, float], origin: float, unit: float, count: int) -> None:
    laid_out = shape(scale)
    assert (laid_out["origin"], laid_out["unit"], laid_out["stars"]) == (origin, unit, count)
    assert laid_out["origin"] + laid_out["stars"] * laid_out["unit"] == pytest.approx(scale[1])


@pytest.mark.parametrize("sent", [0.0, 5.5, float("nan"), "5", None, True])
def test_only_numbers_on_the_scale_are_accepted(sent: object) -> None:
    assert accepted(sent, (0.5, 5.0)) is None
    assert accepted(-4.5, (-5.0, 5.0)) == -4.5
