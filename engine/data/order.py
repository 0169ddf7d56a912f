"""Orders of many ratings: by a key, and by time within a key."""

from __future__ import annotations

import numba as nb
import numpy as np

from engine.data.arrays import Int32, Int64, Ints
from engine.parallel import run_all

MANY = 1 << 31
OWNERS_AT_ONCE = 512
"""Owners whose ratings a thread sorts before it takes the next ones."""


def group_rows(keys: Int32, n: int) -> tuple[Int64, Ints]:
    """int64[n + 1] and int32[len(keys)]: key k has the rows ``order[start[k]:start[k + 1]]``, in their own order.

    A counting sort, which takes a time in proportion to the rows. From 2^31 rows on the order is of int64.

    Raises:
        IndexError: a key is not in 0..n-1.
    """
    if len(keys) and not 0 <= int(keys.min()) <= int(keys.max()) < n:
        raise IndexError(f"keys from {keys.min()} to {keys.max()} are outside 0 to {n - 1}")
    start = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(keys, minlength=n), out=start[1:])
    order = np.empty(len(keys), np.int32 if len(keys) < MANY else np.int64)
    _scatter(keys, start[:-1].copy(), order)
    return start, order


def places_by_time(start: Int64, order: Ints, times: Int64, ties: Int64) -> Int64:
    """int64[n]: each row's place among the rows of its owner, the earliest first.

    Args:
        start: see ``order``.
        order: the owners' rows, as ``group_rows`` gives them.
        times: int64[n].
        ties: int64[n], distinct numbers that order rows of equal times.
    """
    place = np.empty(len(order), np.int64)
    owners = len(start) - 1

    def sort(first: int) -> None:
        _sort_owners(first, min(first + OWNERS_AT_ONCE, owners), start, order, times, ties, place)

    run_all(sort, range(0, owners, OWNERS_AT_ONCE))
    return place


def _scatter_rows(keys: Int32, following: Int64, order: Ints) -> None:
    for row in range(len(keys)):
        order[following[keys[row]]] = row
        following[keys[row]] += 1


def _sort_rows(first: int, last: int, start: Int64, order: Ints, times: Int64, ties: Int64, place: Int64) -> None:
    for owner in range(first, last):
        rows = order[start[owner] : start[owner + 1]]
        rows = rows[np.argsort(times[rows])]
        begin = 0
        while begin < len(rows):
            end = begin + 1
            while end < len(rows) and times[rows[end]] == times[rows[begin]]:
                end += 1
            if end - begin > 1:
                tied = rows[begin:end].copy()
                rows[begin:end] = tied[np.argsort(ties[tied])]
            begin = end
        for n in range(len(rows)):
            place[rows[n]] = n


_scatter = nb.njit(nogil=True, cache=True)(_scatter_rows)
_sort_owners = nb.njit(nogil=True, cache=True)(_sort_rows)
