"""The history of imports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from store import inspection, revisions
from store.connections import Transaction
from store.database import Database
from store.errors import NotStored
from store.imports import ImportStore
from store.jobs import JobStore
from store.ratings import RatingStore
from store.records import Counts, ImportState, JobState, MovieRow, UndoneCounts
from store.undo import Undo
from tests.store.conftest import Clock


def bring(store: RatingStore, import_id: int, rows: list[tuple[str, str, float, int]]) -> None:
    """Write ratings of an import: user, movie, rating, time."""
    movies = store.add_movies([MovieRow(row[1], "", None, ()) for row in rows], import_id=import_id).keys
    users = store.add_users([row[0] for row in rows]).keys
    values, times = np.array([row[2] for row in rows], np.float32), np.array([row[3] for row in rows])
    store.add_ratings(users, movies, values, times, import_id=import_id)


def test_an_import_from_begin_to_end(database: Database, clock: Clock) -> None:
    imports, job_id = ImportStore(database), JobStore(database).create("import", "Waiting")
    files = [{"name": "ratings.csv", "sha256": "0" * 64}]
    first = imports.begin(job_id, files=files, choices={"scale": [1, 10]})
    second = imports.begin(job_id, files=files, choices={})
    begun = imports.get(first)
    assert (begun.job_id, begun.state, begun.files, begun.choices) == (job_id, "writing", files, {"scale": [1, 10]})
    assert (begun.user_key, begun.counts, begun.ended_at, begun.undone_at) == (None, {}, None, None)
    assert imports.unfinished() == [first, second]
    clock.now += 1
    imports.finish(first, {"ratings_added": 3})
    done = imports.get(first)
    assert (done.state, done.counts, done.ended_at) == (ImportState.DONE, {"ratings_added": 3}, clock.now)
    assert imports.unfinished() == [second]
    assert [record.import_id for record in imports.newest()] == [second, first]
    with pytest.raises(NotStored):
        imports.get(99)


def test_an_import_that_was_interrupted_leaves_the_history(database: Database, ratings: RatingStore) -> None:
    imports, job_id = ImportStore(database), JobStore(database).create("import", "Waiting")
    before = ratings.movies()
    import_id = imports.begin(job_id, files=[], choices={})
    bring(ratings, import_id, [("ann", "m1", 4.0, 5), ("ann", "new", 2.0, 5)])
    assert imports.undo(import_id) == UndoneCounts(ratings_removed=2, movies_removed=1)
    assert (imports.newest(), imports.unfinished()) == ([], [])
    assert ratings.counts() == Counts(1, 30, 0)
    assert ratings.movies()[:30] == before
    with pytest.raises(NotStored):
        imports.undo(import_id)
    assert imports.begin(job_id, files=[], choices={}) > import_id


def test_undo_counts_what_it_did_and_keeps_what_came_later(database: Database, ratings: RatingStore) -> None:
    imports, job_id = ImportStore(database), JobStore(database).create("import", "Waiting")
    ratings.put_rating("ann", "m1", 1.0, 5)
    import_id = imports.begin(job_id, files=[], choices={})
    ratings.add_movies([MovieRow("m2", "Better title", None, ())], import_id=import_id)
    bring(
        ratings,
        import_id,
        [("ann", "m1", 4.0, 9), ("ann", "m2", 3.0, 9), ("bob", "m1", 3.0, 9), ("bob", "new", 2.0, 9)],
    )
    imports.finish(import_id, {"ratings_added": 3})
    ratings.put_rating("ann", "m2", 5.0, 10)
    ratings.put_rating("bob", "m1", 3.0, 10)
    before = ratings.revision()
    shares: list[float] = []
    assert imports.undo(import_id, shares.append) == UndoneCounts(1, 1, 1, 1)
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] <= 1
    assert dict(zip(ratings.user_ratings(0).movies.tolist(), ratings.user_ratings(0).ratings, strict=True)) == {
        1: 1,
        2: 5,
    }
    assert ratings.user_ratings(1).ratings.tolist() == [3.0]
    assert ratings.movies()[2].title == "Movie 2"
    assert ratings.users_changed_since(before).tolist() == [0, 1]
    assert ratings.movies_changed_since(before).tolist() == [1, 30]
    assert ratings.load().ratings.tolist() == [1.0, 5.0, 3.0]


def test_a_removed_movie_is_nowhere_and_keeps_its_key(database: Database, ratings: RatingStore) -> None:
    imports, job_id = ImportStore(database), JobStore(database).create("import", "Waiting")
    import_id = imports.begin(job_id, files=[], choices={})
    rows = [MovieRow("new", "New", 2020, ("War",), {"tmdb": "7"})]
    (key,) = ratings.add_movies(rows, import_id=import_id).keys
    assert ratings.links() == {"tmdb": {"7": key}}
    assert [ratings.sites_of(one.external_id) for one in ratings.movies() if one.links] == [{"tmdb": "7"}]
    assert ratings.sites_of("nobody knows it") == {}
    imports.finish(import_id, {})
    imports.undo(import_id)
    assert ratings.movies()[key] == MovieRow("new", "", None, (), removed=True)
    assert (ratings.movie_key("new"), ratings.links(), ratings.counts().movies) == (None, {}, 30)
    with pytest.raises(NotStored):
        ratings.put_rating("ann", "new", 3.0, 5)
    with database.read() as connection:
        assert inspection.contents(connection).movies == 30
    again = ratings.add_movies(rows)
    assert (again.keys.tolist(), again.added) == ([key], 1)
    assert ratings.movies()[key] == rows[0]


def test_ratings_of_a_movie_that_was_removed_meanwhile_add_it_again(database: Database, ratings: RatingStore) -> None:
    imports, job_id = ImportStore(database), JobStore(database).create("import", "Waiting")
    first, second = (imports.begin(job_id, files=[], choices={}) for _ in range(2))
    keys = ratings.add_movies([MovieRow("new", "New", 2020, ())], import_id=first).keys
    imports.undo(first)
    users = ratings.add_users(["ann"]).keys
    ratings.add_ratings(users, keys, np.array([3], np.float32), np.array([5]), import_id=second)
    assert ratings.movie_key("new") == keys[0]
    assert imports.undo(second) == UndoneCounts(ratings_removed=1, movies_removed=1)
    with database.read() as connection:
        assert inspection.faults(connection, thorough=True) == []


def test_a_movie_that_is_rated_while_it_is_about_to_be_removed_stays(
    database: Database, ratings: RatingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    imports, job_id = ImportStore(database), JobStore(database).create("import", "Waiting")
    import_id = imports.begin(job_id, files=[], choices={})
    bring(ratings, import_id, [("ann", "new", 4.0, 5), ("ann", "newer", 4.0, 5)])
    taken_back = Undo._take_back

    def rate_first(self: Undo, tx: Transaction, **chosen: Any) -> UndoneCounts:
        monkeypatch.setattr(Undo, "_take_back", taken_back)
        row = (0, ratings.movie_key("new"), 2.0, 9)
        tx.exec_driver_sql("INSERT INTO ratings VALUES (?, ?, ?, ?, NULL, 0)", row)
        revisions.advance(tx, [0], [row[1] or 0], 1)
        return taken_back(self, tx, **chosen)

    monkeypatch.setattr(Undo, "_take_back", rate_first)
    assert imports.undo(import_id) == UndoneCounts(ratings_removed=2, movies_removed=1)
    assert (ratings.movie_key("new"), ratings.movie_key("newer")) == (30, None)
    with database.read() as connection:
        assert inspection.faults(connection, thorough=True) == []


def test_forgetting_reaches_imports_and_undo_brings_nobody_back(tmp_path: Path) -> None:
    name = "annabel-lee-1849"
    database = Database.open(f"sqlite:///{tmp_path}/store.db")
    ratings, imports, jobs = RatingStore(database), ImportStore(database), JobStore(database)
    ratings.add_movies([MovieRow(f"m{n}", "", None, ()) for n in range(3)])
    ratings.put_rating(name, "m0", 1.0, 5)
    own, others, told = (jobs.create("import", f"Importing {owner}") for owner in (name, "others", "others"))
    for job_id in (own, told):
        jobs.ask(job_id, {"users": [name]}, [{"suggestion": name}])
    jobs.finish(told, JobState.FAILED, result={"users": [name]})
    jobs.finish(others, JobState.SUCCEEDED, result={"users": ["annabel"]})
    key = ratings.user_key(name)
    personal = imports.begin(own, files=[{"name": f"{name}.zip"}], choices={"user_id": name}, user_key=key)
    bring(ratings, personal, [(name, "m0", 2.0, 9), (name, "m1", 2.0, 9)])
    imports.finish(personal, {"ratings_added": 1})
    shared = imports.begin(others, files=[{"name": "ratings.csv"}], choices={})
    bring(ratings, shared, [(name, "m0", 3.0, 11), ("bob", "m0", 2.0, 11)])
    imports.finish(shared, {"ratings_added": 1})
    jobs.finish(own, JobState.SUCCEEDED, result={"users_added": 1}, message=f"Imported 2 ratings by {name}")
    ratings.forget_user(name)
    record = imports.get(personal)
    assert (record.files, record.choices, record.counts) == ([], {}, {"ratings_added": 1})
    assert imports.get(shared).files == [{"name": "ratings.csv"}]
    for job_id in (own, told):
        assert (jobs.get(job_id).plan, jobs.get(job_id).questions, jobs.get(job_id).result) == (None, None, None)
    assert jobs.get(others).result == {"users": ["annabel"]}
    for import_id in (shared, personal):
        imports.undo(import_id)
    assert ratings.counts().ratings == 0
    ratings.erase_traces()
    database.close()
    assert name.encode() not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
