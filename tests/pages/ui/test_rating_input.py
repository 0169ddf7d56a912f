"""The layout of scales as stars, numbers or a slider, and what the browser may send."""

from __future__ import annotations

import pytest

from engine.data.scale import STARS, RatingScale
from pages.ui.rating_input import accepted, shape


@pytest.mark.parametrize(
    ("scale", "kind"),
    [
        (STARS, "stars"),
        (RatingScale(1, 5, 1), "stars"),
        (RatingScale(0, 5, 0.5), "stars"),
        (RatingScale(0.5, 4, 0.5), "stars"),
        (RatingScale(0, 5, 0.1), "slider"),
        (RatingScale(0.5, 4.5, 1), "choices"),  # five values, none of them whole
        (RatingScale(0, 1, 1), "choices"),
        (RatingScale(1, 10, 1), "choices"),
        (RatingScale(0, 10, 1), "choices"),
        (RatingScale(-5, 5, 1), "choices"),
        (RatingScale(0, 4.5, 0.5), "choices"),
        (RatingScale(0.5, 10, 0.5), "slider"),
        (RatingScale(0, 100, 1), "slider"),
        (RatingScale(-10, 10, 1), "slider"),
        (RatingScale(-10, 10, 0.01), "slider"),
    ],
)
def test_a_scale_is_laid_out_by_its_ends_and_its_step(scale: RatingScale, kind: str) -> None:
    found = shape(scale)
    assert found["kind"] == kind
    assert found["values"] == (list(scale.values() or ()) if kind == "choices" else [])
    assert scale.low < found["middle"] < scale.high or kind == "choices"


def test_the_keyboard_moves_by_steps_and_by_tenths() -> None:
    assert (shape(RatingScale(0, 100, 1))["step"], shape(RatingScale(0, 100, 1))["page"]) == (1, 10)
    assert shape(RatingScale(-10, 10, 0.01))["page"] == 2
    assert shape(STARS)["page"] == 0.5


@pytest.mark.parametrize("sent", [0.0, 5.5, float("nan"), "5", None, True])
def test_only_numbers_on_the_scale_are_accepted(sent: object) -> None:
    assert accepted(sent, STARS) is None


def test_what_is_sent_becomes_a_value_of_the_scale() -> None:
    assert accepted(-4.5, RatingScale(-5, 5, 0.5)) == -4.5
    assert accepted(0.30000000000000004, RatingScale(0, 1, 0.1)) == 0.3
