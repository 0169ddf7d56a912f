"""Compiled loops of the variational factorisation: moments of one side, and posteriors of the other.

Every row is computed from its own ratings alone, so rows can be computed in any order and by any number of threads.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Float32, Int32, Int64

Float64 = NDArray[np.float64]


def _moments_of(
    begin: int,
    end: int,
    means: Float64,
    covariances: Float64,
    noise: Float64,
    first: Float32,
    second: Float32,
    mixed: Float32,
) -> None:
    """Fill some rows of the moments of each vector v with bias v[0], and of w, the same with 1 in place of the bias.

    They are read once per rating, so their size decides the time. All are divided by the noise of the row.

    Args:
        begin: the first row.
        end: the row after the last.
        means: float64[n, K] of v.
        covariances: float64[n, K, K] of v.
        noise: float64[n], how noisy ratings of the row are, as a multiple of the average.
        first: float32[n, K], the means of w.
        second: float32[n, K (K + 1) / 2], the means of the lower half of w w'.
        mixed: float32[n, K + 1], the means of v[0] w and, at the end, of v[0] squared.
    """
    size = means.shape[1]
    for row in range(begin, end):
        bias, place = means[row, 0], 0
        first[row, 0] = 1
        mixed[row, 0] = bias
        mixed[row, size] = bias * bias + covariances[row, 0, 0]
        for a in range(size):
            if a:
                first[row, a] = means[row, a]
                mixed[row, a] = bias * means[row, a] + covariances[row, a, 0]
            for b in range(a + 1):
                product = means[row, a] * means[row, b] + covariances[row, a, b]
                second[row, place] = first[row, a] if b == 0 else product
                place += 1
        first[row] /= noise[row]
        second[row] /= noise[row]
        mixed[row] /= noise[row]


def _posteriors_of(
    begin: int,
    end: int,
    start: Int64,
    others: Int32,
    targets: Float32,
    first: Float32,
    second: Float32,
    mixed: Float32,
    prior: Float64,
    precision: Float64,
    noise: Float64,
    means: Float64,
    covariances: Float64,
    errors: Float64,
) -> None:
    """Fill the means and covariances of some owners, and their expected sums of squared errors afterwards.

    The expectation of a rating y by the owner of v is ``v . w + v0``, with w and the bias v0 of the other side: linear
    regression of ``y - v0`` on w, both given by their moments.

    Args:
        begin: the first owner.
        end: the owner after the last.
        start: int64[n + 1]; an owner's ratings are those from ``start[owner]`` to ``start[owner + 1]``.
        others: int32[m], the row of the other side of each rating.
        targets: float32[m], each rating minus the mean.
        first: moments of the other side, see ``fill_moments``.
        second: float32[o, K (K + 1) / 2].
        mixed: float32[o, K + 1].
        prior: float64[n, K], prior means.
        precision: float64[K, K], of the prior.
        noise: float64[n], variance of a rating of each owner.
        means: float64[n, K].
        covariances: float64[n, K, K].
        errors: float64[n]; of use only where the moments of the other side were divided by 1.
    """
    size = means.shape[1]
    gram, right, swept = np.empty((size, size)), np.empty(size), np.empty(size)
    sums, half = np.empty(size, np.float32), np.empty(size * (size + 1) // 2, np.float32)
    for owner in range(begin, end):
        squares = _add_ratings(start[owner], start[owner + 1], others, targets, first, second, mixed, sums, half)
        place = 0
        for a in range(size):
            right[a] = sums[a] / noise[owner]
            for b in range(size):
                right[a] += precision[a, b] * prior[owner, b]
            for b in range(a + 1):
                gram[a, b] = half[place] / noise[owner] + precision[a, b]
                place += 1
        _invert(gram, covariances[owner], swept)
        for a in range(size):
            means[owner, a] = 0
            for b in range(size):
                means[owner, a] += covariances[owner, a, b] * right[b]
        errors[owner] = squares + _explained(means[owner], covariances[owner], sums, half)


def _sums_of_ratings(
    begin: int,
    end: int,
    others: Int32,
    targets: Float32,
    first: Float32,
    second: Float32,
    mixed: Float32,
    sums: Float32,
    half: Float32,
) -> float:
    """Fill the right side of the regression and the lower half of its left side; returns the targets' squares.

    Four ratings at a time: the sums are then read and written a quarter as often.
    """
    size = len(sums)
    squares = 0.0
    sums[:] = 0
    half[:] = 0
    fours = begin + (end - begin) // 4 * 4
    for row in range(begin, fours, 4):
        i, j, k, m = others[row], others[row + 1], others[row + 2], others[row + 3]
        s, t, u, v = targets[row], targets[row + 1], targets[row + 2], targets[row + 3]
        squares += s * s - 2 * s * mixed[i, 0] + mixed[i, size] + t * t - 2 * t * mixed[j, 0] + mixed[j, size]
        squares += u * u - 2 * u * mixed[k, 0] + mixed[k, size] + v * v - 2 * v * mixed[m, 0] + mixed[m, size]
        for a in range(len(half)):
            half[a] += (second[i, a] + second[j, a]) + (second[k, a] + second[m, a])
        for a in range(size):
            sums[a] += (s * first[i, a] - mixed[i, a]) + (t * first[j, a] - mixed[j, a])
            sums[a] += (u * first[k, a] - mixed[k, a]) + (v * first[m, a] - mixed[m, a])
    for row in range(fours, end):
        i, s = others[row], targets[row]
        squares += s * s - 2 * s * mixed[i, 0] + mixed[i, size]
        for a in range(len(half)):
            half[a] += second[i, a]
        for a in range(size):
            sums[a] += s * first[i, a] - mixed[i, a]
    return squares


def _change_of_error(mean: Float64, covariance: Float64, sums: Float32, half: Float32) -> float:
    """Change of the expected sum of squared errors by a vector with this posterior."""
    change, place = 0.0, 0
    for a in range(len(mean)):
        change -= 2 * mean[a] * sums[a]
        for b in range(a + 1):
            change += half[place] * (mean[a] * mean[b] + covariance[a, b]) * (1 if a == b else 2)
            place += 1
    return change


def _sweep_of(out: Float64, k: int, swept: Float64) -> None:
    """Sweep the lower half of a symmetric matrix at one place on its diagonal."""
    size, scale = len(out), 1 / out[k, k]
    for j in range(k):
        swept[j] = out[k, j]
    swept[k] = 0
    for i in range(k + 1, size):
        swept[i] = out[i, k]
    for i in range(size):
        factor = swept[i] * scale
        for j in range(i + 1):
            out[i, j] -= factor * swept[j]
    for j in range(k):
        out[k, j] = swept[j] * scale
    for i in range(k + 1, size):
        out[i, k] = swept[i] * scale
    out[k, k] = -scale


def _inverse_of(matrix: Float64, out: Float64, swept: Float64) -> None:
    """Invert a positive definite matrix by sweeps of its lower half.

    Goodnight, "A tutorial on the SWEEP operator", The American Statistician 33 (1979).

    Args:
        matrix: float64[K, K]; only the lower half is read.
        out: float64[K, K], the inverse.
        swept: float64[K], overwritten.
    """
    size = len(matrix)
    for i in range(size):
        for j in range(i + 1):
            out[i, j] = matrix[i, j]
    for k in range(size):
        _sweep(out, k, swept)
    for i in range(size):
        for j in range(i + 1):
            out[i, j] = out[j, i] = -out[i, j]


fill_moments = nb.njit(nogil=True, cache=True)(_moments_of)
_sweep = nb.njit(nogil=True, fastmath=True, cache=True)(_sweep_of)
_invert = nb.njit(nogil=True, fastmath=True, cache=True)(_inverse_of)
_add_ratings = nb.njit(nogil=True, fastmath=True, cache=True)(_sums_of_ratings)
_explained = nb.njit(nogil=True, fastmath=True, cache=True)(_change_of_error)
fill_posteriors = nb.njit(nogil=True, fastmath=True, cache=True)(_posteriors_of)
