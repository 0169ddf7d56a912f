"""Ratings one at a time, in bulk, and as arrays."""

from __future__ import annotations

from threading import Thread

import numpy as np
import pytest

from store.database import Database
from store.errors import NotStored
from store.ratings import RatingStore
from store.records import Counts, MovieRow
from tests.store.conftest import fill


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


def test_deleting_a_rating(ratings: RatingStore) -> None:
    ratings.put_rating("ann", "m3", 4.5, 100)
    before = ratings.revision()
    change = ratings.delete_rating("ann", "m3")
    assert (change.rating, change.previous) == (None, 4.5)
    assert ratings.counts().ratings == 0
    assert ratings.users_changed_since(before).tolist() == [0]
    with pytest.raises(NotStored):
        ratings.delete_rating("ann", "m3")


def test_arrays_are_what_was_written(ratings: RatingStore) -> None:
    columns = fill(ratings)
    loaded = ratings.load()
    for found, expected in zip((loaded.users, loaded.movies, loaded.ratings, loaded.rated_at), columns, strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_arrays_of_an_empty_store(ratings: RatingStore) -> None:
    assert len(ratings.load().users) == 0


def test_bulk_counts_what_is_new_changed_and_the_same(ratings: RatingStore) -> None:
    users, movies, values, times = fill(ratings)
    changed = values.copy()
    changed[:7] = np.where(changed[:7] == 5, 4, 5)
    result = ratings.add_ratings(users, movies, changed, times)
    assert (result.added, result.updated, result.unchanged) == (0, 7, len(users) - 7)
    np.testing.assert_array_equal(ratings.load().ratings, changed)
    same = ratings.add_ratings(users, movies, changed, times)
    assert (same.added, same.updated, same.revision) == (0, 0, result.revision)


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
    rows = [MovieRow("m1", "Another title", None, ("War", "Comedy")), MovieRow("new", "New", 2020, ())]
    keys = ratings.add_movies(rows)
    assert (keys.keys.tolist(), keys.added) == ([1, 30], 1)
    movies = ratings.movies()
    assert movies[1] == MovieRow("m1", "Another title", None, ("Comedy", "War"))
    assert movies[30] == rows[1]
    assert movies[2].genres == ("Drama",)


def test_users_changed_since(ratings: RatingStore) -> None:
    fill(ratings)
    before = ratings.revision()
    assert ratings.users_changed_since(before).tolist() == []
    ratings.put_rating("u7", "m1", 0.5, 1)
    ratings.put_rating("somebody new", "m1", 0.5, 1)
    assert ratings.users_changed_since(before).tolist() == [7, 20]


def cached_files(database: Database) -> list[str]:
    return [path.name for path in database.path.with_name("test.db.cache").iterdir()]


def test_the_cache_is_used_and_renewed(
    ratings: RatingStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What changed since the cache was written is put into its arrays; where it is too much, all is read again."""
    fill(ratings)
    ratings.load()
    before = cached_files(database)
    rng = np.random.default_rng(1)
    for _ in range(40):
        user, movie = f"u{rng.integers(25)}", f"m{rng.integers(30)}"  # five of them new
        ratings.put_rating(user, movie, float(rng.integers(1, 11)) / 2, int(rng.integers(10**9)))
    ratings.delete_rating("u3", ratings.movies()[int(ratings.user_ratings(3).movies[0])].external_id)
    for most in (20_000, 0):
        monkeypatch.setattr("store.ratings.MOST_RENEWED", most)
        found, expected = ratings.load(), ratings._load_rows()
        assert found.revision == expected.revision == ratings.revision()
        for name in ("users", "movies", "ratings", "rated_at"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
            assert getattr(found, name).dtype == getattr(expected, name).dtype
        assert (cached_files(database) == before) is (most == 20_000)
    assert len(cached_files(database)) == 1


def test_a_cache_newer_than_the_store_is_not_used(ratings: RatingStore, database: Database) -> None:
    columns = fill(ratings)
    ratings.load()
    (path,) = database.path.with_name("test.db.cache").iterdir()
    path.rename(path.with_name(f"ratings-{database.identity}-{ratings.revision() + 1}.npz"))
    np.testing.assert_array_equal(ratings.load().ratings, columns[2])


@pytest.mark.parametrize("damage", [b"", b"PK not a zip", None])
def test_a_damaged_cache_is_made_anew(ratings: RatingStore, database: Database, damage: bytes | None) -> None:
    columns = fill(ratings)
    ratings.load()
    (cached,) = list(database.path.with_name("test.db.cache").iterdir())
    if damage is None:
        content = bytearray(cached.read_bytes())
        content[len(content) // 2] ^= 0xFF
        cached.write_bytes(content)
    else:
        cached.write_bytes(damage)
    np.testing.assert_array_equal(ratings.load().ratings, columns[2])


def test_single_ratings_get_in_between_the_chunks_of_a_bulk_write(
    ratings: RatingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every chunk raises the revision by one, and so does a single rating: one in the middle proves it did not wait."""
    monkeypatch.setattr("store.ratings.CHUNK", 50)
    keys = ratings.add_users([f"u{n}" for n in range(2000)]).keys
    users, movies = np.repeat(keys, 30), np.tile(np.arange(30, dtype=np.int32), 2000)
    bulk = Thread(
        target=ratings.add_ratings, args=(users, movies, np.full(60_000, 3, np.float32), np.zeros(60_000, np.int64))
    )
    bulk.start()
    revisions = []
    while bulk.is_alive():
        revisions.append(
            ratings.put_rating("urgent", f"m{len(revisions) % 30}", 1 + (len(revisions) // 30) % 2, 1).revision
        )
    bulk.join()
    assert len(set(revisions)) == len(revisions) > 5
    assert revisions[-1] - revisions[0] > len(revisions)  # chunks came between them
    assert ratings.counts().ratings == 60_000 + min(len(revisions), 30)
