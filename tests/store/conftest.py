"""A store in a folder of its own, with a clock that only the test moves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from store.database import Database
from store.ratings import RatingStore
from store.records import MovieRow


class Clock:
    """Stands still until it is told to move."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store/test.db"


@pytest.fixture
def database(url: str, clock: Clock) -> Iterator[Database]:
    opened = Database.open(url, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def ratings(database: Database) -> RatingStore:
    store = RatingStore(database)
    store.add_movies([MovieRow(f"m{n}", f"Movie {n}", 1990 + n, ("Drama",)) for n in range(30)])
    return store


def fill(store: RatingStore, n_users: int = 20, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Half of all pairs, rated at random; returns the four columns in order of user and movie."""
    rng = np.random.default_rng(seed)
    users, movies = np.divmod(np.flatnonzero(rng.random(n_users * 30) < 0.5), 30)
    columns = (
        users.astype(np.int32),
        movies.astype(np.int32),
        (rng.integers(1, 11, len(users)) / 2).astype(np.float32),
        rng.integers(0, 10**9, len(users)),
    )
    store.add_users([f"u{n}" for n in range(n_users)])
    store.add_ratings(*columns)
    return columns


def wait_until(condition: Callable[[], bool]) -> None:
    """Ask again and again, for ten seconds at most."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
