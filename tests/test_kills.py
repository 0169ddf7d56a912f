"""SIGKILL at random moments: whatever Marquee was doing, it starts again whole and serves."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from threading import Timer
from typing import IO

import pytest

from engine.runtime import Runtime, build
from engine.settings import Settings
from store import backups
from store.database import Database
from store.ratings import RatingStore
from store.records import ActivationRecord, MovieRow
from store.versions import MLModelManager
from tests.engine.services.conftest import QUICK, fill, finished, wait_for
from tests.store.children import child, restore

ROOT = Path(__file__).parents[1]
MAX_DELAY_S = {
    "training": 0.3,
    "saving": 0.15,
    "activate": 0.003,
    "delete_version": 0.02,
    "retain": 0.02,
    "import": 0.3,
    "add_ratings": 0.02,
    "back_up": 0.05,
    "checkpoint": 0.01,
}
"""Maximum delay of the kill after the start of each kind of work: about as long as the work takes."""

HALF_WRITTEN = """
SELECT count(*) FROM ratings WHERE import_id NOT IN (SELECT import_id FROM imports WHERE state = 'done')
"""
DONE = "done: "
MAX_WAIT_S = 180.0
"""For the work to begin in the child; it takes seconds."""

CHILD = """
import io, os, random, sys
from contextlib import contextmanager
from engine.data.plan import ImportOptions
from engine.errors import Conflict, VersionUnavailable
from engine.runtime import build
from engine.services import trainer
from engine.services.import_task import Import
from engine.services.uploads import UploadedFile
from engine.settings import Settings
from store import backups
from store.generation import Guard
from store.versions import MLModelManager
from store.ratings import RatingStore

def tell(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())  # a whole line, whichever thread it comes from

def telling(owner, name, phase):
    method = getattr(owner, name)
    def told(*args, **kwargs):
        tell(phase)
        try:
            return method(*args, **kwargs)
        finally:
            tell("done:", phase)
    setattr(owner, name, told)

def telling_of_saving(right):
    @contextmanager
    def saving(self, **values):
        tell("saving")
        with right(self, **values) as version:
            yield version
        tell("done:", "saving")
    return saving

MLModelManager.saving = telling_of_saving(MLModelManager.saving)
telling(trainer, "learn", "training")
for name in ("activate", "delete_version", "retain"):
    telling(MLModelManager, name, name)
telling(Import, "write", "import")
telling(RatingStore, "add_ratings", "add_ratings")
telling(backups, "back_up", "back_up")
telling(Guard, "checkpoint", "checkpoint")
url, name = sys.argv[1:]
draw = random.Random(name)
runtime = build(Settings(database_url=url, demo=False, keep_versions=2))
runtime.start()
services = runtime.services
training, versions = services.training, services.versions
svd = {"epochs": 12, "factors": 8, "learning_rate": 0.02}
ncf = {"epochs": 2, "factors": 4, "iterations": 2, "parts": 2, "networks": 1}
imports, storage = runtime.services.imports, runtime.services.storage
n, imported = 0, 0
while True:
    lines = ["user_id,movie_id,rating"]
    for row in range(1200):  # the same people every time, so that the store does not grow
        lines.append(f"import {row // 30},m{row % 30},{1 + (row + imported) % 4}")
    imported += 1
    upload = UploadedFile("ratings.csv", io.BytesIO("\\n".join(lines).encode()))
    try:
        imports.import_files([upload], ImportOptions(scale=[0.5, 5.0]))
        storage.start_backup()
    except Conflict as error:  # the last one still goes on
        tell(error)
    kind, quick = draw.choice((("svd", svd), ("svd", svd), ("ncf", ncf)))
    training.train_model(kind, quick, draw.choice(("always", "never")))
    while training.current() is not None:
        if n < 1600:
            services.ratings.rate(f"{name} {n % 20}", f"m{n // 20}", 1 + n % 4)
            tell("rated", n)
            n += 1
    for work in range(3):
        ready = [version.version for version in versions.list() if version.state == "ready"]
        try:
            versions.activate(draw.choice(ready))
            versions.rollback()
        except VersionUnavailable as error:  # the training's thread removes versions meanwhile
            tell(error)
    spare = [version.version for version in versions.list() if version.state == "ready" and not version.active]
    if len(spare) > 6:
        versions.delete(draw.choice(spare))
"""


def kill_at(url: str, name: str, phase: str, after: int, delay: float) -> tuple[int, set[str]]:
    """Run a child and kill it so long after it has begun a kind of work for the given time.

    Returns:
        How many ratings it acknowledged, and the kinds of work it was killed in the middle of.
    """
    command = [sys.executable, "-c", CHILD, url, name]
    lines: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        deadline = Timer(MAX_WAIT_S, process.kill)
        deadline.start()
        for line in process.stdout:
            lines.append(line.strip())
            if lines.count(phase) > after:
                break
        else:
            pytest.fail(f"{phase} did not begin in {MAX_WAIT_S:g} s, or the child ended by itself, after {lines[-3:]}")
        deadline.cancel()
        time.sleep(delay)
        process.kill()
        lines += rest_of(process.stdout)
    begun = Counter(line for line in lines if line in MAX_DELAY_S)
    ended = Counter(line.removeprefix(DONE) for line in lines if line.startswith(DONE))
    return sum(line.startswith("rated") for line in lines), set(begun - ended)


def rest_of(output: IO[str]) -> list[str]:
    """What was still in the pipe; a line that was cut off was not acknowledged."""
    return [line.strip() for line in output.read().splitlines(keepends=True) if line.endswith("\n")]


def check(runtime: Runtime, name: str, rated: int) -> None:
    """The store is sound, one version is active and serves, nothing is half saved, acknowledged ratings are there."""
    services = runtime.services
    wait_for(lambda: services.training.current() is None)  # a run that was ordered but not begun goes on
    wait_for(lambda: all(job.state.is_finished for job in services.imports.jobs(5)))
    assert list(services.storage.check()) == []
    assert {batch.state for batch in services.imports.batches()} <= {"done"}
    with runtime.database.read() as connection:
        assert connection.exec_driver_sql(HALF_WRITTEN).scalar_one() == 0
    for made in services.storage.backups():
        backups.verify(services.storage.path_of(made.name))
        services.storage.delete(made.name)
    assert MLModelManager(runtime.database).recover() == 0
    active = [version.version for version in services.versions.list() if version.active]
    assert active == [MLModelManager(runtime.database).active_version()] == [services.serving.active_version()]
    for user in ("u1", "u30"):
        listed = services.recommendations.recommend(user)
        assert (listed.model_version, len(listed.items)) == (active[0], 10)
    stored = {
        (user, found.movie.movie_id): found.rating
        for user in {f"{name} {n % 20}" for n in range(rated)}
        for found in services.library.user_ratings(user)
    }
    assert all(stored.get((f"{name} {n % 20}", f"m{n // 20}")) == 1 + n % 4 for n in range(rated))


def kill_often(folder: Path, kills: int, seed: int, among: Collection[str] = tuple(MAX_DELAY_S)) -> None:
    settings = Settings(database_url=f"sqlite:///{folder}/m.db", demo=False)
    runtime = build(settings)
    runtime.start()
    fill(runtime)
    assert finished(runtime, runtime.services.training.train_model("svd", QUICK)).state == "succeeded"
    runtime.stop()
    draw = random.Random(seed)
    phases = draw.sample(list(among), len(among))
    interrupted: Counter[str] = Counter()
    ledger: list[ActivationRecord] = []
    for number in range(kills):
        phase = phases[number % len(phases)]
        delay = MAX_DELAY_S[phase] * draw.random() ** 2  # most are early: on a fast disk the work is soon done
        name = f"kill {seed}-{number}"
        rated, work = kill_at(settings.database_url, name, phase, draw.randrange(2), delay)
        interrupted.update(work)
        runtime = build(settings)
        try:
            runtime.start()
            check(runtime, name, rated)
            lines = list(runtime.services.versions.ledger(10_000))[::-1]
            assert lines[: len(ledger)] == ledger
            ledger = lines
        finally:
            runtime.stop()
    print(f"killed in the middle of {dict(interrupted)}")  # noqa: T201  # shown where the next line fails
    assert len(interrupted) >= min(4, kills // 2), interrupted


def test_a_few_kills(tmp_path: Path) -> None:
    kill_often(tmp_path, 4, seed=1, among=("saving", "add_ratings", "back_up", "checkpoint"))


def kill_restores(folder: Path, kills: int, seed: int) -> None:
    """A store of 40 ratings, 30 of which are in the backup, is killed on its way back to that."""
    path, draw = folder / "m.db", random.Random(seed)
    database = Database.open(f"sqlite:///{path}")
    store = RatingStore(database)
    store.add_movies([MovieRow("m", "A", None, ())])
    for n in range(30):
        store.put_rating(f"u{n}", "m", 4.0, n)
    backup = folder / "backups" / database.back_up(folder / "backups", reason="asked").name
    database.close()
    outcomes: Counter[int] = Counter()
    for _ in range(kills):
        database = Database.open(f"sqlite:///{path}")
        store = RatingStore(database)
        for n in range(40):
            store.put_rating(f"u{n}", "m", 4.0, n)
        database.close()
        with child(restore, backup, path) as (_, pipe):
            assert pipe.recv() == "begun"
            time.sleep(0.04 * draw.random())
        database = Database.open(f"sqlite:///{path}")
        assert database.check() == []
        ratings = RatingStore(database).counts().ratings
        database.close()
        outcomes[ratings] += 1
        kept = sorted(folder.glob("m.db.replaced-*[0-9]"))
        if ratings == 30:
            assert backups.verify(kept[-1]).ratings == 40
        for one in kept:
            one.unlink()
    assert set(outcomes) <= {30, 40}, outcomes


def test_a_few_kills_while_restoring(tmp_path: Path) -> None:
    kill_restores(tmp_path, 6, seed=1)


@pytest.mark.long
def test_forty_kills_while_restoring(tmp_path: Path) -> None:
    kill_restores(tmp_path, 40, seed=2)


@pytest.mark.long
def test_a_hundred_and_sixty_kills(tmp_path: Path) -> None:
    kill_often(tmp_path, 160, seed=2)
