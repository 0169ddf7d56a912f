"""A whole Marquee without a server: a store in a folder of its own, the services, small planted ratings."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from engine.runtime import Runtime, build
from engine.services import answers
from engine.services.training import TrainingStatus
from engine.settings import Settings
from store.ratings import RatingStore
from store.records import MovieRow
from tests.conftest import planted
from tests.shared_folder import shared_folder
from tests.store.conftest import Clock

MOVIE_COLUMNS = ("movie_id", "title", "year", "genres")
QUICK = {"epochs": 12, "factors": 8, "learning_rate": 0.02}
LONGER = {"epochs": 60, "factors": 60, "learning_rate": 0.1, "regularization": 0, "patience": 0}
"""The planted ratings have little noise, so learning them by heart does better than a few epochs."""


def fill(runtime: Runtime, n_users: int = 60) -> None:
    """The planted ratings, written to the store."""
    frame, movies = planted(n_users=n_users)
    store = RatingStore(runtime.database)
    rows = [
        MovieRow(movie, title, None if np.isnan(year) else int(year), tuple(genres.split("|")))
        for movie, title, year, genres in zip(*(movies[name] for name in MOVIE_COLUMNS), strict=True)
    ]
    movie_keys = dict(zip([row.external_id for row in rows], store.add_movies(rows).keys, strict=True))
    users = store.add_users(frame.user_id.unique().tolist())
    user_keys = dict(zip(frame.user_id.unique(), users.keys, strict=True))
    store.add_ratings(
        frame.user_id.map(user_keys).to_numpy(np.int32),
        frame.movie_id.map(movie_keys).to_numpy(np.int32),
        frame.rating.to_numpy(np.float32),
        frame.timestamp.to_numpy(np.int64),
    )


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Poll until a condition holds; fail where it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def finished(runtime: Runtime, run_id: int) -> TrainingStatus:
    """A run once it has ended."""
    training = runtime.services.training
    wait_for(lambda: training.status(run_id).state.is_finished)
    return training.status(run_id)


def store_in(folder: Path) -> Settings:
    return Settings(database_url=f"sqlite:///{folder}/marquee.db", demo=False)


def trained_store(factory: pytest.TempPathFactory) -> Path:
    """A closed store with the planted ratings and a first version that serves."""

    def make(folder: Path) -> None:
        with opened(store_in(folder)) as runtime:
            train_first(runtime)

    return shared_folder(factory, "trained", make)


def train_first(runtime: Runtime) -> None:
    """The planted ratings and a version of them."""
    fill(runtime)
    status = finished(runtime, runtime.services.training.train_model("svd", QUICK))
    assert status.state == "succeeded", status.error


@contextmanager
def opened(settings: Settings, copied: Path | None = None, clock: Callable[[], float] = time.time) -> Iterator[Runtime]:
    """A Marquee that runs, on a copy of a folder with a store where one is given."""
    if copied is not None:
        target = Path(settings.database_url.removeprefix("sqlite:///")).parent
        shutil.copytree(copied, target, dirs_exist_ok=True)
    built = build(settings, clock)
    built.start()
    try:
        yield built
    finally:
        built.stop()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return store_in(tmp_path)


@pytest.fixture
def runtime(settings: Settings) -> Iterator[Runtime]:
    """Started, without ratings."""
    with opened(settings) as built:
        yield built


@pytest.fixture
def just_trained(runtime: Runtime) -> Runtime:
    """With ratings and a first version that serves since its training, which was in this process."""
    train_first(runtime)
    return runtime


@pytest.fixture
def trained(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """The same as after a restart: what was trained once is copied."""
    with opened(settings, trained_store(tmp_path_factory)) as built:
        yield built


@pytest.fixture
def two(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """A second version, which is better at ratings and does not serve."""

    def make(folder: Path) -> None:
        with opened(store_in(folder), trained_store(tmp_path_factory)) as runtime:
            status = finished(runtime, runtime.services.training.train_model("svd", LONGER, "never"))
            assert status.version == 2, status.error

    with opened(settings, shared_folder(tmp_path_factory, "two versions", make)) as built:
        yield built


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def logged(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Runtime]:
    """With a version, a clock that only the test moves, and an answer log that is written only when asked."""
    monkeypatch.setattr(answers, "EVERY_S", 3600.0)
    with opened(settings, trained_store(tmp_path_factory), clock) as built:
        yield built
