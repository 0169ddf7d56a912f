"""Rounding before decisions: other processors sum in another order, and must reach the same verdict."""

import math
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DIGITS = 9
"""Sums of a million float64 values keep at least ten digits, in any order."""
MAX_PLACES = 200


@overload
def settle(value: Floats, size: float, digits: int = DIGITS) -> Floats: ...
@overload
def settle(value: float, size: float, digits: int = DIGITS) -> float: ...
def settle(value: Any, size: float, digits: int = DIGITS) -> Any:
    """A number or array rounded to a number of digits relative to a size; noise becomes 0, and 0 is never negative.

    Args:
        value: to be compared with a bound, or with another settled number.
        size: magnitude of the numbers that it was computed from; 0 gives 0.
        digits: counted from the first digit of the size.
    """
    if not size:
        return value * 0.0 + 0.0
    rounded = np.round(value, min(digits - math.ceil(math.log10(size)), MAX_PLACES)) + 0.0
    return rounded if isinstance(value, np.ndarray) else float(rounded)


def significant(value: float, digits: int = DIGITS) -> float:
    """A number rounded to a number of significant digits."""
    return settle(value, abs(value), digits)
