"""Compiled loops of the matrix factorisation: one epoch of gradient descent, and predictions of pairs."""

from typing import Any

import numba as nb
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from engine.data.arrays import Float32, Int32

LINE = 16  # float32 factors in one cache line
AHEAD = 3  # ratings to look ahead for the rows that are needed next
FOR_WRITING, KEEP_NEAR, DATA = 1, 3, 1
"""Arguments of LLVM's prefetch: the row will be changed, keep it in all caches, it is data."""


@intrinsic
def prefetch(typing_context: Any, matrix: Any, row: Any, column: Any) -> Any:
    """Start loading the cache line of one element, ``prefetch(matrix, row, column)``; nothing else changes.

    Rows are visited in the order of the ratings, which no hardware can guess, and one gradient step is too long for the
    processor to look ahead by itself. Indices are not checked.
    """
    del typing_context, row, column

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        element = cgutils.get_item_pointer(  # type: ignore[no-untyped-call]
            context, builder, signature.args[0], array, list(arguments[1:]), wraparound=False
        )
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        function = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, kind, "llvm.prefetch.p0"
        )
        constants = [number(value) for value in (FOR_WRITING, KEEP_NEAR, DATA)]
        builder.call(function, [builder.bitcast(element, pointer), *constants])
        return context.get_dummy_value()

    return types.void(matrix, types.intp, types.intp), generate


def _epoch(
    users: Int32,
    movies: Int32,
    ratings: NDArray[Any],
    bu: NDArray[Any],
    bi: NDArray[Any],
    pu: NDArray[Any],
    qi: NDArray[Any],
    mean: Any,
    rate: Any,
    regularization: Any,
) -> float:
    """One pass of stochastic gradient descent in row order; returns the mean squared error along the way.

    The updates follow Koren, Bell and Volinsky, "Matrix factorization techniques for recommender systems" (2009), in
    Surprise's order of operations, so that float64 repeats its rounding.
    """
    zero = pu.dtype.type(0)
    squared = 0.0
    for n in range(len(ratings)):
        next_movie = np.intp(movies[min(n + AHEAD, len(ratings) - 1)])
        for f in range(0, pu.shape[1], LINE):
            prefetch(qi, next_movie, f)  # type: ignore[call-arg]  # Numba supplies the first argument
        u, i = users[n], movies[n]
        dot = zero
        for f in range(pu.shape[1]):
            dot += qi[i, f] * pu[u, f]
        error = ratings[n] - (mean + bu[u] + bi[i] + dot)
        squared += error * error
        bu[u] += rate * (error - regularization * bu[u])
        bi[i] += rate * (error - regularization * bi[i])
        for f in range(pu.shape[1]):
            p, q = pu[u, f], qi[i, f]
            pu[u, f] += rate * (error * q - regularization * p)
            qi[i, f] += rate * (error * p - regularization * q)
    return squared / len(ratings)


def _pairs(
    users: Int32,
    movies: Int32,
    mean: Any,
    bu: NDArray[Any],
    bi: NDArray[Any],
    pu: NDArray[Any],
    qi: NDArray[Any],
    low: Any,
    high: Any,
) -> Float32:
    """float32[n]: the rating of each pair; indices outside the arrays add nothing."""
    out = np.empty(len(users), np.float32)
    for n in range(len(users)):
        u, i = users[n], movies[n]
        known_user, known_movie = 0 <= u < len(bu), 0 <= i < len(bi)
        value = mean
        if known_user:
            value += bu[u]
        if known_movie:
            value += bi[i]
        if known_user and known_movie:
            for f in range(pu.shape[1]):
                value += pu[u, f] * qi[i, f]
        out[n] = min(max(value, low), high)
    return out


# Numba's cache tells the two apart by argument types alone, so float64 must only meet the exact one.
exact_epoch = nb.njit(nogil=True, cache=True)(_epoch)
fast_epoch = nb.njit(nogil=True, fastmath=True, cache=True)(_epoch)
predict_pairs = nb.njit(nogil=True, cache=True)(_pairs)
