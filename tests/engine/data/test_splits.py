"""Parts are disjoint and complete, and what is held out by time is the latest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.data.history import UNKNOWN
from engine.data.ratings import Interactions
from engine.data.splits import (
    hold_out,
    leave_last_out,
    split_by_time,
    split_by_user_time,
    split_folds,
    split_random,
    with_order,
)
from engine.errors import InvalidInput


def pairs(data: Interactions) -> set[tuple[int, int]]:
    return set(zip(data.users.tolist(), data.items.tolist(), strict=True))


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
def test_each_users_last_ratings_are_the_test_part(small: Interactions, fraction: float) -> None:
    split = split_by_user_time(small, fraction)
    assert pairs(split.train) | pairs(split.test) == pairs(small)
    assert not pairs(split.train) & pairs(split.test)
    assert split.train.timestamps is not None
    assert split.test.timestamps is not None
    for user in range(small.n_users):
        before = split.train.timestamps[split.train.by_user.of(user)]
        after = split.test.timestamps[split.test.by_user.of(user)]
        assert len(after) == int(25 * fraction)
        assert before.max() < after.min()


@pytest.mark.parametrize("seed", [0, 1])
def test_ratings_of_others_change_nobodys_parts(small: Interactions, seed: int) -> None:
    timeless = replace(small, timestamps=None)
    others = timeless.users != 3
    whole, less = (split_by_user_time(one, seed=seed).test for one in (timeless, timeless.subset(others)))
    assert {pair for pair in pairs(whole) if pair[0] != 3} == pairs(less)
    assert pairs(split_by_user_time(timeless, seed=seed + 1).test) != pairs(whole)


def test_few_times_and_equal_times_tell_no_order(small: Interactions) -> None:
    assert small.timestamps is not None
    few, half = np.full(len(small), UNKNOWN), small.timestamps.copy()
    few[0] = 1_700_000_000
    half[: len(small) // 2] = UNKNOWN
    for times in (few, np.full(len(small), UNKNOWN), np.full(len(small), 1_700_000_000)):
        assert with_order(replace(small, timestamps=times)).timestamps is None
    for data in (small, replace(small, timestamps=half), replace(small, timestamps=None)):
        assert with_order(data) is data


TIMED = st.dictionaries(st.tuples(st.integers(0, 5), st.integers(0, 12)), st.integers(0, 6), min_size=1, max_size=60)
FRACTIONS = st.floats(0.05, 0.95)


def timed(times: dict[tuple[int, int], int]) -> Interactions:
    rows = [(user, movie, 3.0, time) for (user, movie), time in times.items()]
    return Interactions.from_frame(pd.DataFrame(rows, columns=["user_id", "movie_id", "rating", "timestamp"]))


@given(TIMED, FRACTIONS)
def test_parts_are_disjoint_and_no_test_rating_is_older_than_one_of_its_user_in_training(
    times: dict[tuple[int, int], int], fraction: float
) -> None:
    data = timed(times)
    held = np.floor(data.user_counts * fraction).astype(int)
    assume(held.any())  # otherwise nothing can be held out, which is refused
    split = split_by_user_time(data, fraction)
    assert pairs(split.train) | pairs(split.test) == pairs(data)
    assert len(split.train) + len(split.test) == len(data)
    assert split.test.user_counts.tolist() == held.tolist()
    assert split.train.timestamps is not None
    assert split.test.timestamps is not None
    for user in np.flatnonzero(held).tolist():
        latest = split.train.timestamps[split.train.by_user.of(user)].max()
        assert latest <= split.test.timestamps[split.test.by_user.of(user)].min()


@given(TIMED, FRACTIONS, st.integers(0, 9))
def test_a_random_split_parts_every_rating_once(times: dict[tuple[int, int], int], fraction: float, seed: int) -> None:
    data = timed(times)
    assume(int(len(data) * fraction) > 0)
    split = split_random(data, fraction, seed)
    assert pairs(split.train) | pairs(split.test) == pairs(data)
    assert (len(split.train), len(split.test)) == (len(data) - int(len(data) * fraction), int(len(data) * fraction))


@given(TIMED, FRACTIONS, st.integers(0, 9))
def test_no_rating_held_out_by_time_is_older_than_any_in_training(
    times: dict[tuple[int, int], int], fraction: float, seed: int
) -> None:
    data = timed(times)
    held = int(len(data) * fraction)
    assume(held)
    split = split_by_time(data, fraction, seed)
    assert pairs(split.train) | pairs(split.test) == pairs(data)
    assert (len(split.train), len(split.test)) == (len(data) - held, held)
    assert split.train.timestamps is not None
    assert split.test.timestamps is not None
    assert split.train.timestamps.max() <= split.test.timestamps.min()


@given(TIMED, st.integers(1, 6))
def test_the_last_of_each_user_are_left_out_where_some_remain(times: dict[tuple[int, int], int], n: int) -> None:
    data = timed(times)
    most = int(data.user_counts.max())
    assume(most > 1)
    n = min(n, most - 1)
    enough = data.user_counts > n
    split = leave_last_out(data, n)
    assert pairs(split.train) | pairs(split.test) == pairs(data)
    assert split.test.user_counts.tolist() == np.where(enough, n, 0).tolist()
    assert split.train.user_counts.tolist() == np.where(enough, data.user_counts - n, data.user_counts).tolist()
    assert split.train.timestamps is not None
    assert split.test.timestamps is not None
    for user in np.flatnonzero(enough).tolist():
        latest = split.train.timestamps[split.train.by_user.of(user)].max()
        assert latest <= split.test.timestamps[split.test.by_user.of(user)].min()


@given(TIMED, st.integers(2, 6), st.integers(0, 9))
def test_every_rating_is_tested_by_exactly_one_fold(times: dict[tuple[int, int], int], k: int, seed: int) -> None:
    data = timed(times)
    assume(len(data) >= k)
    folds = list(split_folds(data, k, seed))
    assert len(folds) == k
    assert set().union(*(pairs(fold.test) for fold in folds)) == pairs(data)
    sizes = [len(fold.test) for fold in folds]
    assert sum(sizes) == len(data)
    assert max(sizes) - min(sizes) <= 1
    for fold in folds:
        assert len(fold.train) + len(fold.test) == len(data)
        assert not pairs(fold.train) & pairs(fold.test)


@given(TIMED)
def test_three_parts_hold_every_rating_once(times: dict[tuple[int, int], int]) -> None:
    data = timed(times)
    parts = hold_out(data)
    found = [part for part in (parts.fit, parts.validation, parts.test) if part is not None]
    assert sum(len(part) for part in found) == len(data)
    assert set().union(*(pairs(part) for part in found)) == pairs(data)


@pytest.mark.parametrize("times", [None, "equal"])
def test_without_times_a_draw_decides_and_not_the_order_of_rows(small: Interactions, times: str | None) -> None:
    """Rows sorted by movie would otherwise put each user's highest movies, the newest ones, into the test part."""
    order = np.lexsort((small.items, small.users))
    tied = None if times is None else np.full(len(small), 7)
    data = replace(small.subset(order), timestamps=tied)
    split = split_by_user_time(data)
    assert np.array_equal(split.test.user_counts, np.full(60, 5))
    assert pairs(split.test) == pairs(split_by_user_time(data).test)
    assert abs(split.test.items.mean() - data.items.mean()) < 5


def test_a_random_split_has_its_size_and_repeats(small: Interactions) -> None:
    one, two, other = split_random(small, 0.2, 1), split_random(small, 0.2, 1), split_random(small, 0.2, 2)
    assert len(one.test) == 300
    assert pairs(one.test) == pairs(two.test) != pairs(other.test)
    assert not pairs(one.train) & pairs(one.test)


def test_folds_repeat_for_a_seed(small: Interactions) -> None:
    one, two, other = ([pairs(fold.test) for fold in split_folds(small, 5, seed)] for seed in (1, 1, 2))
    assert one == two != other


def test_of_one_moment_a_draw_decides_and_not_the_order_of_rows(small: Interactions) -> None:
    """Two moments: the earlier half stays in training, and of the later one the draw takes from all over the rows."""
    moments = np.repeat([1, 2], len(small) // 2)
    split = split_by_time(replace(small, timestamps=moments), 0.25)
    assert split.test.timestamps is not None
    assert set(split.test.timestamps.tolist()) == {2}
    held = pairs(split.test)
    rows = np.flatnonzero([pair in held for pair in zip(small.users.tolist(), small.items.tolist(), strict=True)])
    assert abs(rows.mean() - 0.75 * len(small)) < 0.03 * len(small)


def test_no_split_by_time_without_times(small: Interactions) -> None:
    with pytest.raises(InvalidInput, match="which are unknown") as refused:
        split_by_time(replace(small, timestamps=None))
    assert refused.value.field == "timestamps"


def test_without_times_a_draw_leaves_ratings_out(small: Interactions) -> None:
    split = leave_last_out(replace(small, timestamps=None), 2)
    assert split.test.user_counts.tolist() == [2] * 60


@pytest.mark.parametrize(("n", "why"), [(0, "at least 1"), (-3, "at least 1"), (25, "too few")])
def test_as_many_as_everybody_has_cannot_be_left_out(small: Interactions, n: int, why: str) -> None:
    with pytest.raises(InvalidInput, match=why) as refused:
        leave_last_out(small, n)
    assert refused.value.field == "n"


@pytest.mark.parametrize("k", [-1, 0, 1, 1501])
def test_impossible_folds_are_refused_before_the_first_is_taken(small: Interactions, k: int) -> None:
    with pytest.raises(InvalidInput, match="folds") as refused:
        split_folds(small, k)
    assert refused.value.field == "k"


def test_three_parts(small: Interactions) -> None:
    parts = hold_out(small)
    assert parts.validation is not None
    assert parts.test is not None
    assert pairs(parts.fit) | pairs(parts.validation) == pairs(parts.train)
    assert pairs(parts.train) | pairs(parts.test) == pairs(small)
    assert len(parts.fit) + len(parts.validation) + len(parts.test) == len(small)


def test_too_few_ratings_for_parts(small: Interactions) -> None:
    handful = small.subset(np.arange(3))
    parts = hold_out(handful)
    assert (parts.validation, parts.test) == (None, None)
    assert len(parts.fit) == 3


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 2])
def test_impossible_fractions(small: Interactions, fraction: float) -> None:
    for split in (split_by_user_time, split_random, split_by_time):
        with pytest.raises(InvalidInput, match="between 0 and 1"):
            split(small, fraction)
