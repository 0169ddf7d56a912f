"""Compiled ridge regressions: the biases and factors of many users, or movies, with the other side fixed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Floats, Int32, Int64, Ints
from engine.data.ratings import Rows
from engine.models.shrinkage import Penalty
from engine.parallel import run_all

OWNERS_AT_ONCE = 256
"""Owners that a thread folds in before it takes the next ones."""


def fold_in_owners(
    owners: Int64,
    rows: Rows,
    others: Int32,
    ratings: NDArray[Any],
    mean: float,
    bias: NDArray[Any],
    factors: NDArray[Any],
    penalty: Penalty,
    check: Callable[[], object],
) -> NDArray[Any]:
    """[k, 1 + f], in the type of the factors: bias and factors of each owner; zeros without ratings.

    Args:
        owners: int64[k], users or movies.
        rows: the ratings of each.
        others: int32[n], the other side of each rating.
        ratings: float[n].
        mean: overall mean.
        bias: of the other side.
        factors: [m, f], of the other side.
        penalty: of the owners' side.
        check: called often; may raise to stop.
    """
    found = np.zeros((len(rows.start) - 1, 1 + factors.shape[1]), factors.dtype)
    fixed = factors.dtype.type(mean), bias, np.ascontiguousarray(factors)
    values = np.array(penalty.values(), np.float64)

    def solve(first: int) -> None:
        check()
        some = owners[first : first + OWNERS_AT_ONCE]
        _fold_in(some, rows.start, rows.order, others, ratings, *fixed, values, found)

    run_all(solve, range(0, len(owners), OWNERS_AT_ONCE))
    return found[owners]


def _fold_in_each(
    owners: Int64,
    start: Int64,
    order: Ints,
    others: Int32,
    ratings: NDArray[Any],
    mean: Any,
    bias: NDArray[Any],
    factors: NDArray[Any],
    penalty: Floats,
    out: NDArray[Any],
) -> None:
    """Solve the regression of each owner's residuals on ``[1, factors of the other side]``.

    The normal equations, or where an owner has fewer ratings than unknowns the smaller equivalent system, as one
    regression at a time is solved (``MatrixFactorizationModel.fold_in_user``).

    Args:
        owners: int64[k], rows of ``out``.
        start: int64[n + 1], see ``order``.
        order: the ratings of owner o are ``order[start[o]:start[o + 1]]``.
        others: of all ratings, the row of the other side.
        ratings: of all ratings.
        mean: overall mean.
        bias: of the other side.
        factors: of the other side.
        penalty: float64[4], constants of bias and factors, and their terms for each rating.
        out: [n, 1 + factors]; rows of owners without ratings stay as they are.
    """
    size = 1 + factors.shape[1]
    system, right = np.empty((size, size)), np.empty(size)
    for n in range(len(owners)):
        rows = order[start[owners[n]] : start[owners[n] + 1]]
        count = len(rows)
        of_bias = max(penalty[0] + penalty[2] * count, 1e-6)
        of_factors = max(penalty[1] + penalty[3] * count, 1e-6)
        if count >= size:
            _normal(rows, others, ratings, mean, bias, factors, system, right)
            system[0, 0] += of_bias
            for a in range(1, size):
                system[a, a] += of_factors
            _solve(system, right, size)
            for a in range(size):
                out[owners[n], a] = right[a]
        elif count:
            _dual(rows, others, ratings, mean, bias, factors, of_bias, of_factors, system, right)
            _solve(system, right, count)
            _from_dual(rows, others, right, factors, of_bias, of_factors, out[owners[n]])


def _normal_equations(
    rows: Ints,
    others: Int32,
    ratings: NDArray[Any],
    mean: Any,
    bias: NDArray[Any],
    factors: NDArray[Any],
    system: Floats,
    right: Floats,
) -> None:
    """``D'D``, lower triangle, and ``D'y``, with rows ``[1, factors]`` of D and residuals y."""
    size = 1 + factors.shape[1]
    system[:], right[:] = 0, 0
    for row in rows:
        other = others[row]
        target = ratings[row] - mean - bias[other]
        system[0, 0] += 1
        right[0] += target
        for a in range(1, size):
            left = np.float64(factors[other, a - 1])
            system[a, 0] += left
            right[a] += target * left
            for b in range(1, a + 1):
                system[a, b] += left * factors[other, b - 1]


def _dual_equations(
    rows: Ints,
    others: Int32,
    ratings: NDArray[Any],
    mean: Any,
    bias: NDArray[Any],
    factors: NDArray[Any],
    of_bias: float,
    of_factors: float,
    system: Floats,
    right: Floats,
) -> None:
    """``D P^-1 D' + I``, lower triangle, and y, with the diagonal penalty P."""
    for a in range(len(rows)):
        one = others[rows[a]]
        right[a] = ratings[rows[a]] - mean - bias[one]
        for b in range(a + 1):
            other = others[rows[b]]
            product = 0.0
            for k in range(factors.shape[1]):
                product += np.float64(factors[one, k]) * factors[other, k]
            system[a, b] = 1 / of_bias + product / of_factors
        system[a, a] += 1


def _from_dual_solution(
    rows: Ints,
    others: Int32,
    solved: Floats,
    factors: NDArray[Any],
    of_bias: float,
    of_factors: float,
    out: NDArray[Any],
) -> None:
    """``P^-1 D'`` times the solution of the dual equations."""
    total = 0.0
    for a in range(len(rows)):
        total += solved[a]
    out[0] = total / of_bias
    for k in range(factors.shape[1]):
        total = 0.0
        for a in range(len(rows)):
            total += solved[a] * factors[others[rows[a]], k]
        out[1 + k] = total / of_factors


def _solve_positive(matrix: Floats, right: Floats, size: int) -> None:
    """Solve by Cholesky factorisation, in place; the lower triangle of a positive definite matrix is read."""
    for a in range(size):
        for b in range(a + 1):
            value = matrix[a, b]
            for k in range(b):
                value -= matrix[a, k] * matrix[b, k]
            matrix[a, b] = np.sqrt(value) if a == b else value / matrix[b, b]
    for a in range(size):
        for k in range(a):
            right[a] -= matrix[a, k] * right[k]
        right[a] /= matrix[a, a]
    for a in range(size - 1, -1, -1):
        for k in range(a + 1, size):
            right[a] -= matrix[k, a] * right[k]
        right[a] /= matrix[a, a]


_normal = nb.njit(nogil=True, cache=True)(_normal_equations)
_dual = nb.njit(nogil=True, cache=True)(_dual_equations)
_from_dual = nb.njit(nogil=True, cache=True)(_from_dual_solution)
_solve = nb.njit(nogil=True, cache=True)(_solve_positive)
_fold_in = nb.njit(nogil=True, cache=True)(_fold_in_each)
