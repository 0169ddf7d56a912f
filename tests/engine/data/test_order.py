"""Ratings are put in order by key, and by time within a key, as NumPy's sorts do."""

import numpy as np
import pytest

from engine.data.order import OWNERS_AT_ONCE, group_rows, places_by_time


@pytest.mark.parametrize(("rows", "owners", "times"), [(0, 4, 5), (900, 7, 1), (900, 40, 6), (5000, 1300, 10**9)])
def test_places_are_those_of_a_sort_by_owner_time_and_tie(rows: int, owners: int, times: int) -> None:
    rng = np.random.default_rng(0)
    keys, when, ties = (
        rng.integers(0, owners, rows).astype(np.int32),
        rng.integers(0, times, rows),
        rng.permutation(rows),
    )
    start, order = group_rows(keys, owners)
    assert np.array_equal(order, np.argsort(keys, kind="stable"))
    assert np.array_equal(np.diff(start), np.bincount(keys, minlength=owners))
    whole, counts = np.lexsort((ties, when, keys)), np.bincount(keys, minlength=owners)
    expected = np.empty(rows, np.int64)
    expected[whole] = np.arange(rows) - np.repeat(np.cumsum(counts) - counts, counts)
    assert np.array_equal(places_by_time(start, order, when, ties), expected)


def test_more_owners_than_a_thread_takes_at_once() -> None:
    assert OWNERS_AT_ONCE < 1300  # the last case above


def test_a_key_outside_is_refused() -> None:
    for keys in ([0, 3], [-1, 0]):
        with pytest.raises(IndexError, match="outside 0 to 2"):
            group_rows(np.array(keys, np.int32), 3)
