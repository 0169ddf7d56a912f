"""Large symmetric matrices, inverted and solved by LAPACK while other threads go on."""

from __future__ import annotations

import ctypes
import os
from typing import Any

import numpy as np
from numba.extending import get_cython_function_address
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # it carries no types

from engine.data.arrays import Float32

LAPACK = "scipy.linalg.cython_lapack"
Pointer = ctypes.c_void_p
# SciPy's wrappers of LAPACK hold the interpreter lock while they work, seconds here, in which no request is answered.
# A foreign function of ctypes releases it.


def _routine(name: str, arguments: int) -> Any:
    return ctypes.CFUNCTYPE(None, *[Pointer] * arguments)(get_cython_function_address(LAPACK, name))


_factorise, _invert_factor, _solve_factor = _routine("spotrf", 5), _routine("spotri", 5), _routine("spotrs", 8)
# LAPACK's lower triangle by columns is the upper one by rows.
_LOWER = ctypes.c_char(b"L")
_BLAS = ThreadpoolController().select(user_api="blas")  # looking for the libraries takes longer than a small matrix


def invert(matrix: Float32) -> None:
    """Invert a positive definite matrix in place; only the upper triangle of the result is valid.

    Cholesky factorisation by LAPACK's ``spotrf`` and ``spotri``, in n^3 multiplications.

    Args:
        matrix: float32[n, n], C-contiguous and symmetric.

    Raises:
        numpy.linalg.LinAlgError: the matrix is not positive definite.
        ValueError: it has another type or layout.
    """
    _check(matrix)
    size, status = ctypes.c_int(len(matrix)), ctypes.c_int(0)
    whole = ctypes.byref(_LOWER), ctypes.byref(size), matrix.ctypes.data, ctypes.byref(size), ctypes.byref(status)
    _run(status, (_factorise, whole), (_invert_factor, whole))


def solve(matrix: Float32, right: Float32) -> None:
    """Replace each row r of ``right`` by the solution x of ``matrix x = r``; overwrites the matrix too.

    Cholesky factorisation by LAPACK's ``spotrf`` and ``spotrs``.

    Args:
        matrix: float32[n, n], C-contiguous, symmetric and positive definite.
        right: float32[m, n], C-contiguous.

    Raises:
        numpy.linalg.LinAlgError: the matrix is not positive definite.
        ValueError: one has another type or layout.
    """
    _check(matrix)
    if right.dtype != np.float32 or not right.flags.c_contiguous or right.shape[1] != len(matrix):
        raise ValueError("a C-contiguous matrix of float32, as wide as the other, is expected")
    size, rows, status = ctypes.c_int(len(matrix)), ctypes.c_int(len(right)), ctypes.c_int(0)
    lower, n, info = ctypes.byref(_LOWER), ctypes.byref(size), ctypes.byref(status)
    factor = matrix.ctypes.data, n
    _run(
        status,
        (_factorise, (lower, n, *factor, info)),
        (_solve_factor, (lower, n, ctypes.byref(rows), *factor, right.ctypes.data, n, info)),
    )


def _check(matrix: Float32) -> None:
    if matrix.dtype != np.float32 or not matrix.flags.c_contiguous or matrix.shape[0] != matrix.shape[1]:
        raise ValueError("a square, C-contiguous matrix of float32 is expected")


def _run(status: ctypes.c_int, *steps: tuple[Any, tuple[Any, ...]]) -> None:
    with _BLAS.limit(limits=os.cpu_count()):  # servers limit BLAS to one thread
        for routine, arguments in steps:
            if status.value == 0:
                routine(*arguments)
    if status.value != 0:
        raise np.linalg.LinAlgError(f"The matrix is not positive definite (LAPACK info {status.value}).")
