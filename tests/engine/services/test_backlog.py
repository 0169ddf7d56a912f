"""What a version has not learned: forgotten ratings make up for none that came, and one rule counts everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.runtime import Runtime
from engine.services.backlog import Backlog
from store.database import Database
from store.ratings import RatingStore
from store.records import MovieRow
from store.versions import MLModelManager

MANY = 2_391


def rate(database: Database, user: str, movies: range, rating: float = 3.0) -> None:
    store = RatingStore(database)
    (key,) = store.add_users([user]).keys
    keys = store.add_movies([MovieRow(f"m{n}", f"Movie {n}", None, ()) for n in movies]).keys
    n = len(movies)
    store.add_ratings(np.full(n, key, np.int32), keys, np.full(n, rating, np.float32), np.full(n, 100, np.int64))


def learn(database: Database, *, counts: bool = True) -> int:
    """Save a version that has learned everything there is."""
    loaded = RatingStore(database).load()
    learned = {"counts/users": np.bincount(loaded.users).astype(np.int32)}
    arrays = learned if counts else {"popularity/scores": loaded.ratings}
    data = {"ratings": len(loaded.ratings), "revision": loaded.revision}
    return MLModelManager(database).save_model(kind="svd", config={}, arrays=arrays, metrics={}, protocol={}, data=data)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(f"sqlite:///{tmp_path}/m.db")
    yield opened
    opened.close()


@pytest.fixture
def backlog(database: Database) -> Backlog:
    return Backlog(RatingStore(database), MLModelManager(database))


def test_forgotten_ratings_make_up_for_none_that_came(database: Database, backlog: Backlog) -> None:
    rate(database, "ann", range(MANY))
    rate(database, "ben", range(20))
    version = learn(database)
    assert backlog.newest() == (version, 0)
    RatingStore(database).forget_user("ann")
    assert backlog.newest() == (version, 0)
    rate(database, "cid", range(30))
    rate(database, "ben", range(20, 30))
    assert backlog.newest() == (version, 40)
    newer = learn(database)
    assert backlog.newest() == (newer, 0)


def test_without_a_version_all_ratings_are_new_and_a_deleted_one_has_learned_nothing(
    database: Database, backlog: Backlog
) -> None:
    rate(database, "ann", range(7))
    assert backlog.newest() == (0, 7)
    first = learn(database)
    rate(database, "ben", range(5))
    second = learn(database)
    assert backlog.newest() == (second, 0)
    MLModelManager(database).delete_version(second)
    assert backlog.newest() == (first, 5)


def test_a_movie_rated_again_is_not_new(database: Database, backlog: Backlog) -> None:
    rate(database, "ann", range(7))
    version = learn(database)
    rate(database, "ann", range(5), rating=4.0)
    RatingStore(database).delete_rating("ann", "m6")
    assert backlog.newest() == (version, 0)
    rate(database, "ann", range(6, 8))
    assert backlog.newest() == (version, 1)


def test_a_version_that_does_not_say_whose_ratings_it_learned_is_judged_by_their_number(
    database: Database, backlog: Backlog
) -> None:
    rate(database, "ann", range(7))
    version = learn(database, counts=False)
    rate(database, "ben", range(5))
    assert backlog.newest() == (version, 5)


def test_it_is_counted_once_for_each_state_of_the_ratings(
    database: Database, backlog: Backlog, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []
    original = RatingStore.counts_changed_since
    monkeypatch.setattr(
        RatingStore, "counts_changed_since", lambda self, since: (counted.append(since), original(self, since))[1]
    )
    rate(database, "ann", range(7))
    learn(database)
    rate(database, "ben", range(5))
    assert [backlog.newest()[1] for _ in range(3)] == [5, 5, 5]
    assert len(counted) == 1
    rate(database, "cid", range(6))
    assert backlog.newest()[1] == 11
    RatingStore(database).forget_user("cid")
    assert backlog.newest()[1] == 5
    assert counted == sorted(set(counted))  # each time only what has changed since the last one
    assert len(counted) == 3


def test_only_users_with_a_changed_rating_are_counted(database: Database) -> None:
    rate(database, "ann", range(7))
    rate(database, "ben", range(3))
    store = RatingStore(database)
    revision = store.revision()
    rate(database, "ben", range(5))
    rate(database, "cid", range(2))
    store.add_users(["dan"])
    users, counts = store.counts_changed_since(revision)
    assert (users.tolist(), counts.tolist()) == ([1, 2, 3], [5, 2, 0])
    store.forget_user("cid")
    assert store.counts_changed_since(revision)[1].tolist() == [5, 0, 0]
    assert [len(one) for one in store.counts_changed_since(store.revision())] == [0, 0]


def test_automation_and_health_say_the_same(trained: Runtime) -> None:
    """What is forgotten, rated anew, rated again and taken away, by one rule."""
    services = trained.services
    services.ratings.forget(services.library.search_users()[0].user_id)
    busy, other = (found.user_id for found in services.library.search_users()[:2])
    rated = [one.movie.movie_id for one in services.library.user_ratings(busy)]
    services.ratings.rate(busy, rated[0], 1.0)
    services.ratings.unrate(other, services.library.user_ratings(other)[0].movie.movie_id)
    unseen = [f"m{n}" for n in range(80) if f"m{n}" not in rated]
    for movie in unseen[:4]:
        services.ratings.rate(busy, movie, 4.0)
    services.ratings.rate("newcomer", unseen[0], 4.0)
    assert services.serving.health().ratings_since == 5
    assert services.automation.plan().ratings_since == 5
