"""Lists and ratings by HTTP at a steady rate: alone, during a training, and during an import.

``python -m benchmarks load``: 100 lists and 20 ratings a second on the demo data for a minute, the same while a model
trains, 20 ratings a second while a million others are imported, and ten kills under such load. The exit code is 1
where a request fails, a rating that was acknowledged is lost, or a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from benchmarks import simulated
from benchmarks.data import demo_interactions
from benchmarks.server import KEYED, Planned, Server, flush_again_and_again, lost, plan, until
from benchmarks.traffic import Answer, Request, at_rate, send
from engine.data.ratings import Interactions

SECONDS = 60.0
LISTS_PER_SECOND, RATINGS_PER_SECOND = 100.0, 20.0
LISTED = 10
REST_S = 20.0
"""Pause before each part, while the disk finishes writing for the last one."""
TRAININGS: dict[str, dict[str, Any]] = {
    "svd": {"epochs": 1000, "patience": 0},
    "ncf": {"epochs": 1000, "patience": 0},
}
"""Long enough to outlast the requests; they are cancelled afterwards."""
IMPORTED = 1_000_000, 6_500, 20_000
"""Ratings, users and movies."""
IMPORTED_WITHIN_S = 240.0
AFTER_IMPORT_S = 10.0
"""Posts continue this long after the import, while the active version takes in the new ratings."""
KILLS = 10
KILLED_WITHIN_S = 0.5, 6.0
"""Since the load began; an import, every other time, ends after 4 s and is served after 7 s."""
LIST, RATE, ALIVE = "list", "rating", "answer without work"


@dataclass(frozen=True)
class Goal:
    """Maximum milliseconds for one kind of request."""

    kind: str
    p99_ms: float
    slowest_ms: float = float("inf")

    def met(self, took: Sequence[float]) -> bool:
        """Whether these times meet the goal."""
        return bool(np.percentile(took, 99) <= self.p99_ms and max(took) <= self.slowest_ms)

    def __str__(self) -> str:
        slowest = f" and the slowest {self.slowest_ms:g} ms" if np.isfinite(self.slowest_ms) else ""
        return f"{self.kind}: p99 at most {self.p99_ms:g} ms{slowest}"


def lists(data: Interactions, count: int, seed: int) -> list[Request]:
    """Requests for lists; users occur as often as they have rated."""
    users = data.users[np.random.default_rng(seed).integers(len(data), size=count)]
    return [Request(LIST, "GET", f"/ml/recommendations/{data.user_ids.raw(int(user))}?n={LISTED}") for user in users]


def ratings(planned: Iterable[Planned]) -> list[Request]:
    """Requests that post ratings."""
    return [
        Request(RATE, "POST", "/rate", {"user_id": user, "movie_id": movie, "rating": rating}, (user, movie, rating))
        for user, movie, rating in planned
    ]


def acknowledged(answers: Iterable[Answer]) -> list[Planned]:
    """The ratings that the server acknowledged."""
    return [answer.request.item for answer in answers if answer.request.kind == RATE and answer.good]


def fault(answer: Answer) -> str | None:
    """The problem with a response: its status, or a list that is too short."""
    if not answer.good:
        return f"{answer.request.method} {answer.request.path}: {answer.status} {answer.body[:200]!r}"
    if answer.request.kind == LIST and (found := len(json.loads(answer.body)["items"])) != LISTED:
        return f"{answer.request.path}: {found} movies"
    return None


def report(title: str, answers: Sequence[Answer], flushes: Sequence[float], goals: Sequence[Goal]) -> bool:
    """Print the results of one part; return whether no request failed and all goals are met."""
    took: dict[str, list[float]] = {}
    for answer in answers:
        took.setdefault(answer.request.kind, []).append(answer.ms)
    rows = [*took.items(), *([("bare flush", flushes)] if flushes else [])]
    print(f"\n{title}\n  {'':20s} {'count':>6s} {'median':>8s} {'p99':>8s} {'slowest':>8s} ms")
    for kind, found in rows:
        median, p99 = np.percentile(found, [50, 99])
        print(f"  {kind:20s} {len(found):6,d} {median:8.1f} {p99:8.1f} {max(found):8.1f}")
    faults = [problem for answer in answers if (problem := fault(answer)) is not None]
    missed = [goal for goal in goals if not goal.met(took[goal.kind])]
    for goal in goals:
        print(f"  {goal}: {'MISSED' if goal in missed else 'met'}")
    print(f"  requests that failed: {len(faults)}")
    print("".join(f"    {problem}\n" for problem in faults[:5]), end="", flush=True)
    return not faults and not missed


class Load:
    """The parts of the benchmark, on one server.

    Args:
        server: serves a version trained on the demo data.
        seconds: duration of lists and ratings in each part.
    """

    def __init__(self, server: Server, seconds: float) -> None:
        self.server = server
        self.seconds = seconds
        self.data = demo_interactions()
        most = 2 * (seconds + 1) + 1 + IMPORTED_WITHIN_S + AFTER_IMPORT_S + 1 + KILLS * (KILLED_WITHIN_S[1] + 1)
        self.planned: Iterator[Planned] = iter(plan(self.data, int(RATINGS_PER_SECOND * most)))
        self.stored: list[Planned] = []

    def floor(self) -> bool:
        """A round trip without work."""
        alive = [Request(ALIVE, "GET", "/health/live")] * int(self.seconds / 4 * LISTS_PER_SECOND)
        answers = send(self.server.port, at_rate(LISTS_PER_SECOND, alive))
        return report("a round trip without work", answers, [], [])

    def at_rest(self) -> bool:
        """Lists and ratings with nothing else going on."""
        self._rest()
        answers, flushes = self._observed(lambda: self._mixed(self.seconds))
        return report("100 lists and 20 ratings a second", answers, flushes, [Goal(LIST, 8.0)])

    def beside_training(self, model: str) -> bool:
        """Lists and ratings during a training."""
        self._rest()
        client = self.server.client()
        order = {"model": model, "activate": "never", "hyperparameters": TRAININGS[model]}
        status = f"/ml/training-status?run_id={client.ask('POST', '/ml/train', order)[1]['run_id']}"
        until(lambda: client.ask("GET", status)[1]["state"] == "running", "the training")
        answers, flushes = self._observed(lambda: self._mixed(self.seconds))
        client = self.server.client()  # the server has closed the idle connection meanwhile
        run = client.ask("GET", status)[1]
        if run["state"] != "running":
            raise RuntimeError(f"the training ended before the requests did: {run}")
        client.ask("POST", f"/ml/training-runs/{run['run_id']}/cancel")
        until(lambda: client.ask("GET", status)[1]["state"] == "cancelled", "the end of the training")
        return report(f"the same during a training of {model}", answers, flushes, [Goal(LIST, 15.0)])

    def beside_import(self) -> bool:
        """Ratings during the import of a million others."""
        file = self._file()
        self._rest()
        with ThreadPoolExecutor(1) as pool:
            job: Future[tuple[dict[str, Any], float]] = pool.submit(self._import, file)

            def over(_: Sequence[Answer]) -> bool:
                return job.done() and (bool(job.exception()) or time.monotonic() > job.result()[1] + AFTER_IMPORT_S)

            most = int(RATINGS_PER_SECOND * (IMPORTED_WITHIN_S + AFTER_IMPORT_S))
            posts = at_rate(RATINGS_PER_SECOND, ratings(islice(self.planned, most)))
            begun = time.monotonic()
            answers, flushes = self._observed(lambda: send(self.server.port, posts, over))
        imported, ended = job.result()
        self.stored += acknowledged(answers)
        added = imported["result"]["ratings_added"]
        title = f"20 ratings a second during an import of {IMPORTED[0]:,} ({added:,} new) in {ended - begun:.0f} s"
        return report(title, answers, flushes, [Goal(RATE, 100.0, 500.0)])

    def beside_kills(self) -> bool:
        """Kill the server under load, every other time during an import, and start it again."""
        print(f"\n{KILLS} kills under 100 lists and 20 ratings a second", flush=True)
        file, draw, whole = self._file(), np.random.default_rng(0), True
        for place in range(KILLS):
            after, importing = float(draw.uniform(*KILLED_WITHIN_S)), place % 2 == 1
            ours = len(self.stored)
            self._killed(after, file if importing else None)
            begun = time.monotonic()
            self.server.start()
            ready, missing = time.monotonic() - begun, lost(self.server.folder, self.stored)
            beside = " during an import" if importing else ""
            counts = f"{len(self.stored) - ours} ratings acknowledged, of all {len(self.stored):,} lost: {missing}"
            print(f"  after {after:.1f} s{beside}: {counts}; serves again after {ready:.1f} s", flush=True)
            whole = whole and not missing and len(self.stored) > ours
        return whole

    def _killed(self, after_s: float, file: Path | None) -> None:
        """Send requests until the server is killed after ``after_s`` seconds."""
        with ThreadPoolExecutor(2) as pool:
            if file is not None:
                pool.submit(upload, self.server.port, file)  # its result does not matter: it may be cut off
            killed = pool.submit(self._kill, after_s)
            answers = send(self.server.port, self._timetable(after_s + 1), lambda _: killed.done())
            killed.result()
        self.stored += acknowledged(answers)

    def _kill(self, after_s: float) -> None:
        time.sleep(after_s)
        self.server.kill()

    def _file(self) -> Path:
        """The file of ratings to import."""
        file = self.server.folder / "ratings.csv"
        if not file.exists():
            simulated.main([str(file), *map(str, IMPORTED)])
        return file

    def _import(self, file: Path) -> tuple[dict[str, Any], float]:
        """The finished job and its end on the monotonic clock."""
        job = upload(self.server.port, file)
        asked = self.server.client()
        end = time.monotonic() + IMPORTED_WITHIN_S
        while (found := asked.ask("GET", f"/jobs/{job}")[1])["state"] in {"queued", "running"}:
            if time.monotonic() > end:
                raise TimeoutError(f"the import took longer than {IMPORTED_WITHIN_S:g} s: {found}")
            time.sleep(0.5)
        if found["state"] != "succeeded":
            raise RuntimeError(f"the import failed: {found}")
        return found, time.monotonic()

    def _rest(self) -> None:
        """Wait for the disk, then send requests for a second, so that nothing is loaded for the first time later."""
        time.sleep(REST_S)
        self._mixed(1.0)

    def _mixed(self, seconds: float) -> list[Answer]:
        answers = send(self.server.port, self._timetable(seconds))
        self.stored += acknowledged(answers)
        return answers

    def _timetable(self, seconds: float) -> list[tuple[float, Request]]:
        wanted = lists(self.data, int(seconds * LISTS_PER_SECOND), seed=len(self.stored))
        rated = ratings(islice(self.planned, int(seconds * RATINGS_PER_SECOND)))
        between = 0.5 / LISTS_PER_SECOND  # ratings are due between lists
        return at_rate(LISTS_PER_SECOND, wanted) + at_rate(RATINGS_PER_SECOND, rated, between)

    def _observed(self, ask: Callable[[], list[Answer]]) -> tuple[list[Answer], list[float]]:
        """The responses, and milliseconds of bare flushes of the same disk at the same time."""
        ended = Event()
        with ThreadPoolExecutor(1) as pool:
            flushes = pool.submit(flush_again_and_again, self.server.folder / "flushed", ended)
            try:
                answers = ask()
            finally:
                ended.set()
        return answers, flushes.result()


def upload(port: int, file: Path) -> int:
    """Upload a file of ratings; returns the id of its job."""
    boundary = "ratings-of-the-benchmark"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{file.name}"\r\n'
        "Content-Type: text/csv\r\n\r\n"
    ).encode()
    tail = f"\r\n--{boundary}--\r\n".encode()
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    length = len(head) + file.stat().st_size + len(tail)

    def parts() -> Iterator[bytes]:
        yield head
        with file.open("rb") as opened:
            while part := opened.read(2**18):
                yield part
        yield tail

    headers = KEYED | {"Content-Type": f"multipart/form-data; boundary={boundary}", "Content-Length": str(length)}
    connection.request("POST", "/api/data/imports", parts(), headers)
    answer = connection.getresponse()
    found = json.loads(answer.read())
    connection.close()
    if answer.status != 202:
        raise RuntimeError(f"the import was refused: {found}")
    return int(found["job_id"])


def main(options: list[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks load", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="duration of each part with lists")
    parser.add_argument("--model", choices=TRAININGS, default="ncf", help="model of the training")
    parser.add_argument("--only", choices=("rest", "training", "import", "kills"), help="run one part")
    asked = parser.parse_args(options)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        server.start()
        try:
            load = Load(server, asked.seconds)
            parts = {
                "rest": lambda: load.floor() and load.at_rest(),
                "training": lambda: load.beside_training(asked.model),
                "import": load.beside_import,
                "kills": load.beside_kills,
            }
            met = []
            for name, part in parts.items():
                if asked.only in {None, name}:
                    met.append(part())
        finally:
            server.stop()
        missing = lost(server.folder, load.stored)
    print(f"\nacknowledged ratings: {len(load.stored):,}, lost: {missing}")
    return 0 if all(met) and not missing else 1
