"""Intervals that may be looked at after every value, and the moment at which two versions are told apart."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.data.arrays import Floats
from engine.evaluation.sequential import CAUTION, STAKES, Difference, confidence_sequence, first_difference

STREAMS = 200
VALUES = arrays(np.float64, st.integers(1, 25), elements=st.floats(0, 1, width=32))


def wrong_ever(streams: list[Floats], mean: float) -> int:
    """In how many streams an interval ever excludes the mean."""
    found = [confidence_sequence(values, 0, 1) for values in streams]
    return sum(bool(((low > mean) | (high < mean)).any()) for low, high in found)


@pytest.mark.parametrize("mean", [0.5, 0.9, 0.01])
def test_hardly_any_stream_is_ever_wrong(mean: float) -> None:
    rng = np.random.default_rng(1)
    assert wrong_ever([(rng.random(500) < mean).astype(float) for _ in range(STREAMS)], mean) <= 0.05 * STREAMS


def test_a_fixed_interval_would_often_be_wrong() -> None:
    """What the sequences are for: 1.96 standard errors after every value."""
    rng = np.random.default_rng(1)
    values = (rng.random((STREAMS, 1000)) < 0.5).astype(float)
    counts = np.arange(1, 1001)
    distances = np.abs(np.cumsum(values, axis=1) / counts - 0.5) * np.sqrt(counts) / 0.5
    assert (distances[:, 50:] > 1.96).any(axis=1).mean() > 0.25


@given(VALUES)
def test_intervals_are_those_of_the_formula(values: Floats) -> None:
    low, _ = confidence_sequence(values, 0, 1)
    guess, sums, costs, lengths = 0.5, np.zeros(12), np.zeros(12), np.zeros(12)
    for count, value in enumerate(values, 1):
        fall = max(guess, 1e-9)
        rates = np.minimum(STAKES, CAUTION / fall)
        sums, lengths = sums + rates * value, lengths + rates
        costs = costs + (-np.log(1 - rates * fall) - rates * fall) / fall**2 * (value - guess) ** 2
        guess = (0.5 + values[:count].sum()) / (count + 1)
        if low[count - 1] > 0:
            evidence = np.mean(np.exp(sums - costs - low[count - 1] * lengths))
            assert evidence == pytest.approx(2 / 0.05, rel=1e-3)


@given(VALUES, VALUES)
def test_what_comes_later_changes_nothing_earlier(values: Floats, later: Floats) -> None:
    low, high = confidence_sequence(values, 0, 1)
    longer = confidence_sequence(np.concatenate([values, later]), 0, 1)
    assert low == pytest.approx(longer[0][: len(values)], abs=1e-9)
    assert high == pytest.approx(longer[1][: len(values)], abs=1e-9)
    assert ((low >= 0) & (low <= high) & (high <= 1)).all()


@given(VALUES)
def test_unit_and_sign_do_not_matter(values: Floats) -> None:
    low, high = confidence_sequence(values, 0, 1)
    scaled = confidence_sequence(100 * values, 0, 100)
    assert scaled[0] / 100 == pytest.approx(low, abs=1e-6)
    turned = confidence_sequence(-values, -1, 0)
    assert (-turned[1], -turned[0]) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))


def test_ends_known_in_advance_make_intervals_narrower() -> None:
    rng = np.random.default_rng(1)
    ends = rng.choice([0.2, 3.0], 300, p=[0.95, 0.05])
    values = rng.random(300) * ends
    widths = [np.subtract(*confidence_sequence(values, 0, end, unit=3)[::-1])[-1] for end in (ends, 3.0)]
    assert widths[0] < 0.9 * widths[1]


def test_no_value_has_no_interval() -> None:
    low, high = confidence_sequence(np.empty(0), 0, 1)
    assert (len(low), len(high)) == (0, 0)
    assert first_difference(np.empty(0), 1, unit=1) is None


def test_equal_versions_are_hardly_ever_told_apart() -> None:
    rng = np.random.default_rng(2)
    sizes = rng.exponential(0.3, (STREAMS, 1000)).clip(0, 2)
    signs = rng.choice([-1.0, 1.0], sizes.shape)
    found = [first_difference(row, 2, unit=20) for row in sizes * signs]
    assert sum(one is not None for one in found) <= 0.05 * STREAMS


@pytest.mark.parametrize("sign", [1, -1])
def test_a_difference_is_told_with_its_sign(sign: int) -> None:
    values = sign * np.random.default_rng(3).normal(0.1, 0.5, 3000).clip(-3, 3)
    told = first_difference(values, 3, unit=20)
    assert told is not None
    assert told.sign == sign
    assert 50 < told.count < 1500
    assert first_difference(values[: told.count], 3, unit=20) == told
    assert first_difference(values[: told.count - 1], 3, unit=20) is None


def test_the_first_difference_counts_by_the_capital() -> None:
    """One stake's worth of capital: each unit of difference at the largest stake of 8 / 20 adds log(1.4)."""
    needed = next(
        count for count in range(1, 100) if math.log(np.mean((1 + STAKES / 20) ** count)) >= math.log(2 / 0.05)
    )
    assert first_difference(np.ones(100), 1, unit=20) == Difference(needed, 1)
