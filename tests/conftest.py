"""Settings of all tests, and data that many tests learn from."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from engine.data.ratings import Interactions
from engine.models.spark import Job
from tests.cluster import stand_in
from tests.scheduling import Scheduling

# No deadline per example: times depend more on the machine than on the code.
settings.register_profile("marquee", deadline=None)
settings.load_profile("marquee")

GENRES = ("Drama", "Comedy", "War", "Sci-Fi")


MEMORY, ENOUGH = Path("/dev/shm"), 4 * 2**30
"""A file system in memory, and the free bytes that a run takes at most."""


def pytest_configure(config: pytest.Config) -> None:
    """Let workers (``pytest -n 2``) share the processors, each with a compiler cache of its own, and spare the disk.

    Stores wait for the disk at each commit, which tests of kills need no more than others: the system survives them.
    """
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    for threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(threads, "1")  # inherited by workers and servers
    os.environ["MARQUEE_SPARK_SUBMIT"] = f"{stand_in.COMMAND} {stand_in.HERE}"
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    cache = getattr(config, "cache", None)  # there is none with -p no:cacheprovider
    if worker != "gw0" and cache is not None:
        os.environ["NUMBA_CACHE_DIR"] = str(cache.mkdir(f"numba-{worker}"))


@pytest.fixture(scope="session", autouse=True)
def _jobs_on_spark_run_here() -> Iterator[None]:
    """Let the stand-in work in this process: where a job has another command, it has a process of its own as always."""
    real = Job._run

    def run(job: Job, words: list[str], scratch: str, errors: IO[bytes]) -> Generator[dict[str, Any], None, None]:
        yield from stand_in.run(words) if stand_in.HERE in words else real(job, words, scratch, errors)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Job, "_run", run)
        yield


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)


def planted(
    n_users: int = 60, n_movies: int = 80, per_user: int = 25, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ratings from two hidden tastes with a little noise, and a table of movies."""
    rng = np.random.default_rng(seed)
    taste, trait = rng.normal(0, 1, (n_users, 2)), rng.normal(0, 1, (n_movies, 2))
    quality = rng.normal(0, 0.5, n_movies)
    rows = []
    for user in range(n_users):
        for position, movie in enumerate(rng.choice(n_movies, per_user, replace=False)):
            value = 3.5 + quality[movie] + taste[user] @ trait[movie] + rng.normal(0, 0.3)
            rating = float(np.clip(np.round(value * 2) / 2, 0.5, 5))
            rows.append((f"u{user}", f"m{movie}", rating, 1_000_000 + user * 1000 + position))
    movies = pd.DataFrame(
        {
            "movie_id": [f"m{movie}" for movie in range(n_movies)],
            "title": [f"Movie {movie}" for movie in range(n_movies)],
            "year": [1980 + movie % 40 if movie % 9 else None for movie in range(n_movies)],
            "genres": ["|".join(GENRES[g] for g in sorted({movie % 4, movie % 3})) for movie in range(n_movies)],
        }
    )
    return pd.DataFrame(rows, columns=["user_id", "movie_id", "rating", "timestamp"]), movies


@pytest.fixture(scope="session")
def small() -> Interactions:
    """60 users, 80 movies, 1,500 ratings."""
    return Interactions.from_frame(*planted(), scale=(0.5, 5.0))
