"""From a rating to a changed list by HTTP, while a model trains: 8 clients, 2,000 ratings of the demo, and the goal.

``python -m benchmarks live``; the exit code is 1 where p99 is above 25 ms, an update was lost, or the lists differ from
those of a server that folds everything in from scratch.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from benchmarks.data import demo_interactions
from engine.dataset.interactions import Interactions
from store.database import Database
from store.ratings import RatingStore

ROOT = Path(__file__).parents[1]
GOAL_MS = 25.0
CLIENTS = 8
RATINGS = 2000
PER_SECOND = 40.0
DEADLINE_S = 300
FLUSH_PAUSE_S = 0.05
FLUSHED = bytes(16_384)
TRAINING = {"model": "ncf", "activate": "never", "hyperparameters": {"epochs": 1000, "patience": 0}}
"""Long enough to outlast the ratings; it is cancelled then."""
Planned = tuple[str, str, float]


class Server:
    """``python app.py`` on a free port, its store in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            self.port = int(listening.getsockname()[1])

    def start(self) -> None:
        """Start, and wait until a version serves."""
        env = os.environ | {
            "MARQUEE_DATABASE_URL": f"sqlite:///{self.folder}/marquee.db",
            "MARQUEE_HOST": "127.0.0.1",
            "MARQUEE_PORT": str(self.port),
            "MARQUEE_DEMO": "1",
            "MARQUEE_API_KEY": "",
        }
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=env, stdout=log, stderr=log)
        until(self._ready, "a version that serves")

    def _ready(self) -> bool:
        try:
            return self.client().ask("GET", "/health/ready", failing=True)[0] == 200
        except OSError:
            return False

    def client(self) -> Client:
        """A connection of its own."""
        return Client(HTTPConnection("127.0.0.1", self.port, timeout=60))

    def stop(self) -> None:
        """Let it end by itself."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


@dataclass
class Client:
    """Asks for JSON over one connection that is kept."""

    connection: HTTPConnection

    def ask(self, method: str, path: str, body: Any = None, *, failing: bool = False) -> tuple[int, Any]:
        """Status and answer.

        Raises:
            RuntimeError: it was a problem, and ``failing`` is not set.
        """
        sent = None if body is None else json.dumps(body)
        self.connection.request(method, f"/api{path}", sent, {"Content-Type": "application/json"} if sent else {})
        answer = self.connection.getresponse()
        found = json.loads(answer.read())
        if answer.status >= 400 and not failing:
            raise RuntimeError(f"{method} {path}: {found}")
        return answer.status, found


@dataclass(frozen=True)
class Measured:
    """Milliseconds of each rating, of the list after it, and of both; and how many lists did not know the rating.

    ``flush_ms`` are those of bare flushes of the same disk meanwhile: a rating is answered after one.
    """

    rate_ms: list[float]
    list_ms: list[float]
    stale: int
    flush_ms: list[float]

    @property
    def both_ms(self) -> list[float]:
        """From sending a rating to having the changed list."""
        return [one + other for one, other in zip(self.rate_ms, self.list_ms, strict=True)]


def until(done: Callable[[], bool], what: str) -> None:
    """Wait for something.

    Raises:
        TimeoutError: it did not come in time.
    """
    end = time.monotonic() + DEADLINE_S
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {DEADLINE_S} s for {what}")
        time.sleep(0.1)


def plan(data: Interactions, count: int, seed: int = 0) -> list[Planned]:
    """User, movie and rating: pairs that nobody has rated, no pair twice; users and movies as often as in the data."""
    rng = np.random.default_rng(seed)
    taken = set(zip(data.users.tolist(), data.items.tolist(), strict=True))
    planned: list[Planned] = []
    while len(planned) < count:
        user, movie = int(data.users[rng.integers(len(data))]), int(data.items[rng.integers(len(data))])
        if (user, movie) not in taken:
            taken.add((user, movie))
            rating = float(rng.integers(1, 11)) / 2
            planned.append((str(data.user_ids.raw(user)), str(data.movie_ids.raw(movie)), rating))
    return planned


def rate_all(server: Server, planned: Sequence[Planned], clients: int, per_second: float) -> Measured:
    """Every rating and the list after it; clients take every so-manieth, at fixed times or as fast as they can."""
    begun = time.perf_counter()

    def work(number: int) -> list[tuple[float, float, bool]]:
        client, found = server.client(), []
        for place in range(number, len(planned), clients):
            if per_second:
                time.sleep(max(begun + place / per_second - time.perf_counter(), 0))
            found.append(_rate_one(client, planned[place]))
        return found

    ended = Event()
    with ThreadPoolExecutor(clients + 1) as pool:
        flushes = pool.submit(flush_again_and_again, server.folder / "flushed", ended)
        try:
            rows = [row for part in list(pool.map(work, range(clients))) for row in part]
        finally:
            ended.set()
    stale = sum(row[2] for row in rows)
    return Measured([row[0] for row in rows], [row[1] for row in rows], stale, flushes.result())


def flush_again_and_again(file: Path, ended: Event) -> list[float]:
    """Milliseconds that each of many small writes takes to be on disk."""
    took = []
    with file.open("wb", buffering=0) as out:
        while not ended.wait(FLUSH_PAUSE_S):
            begun = time.perf_counter()
            os.pwrite(out.fileno(), FLUSHED, 0)
            os.fdatasync(out.fileno())
            took.append((time.perf_counter() - begun) * 1e3)
    return took


def _rate_one(client: Client, planned: Planned) -> tuple[float, float, bool]:
    user, movie, rating = planned
    started = time.perf_counter()
    client.ask("POST", "/rate", {"user_id": user, "movie_id": movie, "rating": rating})
    rated = time.perf_counter()
    listed = client.ask("GET", f"/ml/recommendations/{user}?n=10")[1]
    done = time.perf_counter()
    return (rated - started) * 1e3, (done - rated) * 1e3, movie in {item["movie_id"] for item in listed["items"]}


def answers_of(client: Client, planned: Sequence[Planned]) -> list[Any]:
    """What everybody concerned is told: lists by score and by rating, and the predictions of what was rated."""
    users = sorted({user for user, _, _ in planned})
    lists = [
        client.ask("GET", f"/ml/recommendations/{user}?n=20&rank_by={by}")[1]
        for user in users
        for by in ("ranker", "rating")
    ]
    pairs = {"pairs": [{"user_id": user, "movie_id": movie} for user, movie, _ in planned]}
    told: list[Any] = [(one["ratings_count"], one["items"]) for one in lists]
    return [*told, client.ask("POST", "/ml/predict", pairs)[1]["predictions"]]


def lost(folder: Path, planned: Sequence[Planned]) -> int:
    """How many ratings are not in the store as they were given."""
    database = Database.open(f"sqlite:///{folder}/marquee.db")
    try:
        store = RatingStore(database)
        loaded, users = store.load(), store.user_ids()
        movies = [movie.external_id for movie in store.movies()]
    finally:
        database.close()
    columns = zip(loaded.users.tolist(), loaded.movies.tolist(), loaded.ratings.tolist(), strict=True)
    stored = {(users[user], movies[movie]): rating for user, movie, rating in columns}
    return sum(stored.get((user, movie)) != rating for user, movie, rating in planned)


def judge(found: Measured, missing: int, differing: int) -> tuple[list[str], bool]:
    """What was found in sentences, and whether the goals are met."""
    p99 = float(np.percentile(found.both_ms, 99))
    lines = [
        f"{what}: median {np.median(took):.1f} ms, p99 {np.percentile(took, 99):.1f}, slowest {max(took):.1f}"
        for what, took in (("rating", found.rate_ms), ("list after it", found.list_ms), ("both", found.both_ms))
    ]
    lines.append(
        f"bare flushes of the same disk meanwhile: median {np.median(found.flush_ms):.1f} ms, "
        f"p99 {np.percentile(found.flush_ms, 99):.1f}, slowest {max(found.flush_ms):.1f}"
    )
    lines.append(f"p99 of both: {p99:.1f} ms, goal at most {GOAL_MS:g}, {'met' if p99 <= GOAL_MS else 'MISSED'}")
    lines.append(f"lists that did not know the rating: {found.stale}; ratings lost: {missing}")
    lines.append(f"answers that differ from a fold-in from scratch: {differing}")
    return lines, p99 <= GOAL_MS and not found.stale and not missing and not differing


def measure(folder: Path, planned: Sequence[Planned], clients: int, per_second: float) -> tuple[Measured, int, int]:
    """The times; how many ratings were lost; how many answers a server started anew gives otherwise."""
    server = Server(folder)
    server.start()
    try:
        client = server.client()
        for one in plan(demo_interactions(), 5, seed=1):  # nothing is compiled or loaded for the first time after this
            _rate_one(client, one)
        run = client.ask("POST", "/ml/train", TRAINING | {"queue": True})[1]["run_id"]
        status = f"/ml/training-status?run_id={run}"
        until(lambda: client.ask("GET", status)[1]["state"] == "running", "the training")
        found = rate_all(server, planned, clients, per_second)
        client = server.client()  # the server has closed the idle connection meanwhile
        if client.ask("GET", status)[1]["state"] != "running":
            raise RuntimeError("the training ended before the ratings did")
        client.ask("POST", f"/ml/training-runs/{run}/cancel")
        live = answers_of(client, planned)
        server.stop()
        missing = lost(folder, planned)
        server.start()
        scratch = answers_of(server.client(), planned)
    finally:
        server.stop()
    return found, missing, sum(one != other for one, other in zip(live, scratch, strict=True))


def main(arguments: list[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks live", description=__doc__)
    parser.add_argument("--ratings", type=int, default=RATINGS)
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument(
        "--per-second", type=float, default=PER_SECOND, help="ratings of all clients together; 0: as fast as they can"
    )
    asked = parser.parse_args(arguments)
    planned = plan(demo_interactions(), asked.ratings)
    with tempfile.TemporaryDirectory() as folder:
        found, missing, differing = measure(Path(folder), planned, asked.clients, asked.per_second)
    lines, good = judge(found, missing, differing)
    pace = f"{asked.per_second:g} a second" if asked.per_second else "as fast as they can"
    print(f"demo, {asked.ratings} ratings from {asked.clients} clients, {pace}, beside a training of ncf\n")
    print("\n".join(lines))
    return 0 if good else 1
