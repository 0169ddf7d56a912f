"""Undoing imports, beside a model: each rating and movie has a chain of changes, from which undo removes one."""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from store import bulk_ratings, inspection, undo
from store.database import Database
from store.errors import NotStored
from store.imports import ImportStore
from store.jobs import JobStore
from store.ratings import RatingStore
from store.records import ImportState, MovieRow, UndoneCounts
from tests.store.children import child, import_and_undo

SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
USERS = [f"u{n}" for n in range(3)]
MOVIES = [f"m{n}" for n in range(4)]
BASE = MovieRow("m0", "Known before", 1999, ("Drama",), {"imdb": "0000001"})

Rated = tuple[str, str, float, int]


@dataclass(frozen=True)
class Import:
    """Files that describe movies and rate some."""

    movies: list[MovieRow]
    ratings: list[Rated]


@dataclass(frozen=True)
class Hand:
    """A rating by hand; None removes one."""

    user: str
    movie: str
    rating: float | None


@dataclass(frozen=True)
class Undo:
    """Undoes an import, after so many transactions of it were interrupted."""

    place: int
    interrupted: list[int]


@dataclass(frozen=True)
class Forget:
    """Deletes a user."""

    user: str


rated = st.integers(1, 10).map(lambda half: half / 2)
described = st.builds(
    MovieRow,
    st.sampled_from(MOVIES),
    st.sampled_from(["", "One", "Two"]),
    st.sampled_from([None, 1990, 2020]),
    st.sampled_from([(), ("War",), ("Comedy", "War")]),
    st.dictionaries(st.sampled_from(["imdb", "tmdb"]), st.sampled_from(["0000001", "0000002"]), max_size=2),
)
brought = st.builds(
    Import,
    st.lists(described, max_size=3, unique_by=lambda row: row.external_id),
    st.lists(
        st.tuples(st.sampled_from(USERS), st.sampled_from(MOVIES), rated, st.integers(-1, 5)),
        max_size=6,
        unique_by=lambda row: row[:2],
    ),
)
by_hand = st.builds(Hand, st.sampled_from(USERS), st.sampled_from(MOVIES), rated | st.none())
undone = st.builds(Undo, st.integers(0, 5), st.lists(st.integers(0, 6), max_size=2))
forgotten = st.builds(Forget, st.sampled_from(USERS))
changes = st.lists(brought | brought | by_hand | undone | forgotten, max_size=14)


@dataclass
class Model:
    """What is stored: for each rating and movie the changes that are still reachable, each with its import."""

    ratings: dict[tuple[str, str], list[tuple[int | None, float, int]]] = field(default_factory=dict)
    movies: dict[str, list[tuple[int | None, MovieRow]]] = field(default_factory=dict)

    def bring(self, files: Import, import_id: int | None) -> None:
        bare = [MovieRow(movie, "", None, ()) for _, movie, _, _ in files.ratings]
        for row in files.movies + bare:
            links = self.movies.setdefault(row.external_id, [])
            known = links[-1][1] if links else None
            merged = row
            if known is not None:
                merged = replace(
                    known,
                    title=row.title or known.title,
                    year=known.year if row.year is None else row.year,
                    genres=row.genres or known.genres,
                    links={**known.links, **row.links},
                )
            if merged != known:
                if links and links[-1][0] == import_id:
                    links.pop()
                links.append((import_id, merged))
        for user, movie, rating, rated_at in files.ratings:
            chain = self.ratings.setdefault((user, movie), [])
            if not chain or (rated_at >= chain[-1][2] and (rating, rated_at) != chain[-1][1:]):
                chain.append((import_id, rating, rated_at))

    def rate(self, user: str, movie: str, rating: float | None) -> None:
        chain = self.ratings.get((user, movie), [])
        if rating is None:
            self.ratings[user, movie] = []
        elif chain and chain[-1][1] == rating:
            self.ratings[user, movie] = [(None, *chain[-1][1:])]
        else:
            self.ratings[user, movie] = [(None, rating, max(3, chain[-1][2] + 1 if chain else 0))]

    def undo(self, import_id: int) -> None:
        for pair, chain in self.ratings.items():
            self.ratings[pair] = [link for link in chain if link[0] != import_id]
        for movie, links in self.movies.items():
            left = [link for link in links if link[0] != import_id]
            holders = [chain[-1][0] for (_, own), chain in self.ratings.items() if own == movie and chain]
            if links and not left and holders:
                left = [(max((one for one in holders if one is not None), default=None), links[-1][1])]
            self.movies[movie] = left

    def forget(self, user: str) -> None:
        self.ratings = {pair: chain for pair, chain in self.ratings.items() if pair[0] != user}

    def seen(self) -> tuple[dict[tuple[str, str], tuple[float, int]], dict[str, MovieRow]]:
        ratings = {pair: chain[-1][1:] for pair, chain in self.ratings.items() if chain}
        return ratings, {movie: links[-1][1] for movie, links in self.movies.items() if links}


class Killed(Exception):
    """Stands for a kill between two transactions."""


class Shelf:
    """A store in which every example has users and movies of its own, since opening a store takes longer."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.ratings = RatingStore(database)
        self.imports = ImportStore(database)
        self.job = JobStore(database).create("import", "")
        self.examples = 0
        self.done: list[int] = []

    def begin(self) -> Model:
        self.examples += 1
        self.done = []
        model = Model()
        self.bring(Import([BASE], []), None)
        model.bring(Import([BASE], []), None)
        return model

    def own(self, name: str) -> str:
        return f"{self.examples}-{name}"

    def bring(self, files: Import, import_id: int | None) -> None:
        described = [MovieRow(own, "", None, ()) for own in dict.fromkeys(row[1] for row in files.ratings)]
        for rows in (files.movies, described):
            self.ratings.add_movies(
                [replace(row, external_id=self.own(row.external_id)) for row in rows], import_id=import_id
            )
        users = self.ratings.add_users([self.own(row[0]) for row in files.ratings]).keys
        movies = [self.ratings.movie_key(self.own(row[1])) for row in files.ratings]
        self.ratings.add_ratings(
            users,
            np.array(movies, np.int32),
            np.array([row[2] for row in files.ratings], np.float32),
            np.array([row[3] for row in files.ratings], np.int64),
            import_id=import_id,
        )

    def write(self, files: Import) -> int:
        import_id = self.imports.begin(self.job, files=[{"name": "ratings.csv"}], choices={})
        self.bring(files, import_id)
        self.imports.finish(import_id, {})
        self.done.append(import_id)
        return import_id

    def undo(self, import_id: int, interrupted: list[int]) -> None:
        for transactions in interrupted:
            with killed_after(self.database, transactions), contextlib.suppress(Killed):
                self.imports.undo(import_id)
        self.imports.undo(import_id)
        assert self.imports.get(import_id).state == ImportState.UNDONE
        assert self.imports.undo(import_id) == UndoneCounts()

    def seen(self) -> tuple[dict[tuple[str, str], tuple[float, int]], dict[str, MovieRow]]:
        stored = self.ratings.movies()
        prefix = self.own("")
        ratings = {}
        for user in USERS:
            key = self.ratings.user_key(self.own(user))
            rated = self.ratings.user_ratings(-1 if key is None else key)
            for movie, rating, rated_at in zip(rated.movies, rated.ratings, rated.rated_at, strict=True):
                assert not stored[movie].removed
                ratings[user, stored[movie].external_id.removeprefix(prefix)] = float(rating), int(rated_at)
        movies = {
            (own := row.external_id.removeprefix(prefix)): replace(row, external_id=own)
            for row in stored
            if row.external_id.startswith(prefix) and not row.removed
        }
        return ratings, movies


@contextlib.contextmanager
def killed_after(database: Database, transactions: int) -> Iterator[None]:
    """Let so many transactions of this thread be written, and none after them."""
    written, left = database.write, transactions

    def write(work: Callable[..., Any], **options: Any) -> Any:
        nonlocal left
        if left == 0 and options.get("tx") is None:
            raise Killed
        left -= options.get("tx") is None
        return written(work, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "write", write)
        yield


@pytest.fixture
def shelf(database: Database, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """Every few rows are a transaction."""
    for module, name in ((bulk_ratings, "CHUNK"), (bulk_ratings, "MOVIES"), (undo, "PAIRS"), (undo, "RATINGS")):
        monkeypatch.setattr(module, name, 2)
    monkeypatch.setattr(undo, "MOVIES", 1)
    return Shelf(database)


def perform(shelf: Shelf, model: Model, change: Import | Hand | Undo | Forget) -> None:
    match change:
        case Import():
            model.bring(change, shelf.write(change))
        case Hand(user, movie, rating):
            with contextlib.suppress(NotStored):
                if rating is None:
                    shelf.ratings.delete_rating(shelf.own(user), shelf.own(movie))
                else:
                    shelf.ratings.put_rating(shelf.own(user), shelf.own(movie), rating, 3)
                model.rate(user, movie, rating)
        case Undo(place, interrupted) if shelf.done:
            import_id = shelf.done.pop(place % len(shelf.done))
            shelf.undo(import_id, interrupted)
            model.undo(import_id)
        case Forget(user):
            with contextlib.suppress(NotStored):
                shelf.ratings.forget_user(shelf.own(user))
            model.forget(user)


THREE = [Import([], [("u0", "m0", float(value), value)]) for value in (1, 2, 3)]
"""Each replaces the rating of the one before it."""


def test_undo_takes_one_change_out_of_the_chain(shelf: Shelf) -> None:
    """Whatever was imported, rated, deleted and undone before, in whatever order, and however often it was killed."""

    @settings(SETTINGS, max_examples=80)
    @example([*THREE, Undo(1, []), Undo(1, []), Undo(0, [])])
    @example([*THREE, Undo(0, []), Undo(0, []), Undo(0, [])])
    @given(changes)
    def check(done: list[Import | Hand | Undo | Forget]) -> None:
        model = shelf.begin()
        for change in done:
            perform(shelf, model, change)
            assert shelf.seen() == model.seen()

    check()
    with shelf.database.read() as connection:
        assert inspection.faults(connection, thorough=True) == []


def test_undoing_all_imports_in_any_order_leaves_what_was_there(shelf: Shelf) -> None:
    @SETTINGS
    @given(st.lists(by_hand, max_size=4), st.lists(brought, min_size=1, max_size=4), st.permutations(range(4)))
    def check(before: list[Hand], imports: list[Import], order: list[int]) -> None:
        model = shelf.begin()
        for change in before:
            perform(shelf, model, change)
        expected = shelf.seen()
        for files in imports:
            shelf.write(files)
        for place in sorted(range(len(imports)), key=order.index):
            shelf.undo(shelf.done[place], [])
        assert shelf.seen() == expected

    check()
    assert set(shelf.imports.unfinished()) == set()
    for table in ("import_ratings", "import_movies"):
        with shelf.database.read() as connection:
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0


def test_two_imports_agree_in_either_order_where_their_times_differ(shelf: Shelf) -> None:
    @SETTINGS
    @given(brought, brought)
    def check(one: Import, other: Import) -> None:
        times = {row[:2]: row[3] for row in one.ratings}
        later = [row for row in other.ratings if times.get(row[:2], -2) != row[3]]
        found = []
        for order in ((one, replace(other, ratings=later)), (replace(other, ratings=later), one)):
            shelf.begin()
            for files in order:
                shelf.write(files)
            found.append(shelf.seen()[0])
        assert found[0] == found[1]

    check()


def test_an_import_that_is_killed_while_it_is_written_or_undone_leaves_nothing_behind(tmp_path: Path) -> None:
    path, draw = tmp_path / "store.db", random.Random(0)
    database = Database.open(f"sqlite:///{path}")
    store = RatingStore(database)
    store.add_movies([MovieRow(f"m{n}", f"Movie {n}", None, ()) for n in range(19)])
    users = np.repeat(store.add_users([f"u{n}" for n in range(100)]).keys, 10)
    movies = np.tile(np.arange(0, 20, 2, dtype=np.int32), 100)
    store.add_ratings(users, movies, np.full(1000, 3, np.float32), np.full(1000, 5))
    described, expected = store.movies(), store.load()
    database.close()
    interrupted: Counter[str] = Counter()
    for kill in range(20):
        with child(import_and_undo, path) as (_, pipe):
            while pipe.recv() != ("writing", "undoing")[kill % 2]:
                pass
            time.sleep(0.06 * draw.random())
        database = Database.open(f"sqlite:///{path}")
        store, imports = RatingStore(database), ImportStore(database)
        for import_id in imports.unfinished():
            interrupted[imports.get(import_id).state] += 1
            imports.undo(import_id)
        for record in imports.newest(1):  # the child was killed between the two
            imports.undo(record.import_id)
        found = store.load()
        for name in ("users", "movies", "ratings", "rated_at"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        assert store.movies()[:19] == described
        assert [row.removed for row in store.movies()[19:]] in ([], [True])
        with database.read() as connection:
            assert inspection.faults(connection, thorough=True) == []
        database.close()
    assert set(interrupted) == {"writing", "undoing"}, interrupted
