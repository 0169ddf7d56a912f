"""An import that is cut short leaves nothing, however it ends, and the next one of the same files goes on."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.data.plan import ImportOptions
from engine.data.staging import Block, Staged
from engine.runtime import Runtime
from engine.services.jobs import Job
from engine.services.uploads import UploadedFile
from engine.settings import Settings
from store import bulk_ratings
from store.ratings import RatingStore
from tests.engine.services.conftest import opened, store_in, wait_for
from tests.store.faults import disk_of

ROWS, CHUNK = 3000, 100
BEFORE = "user,movie,rating,time\n" + "".join(f"u{row},m1,0.5,100000000\n" for row in range(50))


def rows(n: int = ROWS) -> str:
    lines = "".join(f"u{row},m{row % 7},{1 + row % 4},200000000\n" for row in range(n))
    return f"user,movie,rating,time\n{lines}"


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_ratings, "CHUNK", CHUNK)
    monkeypatch.setattr("engine.services.import_task.SLICE", 300)


def order(runtime: Runtime, text: str) -> int:
    upload = UploadedFile("ratings.csv", io.BytesIO(text.encode()))
    return runtime.services.imports.import_files([upload], ImportOptions(scale=[0.5, 5.0]))


def ended(runtime: Runtime, job_id: int) -> Job:
    imports = runtime.services.imports
    wait_for(lambda: imports.job(job_id).state.is_finished)
    return imports.job(job_id)


def stored(runtime: Runtime) -> list[tuple[Any, ...]]:
    """Everything that an import writes, without the numbers of imports."""
    asked = (
        "SELECT u.external_id, m.external_id, rating, rated_at FROM ratings JOIN users u ON u.id = user_id "
        "JOIN movies m ON m.id = movie_id ORDER BY 1, 2",
        "SELECT external_id, title, year FROM movies WHERE NOT removed ORDER BY 1",
        "SELECT state, count(*) FROM imports GROUP BY 1",
    )
    with runtime.database.read() as connection:
        return [tuple(row) for text in asked for row in connection.exec_driver_sql(text)]


def cut(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Act in the middle of the writing of ratings."""
    by_user, add, calls = Staged.by_user, RatingStore.add_ratings, []

    def counted(self: RatingStore, *args: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            act()
        return add(self, *args, **options)

    def begun(self: Staged, *args: Any) -> Iterator[Block]:
        calls.clear()
        yield from by_user(self, *args)

    monkeypatch.setattr(Staged, "by_user", begun)
    monkeypatch.setattr(RatingStore, "add_ratings", counted)


@pytest.fixture
def filled(runtime: Runtime) -> Runtime:
    """With an import whose ratings the next one replaces in part."""
    assert ended(runtime, order(runtime, BEFORE)).state == "succeeded"
    wait_for(lambda: runtime.services.training.current() is None)
    return runtime


@pytest.mark.parametrize(("kind", "reason"), [("full", "There is no space left"), ("broken", "fails to read or write")])
@pytest.mark.parametrize("spared", [6, 8, 13, 30])
def test_a_disk_that_fails_in_the_middle(filled: Runtime, kind: str, reason: str, spared: int) -> None:
    before = stored(filled)
    with disk_of(filled.database) as disk:
        disk.kind, disk.spared = kind, spared
        job = ended(filled, order(filled, rows()))
        assert (job.state, disk.failed > 0) == ("failed", True)
        assert re.search(reason, str(job.error))
        disk.kind = None
    wait_for(lambda: filled.services.imports._jobs.get(job.job_id).state == "failed")
    for import_id in filled.services.imports._stores.imports.unfinished():  # as the next start does
        filled.services.imports._stores.imports.undo(import_id)
    assert stored(filled) == before
    again = ended(filled, order(filled, rows()))
    assert (again.state, again.message) == ("succeeded", f"{ROWS:,} of {ROWS:,} ratings imported.")


def test_a_cancelled_import(filled: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    before, imports = stored(filled), filled.services.imports
    cut(monkeypatch, lambda: imports.cancel_job(imports.jobs(1)[0].job_id))
    job = ended(filled, order(filled, rows()))
    assert (job.state, job.error) == ("cancelled", "Nothing of it was kept.")
    assert stored(filled) == before


def test_a_file_that_can_no_longer_be_read(filled: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(5, "Input/output error")

    before = stored(filled)
    cut(monkeypatch, fail)
    job = ended(filled, order(filled, rows()))
    assert job.state == "failed"
    assert str(job.error).startswith("A file can't be read or written: Input/output error.")
    assert str(job.error).endswith("Nothing of it was kept.")
    assert stored(filled) == before


def test_a_stop(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(settings) as runtime:
        imports = runtime.services.imports

        def stop() -> None:
            imports.worker.stopping.set()
            for waiting in imports._orders.values():
                assert waiting.task is not None
                waiting.task.cancelled.set()

        cut(monkeypatch, stop)
        job_id = order(runtime, rows())
        assert ended(runtime, job_id).state == "cancelled"
    monkeypatch.undo()
    with opened(settings) as again:
        assert again.services.imports.job(job_id).state == "cancelled"
        assert stored(again) == []


KILLED = """
import os, signal, sys
from engine.runtime import build
from store import bulk_ratings
from tests.engine.services.conftest import store_in
from tests.engine.services.test_cut_short import order, rows
from pathlib import Path

bulk_ratings.CHUNK = 100
put, calls = bulk_ratings._put, []

def killed(*args, **options):
    calls.append(1)
    if len(calls) > int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return put(*args, **options)

bulk_ratings._put = killed
runtime = build(store_in(Path(sys.argv[1])))
runtime.services.imports.start()
order(runtime, rows())
runtime.services.imports.worker._thread.join()
"""


@pytest.mark.parametrize("transactions", [1, 7, 25])
def test_a_kill(tmp_path: Path, transactions: int) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(transactions)]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": "."}, capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with opened(store_in(tmp_path)) as runtime:
        job = runtime.services.imports.jobs(1)[0]
        assert (job.state, job.result) == ("failed", None)
        assert str(job.error).startswith("Marquee was stopped during this import. Nothing of it was kept")
        assert stored(runtime) == []
        assert ended(runtime, order(runtime, rows())).state == "succeeded"


def test_an_import_says_how_many_of_its_rows_went_in(runtime: Runtime) -> None:
    bad = "".join(f"u{row},m1,nine,1\n" for row in range(40))
    job = ended(runtime, order(runtime, f"user,movie,rating,time\n{bad}u1,m1,4,\n"))
    assert (job.state, job.message) == ("succeeded", "1 of 41 ratings imported; 40 rows set aside.")
