"""The answer log keeps what users were given, says what it takes in the file, and erases it."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from store.answers import Answer, AnswerRecord, AnswerStore, movies_of, pack, scores_of
from store.database import Database
from store.ratings import RatingStore
from tests.store.conftest import Clock

DAY_S = 86_400


def answer(user_key: int, *movies: int, at: float = 1e9, options: str | None = None) -> Answer:
    """A list of these movies, with scores that fall from 1."""
    keys = np.array(movies, np.int32)
    scores = np.linspace(1, 0, len(keys), dtype=np.float32)
    return Answer(
        user_key=user_key,
        at=at,
        version=3,
        revision=70_000,
        ratings_count=40,
        options=options,
        places=pack(keys, scores),
    )


@pytest.fixture
def store(database: Database, ratings: RatingStore) -> AnswerStore:
    ratings.add_users([f"u{n}" for n in range(200)])
    return AnswerStore(database)


def test_a_list_is_packed_in_eight_bytes_a_place() -> None:
    movies, scores = np.array([7, 2**31 - 1, 0], np.int32), np.array([0.5, -1e-9, 3e7], np.float32)
    places = pack(movies.astype(np.int64), scores)
    assert len(places) == 24
    np.testing.assert_array_equal(movies_of(places), movies)
    np.testing.assert_array_equal(scores_of(places), scores)
    assert pack(movies[:0], scores[:0]) == b""
    assert movies_of(b"").tolist() == scores_of(b"").tolist() == []


def test_answers_come_back_newest_first_and_in_pages(store: AnswerStore) -> None:
    given = [answer(1, 4, 5), answer(2, 6), answer(1, 5, 4, options='{"n":2}'), answer(1)]
    assert store.add(given) == 4
    found = store.of_user(1)
    assert [one.answer_id for one in found] == [4, 3, 1]
    assert found == [AnswerRecord(**asdict(given[one.answer_id - 1]), answer_id=one.answer_id) for one in found]
    assert [one.answer_id for one in store.of_user(1, 1, before=4)] == [3]
    assert store.of_user(9) == []
    assert {key: one.answer_id for key, one in store.last_of([1, 2, 9]).items()} == {1: 4, 2: 2}


def test_whether_a_movie_was_among_the_first_places_lately(store: AnswerStore) -> None:
    store.add([answer(1, 7, 8, 9, at=1e9), answer(1, 8, 7, at=1e9 + 10 * DAY_S), answer(2, 3, at=1e9 + 10 * DAY_S)])
    now = 1e9 + 11 * DAY_S
    assert store.was_shown(1, 8, first=1, since=now - 2 * DAY_S, until=now)
    assert not store.was_shown(1, 7, first=1, since=now - 2 * DAY_S, until=now)
    assert store.was_shown(1, 7, first=1, since=now - 20 * DAY_S, until=now)
    assert store.was_shown(1, 7, first=2, since=now - 2 * DAY_S, until=now)
    assert not store.was_shown(1, 9, first=10, since=now - 2 * DAY_S, until=now)
    assert not store.was_shown(1, 3, first=10, since=0, until=now)
    assert not store.was_shown(9, 3, first=10, since=0, until=now)


def test_who_was_deleted_meanwhile_is_left_out(store: AnswerStore, ratings: RatingStore) -> None:
    key = ratings.user_key("u5")
    assert key is not None
    store.add([answer(key, 1), answer(6, 1)])
    ratings.forget_user("u5")
    assert store.of_user(key) == []
    assert store.add([answer(key, 2), answer(6, 2)]) == 1
    assert store.of_user(key) == []
    assert len(store.of_user(6)) == 2


def test_the_oldest_are_pruned(store: AnswerStore, clock: Clock) -> None:
    store.add([answer(n % 3, n, at=clock.now + n) for n in range(10)])
    assert store.first_at() == clock.now
    assert store.prune(4) == 4
    assert (store.held()[0], store.first_at()) == (6, clock.now + 4)
    assert store.prune(100) == 6
    assert store.held() == (0, 0)
    assert store.first_at() is None


@pytest.mark.parametrize("length", [1, 10, 50, 100, 300, 1000])
def test_the_size_is_that_of_the_file(database: Database, store: AnswerStore, length: int) -> None:
    """Within 15%: how full the pages of the index are depends on the order of the users."""
    rng = np.random.default_rng(0)

    def size() -> int:
        database.checkpoint()
        return database.path.stat().st_size

    before, count = size(), max(10_000 // length, 100)
    given = [answer(int(rng.integers(200)), *rng.integers(9000, size=length).tolist()) for _ in range(count)]
    for start in range(0, len(given), 500):
        store.add(given[start : start + 500])
    assert store.held() == (len(given), sum(one.size for one in given))
    assert store.held()[1] == pytest.approx(size() - before, rel=0.15)
