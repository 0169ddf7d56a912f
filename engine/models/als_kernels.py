"""Compiled loops of implicit-feedback ALS; none holds the interpreter lock."""

from typing import Any

import numba as nb
import numpy as np

from engine.data.arrays import Float32, Floats, Int32, Int64

STEPS = 3
"""Conjugate gradient steps for each vector and epoch: the next epoch goes on where they end."""
SOLVED = 1e-20
"""Squared length of the residual below which a vector is left as it is."""


def _improve(
    first: int,
    last: int,
    start: Int64,
    others: Int32,
    weights: Float32,
    gram: Float32,
    each: float,
    least: float,
    fixed: Float32,
    vectors: Float32,
) -> None:
    """Take conjugate gradient steps with the vectors of the owners from ``first`` to before ``last``, in place.

    The system of an owner is ``(gram + sum(|w| y y') + penalty) x = sum(w y)`` over its ratings, whose weights w are
    multiplied by the confidence, and the fixed vectors y; the penalty is ``each`` per rating and ``least``.
    """
    size = fixed.shape[1]
    residual, way, moved = np.empty(size, np.float32), np.empty(size, np.float32), np.empty(size, np.float32)
    for owner in range(first, last):
        rows, own = others[start[owner] : start[owner + 1]], weights[start[owner] : start[owner + 1]]
        x, penalty = vectors[owner], np.float32(each * len(rows) + least)
        _apply(rows, own, gram, penalty, fixed, x, residual)
        for k in range(size):
            residual[k] = -residual[k]
        for n in range(len(rows)):
            y = fixed[rows[n]]
            for k in range(size):
                residual[k] += own[n] * y[k]
        left = _square(residual)
        way[:] = residual
        for _ in range(STEPS):
            if left < SOLVED:
                break
            _apply(rows, own, gram, penalty, fixed, way, moved)
            along = np.float32(0)
            for k in range(size):
                along += way[k] * moved[k]
            step, before = left / along, left
            for k in range(size):
                x[k] += step * way[k]
                residual[k] -= step * moved[k]
            left = _square(residual)
            turn = left / before
            for k in range(size):
                way[k] = residual[k] + turn * way[k]


def _apply_system(
    rows: Int32, weights: Float32, gram: Float32, penalty: Any, fixed: Float32, vector: Float32, out: Float32
) -> None:
    """Multiply a vector by an owner's matrix."""
    size = len(vector)
    for k in range(size):
        total = penalty * vector[k]
        for j in range(size):
            total += gram[k, j] * vector[j]
        out[k] = total
    for n in range(len(rows)):
        y = fixed[rows[n]]
        product = np.float32(0)
        for k in range(size):
            product += y[k] * vector[k]
        product *= abs(weights[n])
        for k in range(size):
            out[k] += product * y[k]


def _square_of(vector: Float32) -> Any:
    total = np.float32(0)
    for k in range(len(vector)):
        total += vector[k] * vector[k]
    return total


def _gram_of(factors: Float32) -> Floats:
    """float64[k, k]: ``Y'Y``."""
    size = factors.shape[1]
    out = np.zeros((size, size))
    for n in range(len(factors)):
        for a in range(size):
            value = np.float64(factors[n, a])
            for b in range(a + 1):
                out[a, b] += value * factors[n, b]
    for a in range(size):
        for b in range(a):
            out[b, a] = out[a, b]
    return out


def _pull(rows: Int32, weights: Float32, factors: Float32) -> Floats:
    """float64[k]: the sum of the factors in these rows times their weights."""
    out = np.zeros(factors.shape[1])
    for n in range(len(rows)):
        for k in range(len(out)):
            out[k] += weights[n] * factors[rows[n], k]
    return out


def _products(factors: Float32, vector: Float32) -> Float32:
    """float32[n]: the product of each row and the vector."""
    out = np.empty(len(factors), np.float32)
    for n in range(len(factors)):
        total = np.float32(0)
        for k in range(len(vector)):
            total += factors[n, k] * vector[k]
        out[n] = total
    return out


def _solve(rows: Int32, weights: Float32, factors: Float32, gram: Floats, penalty: float, right: Floats) -> Floats:
    """float64[k]: the solution of ``(gram + sum(|w| y y') + penalty) x = right``."""
    size = len(right)
    lower = gram.copy()
    for a in range(size):
        lower[a, a] += penalty
    for n in range(len(rows)):
        y, weight = factors[rows[n]], np.float64(abs(weights[n]))
        for a in range(size):
            value = weight * y[a]
            for b in range(a + 1):
                lower[a, b] += value * y[b]
    _factorise(lower)
    return _substitute(lower, right)


def _factorise_in_place(lower: Floats) -> None:
    """Cholesky factor of a positive definite matrix, of which the lower half is read."""
    for a in range(len(lower)):
        for b in range(a + 1):
            total = lower[a, b]
            for k in range(b):
                total -= lower[a, k] * lower[b, k]
            lower[a, b] = np.sqrt(total) if a == b else total / lower[b, b]


def _substitute_both_ways(lower: Floats, right: Floats) -> Floats:
    """float64[k]: the solution of ``L L' x = right``."""
    x = right.copy()
    for a in range(len(x)):
        for k in range(a):
            x[a] -= lower[a, k] * x[k]
        x[a] /= lower[a, a]
    for a in range(len(x) - 1, -1, -1):
        x[a] /= lower[a, a]
        for k in range(a):
            x[k] -= lower[a, k] * x[a]
    return x


_apply = nb.njit(nogil=True, fastmath=True, cache=True)(_apply_system)
_square = nb.njit(nogil=True, fastmath=True, cache=True)(_square_of)
_factorise = nb.njit(nogil=True, fastmath=True, cache=True)(_factorise_in_place)
_substitute = nb.njit(nogil=True, fastmath=True, cache=True)(_substitute_both_ways)
improve = nb.njit(nogil=True, fastmath=True, cache=True)(_improve)
gram_of = nb.njit(nogil=True, fastmath=True, cache=True)(_gram_of)
pull = nb.njit(nogil=True, fastmath=True, cache=True)(_pull)
products = nb.njit(nogil=True, fastmath=True, cache=True)(_products)
solve = nb.njit(nogil=True, fastmath=True, cache=True)(_solve)
