"""Whatever happens to ratings and movies, what they were at any revision can be told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from store.answers import Answer, AnswerStore, pack
from store.database import Database
from store.history import HistoryStore
from store.imports import ImportStore
from store.jobs import JobStore
from store.ratings import RatingStore
from store.records import MovieRow, RatingArrays

Pairs = dict[tuple[int, int], tuple[float, int]]


@dataclass
class Seen:
    """The store as it was found at a revision."""

    revision: int
    ratings: Pairs
    movies: list[MovieRow]


def pairs(found: RatingArrays) -> Pairs:
    keys = zip(found.users.tolist(), found.movies.tolist(), strict=True)
    return dict(zip(keys, zip(found.ratings.tolist(), found.rated_at.tolist(), strict=True), strict=True))


def look(ratings: RatingStore) -> Seen:
    return Seen(ratings.revision(), pairs(ratings.load()), ratings.movies())


class Life:
    """Random changes of a store, and what it was after each."""

    def __init__(self, database: Database, ratings: RatingStore, seed: int) -> None:
        self.database, self.ratings = database, ratings
        self.imports, self.jobs = ImportStore(database), JobStore(database)
        self.rng = np.random.default_rng(seed)
        self.seen = [look(ratings)]
        self.undoable: list[int] = []
        self.time = 0

    def step(self) -> None:
        [self.rate, self.rate, self.remove, self.bring, self.describe, self.undo][self.rng.integers(6)]()
        self.seen.append(look(self.ratings))

    def rate(self) -> None:
        self.time += 1
        user, movie = self.rng.integers(8), self.rng.integers(10)
        self.ratings.put_rating(f"u{user}", f"m{movie}", self.rng.integers(1, 11) / 2, self.time)

    def remove(self) -> None:
        found = self.ratings.load()
        if len(found.users):
            place = self.rng.integers(len(found.users))
            ids = self.ratings.user_ids(), self.ratings.movies()
            self.ratings.delete_rating(ids[0][found.users[place]], ids[1][found.movies[place]].external_id)

    def bring(self) -> None:
        self.time += 1
        number = self.imports.begin(self.jobs.create("import", "Waiting"), files=[], choices={})
        movies = [MovieRow(f"m{n}", f"Import {number}", 2000 + number, ("War",)) for n in self.rng.integers(0, 40, 3)]
        keys = self.ratings.add_movies(movies, import_id=number).keys
        users = self.ratings.add_users([f"u{n}" for n in self.rng.integers(0, 9, 12)]).keys
        chosen = np.unique(np.stack([users, self.rng.choice(np.append(keys, np.arange(10)), 12)]), axis=1)
        owners, rated = chosen.astype(np.int32)
        values = np.asarray(self.rng.integers(1, 11, len(owners)) / 2, np.float32)
        times = np.full(len(owners), self.time)
        self.ratings.add_ratings(owners, rated, values, times, import_id=number)
        self.imports.finish(number, {})
        self.undoable.append(number)

    def describe(self) -> None:
        self.ratings.add_movies([MovieRow(f"m{self.rng.integers(10)}", "Again", 1950, ("Drama", "Western"))])

    def undo(self) -> None:
        if self.undoable:
            self.imports.undo(self.undoable.pop(self.rng.integers(len(self.undoable))))


@pytest.mark.parametrize("seed", range(6))
def test_every_revision_is_told_as_it_was(
    database: Database, ratings: RatingStore, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("store.bulk_ratings.CHUNK", 4)
    life, history = Life(database, ratings, seed), HistoryStore(database)
    for _ in range(40):
        life.step()
    first = life.seen[0]
    for before, then in zip(life.seen, life.seen[1:], strict=False):
        past = history.at(then.revision, before.revision)
        assert pairs(past.ratings) == then.ratings
        assert list(pairs(past.ratings)) == sorted(then.ratings)
        assert past.ratings.revision == then.revision
        assert past.movies[: len(then.movies)] == then.movies
        assert all(movie.removed for movie in past.movies[len(then.movies) :])
        changed = {
            pair for pair in before.ratings.keys() | then.ratings if before.ratings.get(pair) != then.ratings.get(pair)
        }
        assert {user for user, _ in changed} <= set(past.users_changed.tolist())
        assert {movie for _, movie in changed} <= set(past.movies_changed.tolist())
        if before.revision == then.revision:
            assert not len(past.users_changed) + len(past.movies_changed)
    everything = history.at(life.seen[-1].revision, first.revision)
    touched = {pair for one in life.seen for pair in one.ratings if one.ratings[pair] != first.ratings.get(pair)}
    assert {user for user, _ in touched} <= set(everything.users_changed.tolist())


def answer(revision: int) -> Answer:
    places = pack(np.array([1]), np.array([0.5], np.float32))
    return Answer(user_key=0, at=1.0, version=1, revision=revision, ratings_count=1, options=None, places=places)


def test_what_the_oldest_list_needs_is_kept_and_the_rest_erased(database: Database, ratings: RatingStore) -> None:
    history, answers = HistoryStore(database), AnswerStore(database)
    for value in (1.0, 2.0, 3.0, 4.0):
        ratings.put_rating("ann", "m0", value, 1)
    newest = ratings.revision()
    answers.add([answer(newest - 1), answer(0)])
    assert history.prune() == 2  # 1.0 and 2.0: at the revision of the list the rating was 3.0
    assert history.begins() == newest - 1
    assert pairs(history.at(newest - 1, newest - 1).ratings) == {(0, 0): (3.0, pytest.approx(3))}
    assert history.prune() == 0


def test_without_lists_and_versions_nothing_is_kept(database: Database, ratings: RatingStore) -> None:
    history = HistoryStore(database)
    ratings.put_rating("ann", "m0", 1.0, 1)
    ratings.delete_rating("ann", "m0")
    ratings.add_movies([MovieRow("m0", "Other", None, ())])
    assert history.prune() == 1
    with database.read() as connection:
        left = [
            connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar()
            for name in ("rating_history", "movie_history")
        ]
    assert left == [0, 0]
    assert history.begins() == ratings.revision()


def test_the_history_of_a_deleted_user_is_erased(database: Database, ratings: RatingStore) -> None:
    for user in ("ann", "bea"):
        ratings.put_rating(user, "m0", 1.0, 1)
        ratings.put_rating(user, "m0", 2.0, 1)
    ratings.forget_user("ann")
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT DISTINCT user_id FROM rating_history").scalars().all() == [1]
