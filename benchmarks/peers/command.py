"""``python -m benchmarks peers``: the comparison as a table, a chart and a file of figures."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
import time
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.peers.chart import draw
from benchmarks.peers.models import ENTRIES, ON_SPARK
from benchmarks.peers.problems import SIZES, describe, pose
from benchmarks.peers.running import Limits, Outcome, run
from benchmarks.peers.table import leads, ratios, render

LIBRARIES = ("numpy", "scipy", "numba", "scikit-learn", "scikit-surprise", "implicit", "cornac")


def parser() -> argparse.ArgumentParser:
    """The options."""
    found = argparse.ArgumentParser(prog="python -m benchmarks peers", description=__doc__)
    found.add_argument("--size", choices=SIZES, action="append", help="only this size; may be given again")
    found.add_argument("--models", nargs="+", choices=ENTRIES, metavar="MODEL", help=f"of: {', '.join(ENTRIES)}")
    Limits.offer(found, threads=1)
    found.add_argument("--users", type=int, default=500, help="maximum number of users whose lists are evaluated (500)")
    found.add_argument("--out", type=Path, default=Path("var/benchmarks"), help="folder for figures and charts")
    return found


def main(arguments: list[str]) -> int:
    """Run the requested sizes; 1 if a peer is better, or a model failed other than by the limits of time and memory."""
    options = parser().parse_args(arguments)
    worst = 0
    for size in options.size or SIZES:
        outcomes = compare(size, options, arguments)
        lines, ahead = leads(outcomes, {outcome.model: ENTRIES[outcome.model].beside for outcome in outcomes})
        print("\n".join([*lines, ""]))
        worst = max(worst, int(not ahead or any(outcome.failed for outcome in outcomes)))
    return worst


def compare(size: str, options: argparse.Namespace, arguments: list[str]) -> list[Outcome]:
    """One size: run, print the table, write figures and chart."""
    problem = pose(size, options.users)
    limits = Limits.of(options)
    about = describe(problem)
    title = f"{size}: {about['train_ratings']:,} training ratings, {about['users']:,} users, {about['movies']:,} movies"
    print(f"{title}; evaluated on {about['test_ratings']:,} ratings and the lists of {about['users_listed']} users")
    names = options.models or [name for name in ENTRIES if name not in ON_SPARK]
    outcomes = run(names, problem, limits, lambda line: print(f"  {line}", file=sys.stderr))
    run_as = {"command": shlex.join(["python", "-m", "benchmarks", "peers", *arguments]), "limits": asdict(limits)}
    write(options.out, size, title, outcomes, run_as | machine() | {"problem": about})
    print(f"\n{render(outcomes)}\n")
    if left_out := [name for name in ENTRIES if name not in names]:
        print(f"Not run: {', '.join(left_out)}.\n")
    return outcomes


def write(folder: Path, size: str, title: str, outcomes: list[Outcome], about: dict[str, Any]) -> None:
    """``peers-SIZE.json`` and ``peers-SIZE.svg``."""
    compared = ratios(outcomes, {outcome.model: ENTRIES[outcome.model].beside for outcome in outcomes})
    models = [
        asdict(outcome) | {"settings": ENTRIES[outcome.model].settings, "ratios": compared[outcome.model]}
        for outcome in outcomes
    ]
    folder.mkdir(parents=True, exist_ok=True)
    figures = json.dumps(about | {"models": models}, indent=1, ensure_ascii=False)
    (folder / f"peers-{size}.json").write_text(figures + "\n", encoding="utf-8")
    (folder / f"peers-{size}.svg").write_text(draw(title, outcomes), encoding="utf-8")
    print(f"figures and chart: {folder}/peers-{size}.json, .svg")


def machine() -> dict[str, Any]:
    """Date, processors, memory, load at the end, and versions."""
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, {gib:.0f} GiB",
        "load_average": os.getloadavg(),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in LIBRARIES},
    }


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"
