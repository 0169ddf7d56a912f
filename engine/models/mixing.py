"""Similarities of several origins, mixed in place: they are large."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Float32

ROWS_AT_ONCE = 512  # bounds the extra memory


@dataclass(frozen=True)
class Part:
    """Similarities of some movies: int64[k], their places, and float32[k, k]; those of others are 0."""

    movies: NDArray[np.int64]
    weights: Float32

    def mix_into(self, weights: Float32, share: float) -> None:
        """Make these a share of float32[m, m], in place, scaled to the same size (Frobenius norm)."""
        sizes = [_size(one) for one in (weights, self.weights)]
        scale = np.float32(share * sizes[0] / sizes[1] if sizes[1] > 0 else 0.0)
        weights *= np.float32(1 - share)
        for start in range(0, len(self.movies), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            weights[np.ix_(self.movies[rows], self.movies)] += scale * self.weights[rows]


def _size(weights: Float32) -> float:
    """The Frobenius norm, summed in a fixed order."""
    blocks = (weights[start : start + ROWS_AT_ONCE] for start in range(0, len(weights), ROWS_AT_ONCE))
    return float(np.sqrt(sum(float(np.square(block, dtype=np.float64).sum()) for block in blocks)))
