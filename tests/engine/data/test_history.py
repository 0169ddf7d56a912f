"""A history keeps the time of each rating, and weighs ratings by their rank from the newest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.history import NOBODY, UNKNOWN, History, rank_from_newest, weigh_by_recency
from engine.data.ratings import Interactions

ROWS = st.lists(st.tuples(st.integers(0, 3), st.one_of(st.just(UNKNOWN), st.integers(0, 6))), max_size=30)


def columns(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([owner for owner, _ in rows], np.int32), np.array([time for _, time in rows], np.int64)


def ranks_by_definition(rows: list[tuple[int, int]]) -> list[float]:
    """Each rating's mean place among those of equal time, after all newer ones of its owner."""
    ranks = []
    for owner, time in rows:
        newer = sum(other == owner and later > time for other, later in rows)
        ranks.append(newer + (rows.count((owner, time)) - 1) / 2)
    return ranks


@given(rows=ROWS.filter(len))
def test_ranks_from_the_newest_are_those_of_the_definition(rows: list[tuple[int, int]]) -> None:
    assert rank_from_newest(*columns(rows)).tolist() == ranks_by_definition(rows)


@given(rows=ROWS, power=st.sampled_from([0.0, 0.3, 1.0, 2.5]))
def test_weights_by_recency_are_powers_of_the_rank(rows: list[tuple[int, int]], power: float) -> None:
    found = weigh_by_recency(*columns(rows), power)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [(1 + rank) ** -power for rank in ranks_by_definition(rows)], rtol=1e-6)


@given(rows=ROWS, power=st.sampled_from([0.3, 1.0]))
def test_a_history_weighs_as_its_owners_ratings_among_all(rows: list[tuple[int, int]], power: float) -> None:
    """Bit for bit, so that lists are judged with the weights that they are served with."""
    owners, times = columns(rows)
    together = weigh_by_recency(owners, times, power)
    for owner in set(owners.tolist()):
        mine = owners == owner
        past = History.of(np.arange(mine.sum(), dtype=np.int32), np.ones(mine.sum(), np.float32), times[mine])
        assert np.array_equal(past.recency(power), together[mine])


def past(*times: int) -> History:
    n = len(times)
    return History.of(np.arange(n, dtype=np.int32), np.arange(1, n + 1, dtype=np.float32), np.array(times, np.int64))


def test_unknown_times_are_the_oldest() -> None:
    assert past(5, UNKNOWN, 0).recency(1.0).tolist() == pytest.approx([1, 1 / 3, 1 / 2])


def test_without_times_no_rating_is_newer_than_another() -> None:
    history = History.of(np.arange(3, dtype=np.int32), np.ones(3, np.float32))
    assert history.times.tolist() == [UNKNOWN] * 3
    assert len(set(history.recency(0.7).tolist())) == 1


def test_a_rating_is_added_or_replaced_with_its_time() -> None:
    history = past(10, 20, 30).without(1).with_rating(1, 4.5, 40).with_rating(0, 2.0)
    assert history.items.tolist() == [0, 1, 2]
    assert history.ratings.tolist() == [2.0, 4.5, 3.0]
    assert history.times.tolist() == [UNKNOWN, 40, 30]
    assert (history.rating_of(1), history.rating_of(7)) == (4.5, None)


def test_taking_a_rating_away_moves_older_ones_up() -> None:
    history = past(10, 20, 30)
    assert history.recency(1.0).tolist() == pytest.approx([1 / 3, 1 / 2, 1])
    assert history.without(1).recency(1.0).tolist() == pytest.approx([1 / 2, 1])


def test_changes_leave_the_history_as_it_was() -> None:
    history = past(10, 20)
    history.with_rating(0, 5.0, 99)
    history.without(1)
    assert (history.items.tolist(), history.ratings.tolist(), history.times.tolist()) == ([0, 1], [1, 2], [10, 20])
    assert len(NOBODY) == 0
    assert len(NOBODY.with_rating(3, 4.0)) == 1
    assert NOBODY.recency(0.5).tolist() == []


def test_columns_of_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="same length"):
        History.of(np.arange(2, dtype=np.int32), np.ones(2, np.float32), np.zeros(3, np.int64))


def test_interactions_give_a_users_history_in_order_of_key(small: Interactions) -> None:
    assert small.timestamps is not None
    shuffled = small.subset(np.random.default_rng(0).permutation(len(small)))
    for user in (0, 17, 59):
        rows = np.flatnonzero(small.users == user)
        rows = rows[np.argsort(small.items[rows])]
        for data in (small, shuffled):
            history = data.history(user)
            assert history.items.tolist() == small.items[rows].tolist()
            assert history.ratings.tolist() == small.ratings[rows].tolist()
            assert history.times.tolist() == small.timestamps[rows].tolist()


@pytest.mark.parametrize("user", [-1, 60])
def test_a_user_that_the_ratings_do_not_have_has_no_history(small: Interactions, user: int) -> None:
    assert len(small.history(user)) == 0
