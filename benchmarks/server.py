"""A server in a separate process, ratings to send to it, and a check of which were stored."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
from pysqlite3 import dbapi2 as sqlite

from engine.data.ratings import Interactions

ROOT = Path(__file__).parents[1]
KEY = "the key of the benchmarks"
KEYED = {"X-API-Key": KEY}
DEADLINE_S = 300
READY, LIVE = "/health/ready", "/health/live"
FLUSH_PAUSE_S = 0.05
FLUSHED = bytes(16_384)
Planned = tuple[str, str, float]
"""User, movie and rating."""


class Server:
    """``python app.py`` on a free port with its store in a folder; ``settings`` are environment variables."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.settings = settings
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            self.port = int(listening.getsockname()[1])

    def start(self, probe: str = READY) -> None:
        """Start, and wait until a health probe succeeds: by default for an active version."""
        self.launch()
        until(lambda: self._succeeds(probe), probe)

    def launch(self) -> None:
        """Start, and wait for nothing."""
        env = os.environ | {
            "MARQUEE_DATABASE_URL": f"sqlite:///{self.folder}/marquee.db",
            "MARQUEE_HOST": "127.0.0.1",
            "MARQUEE_PORT": str(self.port),
            "MARQUEE_DEMO": "1",
            "MARQUEE_API_KEY": KEY,  # so that keys are checked and counted, as in production
            **self.settings,
        }
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=env, stdout=log, stderr=log)

    def _succeeds(self, probe: str) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"the server did not start: {(self.folder / 'log').read_text('utf-8')}")
        try:
            return self.client().ask("GET", probe, failing=True)[0] == 200
        except OSError:
            return False

    def shows_a_page(self) -> bool:
        """Whether the console answers, which it does before the API."""
        try:
            connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
            connection.request("GET", "/")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def client(self) -> Client:
        """A new connection."""
        return Client(HTTPConnection("127.0.0.1", self.port, timeout=60))

    def kill(self) -> None:
        """Send SIGKILL; ``start`` starts it again with what is on disk."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Shut the server down."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


@dataclass
class Client:
    """JSON requests over one persistent connection."""

    connection: HTTPConnection

    def ask(self, method: str, path: str, body: Any = None, *, failing: bool = False) -> tuple[int, Any]:
        """Status and answer.

        Raises:
            RuntimeError: the response is a problem, and ``failing`` is not set.
        """
        sent = None if body is None else json.dumps(body)
        self.connection.request(
            method, f"/api{path}", sent, KEYED | ({"Content-Type": "application/json"} if sent else {})
        )
        answer = self.connection.getresponse()
        found = json.loads(answer.read())
        if answer.status >= 400 and not failing:
            raise RuntimeError(f"{method} {path}: {found}")
        return answer.status, found


def until(done: Callable[[], bool], what: str) -> None:
    """Wait for a condition.

    Raises:
        TimeoutError: it was not met within ``DEADLINE_S``.
    """
    end = time.monotonic() + DEADLINE_S
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {DEADLINE_S} s for {what}")
        time.sleep(0.1)


def plan(data: Interactions, count: int, seed: int = 0) -> list[Planned]:
    """New ratings of distinct pairs without a rating; users and movies occur as often as in the data."""
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


STORED = """
SELECT ratings.rating FROM ratings JOIN users ON users.id = user_id JOIN movies ON movies.id = movie_id
WHERE users.external_id = ? AND movies.external_id = ?
"""


def lost(folder: Path, planned: Sequence[Planned]) -> int:
    """Number of ratings that are not in the store as given; a server may have it open."""
    with closing(sqlite.connect(f"file:{folder}/marquee.db?mode=ro", uri=True)) as store:
        found = [store.execute(STORED, pair).fetchone() for *pair, _ in planned]
    return sum(row != (rating,) for row, (*_, rating) in zip(found, planned, strict=True))


def flush_again_and_again(file: Path, ended: Event) -> list[float]:
    """Milliseconds of small writes, each flushed to disk, until ``ended`` is set."""
    took = []
    with file.open("wb", buffering=0) as out:
        while not ended.wait(FLUSH_PAUSE_S):
            begun = time.perf_counter()
            os.pwrite(out.fileno(), FLUSHED, 0)
            os.fdatasync(out.fileno())
            took.append((time.perf_counter() - begun) * 1e3)
    return took
