"""``python -m benchmarks scale``: import, training, requests and restart of one server at one million ratings and more.

Smaller sizes have fewer users and the same catalogue of 59,047 movies. Beside a store's life stand fits of Surprise's
SVD, implicit's ALS and Cornac's MF to 80% of the same ratings. At 25m the exit code is 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import markdown
from benchmarks.data import interactions
from benchmarks.peers.command import machine
from benchmarks.peers.problems import part
from benchmarks.peers.running import Limits, run
from benchmarks.peers.table import number, render
from benchmarks.scale.growth import draw, exponent
from benchmarks.scale.process import Stage
from benchmarks.scale.stages import IMPORT, RESTART, SERVING, TRAINING, Life, live
from benchmarks.simulated import MOVIELENS_25M, simulate

SIZES = {
    "1m": (1_000_000, 6_502, MOVIELENS_25M[2]),
    "5m": (5_000_000, 32_508, MOVIELENS_25M[2]),
    "25m": MOVIELENS_25M,
}
"""Ratings, users and movies."""
Figures = dict[str, Any]
FITTED = ("Marquee svd", "Surprise SVD", "implicit ALS", "Cornac MF")
STEEPEST = 1.15
"""Exponent of growth above which a step is named."""
LARGEST = "25m"


@dataclass(frozen=True)
class Goal:
    """A figure of the largest size, its unit, and the most that it may be."""

    name: str
    value: float
    most: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether the figure is within its limit."""
        return self.value <= self.most

    def __str__(self) -> str:
        verdict = "met" if self.met else "MISSED"
        return f"{self.name}: {number(self.value)} {self.unit}, at most {self.most:g}: {verdict}"


def goals(life: Life) -> list[Goal]:
    """What 25 million ratings may take on two processors."""
    lists, ratings = (float(np.percentile(found, 99)) for found in (life.served.lists, life.served.ratings))
    return [
        Goal("import", life.stage(IMPORT).seconds, 90, "s"),
        Goal(TRAINING, life.stage(TRAINING).seconds, 240, "s"),
        Goal("peak memory", life.peak_gib, 4, "GiB"),
        Goal("list, p99", lists, 8, "ms"),
        Goal("rating, p99", ratings, 25, "ms"),
        Goal("restart", life.stage(RESTART).seconds, 10, "s"),
        Goal("requests that failed", life.served.failed, 0, "of them"),
    ]


def parser() -> argparse.ArgumentParser:
    """The options."""
    found = argparse.ArgumentParser(prog="python -m benchmarks scale", description=__doc__)
    found.add_argument("--size", choices=SIZES, action="append", help="only this size; may be given again")
    found.add_argument("--seconds", type=float, default=60, help="duration of the requests (60)")
    found.add_argument("--files", type=Path, help="folder that keeps the files of ratings (a temporary one)")
    found.add_argument("--only", choices=("marquee", "peers"), help="without the peers, or nothing but the peers")
    Limits.offer(found, threads=2)
    found.add_argument("--out", type=Path, default=Path("var/benchmarks"), help="folder for figures and chart")
    return found


def main(arguments: list[str]) -> int:
    """Run the requested sizes, the smallest first; 1 if a goal of the largest is missed."""
    options = parser().parse_args(arguments)
    wanted = [size for size in SIZES if size in (options.size or SIZES)]
    lives: dict[str, Life] = {}
    missed = False
    for size in wanted:
        if options.only != "peers":
            lives[size] = one(size, options)
            write(options.out, {size: figures(lives[size])})  # kept even if a larger size does not end
        if size == LARGEST and lives:
            found = goals(lives[size])
            print("\n".join(map(str, found)), flush=True)
            missed = not all(goal.met for goal in found)
        if options.only != "marquee":
            beside(size, options)
    return int(missed)


def one(size: str, options: argparse.Namespace) -> Life:
    """One size: its stages as they end, then its table."""
    ratings, users, movies = SIZES[size]
    print(f"{size}: {ratings:,} ratings, {users:,} users, {movies:,} movies; load {load()}", flush=True)
    with tempfile.TemporaryDirectory(prefix="marquee-scale-") as folder:
        file = (options.files or Path(folder)) / f"{size}.csv"
        if not file.exists():
            sizes = map(str, SIZES[size])
            subprocess.run([sys.executable, "-m", "benchmarks.simulated", str(file), *sizes], check=True)
        store = Path(folder, "store")
        store.mkdir()

        def tell(stage: Stage) -> None:
            took = f"{stage.seconds:.1f} s, {stage.processor_s:.1f} s of processors, {stage.peak_gib:.2f} GiB"
            print(f"  {stage.name}: {took}; load {load()}", file=sys.stderr, flush=True)

        life = live(store, file, options.seconds, tell)
    print(f"\n{table(ratings, life)}\n\nstore: {life.store_gib:.2f} GiB; load {load()}\n", flush=True)
    return life


def load() -> str:
    """The load average of the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def table(ratings: int, life: Life) -> str:
    """Time, memory and ratings a second of each stage, and the times of requests."""
    headings = ("stage", "time, s", "processors, s", "ratings a second", "peak memory, GiB")
    rows = []
    for stage in life.stages:
        speed = "" if stage.name in {RESTART, SERVING} else f"{ratings / max(stage.seconds, 0.01):,.0f}"
        took = f"{stage.seconds:.1f}", f"{stage.processor_s:.1f}"
        rows.append((stage.name, *took, speed, f"{stage.peak_gib:.2f}"))
    requests = []
    for name, found in (("a list", life.served.lists), ("a rating", life.served.ratings)):
        median, p99 = np.percentile(found, [50, 99])
        requests.append((name, f"{median:.1f}", f"{p99:.1f}", f"{found.max():.1f}"))
    return f"{markdown.table(headings, rows)}\n\n{markdown.table(('', 'median, ms', 'p99', 'slowest'), requests)}"


def beside(size: str, options: argparse.Namespace) -> None:
    """Fits of other libraries on the same ratings, one at a time, each in its own process."""
    print(f"{size}: fits to 80% of the ratings; load {load()}", flush=True)
    problem = part(interactions(simulate(*SIZES[size])), n_users=500, seed=0)
    limits = Limits.of(options)
    outcomes = run(FITTED, problem, limits, lambda line: print(f"  {line}", file=sys.stderr, flush=True))
    print(f"{render(outcomes)}\n", flush=True)


def figures(life: Life) -> Figures:
    """One size as JSON values."""
    return {
        "stages": [asdict(stage) for stage in life.stages],
        "lists_ms": np.percentile(life.served.lists, [50, 99, 100]).tolist(),
        "ratings_ms": np.percentile(life.served.ratings, [50, 99, 100]).tolist(),
        "store_gib": life.store_gib,
    } | machine()


def grown(sizes: Sequence[Figures]) -> dict[str, list[float]]:
    """Processor seconds of every stage that all sizes have, by name; the time of requests is fixed."""
    have = [{stage["name"]: stage["processor_s"] for stage in size["stages"]} for size in sizes]
    shared = [name for name in have[0] if name != SERVING and all(one.get(name, 0) > 0 for one in have)]
    return {name: [one[name] for one in have] for name in shared}


def write(folder: Path, found: dict[str, Figures]) -> None:
    """``scale.json``, and with several sizes ``scale.svg`` and the exponents; sizes measured before are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "scale.json"
    before = json.loads(file.read_text("utf-8")) if file.exists() else {}
    known = {size: found.get(size) or before[size] for size in SIZES if size in found or size in before}
    file.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    if len(known) < 2:
        return
    ratings, steps = [SIZES[size][0] for size in known], grown(list(known.values()))
    title = "Processor seconds by number of ratings; dashed: in proportion"
    (folder / "scale.svg").write_text(draw(title, ratings, steps), encoding="utf-8")
    print("growth of processor time, exponent (1 is in proportion):")
    for name, seconds in steps.items():
        slope = exponent(ratings, seconds)
        print(f"  {slope:5.2f}  {name}{'  STEEPER than ' + str(STEEPEST) if slope > STEEPEST else ''}")
    print(f"figures and chart: {folder}/scale.json, .svg", flush=True)
