"""All ratings as arrays, whatever happens to the file that caches them."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from sqlalchemy import Connection

from store.cache import EVERYONE, RatingCache, _rows
from store.database import Database
from store.errors import NotStored
from store.ratings import RatingStore
from store.records import RatingArrays
from store.schema import meta
from tests.store.conftest import fill

NAMES = ("users", "movies", "ratings", "rated_at")


def cached(database: Database) -> Path:
    (path,) = database.path.with_name("test.db.cache").iterdir()
    return path


def assert_true_to_the_rows(database: Database, loaded: RatingArrays) -> None:
    with database.read() as connection:
        rows = connection.exec_driver_sql(
            "SELECT user_id, movie_id, rating, rated_at FROM ratings ORDER BY user_id, movie_id"
        ).all()
        revision = connection.exec_driver_sql("SELECT value FROM meta WHERE name = 'revision'").scalar_one()
    assert loaded.revision == int(revision)
    for place, (name, dtype) in enumerate(zip(NAMES, (np.int32, np.int32, np.float32, np.int64), strict=True)):
        found = getattr(loaded, name)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, np.array([row[place] for row in rows], dtype))


@pytest.fixture
def no_sql(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From the call on, whoever reads the whole table fails."""

    def refuse(connection: Connection, statement: str, parameters: tuple[int, ...]) -> RatingArrays:
        assert statement != EVERYONE, "the file was not used"
        return _rows(connection, statement, parameters)

    return lambda: monkeypatch.setattr("store.cache._rows", refuse)


def test_arrays_are_what_was_written(ratings: RatingStore) -> None:
    columns = fill(ratings)
    for _ in range(2):  # from the rows, then from the file
        loaded = ratings.load()
        for name, expected in zip(NAMES, columns, strict=True):
            assert getattr(loaded, name).dtype == expected.dtype
            np.testing.assert_array_equal(getattr(loaded, name), expected)


def test_every_float32_comes_back_exactly(ratings: RatingStore) -> None:
    """Ratings travel through SQLite's decimal text; so do the extremes of times and of float32."""
    bits = np.random.default_rng(0).integers(0, 2**32, 3000, dtype=np.uint32).view(np.float32)
    extremes = np.array([0.1, 3.7, 1e-45, 3.4028235e38, -0.5, 16777217], np.float32)
    values = np.append(bits[np.isfinite(bits)][:2400], extremes)
    users, movies = np.divmod(np.arange(len(values), dtype=np.int32), np.int32(30))
    times = np.random.default_rng(1).integers(-(2**62), 2**62, len(values))
    ratings.add_users([f"u{n}" for n in range(users.max() + 1)])
    ratings.add_ratings(users, movies, values, times)
    loaded = ratings.load()
    assert loaded.ratings.tobytes() == values.tobytes()
    np.testing.assert_array_equal(loaded.rated_at, times)


def test_arrays_of_an_empty_store(ratings: RatingStore, database: Database) -> None:
    for _ in range(2):
        assert_true_to_the_rows(database, ratings.load())


def test_the_file_serves_until_something_changes(
    ratings: RatingStore, database: Database, no_sql: Callable[[], None]
) -> None:
    fill(ratings)
    ratings.load()
    no_sql()
    assert_true_to_the_rows(database, ratings.load())


def test_after_a_few_changes_only_their_users_are_read(
    ratings: RatingStore, database: Database, no_sql: Callable[[], None]
) -> None:
    fill(ratings)
    ratings.load()
    before = cached(database)
    no_sql()
    ratings.put_rating("u3", "m1", 0.5, 7)
    ratings.put_rating("u3", "m2", 1.5, 7)
    ratings.put_rating("somebody new", "m9", 2.5, 7)
    for movie in ratings.user_ratings(0).movies:
        ratings.delete_rating("u0", f"m{movie}")
    loaded = ratings.load()
    assert 0 not in loaded.users
    assert_true_to_the_rows(database, loaded)
    assert cached(database).exists()
    assert before.suffix == ".arrow"


def test_a_file_that_most_has_changed_since_is_written_anew(ratings: RatingStore, database: Database) -> None:
    columns = fill(ratings)
    ratings.load()
    before = cached(database)
    ratings.put_rating("u3", "m1", 0.5, 7)
    ratings.load()
    assert cached(database) == before  # a twentieth of the users: less than a sixteenth of the ratings
    ratings.add_ratings(columns[0], columns[1], columns[2] % 5 + np.float32(0.25), columns[3])
    assert_true_to_the_rows(database, ratings.load())
    assert cached(database) != before


def test_arrays_are_true_after_any_changes(ratings: RatingStore, database: Database) -> None:
    rng = np.random.default_rng(5)
    fill(ratings, 8)
    for _ in range(60):
        for _ in range(rng.integers(4)):
            user, movie = f"u{rng.integers(12)}", f"m{rng.integers(30)}"
            if rng.random() < 0.6:
                ratings.put_rating(user, movie, float(rng.integers(1, 11)) / 2, int(rng.integers(100)))
            elif ratings.user_key(user) is not None:
                try:
                    ratings.delete_rating(user, movie)
                except NotStored:
                    continue
        assert_true_to_the_rows(database, ratings.load())


@pytest.mark.filterwarnings("error")
def test_a_file_damaged_at_any_byte_is_made_anew(ratings: RatingStore, database: Database) -> None:
    fill(ratings, 3)
    ratings.load()
    path = cached(database)
    content = path.read_bytes()
    cache = RatingCache(database)
    for place in range(0, len(content), 3):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        assert cache._read() is None
    for length in range(0, len(content), 21):
        path.write_bytes(content[:length])
        assert cache._read() is None
    path.write_bytes(content + b"\0" * 20)
    assert cache._read() is None
    assert_true_to_the_rows(database, ratings.load())
    assert cached(database) != path


def test_a_file_that_is_gone_is_made_anew(ratings: RatingStore, database: Database) -> None:
    fill(ratings)
    ratings.load()
    shutil.rmtree(cached(database).parent)
    assert_true_to_the_rows(database, ratings.load())
    assert cached(database).exists()


def test_the_file_of_release_0_1_is_replaced(ratings: RatingStore, database: Database) -> None:
    """It was named without a checksum, and held the columns one after the other."""
    fill(ratings)
    database.execute(meta.insert().values(name="cache", value="token 2"))
    folder = database.path.with_name("test.db.cache")
    folder.mkdir()
    (folder / "token.ratings").write_bytes(bytes(28))
    assert_true_to_the_rows(database, ratings.load())
    assert cached(database).suffix == ".arrow"


def test_the_first_reading_of_all_says_nothing_of_a_file(
    ratings: RatingStore, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    fill(ratings)
    with caplog.at_level(logging.INFO):
        ratings.load()
    assert [record for record in caplog.records if record.name == "store.cache"] == []


def test_without_a_place_for_the_file_arrays_are_still_given(
    ratings: RatingStore, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    fill(ratings)
    database.path.with_name("test.db.cache").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        assert_true_to_the_rows(database, ratings.load())
    assert "could not be written" in caplog.text


def test_a_store_put_back_from_a_backup_does_not_take_the_file_of_its_lost_future(
    url: str, ratings: RatingStore, database: Database, tmp_path: Path
) -> None:
    """The lost and the new future reach the same revision with different ratings."""
    fill(ratings)
    ratings.load()
    database.close()
    shutil.copy(database.path, tmp_path / "backup.db")
    lost = Database.open(url)
    for n in range(12):
        RatingStore(lost).put_rating(f"u{n}", "m1", 5, 100)
    shutil.rmtree(cached(lost).parent)
    revision = RatingStore(lost).load().revision
    lost.close()
    shutil.copy(tmp_path / "backup.db", database.path)
    again = Database.open(url)
    store = RatingStore(again)
    for n in range(14):
        store.put_rating(f"u{n}", "m2", 1, 100)
    assert store.revision() >= revision
    assert_true_to_the_rows(again, store.load())
    again.close()


def test_several_may_ask_at_once(ratings: RatingStore, database: Database) -> None:
    fill(ratings)
    found: list[RatingArrays] = []
    threads = [Thread(target=lambda: found.append(ratings.load())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    for loaded in (*found, ratings.load()):
        assert_true_to_the_rows(database, loaded)
