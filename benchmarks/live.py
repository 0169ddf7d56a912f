"""Time from a rating to an updated list by HTTP during a training: 8 clients, 2,000 ratings, and the goal.

``python -m benchmarks live``; the exit code is 1 where p99 is above 25 ms, an update was lost, or the lists differ from
those of a server that folds everything in from scratch.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from benchmarks.data import demo_interactions
from benchmarks.server import Client, Planned, Server, flush_again_and_again, lost, plan, until

GOAL_MS = 25.0
CLIENTS = 8
RATINGS = 2000
PER_SECOND = 40.0
TRAINING = {"model": "ncf", "activate": "never", "hyperparameters": {"epochs": 1000, "patience": 0}}
"""Long enough to outlast the ratings; it is cancelled afterwards."""


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
        """From sending a rating to receiving the updated list."""
        return [one + other for one, other in zip(self.rate_ms, self.list_ms, strict=True)]


def rate_all(server: Server, planned: Sequence[Planned], clients: int, per_second: float) -> Measured:
    """Send every rating and request the list after it; clients take turns, at fixed times or as fast as they can."""
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


def _rate_one(client: Client, planned: Planned) -> tuple[float, float, bool]:
    user, movie, rating = planned
    started = time.perf_counter()
    client.ask("POST", "/rate", {"user_id": user, "movie_id": movie, "rating": rating})
    rated = time.perf_counter()
    listed = client.ask("GET", f"/ml/recommendations/{user}?n=10")[1]
    done = time.perf_counter()
    return (rated - started) * 1e3, (done - rated) * 1e3, movie in {item["movie_id"] for item in listed["items"]}


def answers_of(client: Client, planned: Sequence[Planned]) -> list[Any]:
    """Responses for every user who rated: lists by score and by rating, and predictions of the rated movies."""
    users = sorted({user for user, _, _ in planned})
    lists = [
        client.ask("GET", f"/ml/recommendations/{user}?n=20&rank_by={by}")[1]
        for user in users
        for by in ("ranker", "rating")
    ]
    pairs = {"pairs": [{"user_id": user, "movie_id": movie} for user, movie, _ in planned]}
    found: list[Any] = [(one["ratings_count"], one["items"]) for one in lists]
    return [*found, client.ask("POST", "/ml/predict", pairs)[1]["predictions"]]


def judge(found: Measured, missing: int, differing: int) -> tuple[list[str], bool]:
    """The results in sentences, and whether the goals are met."""
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
    """The times, the number of lost ratings, and the number of responses that differ after a restart."""
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
        client = server.client()  # the server has closed the idle connection
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
        "--per-second", type=float, default=PER_SECOND, help="ratings of all clients together; 0: no limit"
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
