"""Ratings one at a time, in bulk, and as arrays."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from store import bulk_ratings
from store.answers import AnswerStore
from store.database import Database
from store.errors import NotStored
from store.golden import GoldenStore
from store.ratings import RatingStore
from store.records import Counts, MovieRow
from tests.store.conftest import fill, wait_until
from tests.store.test_answers import answer


def test_a_rating_of_a_new_user(ratings: RatingStore) -> None:
    change = ratings.put_rating("ann", "m3", 4.5, 100)
    assert (change.user_key, change.movie_key, change.rating, change.previous, change.new_user) == (
        0,
        3,
        4.5,
        None,
        True,
    )
    assert ratings.counts() == Counts(1, 30, 1)
    assert ratings.user_ids() == ["ann"]


def test_the_same_rating_again_changes_nothing(ratings: RatingStore) -> None:
    first = ratings.put_rating("ann", "m3", 4.5, 100)
    again = ratings.put_rating("ann", "m3", 4.5, 200)
    assert again.previous == 4.5
    assert again.revision == first.revision == ratings.revision()
    assert ratings.user_ratings(0).rated_at.tolist() == [100]


def test_another_rating_replaces(ratings: RatingStore) -> None:
    ratings.put_rating("ann", "m3", 4.5, 100)
    change = ratings.put_rating("ann", "m3", 1.0, 200)
    assert (change.previous, change.new_user) == (4.5, False)
    assert ratings.user_ratings(0).ratings.tolist() == [1.0]
    assert ratings.counts().ratings == 1


def test_a_rating_of_an_unknown_movie_leaves_no_user_behind(ratings: RatingStore) -> None:
    with pytest.raises(NotStored, match="nothing"):
        ratings.put_rating("ann", "nothing", 4.5, 100)
    assert ratings.counts().users == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_a_rating_that_is_no_number_is_refused(ratings: RatingStore, value: float) -> None:
    with pytest.raises(ValueError, match="not a number"):
        ratings.put_rating("ann", "m3", value, 100)
    assert ratings.counts() == Counts(0, 30, 0)


def test_a_rating_is_the_same_however_it_came_in(ratings: RatingStore) -> None:
    """3.7 has no exact float32; neither way of writing takes the other's for another rating."""
    first = ratings.put_rating("ann", "m3", 3.7, 100)
    pair = np.array([0], np.int32), np.array([3], np.int32)
    bulk = ratings.add_ratings(*pair, np.array([3.7], np.float32), np.array([100]))
    assert (bulk.added, bulk.updated, bulk.unchanged, bulk.revision) == (0, 0, 1, first.revision)
    ratings.add_ratings(*pair, np.array([2.3], np.float32), np.array([100]))
    change = ratings.put_rating("ann", "m3", 2.3, 200)
    assert (change.rating, change.previous, change.revision) == (2.3, 2.3, first.revision + 1)


def test_deleting_a_rating(ratings: RatingStore) -> None:
    ratings.put_rating("ann", "m3", 4.5, 100)
    before = ratings.revision()
    change = ratings.delete_rating("ann", "m3")
    assert (change.rating, change.previous) == (None, 4.5)
    assert ratings.counts().ratings == 0
    assert ratings.users_changed_since(before).tolist() == [0]
    assert ratings.movies_changed_since(before).tolist() == [change.movie_key]
    assert ratings.movies_changed_since(change.revision).tolist() == []
    with pytest.raises(NotStored):
        ratings.delete_rating("ann", "m3")


def test_a_forgotten_user_leaves_no_trace_in_the_file(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path}/store.db")
    ratings = RatingStore(database)
    ratings.add_movies([MovieRow(f"m{n}", f"Movie {n}", None, ()) for n in range(30)])
    fill(ratings)
    for movie in range(5):
        ratings.put_rating("annabel-lee-1849", f"m{movie}", 4.5, 77_777_777 + movie)
    expected = [{"kind": "listed", "movie_id": "annabel-movie"}]
    GoldenStore(database).add("annabel", "annabel-lee-1849", {}, expected, created_by="you", most=1)
    key, before, counts = ratings.user_key("annabel-lee-1849"), ratings.revision(), ratings.counts()
    assert key is not None
    log = AnswerStore(database)
    log.add([answer(key, 7, 8, options='{"exclude":["annabel-movie"]}'), answer(0, 7), answer(key, 0x7F01FE02)])
    assert log.prune(1) == 1
    loaded = ratings.load()
    kept = loaded.users != key
    gone = ratings.forget_user("annabel-lee-1849")
    assert (gone.user_key, gone.ratings, gone.revision) == (key, 5, before + 1)
    assert ratings.user_key("annabel-lee-1849") is None
    assert ratings.counts() == replace(counts, ratings=counts.ratings - 5)
    assert ratings.users_changed_since(before).tolist() == [key]
    assert len(ratings.movies_changed_since(before)) == 5
    ratings.erase_traces()
    held = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"annabel" not in held
    assert np.array([0x7F01FE02], "<i4").tobytes() not in held  # the key of the movie that they were shown
    assert (log.of_user(key), len(log.of_user(0))) == ([], 1)
    after = ratings.load()
    for name in ("users", "movies", "ratings", "rated_at"):
        np.testing.assert_array_equal(getattr(after, name), getattr(loaded, name)[kept])
    assert ratings.put_rating("annabel-lee-1849", "m1", 3.0, 1).user_key != key  # the key stays with nobody
    with pytest.raises(NotStored):
        ratings.forget_user("nobody")
    database.close()


def test_who_had_not_rated_by_then_is_not_missed(ratings: RatingStore, database: Database) -> None:
    ratings.put_rating("ann", "m0", 4.0, 1)
    before = ratings.revision()
    ratings.put_rating("bea", "m0", 4.0, 1)
    between = ratings.revision()
    ratings.put_rating("ann", "m1", 4.0, 1)
    ratings.delete_rating("ann", "m0")
    for user in ("ann", "bea"):
        ratings.forget_user(user)
    assert (ratings.forgotten_since(before), sorted(ratings.forgotten_since(between))) == ([0], [0, 1])
    database.write(
        lambda tx: tx.exec_driver_sql("UPDATE users SET external_id = '\x1fforgotten 1' WHERE id = 1").rowcount
    )
    assert sorted(ratings.forgotten_since(before)) == [0, 1]  # an earlier release did not say when it began


def test_who_was_forgotten_since_is_told_by_key(ratings: RatingStore) -> None:
    for user in ("ann", "bob", "cy"):
        ratings.put_rating(user, "m1", 4.0, 1)
    before = ratings.revision()
    assert ratings.forgotten_since(0) == []
    ratings.forget_user("bob")
    between = ratings.revision()
    ratings.forget_user("ann")
    assert sorted(ratings.forgotten_since(before)) == [0, 1]
    assert ratings.forgotten_since(between) == [0]
    assert ratings.forgotten_since(ratings.revision()) == []


def test_an_import_brings_nothing_back_of_who_was_forgotten_since_it_began(ratings: RatingStore) -> None:
    keys = ratings.add_users(["ann", "bob"]).keys
    ratings.forget_user("ann")
    rows = np.repeat(keys, 2), np.array([1, 2, 1, 2], np.int32), np.full(4, 3.5, np.float32), np.full(4, 9, np.int64)
    result = ratings.add_ratings(*rows)
    assert (result.added, result.updated, result.unchanged) == (2, 0, 2)
    assert ratings.load().users.tolist() == [1, 1]
    assert ratings.counts().ratings == 2


def test_bulk_counts_what_is_new_changed_and_the_same(ratings: RatingStore) -> None:
    users, movies, values, times = fill(ratings)
    changed = values.copy()
    changed[:7] = np.where(changed[:7] == 5, 4, 5)
    result = ratings.add_ratings(users, movies, changed, times)
    assert (result.added, result.updated, result.unchanged) == (0, 7, len(users) - 7)
    np.testing.assert_array_equal(ratings.load().ratings, changed)
    same = ratings.add_ratings(users, movies, changed, times)
    assert (same.added, same.updated, same.revision) == (0, 0, result.revision)


def test_of_a_pair_that_occurs_twice_the_last_row_counts(ratings: RatingStore) -> None:
    ratings.add_users(["ann", "bob"])
    columns = (
        np.array([1, 0, 1, 1], np.int32),
        np.array([5, 5, 5, 4], np.int32),
        np.array([1, 2, 3, 4], np.float32),
        np.arange(4),
    )
    first = ratings.add_ratings(*columns)
    assert (first.added, first.updated, first.unchanged) == (3, 0, 1)
    assert ratings.user_ratings(1).ratings.tolist() == [4, 3]
    again = ratings.add_ratings(*columns)
    assert (again.added, again.updated, again.unchanged, again.revision) == (0, 0, 4, first.revision)


def test_no_rows_at_all(ratings: RatingStore) -> None:
    nothing = np.empty(0, np.int32)
    done = ratings.add_ratings(nothing, nothing, np.empty(0, np.float32), np.empty(0, np.int64))
    assert (done.added, done.updated, done.unchanged, done.revision) == (0, 0, 0, ratings.revision())
    assert ratings.add_users([]).keys.tolist() == ratings.add_movies([]).keys.tolist() == []


def test_the_count_of_ratings_is_right_after_any_change(ratings: RatingStore, database: Database) -> None:
    rng = np.random.default_rng(1)
    fill(ratings, 10)
    for _ in range(100):
        user, movie = f"u{rng.integers(14)}", f"m{rng.integers(30)}"
        if rng.random() < 0.5:
            ratings.put_rating(user, movie, float(rng.integers(1, 11)) / 2, 1)
        else:
            with contextlib.suppress(NotStored):
                ratings.delete_rating(user, movie)
        with database.read() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM ratings").scalar() == ratings.counts().ratings


def test_bulk_refuses_what_is_no_number(ratings: RatingStore) -> None:
    ratings.add_users(["ann"])
    one = np.zeros(1, np.int32)
    with pytest.raises(ValueError, match="not a number"):
        ratings.add_ratings(one, one, np.array([np.nan], np.float32), np.zeros(1, np.int64))


def test_ids_keep_their_keys(ratings: RatingStore) -> None:
    first = ratings.add_users(["c", "a", "b"])
    assert (first.keys.tolist(), first.added) == ([0, 1, 2], 3)
    second = ratings.add_users(["b", "z", "a", "z"])
    assert (second.keys.tolist(), second.added) == ([2, 3, 1, 3], 1)
    assert ratings.user_ids() == ["c", "a", "b", "z"]
    assert (ratings.user_key("z"), ratings.user_key("nobody")) == (3, None)


def test_movies_take_what_the_newest_import_says(ratings: RatingStore) -> None:
    rows = [MovieRow("m1", "Another title", 1950, ("War", "Comedy")), MovieRow("new", "New", 2020, ())]
    keys = ratings.add_movies(rows)
    assert (keys.keys.tolist(), keys.added) == ([1, 30], 1)
    movies = ratings.movies()
    assert movies[1] == MovieRow("m1", "Another title", 1950, ("Comedy", "War"))
    assert movies[30] == rows[1]
    assert movies[2].genres == ("Drama",)


def test_what_an_import_does_not_say_of_a_movie_stays_known(ratings: RatingStore) -> None:
    """A file of titles alone must not cost the catalogue its years and genres."""
    before = ratings.movies()[1]
    ratings.add_movies([MovieRow("m1", "Another title", None, ())])
    assert ratings.movies()[1] == MovieRow("m1", "Another title", before.year, before.genres)
    assert before.year is not None
    assert before.genres


def test_the_catalogue_counts_what_is_done_to_movies(ratings: RatingStore) -> None:
    before = ratings.catalogue()
    ratings.put_rating("ann", "m1", 4, 1)
    assert ratings.catalogue() == before
    ratings.add_movies([MovieRow("m1", "Another title", None, ())])
    assert ratings.catalogue() == before + 1


def test_users_changed_since(ratings: RatingStore) -> None:
    fill(ratings)
    before = ratings.revision()
    assert ratings.users_changed_since(before).tolist() == []
    ratings.put_rating("u7", "m1", 0.5, 1)
    ratings.put_rating("somebody new", "m1", 0.5, 1)
    assert ratings.users_changed_since(before).tolist() == [7, 20]


def test_single_ratings_get_in_between_the_chunks_of_a_bulk_write(
    ratings: RatingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every chunk raises the revision by one, and so does a single rating: one in the middle proves it did not wait."""
    monkeypatch.setattr("store.bulk_ratings.CHUNK", 50)
    monkeypatch.setattr("store.bulk_ratings.ALONE", 1)
    keys = ratings.add_users([f"u{n}" for n in range(500)]).keys
    users, movies = np.repeat(keys, 30), np.tile(np.arange(30, dtype=np.int32), 500)
    bulk = Thread(
        target=ratings.add_ratings, args=(users, movies, np.full(15_000, 3, np.float32), np.zeros(15_000, np.int64))
    )
    bulk.start()
    revisions: list[int] = []
    while bulk.is_alive():
        revisions.append(
            ratings.put_rating("urgent", f"m{len(revisions) % 30}", 1 + (len(revisions) // 30) % 2, 1).revision
        )
    bulk.join()
    assert len(set(revisions)) == len(revisions) > 5
    assert revisions[-1] - revisions[0] > len(revisions)  # chunks came between them
    assert ratings.counts().ratings == 15_000 + min(len(revisions), 30)


def test_transactions_are_longer_while_nobody_else_writes(
    ratings: RatingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every transaction raises the revision by one."""
    monkeypatch.setattr("store.bulk_ratings.CHUNK", 3)
    monkeypatch.setattr("store.bulk_ratings.ALONE", 4)
    keys = ratings.add_users(["ann", "bob"]).keys
    movies = np.arange(30, dtype=np.int32)

    def transactions(user: int) -> int:
        before = ratings.revision()
        ratings.add_ratings(np.full(30, keys[user]), movies, np.ones(30, np.float32), np.zeros(30, np.int64))
        return ratings.revision() - before

    monkeypatch.setattr("store.database.QUIET_S", 3600)
    ratings.put_rating("cleo", "m0", 1, 1)
    assert transactions(0) == 10
    monkeypatch.setattr("store.database.QUIET_S", -1)
    assert transactions(1) == 3


def test_a_single_rating_goes_right_after_the_chunk_that_is_being_written(
    ratings: RatingStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is asked for while the first of three chunks is in the writer: the revisions tell the order of commit."""
    monkeypatch.setattr("store.bulk_ratings.CHUNK", 10)
    monkeypatch.setattr("store.bulk_ratings.ALONE", 1)
    put_many = bulk_ratings._put
    chunks: list[int] = []
    singles: list[int] = []
    thread = Thread(target=lambda: singles.append(ratings.put_rating("urgent", "m0", 1, 1).revision))

    def put_many_slowly(*args: Any) -> Any:
        if not chunks:
            thread.start()
            wait_until(lambda: database.writer.queue.qsize() > 0)
        done = put_many(*args)
        chunks.append(done[2])
        return done

    monkeypatch.setattr(bulk_ratings, "_put", put_many_slowly)
    ratings.add_users(["ann"])
    movies, before = np.arange(30, dtype=np.int32), ratings.revision()
    ratings.add_ratings(np.zeros(30, np.int32), movies, np.ones(30, np.float32), np.ones(30, np.int64))
    thread.join()
    assert [one - before for one in (*chunks, *singles)] == [1, 3, 4, 2]


def test_newcomers_of_a_bulk_write_and_of_single_ratings_get_keys_of_their_own(
    ratings: RatingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the people rate by themselves while all of them are imported."""
    monkeypatch.setattr("store.bulk_ratings.CHUNK", 20)
    monkeypatch.setattr("store.bulk_ratings.ALONE", 1)
    people = [f"u{n}" for n in range(600)]
    singles = {}

    def rate() -> None:
        for person in people[::-2]:
            singles[person] = ratings.put_rating(person, "m1", 3, 1).user_key

    thread = Thread(target=rate)
    thread.start()
    keys = ratings.add_users(people).keys
    thread.join()
    assert sorted(keys.tolist()) == list(range(600))
    by_key = ratings.user_ids()
    assert [by_key[key] for key in keys] == people
    assert len(singles) == 300
    assert all(by_key[key] == person for person, key in singles.items())
