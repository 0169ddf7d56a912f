"""Counts and sums that can be added and subtracted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from engine.data.tallies import Tally, month_name, months


def some(rng: np.random.Generator, n: int = 400) -> tuple[Any, ...]:
    return (
        rng.integers(0, 20, n).astype(np.int32),
        rng.integers(0, 30, n).astype(np.int32),
        (rng.integers(1, 11, n) / 2).astype(np.float32),
        np.where(rng.random(n) < 0.1, -1, rng.integers(0, 2**31, n)),
    )


def test_a_tally_counts_by_user_movie_value_and_month() -> None:
    users, items, ratings, times = some(np.random.default_rng(0))
    tally = Tally.of(users, items, ratings, times, 21, 31)
    for key in (0, 7, 20):
        assert tally.user_counts[key] == (users == key).sum()
        assert tally.user_sums[key] == ratings[users == key].sum()
        assert tally.movie_counts[key] == (items == key).sum()
    assert tally.values == {value: int((ratings == value).sum()) for value in np.unique(ratings).tolist()}
    named = [datetime.fromtimestamp(one, UTC).strftime("%Y-%m") for one in times.tolist() if one >= 0]
    assert {month_name(month): count for month, count in tally.months.items()} == {
        month: named.count(month) for month in sorted(set(named))
    }
    assert (tally.ratings, tally.mean) == (400, ratings.mean(dtype=np.float64))
    assert np.isnan(tally.user_means[20])


def test_what_is_added_and_taken_away_equals_a_count_of_the_rest() -> None:
    rng = np.random.default_rng(1)
    whole = some(rng)
    kept = rng.random(len(whole[0])) < 0.6
    part, rest = (tuple(column[rows] for column in whole) for rows in (kept, ~kept))
    everything, kept_part, others = (Tally.of(one[0], one[1], one[2], one[3], 20, 30) for one in (whole, part, rest))
    for ours, theirs in ((everything - others, kept_part), (kept_part + others, everything)):
        assert_array_equal(ours.user_counts, theirs.user_counts)
        assert_allclose(ours.movie_sums, theirs.movie_sums)
        assert (ours.values, ours.months) == (theirs.values, theirs.months)


def test_without_times_there_are_no_months() -> None:
    assert months(np.array([-1, -1])) == {}
    users = np.zeros(1, np.int32)
    assert Tally.of(users, users, np.ones(1, np.float32), None, 1, 1).months == {}
