"""One model in its own process: ``python -m benchmarks.peers.worker MODEL FOLDER GIB`` prints JSON, a line per step.

What was measured before the process is ended by the clock is not lost that way.
"""

from __future__ import annotations

import json
import pickle
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.models import ENTRIES, Model, Rater
from benchmarks.peers.problems import LIST_LENGTH, RELEVANT_FROM, Problem, tiny
from engine.evaluation import metrics
from engine.models.base import top

PROBLEM = "problem.pickle"
STATUS = Path("/proc/self/status")
OUT_OF_MEMORY = 3
Figures = dict[str, float]


def measure(model: Model, problem: Problem) -> Iterator[Figures]:
    """Load, fit, predict and list; yields time and quality of each step."""
    before = _reset_peak()
    started = time.perf_counter()
    model.load(problem.train)
    loaded = time.perf_counter()
    model.fit()
    fitted = time.perf_counter()
    peak = _status("VmHWM") - before
    yield {"load_s": loaded - started, "fit_s": fitted - loaded, "peak_mib": peak, "baseline_mib": before}
    if isinstance(model, Rater):
        yield judge_ratings(model, problem)
    yield judge_lists(model, problem)


def judge_ratings(model: Rater, problem: Problem) -> Figures:
    """Root mean squared error on all test ratings, in stars."""
    test = problem.test
    return {"rmse": float(np.sqrt(metrics.squared_errors(model.predict(test.users, test.items), test.ratings).mean()))}


def judge_lists(model: Model, problem: Problem) -> Figures:
    """NDCG@10 of whole-catalogue lists without seen movies, half its 95% interval, and the median time per list."""
    hits = np.zeros((len(problem.users), LIST_LENGTH), bool)
    relevant = np.zeros(len(problem.users), np.int64)
    seconds = []
    for row, user in enumerate(problem.users.tolist()):
        started = time.perf_counter()
        seen = problem.train.items[problem.train.by_user.of(user)]
        listed = top(model.score(user), LIST_LENGTH, drop=seen)
        seconds.append(time.perf_counter() - started)
        liked = _liked(problem, user)
        hits[row, : len(listed)], relevant[row] = np.isin(listed, liked), len(liked)
    ndcg = metrics.ndcg(hits, relevant)
    half = 1.96 * ndcg.std(ddof=1) / np.sqrt(len(ndcg))
    return {"ndcg": float(ndcg.mean()), "ndcg_half": float(half), "list_ms": float(np.median(seconds)) * 1e3}


def _liked(problem: Problem, user: int) -> NDArray[np.int32]:
    rows = problem.test.by_user.of(user)
    return problem.test.items[rows[problem.test.ratings[rows] >= RELEVANT_FROM]]


def _status(field: str) -> float:
    """Memory of this process in MiB, current (VmRSS) or peak (VmHWM)."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) / 1024


def _reset_peak() -> float:
    """Reset the memory peak; returns current memory in MiB.

    getrusage's ru_maxrss can't be reset, and after a fork it begins with the parent's.
    """
    Path("/proc/self/clear_refs").write_text("5")  # see "man 5 proc"
    return _status("VmRSS")


def rehearse(model: Model) -> None:
    """Run every step once, so that imports and compilation are not measured."""
    for _ in measure(model, tiny()):
        pass


def main(name: str, folder: Path, gib: float) -> int:
    limit = int(gib * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        run(name, folder)
    except MemoryError:
        return OUT_OF_MEMORY
    return 0


def run(name: str, folder: Path) -> None:
    """Measure a model on the problem in a folder."""
    problem: Problem = pickle.loads((folder / PROBLEM).read_bytes())  # written by the parent process
    build = ENTRIES[name].build
    rehearse(build())
    for figures in measure(build(), problem):
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])))
