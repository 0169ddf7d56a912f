"""A rating by hand wins over whatever is stored, an import over nothing newer, and no time is after tomorrow."""

from __future__ import annotations

import numpy as np
import pytest

from store.database import Database
from store.ratings import RatingStore
from store.records import UNKNOWN_TIME, MovieRow
from store.times import DAY, MAX_TIME, known_times, time_by_hand
from tests.store.conftest import Clock

MILLISECONDS = 1_048_576_000_000
HOUR = 3600
NOW = int(Clock().now)


def give(ratings: RatingStore, rating: float, rated_at: int, movie: int = 3) -> None:
    """Import one rating of ann."""
    keys = ratings.add_users(["ann"]).keys
    ratings.add_ratings(keys, np.array([movie], np.int32), np.array([rating], np.float32), np.array([rated_at]))


def put_time(database: Database, rated_at: int) -> None:
    """Store a time that no way in would let through today."""
    database.write(lambda connection: connection.exec_driver_sql(f"UPDATE ratings SET rated_at = {rated_at}"))


def stored(ratings: RatingStore) -> tuple[list[float], list[int]]:
    found = ratings.user_ratings(0)
    return found.ratings.tolist(), found.rated_at.tolist()


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        (-HOUR, NOW),  # as it should be
        (0, NOW + 1),
        (2 * HOUR, NOW + 2 * HOUR + 1),  # local times of a place east of Greenwich
        (DAY, NOW + DAY + 1),
        (MAX_TIME - NOW, MAX_TIME),
        (MILLISECONDS - NOW, NOW),  # no time at all
        (UNKNOWN_TIME - NOW, NOW),
    ],
)
def test_a_rating_by_hand_wins_whatever_time_is_stored(
    ratings: RatingStore, database: Database, url: str, ahead: int, expected: int
) -> None:
    give(ratings, 4.0, 100)
    put_time(database, NOW + ahead)
    change = ratings.put_rating("ann", "m3", 1.0, NOW)
    assert (change.rating, change.previous) == (1.0, 4.0)
    with database.read() as connection:
        found = connection.exec_driver_sql("SELECT rating, rated_at FROM ratings").one()
    assert tuple(found) == (1.0, expected)
    database.close()
    again = Database.open(url)
    assert RatingStore(again).load().ratings.tolist() == [1.0]
    again.close()


@pytest.mark.parametrize("rated_at", [-1, 100, NOW - 1, NOW, NOW + 2 * HOUR, NOW + DAY, NOW + 2 * DAY, MILLISECONDS])
def test_the_same_import_again_does_not_undo_a_rating_by_hand(ratings: RatingStore, rated_at: int) -> None:
    give(ratings, 4.0, rated_at)
    ratings.put_rating("ann", "m3", 1.0, NOW)
    give(ratings, 4.0, rated_at)
    assert ratings.load().ratings.tolist() == [1.0]


def test_a_clock_that_is_set_back_loses_no_rating_by_hand(ratings: RatingStore, clock: Clock) -> None:
    ratings.put_rating("ann", "m3", 4.0, NOW)
    clock.now -= 400 * DAY
    change = ratings.put_rating("ann", "m3", 1.0, int(clock.now))
    assert (change.previous, ratings.user_ratings(0).ratings.tolist()) == (4.0, [1.0])
    give(ratings, 3.0, int(clock.now) - HOUR)
    assert stored(ratings) == ([1.0], [NOW + 1])
    clock.now += 400 * DAY
    give(ratings, 3.0, NOW - HOUR)  # older than both ratings by hand
    assert stored(ratings) == ([1.0], [NOW + 1])
    give(ratings, 3.0, NOW + HOUR)
    assert stored(ratings) == ([3.0], [NOW + HOUR])


def test_a_rating_that_was_deleted_can_be_given_again(ratings: RatingStore) -> None:
    give(ratings, 4.0, NOW + 2 * HOUR)
    ratings.delete_rating("ann", "m3")
    change = ratings.put_rating("ann", "m3", 2.0, NOW)
    assert (change.previous, change.rating, stored(ratings)) == (None, 2.0, ([2.0], [NOW]))


def test_imports_undo_no_newer_rating(ratings: RatingStore) -> None:
    ratings.put_rating("ann", "m3", 2.0, NOW)
    give(ratings, 4.0, NOW - 1)
    assert stored(ratings) == ([2.0], [NOW])
    give(ratings, 4.0, UNKNOWN_TIME)
    assert stored(ratings) == ([2.0], [NOW])
    give(ratings, 5.0, NOW + 1)
    assert stored(ratings) == ([5.0], [NOW + 1])


def test_an_import_replaces_a_stored_time_that_is_none(ratings: RatingStore, database: Database) -> None:
    give(ratings, 4.0, 100)
    put_time(database, MILLISECONDS)
    give(ratings, 3.0, 200)
    assert stored(ratings) == ([3.0], [200])


def test_what_is_not_written_is_not_acknowledged(ratings: RatingStore, database: Database) -> None:
    """A trigger stands for any reason why the row is not there in the end."""
    ratings.put_rating("ann", "m3", 2.0, NOW)
    ignore = "CREATE TRIGGER deaf BEFORE INSERT ON ratings BEGIN SELECT RAISE(IGNORE); END"
    database.write(lambda connection: connection.exec_driver_sql(ignore))
    before = ratings.revision()
    with pytest.raises(Exception, match="was not written"):
        ratings.put_rating("ann", "m3", 5.0, NOW + 1)
    assert (ratings.revision(), stored(ratings)) == (before, ([2.0], [NOW]))


def test_times_up_to_tomorrow_are_times() -> None:
    times = np.array([-1, 0, 1, NOW, NOW + DAY])
    assert known_times(times, NOW) is times
    later = np.array([-2, NOW + DAY + 1, 5])
    assert known_times(later, NOW).tolist() == [-1, -1, 5]
    assert known_times(np.array([MAX_TIME, MAX_TIME + 1]), 1e12).tolist() == [
        MAX_TIME,
        -1,
    ]  # no clock is that late


@pytest.mark.parametrize("now", [-5.0, 1e15])
def test_a_clock_that_is_no_clock_gives_times_all_the_same(now: float) -> None:
    assert 0 <= time_by_hand(now, None) <= MAX_TIME


def test_whole_catalogues_keep_their_order_of_import(database: Database) -> None:
    """Many rows in one statement: those with a later time replace, the others stay."""
    ratings = RatingStore(database)
    ratings.add_movies([MovieRow(f"m{n}", f"Movie {n}", None, ()) for n in range(200)])
    ratings.add_users(["ann"])
    movies, users = np.arange(200, dtype=np.int32), np.zeros(200, np.int32)
    ratings.add_ratings(users, movies, np.full(200, 3, np.float32), np.full(200, 1000))
    done = ratings.add_ratings(users, movies, np.full(200, 4, np.float32), np.where(movies % 2, 999, 1000))
    assert (done.added, done.updated, done.unchanged) == (0, 100, 100)
    assert ratings.load().ratings.tolist() == [4.0 if movie % 2 == 0 else 3.0 for movie in range(200)]
