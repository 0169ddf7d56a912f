"""Array types, and two operations that all chapters share."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

import numpy as np
from numpy.typing import NDArray

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[Any]
Arrays = dict[str, NDArray[Any]]


def check_lengths(**columns: Sized) -> None:
    """Refuse columns of unequal lengths: compiled loops would read past the end of the shorter one.

    Raises:
        ValueError: the lengths differ; the message names the columns.
    """
    if len({len(column) for column in columns.values()}) > 1:
        lengths = ", ".join(f"{len(column)} {name}" for name, column in columns.items())
        raise ValueError(f"Columns must have the same length, but there are {lengths}.")


def mix(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Pseudo-random numbers, each from its own bits alone: SplitMix64 (Steele, Lea and Flood 2014)."""
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        bits = (bits ^ bits >> np.uint64(shift)) * np.uint64(factor)
    return np.asarray(bits ^ bits >> np.uint64(31))


def divide(numerators: NDArray[Any], denominators: NDArray[Any]) -> Floats:
    """float64[n]: the quotients; 0 where the denominator is not positive."""
    out = np.zeros(len(numerators))
    np.divide(numerators, denominators, out=out, where=denominators > 0)
    return out
