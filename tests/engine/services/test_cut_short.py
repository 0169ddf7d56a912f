"""An import that is cut short says what it has stored, and that is served, however it ends."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.data.reading import read_ratings
from engine.runtime import Runtime
from engine.services import import_task as module
from engine.services.imports import Job, UploadedFile
from engine.settings import Settings
from store import bulk_ratings
from tests.engine.services.conftest import opened, store_in, wait_for
from tests.store.faults import disk_of

ROWS, CHUNK = 3000, 100


def rows(n: int = ROWS) -> str:
    return "user,movie,rating\n" + "".join(f"u{row},m{row % 7},{1 + row % 4}\n" for row in range(n))


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_ratings, "CHUNK", CHUNK)
    monkeypatch.setattr("engine.data.rows.PART_BYTES", 4096)


def order(runtime: Runtime, **files: str) -> int:
    uploads = [UploadedFile(name.replace("_", "."), io.BytesIO(text.encode())) for name, text in files.items()]
    return runtime.services.imports.import_files(uploads)


def ended(runtime: Runtime, job_id: int) -> Job:
    imports = runtime.services.imports
    wait_for(lambda: imports.job(job_id).state.is_finished)
    return imports.job(job_id)


def check_truth(runtime: Runtime, job: Job) -> int:
    """What the job counts is what is stored, and it says so; returns how many ratings that is."""
    counts = runtime.services.library.counts()
    assert job.result is not None
    assert job.result.ratings_added == counts.ratings
    assert job.result.users_added == counts.users
    assert job.result.movies_added == counts.movies
    assert f"Stopped after {counts.ratings:,} ratings were saved; they are served. " in str(job.error)
    assert str(job.error).endswith("Import the file again to add the rest; nothing is added twice.")
    return counts.ratings


@pytest.mark.parametrize(("kind", "reason"), [("full", "There is no space left"), ("broken", "fails to read or write")])
@pytest.mark.parametrize("spared", [6, 7, 8, 9, 13, 30])
def test_a_disk_that_fails_in_the_middle(runtime: Runtime, kind: str, reason: str, spared: int) -> None:
    served: list[int] = []
    runtime.services.imports._on_change = lambda: served.append(runtime.services.library.counts().ratings)
    with disk_of(runtime.database) as disk:
        disk.kind, disk.spared = kind, spared
        job = ended(runtime, order(runtime, ratings_csv=rows()))
        assert job.state == "failed"
        assert disk.failed
        assert str(job.error).startswith(reason if kind == "full" else "The disk with the store")
        if runtime.services.library.counts().ratings:
            assert served == [check_truth(runtime, job)]
        else:
            assert re.search(r"\d (movies?|users?) were saved, and no rating yet\.|Nothing was saved\.", str(job.error))
        disk.kind = None
        wait_for(lambda: runtime.services.imports._jobs.get(job.job_id).state == "failed")
    again = ended(runtime, order(runtime, ratings_csv=rows()))
    assert again.state == "succeeded"
    assert again.message == f"{ROWS:,} of {ROWS:,} rows of ratings imported."
    assert runtime.services.library.counts().ratings == ROWS


def test_a_cancelled_import(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    read, imports = read_ratings, runtime.services.imports

    def cut(*args: Any) -> Any:
        for place, block in enumerate(read(*args)):
            if place == 3:
                imports.cancel_job(imports.jobs(1)[0].job_id)
            yield block

    monkeypatch.setattr(module, "read_ratings", cut)
    job = ended(runtime, order(runtime, ratings_csv=rows()))
    assert job.state == "cancelled"
    assert 0 < check_truth(runtime, job) < ROWS
    assert str(job.error).startswith("Stopped after")


def test_a_file_that_can_no_longer_be_read(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    read = read_ratings

    def broken(*args: Any) -> Any:
        for place, block in enumerate(read(*args)):
            if place == 3:
                raise OSError(5, "Input/output error")
            yield block

    monkeypatch.setattr(module, "read_ratings", broken)
    job = ended(runtime, order(runtime, ratings_csv=rows()))
    assert job.state == "failed"
    assert 0 < check_truth(runtime, job) < ROWS
    assert str(job.error).startswith("A file can't be read or written: Input/output error.")


def test_a_stop(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    read = read_ratings
    with opened(settings) as runtime:

        def stopped(*args: Any) -> Any:
            for place, block in enumerate(read(*args)):
                if place == 3:
                    runtime.services.imports.worker.stopping.set()
                    for waiting in runtime.services.imports._waiting.values():
                        waiting.cancelled.set()
                yield block

        monkeypatch.setattr(module, "read_ratings", stopped)
        job_id = order(runtime, ratings_csv=rows())
        job = ended(runtime, job_id)
        assert "the next start serves them" in str(job.error)
    monkeypatch.undo()
    with opened(settings) as again:
        found = again.services.imports.job(job_id)
        assert found.result is not None
        assert found.result.ratings_added == again.services.library.counts().ratings > 0


KILLED = """
import io, os, signal, sys
from engine.data import rows as row_reader
from engine.runtime import build
from engine.services.imports import UploadedFile
from store import bulk_ratings
from tests.engine.services.conftest import store_in
from tests.engine.services.test_cut_short import rows
from pathlib import Path

bulk_ratings.CHUNK, row_reader.PART_BYTES = 100, 4096
put, calls = bulk_ratings._put, []

def killed(*args, **options):
    calls.append(1)
    if len(calls) > int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return put(*args, **options)

bulk_ratings._put = killed
runtime = build(store_in(Path(sys.argv[1])))
runtime.services.imports.start()
runtime.services.imports.import_files([UploadedFile("ratings.csv", io.BytesIO(rows().encode()))])
runtime.services.imports.worker._thread.join()
"""


@pytest.mark.parametrize("transactions", [1, 7])
def test_a_kill(tmp_path: Path, transactions: int) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(transactions)]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": "."}, capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with opened(store_in(tmp_path)) as runtime:
        job = runtime.services.imports.jobs(1)[0]
        assert job.state == "failed"
        assert str(job.error).startswith("Marquee was stopped during this import. Stopped after")
        assert job.result is not None
        assert job.result.ratings_added == runtime.services.library.counts().ratings > 0
        assert job.result.users_added >= job.result.ratings_added


BAD = "user,movie,rating\n" + "".join(f"u{row},m1,nine\n" for row in range(40))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BAD, "None of 40 rows could be imported. The rating is not a number."),
        ("user,movie,rating\n", "no rows"),
        ("movie,title\n\x01,Heat\n", "None of 1 row could be imported. The movie id contains a control character."),
    ],
)
def test_an_import_that_brings_nothing_has_failed(runtime: Runtime, text: str, told: str) -> None:
    job = ended(runtime, order(runtime, some_csv=text))
    assert job.state == "failed"
    assert told in str(job.error)
    assert job.result is not None
    assert len(job.result.rejected) == job.result.rows_rejected
    assert runtime.services.library.counts().ratings == 0


def test_an_import_says_how_many_of_its_rows_went_in(runtime: Runtime) -> None:
    job = ended(runtime, order(runtime, some_csv=f"{BAD}u1,m1,4\n"))
    assert (job.state, job.message) == ("succeeded", "1 of 41 rows of ratings imported; 40 set aside.")
    movies = ended(runtime, order(runtime, some_csv="movie,title\n1,Heat\n"))
    assert (movies.state, movies.message) == ("succeeded", "1 movie read; there was no file of ratings.")
