"""Ratings as people write them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.notations import NOT_RATED, Notation, notation_scale, read_rating


@pytest.mark.parametrize(
    ("text", "value", "notation", "out_of"),
    [
        ("4", 4, "number", None),
        ("4.5", 4.5, "number", None),
        ("-9.75", -9.75, "number", None),
        ("80%", 80, "percent", None),
        ("72,5 %", 72.5, "percent", None),
        ("4/5", 4, "fraction", 5),
        ("7.5 / 10", 7.5, "fraction", 10),
        ("4 out of 5", 4, "fraction", 5),
        ("8 von 10", 8, "fraction", 10),
        ("★★★½", 3.5, "stars", None),
        ("★★★☆☆", 3, "stars", None),
        ("⭐⭐", 2, "stars", None),
        ("½", 0.5, "stars", None),
        ("****", 4, "stars", None),
        ("4 stars", 4, "stars", None),
        ("Like", 1, "words", None),
        ("thumbs_down", 0, "words", None),
        ("👍", 1, "words", None),
        ("A", 4, "letters", None),
        ("b-", 2.7, "letters", None),
        ("F", 0, "letters", None),
    ],
)
def test_a_rating_is_read(text: str, value: float, notation: Notation, out_of: float | None) -> None:
    found = read_rating(text)
    assert found is not None
    assert (found.value, found.notation, found.out_of) == (value, notation, out_of)
    scale = notation_scale(notation, out_of)
    assert scale is None or min(scale.low, 0) <= value <= scale.high


@pytest.mark.parametrize("text", ["four", "1_000", "٤", "4;5", "1/", "inf", "nan", "1e999", "G", "0x10", "4 5", "★ok"])
def test_what_is_no_rating_is_none(text: str) -> None:
    assert read_rating(text) is None


def test_the_decimal_sign_is_declared() -> None:
    assert read_rating("4,5", ",").value == 4.5
    assert read_rating("4,5", ".") is None
    assert "" in NOT_RATED


@given(st.text(max_size=8), st.sampled_from([".", ","]))
def test_any_text_is_a_finite_rating_or_none(text: str, decimal: str) -> None:
    found = read_rating(text, decimal)
    assert found is None or math.isfinite(found.value)


@given(st.floats(-1000, 1000))
def test_numbers_are_read_exactly(value: float) -> None:
    assert read_rating(repr(value)).value == value
