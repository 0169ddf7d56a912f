"""SIGKILL at random moments: whatever Marquee was doing, it starts again whole and serves."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import IO

import pytest

from engine.runtime import Runtime, build
from engine.settings import Settings
from store.models import MLModelManager
from store.records import ActivationRecord
from tests.engine.services.conftest import QUICK, fill, finished, wait_for

ROOT = Path(__file__).parents[1]
LONGEST_S = {
    "training": 0.3,
    "save_model": 0.15,
    "activate": 0.003,
    "rollback": 0.003,
    "delete_version": 0.02,
    "retain": 0.02,
}
"""How long after the beginning of each kind of work the kill comes at most: about as long as the work takes."""

DONE = "done: "

CHILD = """
import os, random, sys
from engine.errors import VersionUnavailable
from engine.runtime import build
from engine.services import training as training_module
from engine.settings import Settings
from store.models import MLModelManager

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

telling(training_module, "learn", "training")
for name in ("save_model", "activate", "rollback", "delete_version", "retain"):
    telling(MLModelManager, name, name)
url, name = sys.argv[1:]
draw = random.Random(name)
runtime = build(Settings(database_url=url, demo=False, keep_versions=2))
runtime.start()
training, versions, serving = runtime.services.training, runtime.services.versions, runtime.services.serving
svd = {"epochs": 12, "factors": 8, "learning_rate": 0.02}
ncf = {"epochs": 2, "factors": 4, "iterations": 2, "parts": 2, "networks": 1}
n = 0
while True:
    kind, quick = draw.choice((("svd", svd), ("svd", svd), ("ncf", ncf)))
    training.train_model(kind, quick, draw.choice(("always", "never")))
    while training.current() is not None:
        if n < 1600:
            serving.rate(f"{name} {n % 20}", f"m{n // 20}", 1 + n % 4)
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
        for line in process.stdout:
            lines.append(line.strip())
            if lines.count(phase) > after:
                break
        else:
            pytest.fail(f"the child ended by itself after {lines[-3:]}")
        time.sleep(delay)
        process.kill()
        lines += rest_of(process.stdout)
    begun = Counter(line for line in lines if line in LONGEST_S)
    ended = Counter(line.removeprefix(DONE) for line in lines if line.startswith(DONE))
    return sum(line.startswith("rated") for line in lines), set(begun - ended)


def rest_of(output: IO[str]) -> list[str]:
    """What was still in the pipe; a line that was cut off was not acknowledged."""
    return [line.strip() for line in output.read().splitlines(keepends=True) if line.endswith("\n")]


def check(runtime: Runtime, name: str, rated: int) -> None:
    """The store is sound, one version is active and serves, nothing is half saved, acknowledged ratings are there."""
    services = runtime.services
    wait_for(lambda: services.training.current() is None)  # a run that was ordered but not begun goes on
    assert runtime.database.check() == []
    assert MLModelManager(runtime.database).recover() == 0
    active = [version.version for version in services.versions.list() if version.active]
    assert active == [MLModelManager(runtime.database).active_version()] == [services.serving.active_version()]
    for user in ("u1", "u30"):
        listed = services.serving.recommend(user)
        assert (listed.model_version, len(listed.items)) == (active[0], 10)
    stored = {
        (user, found.movie.movie_id): found.rating
        for user in {f"{name} {n % 20}" for n in range(rated)}
        for found in services.library.user_ratings(user)
    }
    assert all(stored.get((f"{name} {n % 20}", f"m{n // 20}")) == 1 + n % 4 for n in range(rated))


def kill_often(folder: Path, kills: int, seed: int) -> None:
    settings = Settings(database_url=f"sqlite:///{folder}/m.db", demo=False)
    runtime = build(settings)
    runtime.start()
    fill(runtime)
    assert finished(runtime, runtime.services.training.train_model("svd", QUICK)).state == "succeeded"
    runtime.stop()
    draw = random.Random(seed)
    phases = list(LONGEST_S)
    interrupted: Counter[str] = Counter()
    ledger: list[ActivationRecord] = []
    for number in range(kills):
        phase = phases[number % len(phases)]
        delay = LONGEST_S[phase] * draw.random() ** 2  # most are early: on a fast disk the work is soon done
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
    assert len(interrupted) >= min(4, kills // 2)


def test_a_few_kills(tmp_path: Path) -> None:
    kill_often(tmp_path, 4, seed=1)


@pytest.mark.long
def test_fifty_kills(tmp_path: Path) -> None:
    kill_often(tmp_path, 50, seed=2)
