"""The whole server is killed in the middle of a training, with ratings coming in, and started again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import httpx
import pytest

from engine.runtime import build
from engine.settings import Settings
from tests.engine.services.conftest import QUICK, fill, finished, opened, wait_for
from tests.shared_folder import shared_folder
from tests.test_starting import ROOT, environment, free_port, wait_until_live

LONG = {"epochs": 1000, "factors": 1000, "patience": 0}
N_USERS, RATINGS_EACH = 400, 25


@contextmanager
def serving(folder: Path) -> Iterator[tuple[httpx.Client, subprocess.Popen[str]]]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env=environment(folder, port),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api", timeout=30) as client:
            root = httpx.Client(base_url=f"http://127.0.0.1:{port}")
            wait_until_live(root, process)
            root.close()
            yield client, process
    finally:
        process.kill()
        process.wait()


def prepare(folder: Path, factory: pytest.TempPathFactory) -> None:
    """Copies a store with ratings and a version that serves into a folder."""

    def make(made: Path) -> None:
        with opened(Settings(database_url=f"sqlite:///{made}/m.db", demo=False)) as runtime:
            fill(runtime, N_USERS)
            assert finished(runtime, runtime.services.training.train_model("svd", QUICK)).state == "succeeded"

    shutil.copytree(shared_folder(factory, "many users", make), folder, dirs_exist_ok=True)


def test_a_kill_in_the_middle_of_a_training_loses_no_answered_rating(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    prepare(tmp_path, tmp_path_factory)
    answered: dict[tuple[str, str], float] = {}

    def rate(client: httpx.Client, who: int) -> None:
        """Ratings until the server is gone; each pair is rated once, so that the last answer is the one to keep."""
        with httpx.Client(base_url=client.base_url) as own:
            for n in range(80):
                for user in range(200):
                    pair = f"rater {who}-{user}", f"m{n}"
                    try:
                        answer = own.post("/rate", json={"user_id": pair[0], "movie_id": pair[1], "rating": 1 + n % 4})
                    except httpx.TransportError:
                        return
                    assert answer.status_code == 200, answer.text
                    answered[pair] = 1 + n % 4

    with serving(tmp_path) as (client, process):
        order = {"model": "svd", "hyperparameters": LONG, "activate": "always"}
        run_id = client.post("/ml/train", json=order).json()["run_id"]
        wait_for(lambda: client.get("/ml/training-status").json()["epoch"] >= 2)
        threads = [Thread(target=rate, args=(client, who)) for who in range(3)]
        for thread in threads:
            thread.start()
        wait_for(lambda: len(answered) > 200)
        assert client.get("/ml/training-status").json()["state"] == "running"
        process.kill()
        for thread in threads:
            thread.join()

    with serving(tmp_path) as (client, _):
        status = client.get(f"/ml/training-status?run_id={run_id}").json()
        assert status["state"] == "failed"
        assert "stopped during this run" in status["error"]
        for user in ("u1", "u59"):
            listed = client.get(f"/ml/recommendations/{user}").json()
            assert (listed["model_version"], listed["status"], len(listed["items"])) == (1, "personal", 10)
        known = client.get("/data/statistics").json()
        assert known["ratings"] >= N_USERS * RATINGS_EACH + len(answered)

    runtime = build(Settings(database_url=f"sqlite:///{tmp_path}/m.db", demo=False))
    try:
        assert runtime.database.check() == []
        stored = {
            (user, rated.movie.movie_id): rated.rating
            for user in {user for user, _ in answered}
            for rated in runtime.services.library.user_ratings(user)
        }
        assert {pair: stored.get(pair) for pair in answered} == answered
    finally:
        runtime.database.close()
