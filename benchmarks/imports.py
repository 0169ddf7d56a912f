"""Imports of simulated ratings: seconds of scan and write, ratings a second, and peak memory.

``python -m benchmarks imports [--ratings 25000095] [--broken]``; with ``--broken`` one row in a hundred is broken.
Beside it stands the time that pandas takes to read the same file, in one run.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import simulated
from engine.data.plan import ImportOptions
from engine.runtime import build
from engine.services.jobs import Job
from engine.services.uploads import UploadedFile
from engine.settings import Settings

BROKEN = (  # seven kinds
    "a,b",
    "1,2,3,4,5,6,7",
    ",17,4.0,978300760",
    "17,,4.0,978300760",
    "17,18,good,978300760",
    '17,18,"4.0,978300760',
    f"17,{'9' * 300},4.0,978300760",
)
OLD = (
    "a,b",
    "1,2,3,4,5,6,7",
    ",17,4.0,978300760",
    "17,,4.0,978300760",
    "17,18,good,978300760",
    '17,18,"4.0,978300760',
)
GOAL_S, GOAL_GIB = 120.0, 1.0
SCAN_SHARE = 0.25


def main(options: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ratings", type=int, default=simulated.MOVIELENS_25M[0])
    parser.add_argument("--broken", action="store_true")
    given = parser.parse_args(options)
    with tempfile.TemporaryDirectory(prefix="marquee-imports-") as folder:
        path = Path(folder, "ratings.csv")
        share = given.ratings / simulated.MOVIELENS_25M[0]
        users = max(int(simulated.MOVIELENS_25M[1] * share), 100)
        _run("-m", "benchmarks.simulated", str(path), str(given.ratings), str(users), str(simulated.MOVIELENS_25M[2]))
        broken = _break(path) if given.broken else 0
        begun = time.perf_counter()
        _run("-c", "import sys, pandas; pandas.read_csv(sys.argv[1], on_bad_lines='skip', quoting=3)", str(path))
        beside = time.perf_counter() - begun
        return _import(Path(folder), path, given.ratings, broken, beside)


def _run(*arguments: str) -> None:
    """Run Python in a process of its own, so that its memory does not count."""
    subprocess.run([sys.executable, *arguments], check=True)


def _break(path: Path) -> int:
    """Add a broken row after every hundredth; returns how many."""
    copy, count = path.with_suffix(".broken"), 0
    with path.open() as source, copy.open("w") as sink:
        for number, line in enumerate(source):
            sink.write(line)
            if number % 100 == 99:
                sink.write(BROKEN[count % len(BROKEN)] + "\n")
                count += 1
    copy.replace(path)
    return count


def _import(folder: Path, path: Path, ratings: int, broken: int, beside: float) -> int:
    runtime = build(Settings(database_url=f"sqlite:///{folder}/marquee.db", demo=False))
    imports = runtime.services.imports
    imports.start()
    begun = time.perf_counter()
    with path.open("rb") as stream:
        job_id = imports.import_files([UploadedFile(path.name, stream)], ImportOptions())
    planned = None
    while not (job := imports.job(job_id)).state.is_finished:
        assert job.state != "waiting", job.questions
        planned = planned or (time.perf_counter() if job.plan is not None else None)
        time.sleep(0.05)
    ended = time.perf_counter()
    imports.close()
    size = runtime.database.path.stat().st_size
    runtime.database.close()
    return _report(job, ratings, broken, ended - begun, (planned or ended) - begun, beside, size)


def _report(job: Job, ratings: int, broken: int, whole: float, scan: float, beside: float, size: int) -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    assert job.result is not None, job.error
    exact = job.result.ratings_added == ratings and job.result.rows_rejected == broken
    print(f"{ratings:,} ratings, {broken:,} broken rows; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"whole import  {whole:7.1f} s  {ratings / whole:,.0f} ratings a second  (goal at 25M: {GOAL_S:.0f} s)")
    print(f"scan          {scan:7.1f} s  {scan / whole:.0%} of it  (goal: {SCAN_SHARE:.0%})")
    print(f"pandas        {beside:7.1f} s  for reading alone; the import takes {whole / beside:.1f} times as long")
    print(f"peak memory   {peak:7.2f} GiB  (goal: {GOAL_GIB:g});  store {size / 2**30:.2f} GiB")
    for reason in job.result.rejected:
        print(f"  set aside: {reason.rows:,}  {reason.reason}")
    print("all good rows are in, and all broken ones were set aside" if exact else f"WRONG: {job.result}")
    return 0 if exact and whole <= GOAL_S and scan <= SCAN_SHARE * whole and peak <= GOAL_GIB else 1
