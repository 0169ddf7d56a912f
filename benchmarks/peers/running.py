"""Running models one after the other, each in a process with limits on time and memory."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from benchmarks.peers.problems import Problem
from benchmarks.peers.worker import OUT_OF_MEMORY, PROBLEM, Figures

Command = Callable[[str, Path], list[str]]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Limits:
    """Limits per model: seconds in total, GiB of address space, threads."""

    budget: float
    memory: float
    threads: int

    @staticmethod
    def offer(parser: ArgumentParser, *, threads: int) -> None:
        """Add their options, with this default number of threads."""
        parser.add_argument("--budget", type=float, default=600, help="maximum seconds per model (600)")
        parser.add_argument("--memory", type=float, default=12, help="maximum GiB per model (12)")
        parser.add_argument("--threads", type=int, default=threads, help=f"threads per model ({threads})")

    @classmethod
    def of(cls, options: Namespace) -> Self:
        """Those that were given."""
        return cls(options.budget, options.memory, options.threads)


@dataclass(frozen=True)
class Outcome:
    """Outcome of one model.

    Attributes:
        model: its name.
        status: ``done``, or why figures are missing.
        figures: those of the stages that ended.
        failed: it broke, which no limit explains.
    """

    model: str
    status: str
    figures: Figures = field(default_factory=dict)
    failed: bool = False


def run(
    names: Sequence[str],
    problem: Problem,
    limits: Limits,
    tell: Callable[[str], None],
    command: Command | None = None,
) -> list[Outcome]:
    """Run every model on the problem, one at a time; ``tell`` is called after each."""
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / PROBLEM).write_bytes(pickle.dumps(problem, protocol=5))
        for name in names:
            started = time.perf_counter()
            line = (command or worker(limits))(name, Path(folder))
            outcomes.append(run_one(name, line, limits))
            tell(f"{name}: {outcomes[-1].status}, {time.perf_counter() - started:.0f} s in total")
    return outcomes


def worker(limits: Limits) -> Command:
    """The command line of the process that measures a model."""
    module = [sys.executable, "-m", "benchmarks.peers.worker"]
    return lambda name, folder: [*module, name, str(folder), str(limits.memory)]


def run_one(name: str, line: list[str], limits: Limits) -> Outcome:
    """Run one model in a process, for no longer than the budget, and read its output."""
    environment = os.environ | dict.fromkeys(THREADS, str(limits.threads))
    try:
        done = subprocess.run(line, capture_output=True, timeout=limits.budget, env=environment, check=False)
    except subprocess.TimeoutExpired as stopped:  # the process has been killed
        return Outcome(name, f"over the budget of {limits.budget:g} s", read(stopped.stdout))
    if done.returncode == 0:
        return Outcome(name, "done", read(done.stdout))
    if done.returncode == OUT_OF_MEMORY:
        return Outcome(name, f"over the memory of {limits.memory:g} GiB", read(done.stdout))
    last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
    return Outcome(name, f"failed with code {done.returncode}: {last[0]}", read(done.stdout), failed=True)


def read(said: bytes | None) -> Figures:
    """Figures of all complete lines."""
    figures: Figures = {}
    for line in (said or b"").splitlines(keepends=True):
        if line.endswith(b"\n"):
            figures |= json.loads(line)
    return figures
