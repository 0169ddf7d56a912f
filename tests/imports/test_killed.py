"""Imports that are killed at any moment: after the next start all of it is there, or nothing."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2 as sqlite
import pytest

from engine.services.imports import UNDO_STOPPED
from store import bulk_ratings
from store.imports import ImportStore
from tests.imports.bench import Bench, Files, Stored
from tests.imports.data import START, table

ROOT = Path(__file__).parents[2]


def votes(n: int, value: float, at: int) -> str:
    """Ratings of 40 movies by many people, with titles."""
    lines = [(f"u{row // 40}", f"m{row % 40}", value, at, f"Film {value:g} of {row % 40}") for row in range(n)]
    return table(("user", "movie", "rating", "time", "title"), lines)


FIRST: Files = {"a.csv": votes(400, 2.5, START)}
SECOND: Files = {"b.csv": votes(1200, 4.5, START + 9)}
LARGE: Files = {"b.csv": votes(20_000, 4.5, START + 9)}
OPTIONS: dict[str, Any] = {"scale": [0.5, 5.0], "catalogue": "same"}
Everything = tuple[Stored, dict[str, str], list[str]]


def everything(bench: Bench) -> Everything:
    """Ratings, titles, and states of imports."""
    titles = {key: row.title for key, row in bench.movies().items()}
    return bench.stored(), titles, [batch.state for batch in bench.service.batches()]


def committed(bench: Bench, folder: Path) -> None:
    """Copy what a kill would leave at this moment: the last committed state, and the files of the import."""
    shutil.copytree(bench.folder / "imports", folder / "imports")
    with closing(sqlite.connect(bench.folder / "m.db")) as source, closing(sqlite.connect(folder / "m.db")) as copy:
        source.backup(copy)


def test_an_import_killed_between_any_two_writes_leaves_nothing(
    benches: Callable[[], Bench], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is copied before each write, as a kill would leave it, and opened again."""
    bench, copies = benches(), tmp_path / "copies"
    bench.bring(FIRST, **OPTIONS)
    before = everything(bench)

    def copied(write: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            committed(bench, copies / str(len(list(copies.iterdir()))))
            return write(*args, **options)

        return wrapped

    copies.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(bulk_ratings, "CHUNK", 300)
        patch.setattr(bulk_ratings, "_put", copied(bulk_ratings._put))
        patch.setattr(ImportStore, "begin", copied(ImportStore.begin))
        patch.setattr(ImportStore, "finish", copied(ImportStore.finish))
        assert bench.bring(SECOND, **OPTIONS).job.state == "succeeded"
    after = everything(bench)
    assert after != before
    found = sorted(copies.iterdir(), key=lambda one: int(one.name))
    assert len(found) >= 6
    for folder in found:
        again = Bench(folder)
        try:
            assert everything(again) == before
            job = again.service.jobs(1)[0]
            assert (job.state, "Nothing of it was kept" in str(job.error)) == ("failed", True)
            assert not (folder / "imports").exists() or not list((folder / "imports").iterdir())
            again.bring(SECOND, **OPTIONS)
            assert everything(again) == after
        finally:
            again.close()


def test_an_import_killed_once_everything_was_written_has_succeeded(
    benches: Callable[[], Bench], tmp_path: Path
) -> None:
    bench, killed = benches(), tmp_path / "killed"
    killed.mkdir()
    bench.service._on_change = lambda: committed(bench, killed)
    done = bench.bring(FIRST, **OPTIONS)
    again = Bench(killed)
    try:
        assert everything(again) == everything(bench)
        job = again.service.jobs(1)[0]
        assert (job.state, job.error) == ("succeeded", None)
        assert job.result is not None
        assert (job.result.import_id, job.result.ratings_added) == (1, 400)
        assert done.result["ratings_added"] == 400
    finally:
        again.close()


def test_an_undoing_that_was_killed_says_what_became_of_it(benches: Callable[[], Bench]) -> None:
    bench = benches()
    bench.bring(FIRST, **OPTIONS)
    job_id = bench.jobs.create("undo", "Waiting")
    bench.close()
    again = Bench(bench.folder)
    try:
        job = again.service.job(job_id)
        assert (job.state, job.error) == ("failed", UNDO_STOPPED)
    finally:
        again.close()


CHILD = """
import sys
from pathlib import Path
from tests.imports.bench import Bench
from tests.imports.test_killed import LARGE, OPTIONS

bench = Bench(Path(sys.argv[1]))
print("begun", flush=True)
bench.bring(LARGE, **OPTIONS)
print("ended", flush=True)
bench.service.worker._thread.join()
"""


def kill_after(folder: Path, share: float, seconds: float) -> float:
    """Kill an import when a share of the time that it takes has passed, or at its end where the share is above 1.

    Returns:
        Seconds that it ran.
    """
    with subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        begun = time.monotonic()
        if share > 1:
            assert process.stdout.readline() == b"ended\n"
        else:
            time.sleep(share * seconds)
        process.kill()
    return time.monotonic() - begun


def kill_often(make: Callable[[], Bench], folder: Path, kills: int, seed: int) -> None:
    bench, draw = make(), random.Random(seed)
    bench.bring(FIRST, **OPTIONS)
    before = everything(bench)
    bench.close()

    def again(name: str) -> Path:
        shutil.copytree(bench.folder, folder / name)
        return folder / name

    whole = again("whole")
    seconds = kill_after(whole, 2, 0)
    ended: Counter[str] = Counter()
    after: Everything | None = None
    for number in range(kills):
        killed = whole if after is None else again(f"kill {number}")
        if after is not None:
            kill_after(killed, draw.random(), seconds)
        opened = Bench(killed)
        try:
            found, state = everything(opened), opened.service.jobs(1)[0].state
            after = after or found
            assert (found, state == "succeeded") in ((before, False), (after, True))
            assert opened.database.check() == []
            ended[state] += 1
        finally:
            opened.close()
    assert after is not None
    assert len(after[0]) == 20_000
    assert ended["failed"] >= kills // 4, ended


@pytest.mark.slow
def test_a_few_imports_are_killed(benches: Callable[[], Bench], tmp_path: Path) -> None:
    kill_often(benches, tmp_path / "kills", 3, seed=1)


@pytest.mark.long
def test_twenty_imports_are_killed(benches: Callable[[], Bench], tmp_path: Path) -> None:
    kill_often(benches, tmp_path / "kills", 21, seed=2)
