"""The stages: a server on an empty store imports, trains, serves, and starts again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.csv as arrow
from numpy.typing import NDArray

from benchmarks.load import LIST, LISTED, LISTS_PER_SECOND, RATE, RATINGS_PER_SECOND, fault, upload
from benchmarks.scale.process import Stage, Watch
from benchmarks.server import LIVE, Server, until
from benchmarks.traffic import Answer, Request, at_rate, send
from engine.training.steps import steps_of

IMPORT, TRAINING, SERVING, RESTART = "import", "training to serving", "serving", "restart to the first list"
STATUS = "/ml/training-status"
LOOK_S = 0.1
WARM_S = 1.0
"""Requests before those that count, so that nothing is loaded for the first time later."""
Tell = Callable[[Stage], None]


@dataclass(frozen=True)
class Served:
    """Milliseconds of lists and ratings, and how many requests failed."""

    lists: NDArray[np.float64]
    ratings: NDArray[np.float64]
    failed: int


@dataclass(frozen=True)
class Life:
    """All stages of one size, and the requests between training and restart."""

    stages: list[Stage]
    served: Served
    store_gib: float

    def stage(self, name: str) -> Stage:
        """A stage by its name."""
        return next(stage for stage in self.stages if stage.name == name)

    @property
    def peak_gib(self) -> float:
        """Most memory in any stage."""
        return max(stage.peak_gib for stage in self.stages)


def live(folder: Path, file: Path, seconds: float, tell: Tell) -> Life:
    """Import a file of ratings into an empty store, train ``svd``, send requests for some seconds, start again.

    Args:
        folder: for the store.
        file: of ratings.
        seconds: duration of the requests.
        tell: called after each stage.
    """
    server = Server(folder, MARQUEE_DEMO="0", MARQUEE_RATINGS_PER_SECOND="0")
    server.start(LIVE)
    stages = list[Stage]()

    def keep(stage: Stage) -> None:
        stages.append(stage)
        tell(stage)

    try:
        watch = Watch(server.process.pid)
        _import(server, file, watch, keep)
        _train(server, watch, keep)
        users, movies = _pairs(file)
        served = _serve(server, users, movies, seconds)
        keep(watch.end(SERVING))
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**30
        server.stop()
        begun = time.perf_counter()
        server.start()
        first = server.client().ask("GET", f"/ml/recommendations/{users[0]}?n={LISTED}")[1]
        if len(first["items"]) != LISTED:
            raise RuntimeError(f"the first list after the restart is {first}")
        keep(Watch.whole(server.process.pid, RESTART, time.perf_counter() - begun))
    finally:
        server.stop()
    return Life(stages, served, size)


def _import(server: Server, file: Path, watch: Watch, keep: Tell) -> None:
    watch.begin()
    job, client = upload(server.port, file), server.client()
    while (found := client.ask("GET", f"/jobs/{job}")[1])["state"] in {"queued", "running"}:
        time.sleep(LOOK_S)
    if found["state"] != "succeeded":
        raise RuntimeError(f"the import failed: {found}")
    keep(watch.end(IMPORT))


def _train(server: Server, watch: Watch, keep: Tell) -> None:
    """Every step of the training that the first import starts, and the whole.

    A step that ends between two looks counts with the one before.
    """
    client, steps, step, words = server.client(), list[Stage](), 1, steps_of("svd")
    until(lambda: client.ask("GET", STATUS, failing=True)[0] == 200, "the training")
    while True:
        found = client.ask("GET", STATUS)[1]
        over = found["state"] not in {"queued", "running"}
        if over or (found["step"] or step) != step:
            steps.append(watch.end(words[step - 1].words))
            keep(steps[-1])
            step = found["step"]
        if over:
            break
        time.sleep(LOOK_S)
    if found["state"] != "succeeded":
        raise RuntimeError(f"the training failed: {found}")
    wall, processor = (sum(getattr(one, name) for one in steps) for name in ("seconds", "processor_s"))
    keep(Stage(TRAINING, wall, processor, max(one.peak_gib for one in steps)))


def _pairs(file: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Users and movies of all ratings."""
    columns = arrow.ConvertOptions(include_columns=["userId", "movieId"])
    table = arrow.read_csv(file, convert_options=columns)
    return table["userId"].to_numpy(), table["movieId"].to_numpy()


def _serve(server: Server, users: NDArray[np.int64], movies: NDArray[np.int64], seconds: float) -> Served:
    """Lists and ratings at the rates of ``load``: lists of any users; who rates what as often as in the file."""
    rng = np.random.default_rng(0)
    everybody = np.unique(users)

    def timetable(duration: float) -> list[tuple[float, Request]]:
        listed = rng.choice(everybody, int(duration * LISTS_PER_SECOND)).tolist()
        lists = [Request(LIST, "GET", f"/ml/recommendations/{user}?n={LISTED}") for user in listed]
        count = int(duration * RATINGS_PER_SECOND)
        drawn = [column[rng.integers(len(column), size=count)].tolist() for column in (users, movies)]
        stars = (rng.integers(1, 11, count) / 2).tolist()
        rates = [
            Request(RATE, "POST", "/rate", {"user_id": str(user), "movie_id": str(movie), "rating": rating})
            for user, movie, rating in zip(*drawn, stars, strict=True)
        ]
        return at_rate(LISTS_PER_SECOND, lists) + at_rate(RATINGS_PER_SECOND, rates, 0.5 / LISTS_PER_SECOND)

    send(server.port, timetable(WARM_S))
    answers = send(server.port, timetable(seconds))
    return Served(_took(answers, LIST), _took(answers, RATE), sum(fault(answer) is not None for answer in answers))


def _took(answers: list[Answer], kind: str) -> NDArray[np.float64]:
    return np.array([answer.ms for answer in answers if answer.request.kind == kind])
