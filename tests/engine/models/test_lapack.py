"""Inverse and solutions are right, say where there are none, and leave the interpreter to others meanwhile."""

from __future__ import annotations

import time
from threading import Event, Thread

import numpy as np
import pytest

from engine.models.lapack import invert, solve


def definite(size: int, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).standard_normal((size, 2 * size)).astype(np.float32)
    return drawn @ drawn.T / size + np.eye(size, dtype=np.float32)


@pytest.mark.parametrize("size", [1, 2, 7, 150])
def test_the_upper_triangle_is_that_of_the_inverse(size: int) -> None:
    matrix = definite(size)
    expected = np.linalg.inv(matrix.astype(np.float64))
    invert(matrix)
    np.testing.assert_allclose(np.triu(matrix), np.triu(expected), atol=1e-4)


@pytest.mark.parametrize(("size", "rows"), [(1, 1), (2, 5), (7, 1), (150, 40), (7, 0)])
def test_each_row_is_replaced_by_its_solution(size: int, rows: int) -> None:
    matrix = definite(size)
    right = np.random.default_rng(1).standard_normal((rows, size)).astype(np.float32)
    expected = np.linalg.solve(matrix.astype(np.float64), right.T.astype(np.float64)).T
    solve(matrix, right)
    np.testing.assert_allclose(right, expected, atol=1e-4)


def test_a_system_without_a_solution_is_refused() -> None:
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        solve(-definite(5), np.ones((2, 5), np.float32))


@pytest.mark.parametrize(
    "right", [np.ones((2, 4)), np.ones((2, 3), np.float32), np.asfortranarray(np.ones((2, 4), np.float32))]
)
def test_what_can_not_be_replaced_in_place_is_refused(right: np.ndarray) -> None:
    with pytest.raises(ValueError, match="C-contiguous"):
        solve(definite(4), right)
    with pytest.raises(ValueError, match="C-contiguous"):
        solve(np.asfortranarray(definite(4)), np.ones((2, 4), np.float32))


def test_a_matrix_without_an_inverse_is_refused() -> None:
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        invert(-definite(5))


@pytest.mark.parametrize("matrix", [np.eye(3), np.ones((2, 3), np.float32), np.asfortranarray(definite(4))])
def test_what_can_not_be_inverted_in_place_is_refused(matrix: np.ndarray) -> None:
    with pytest.raises(ValueError, match="C-contiguous"):
        invert(matrix)


def test_other_threads_go_on_meanwhile() -> None:
    """One that keeps the interpreter to itself would let the other count to one at most."""
    matrix, begun, ended, counted = definite(1500), Event(), Event(), [0]

    def count() -> None:
        begun.set()
        while not ended.is_set():
            counted[0] += 1
            time.sleep(0.0001)

    other = Thread(target=count)
    other.start()
    begun.wait()
    before = counted[0]
    invert(matrix)
    after = counted[0]
    ended.set()
    other.join()
    assert after > before + 5
