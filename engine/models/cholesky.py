"""The inverse of a large symmetric matrix, while other threads go on."""

from __future__ import annotations

import ctypes
import os

import numpy as np
from numba.extending import get_cython_function_address
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it carries no types

from engine.data.ratings import Float32

LAPACK = "scipy.linalg.cython_lapack"
Pointer = ctypes.c_void_p
# SciPy's own wrappers of LAPACK keep the interpreter to themselves for as long as they work, seconds here, in which no
# request is answered. A foreign function of ctypes lets go of it.
_signature = ctypes.CFUNCTYPE(None, Pointer, Pointer, Pointer, Pointer, Pointer)
_factorise = _signature(get_cython_function_address(LAPACK, "spotrf"))
_invert_factor = _signature(get_cython_function_address(LAPACK, "spotri"))


def invert(matrix: Float32) -> None:
    """Put the upper triangle of the inverse into that of a positive definite matrix, in place; the rest is left over.

    By Cholesky factorisation (LAPACK's ``spotrf`` and ``spotri``), in n^3 multiplications.

    Args:
        matrix: float32[n, n], C-contiguous and symmetric.

    Raises:
        numpy.linalg.LinAlgError: it is not positive definite.
        ValueError: it is of another kind.
    """
    if matrix.dtype != np.float32 or not matrix.flags.c_contiguous or matrix.shape[0] != matrix.shape[1]:
        raise ValueError("a square, C-contiguous matrix of float32 is expected")
    count, info = ctypes.c_int(len(matrix)), ctypes.c_int(0)
    # The transpose of a symmetric matrix is itself, so LAPACK's lower triangle, by columns, is our upper one, by rows.
    lower, size, told = ctypes.byref(ctypes.c_char(b"L")), ctypes.byref(count), ctypes.byref(info)
    with threadpool_limits(os.cpu_count(), user_api="blas"):  # a server has one thread otherwise
        for step in (_factorise, _invert_factor):
            if info.value == 0:
                step(lower, size, matrix.ctypes.data, size, told)
    if info.value != 0:
        raise np.linalg.LinAlgError(f"The matrix is not positive definite (LAPACK info {info.value}).")
