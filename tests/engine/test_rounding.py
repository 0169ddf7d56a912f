"""Rounding before a decision: noise goes, numbers stay, and nothing depends on the unit that is measured in."""

from __future__ import annotations

import numpy as np
import pytest

from engine.rounding import settle, significant


@pytest.mark.parametrize("unit", [1e-30, 1e-3, 1.0, 100.0, 1e12])
def test_noise_becomes_0_and_a_difference_stays(unit: float) -> None:
    assert 0.3 - 0.2 != 0.2 - 0.1
    assert settle((0.3 - 0.2) * unit, unit) == settle((0.2 - 0.1) * unit, unit) == pytest.approx(0.1 * unit, rel=1e-9)
    assert settle(-1.4e-17 * unit, unit) == 0
    assert settle(1e-8 * unit, unit) == pytest.approx(1e-8 * unit)


def test_zero_is_never_negative() -> None:
    assert [str(settle(value, 1.0)) for value in (-0.0, -1e-17, 0.0)] == ["0.0"] * 3
    assert str(settle(-3.0, 0.0)) == "0.0"
    assert settle(np.array([-1e-17, 0.5]), 1.0).tolist() == [0.0, 0.5]
    assert not np.signbit(settle(np.array([-1e-17, -0.0]), 1.0)).any()


def test_nine_digits_are_kept_of_small_numbers_too() -> None:
    assert significant(1.23456789012e-20) == pytest.approx(1.23456789e-20, rel=1e-12)
    assert significant(-987654321.987) == -987654322
    assert significant(0.0) == 0
