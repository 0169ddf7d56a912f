"""Computed numbers before they decide: another processor adds in another order, and must come to the same verdict."""

from __future__ import annotations

import math
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DIGITS = 9
"""Sums of a million float64 values keep ten digits at least, in whatever order they are added."""
MAX_PLACES = 200


@overload
def settle(value: Floats, size: float, digits: int = DIGITS) -> Floats: ...
@overload
def settle(value: float, size: float, digits: int = DIGITS) -> float: ...
def settle(value: Any, size: float, digits: int = DIGITS) -> Any:
    """A number or an array, rounded to so many digits of a size: noise becomes 0, and 0 is never negative.

    Args:
        value: what is to be compared with a bound, or with another number that is settled alike.
        size: how large the numbers are that it was computed from; of 0 only 0 can come.
        digits: counted from the first one of the size.
    """
    if not size:
        return value * 0.0 + 0.0
    rounded = np.round(value, min(digits - math.ceil(math.log10(size)), MAX_PLACES)) + 0.0
    return rounded if isinstance(value, np.ndarray) else float(rounded)


def significant(value: float, digits: int = DIGITS) -> float:
    """A number to so many digits of itself."""
    return settle(value, abs(value), digits)
