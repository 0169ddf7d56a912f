"""The whole server while its file is taken away, and with a backup in its place after a kill."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pysqlite3.dbapi2 as sqlite
import pytest

from store import backups
from tests.engine.services.conftest import trained_store, wait_for
from tests.test_starting import ROOT, environment, free_port, wait_until_live


class Server:
    """A server on a copy of a store; what it prints is kept."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.log = folder / "log.txt"
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "app.py"], cwd=ROOT, env=environment(folder, port), stdout=log, stderr=log, text=True
            )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
        wait_until_live(self.client, self.process)

    def rate(self, user: str) -> httpx.Response:
        return self.client.post("/api/rate", json={"user_id": user, "movie_id": "m1", "rating": 4.0})

    def end(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait()


def prepare(folder: Path, factory: pytest.TempPathFactory) -> Path:
    shutil.copytree(trained_store(factory), folder, dirs_exist_ok=True)
    for path in sorted(folder.glob("marquee.db*")):
        path.rename(path.with_name(path.name.replace("marquee.db", "m.db")))
    return folder / "m.db"


def deleted(path: Path) -> None:
    for one in path.parent.glob("m.db*"):
        if one.is_file():
            one.unlink()


def moved_over(path: Path) -> None:
    shutil.copyfile(path, path.with_name("other.db"))
    path.with_name("other.db").replace(path)


def copied_over(path: Path) -> None:
    shutil.copyfile(next(path.with_name("m.db.backups").glob("*.db")), path)


@pytest.mark.parametrize("do", [deleted, pytest.param(moved_over, marks=pytest.mark.long), copied_over])
def test_a_store_that_is_replaced_stops_the_server_and_no_acknowledged_rating_is_lost(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, do: Callable[[Path], None]
) -> None:
    path = prepare(tmp_path, tmp_path_factory)
    server = Server(tmp_path)
    try:
        assert server.client.post("/api/store/backups").status_code == 201
        before = facts_of_server(server)
        for n in range(20):
            assert server.rate(f"before {n}").status_code == 200
        do(path)
        answer = server.rate("after")
        assert (answer.status_code, answer.json()["code"]) == (503, "store_replaced")
        server.process.wait(30)
        assert server.process.returncode == 1, "so that whatever keeps it going starts it again"
    finally:
        server.end()
    printed = server.log.read_text()
    assert "while Marquee had it open" in printed
    assert "Traceback" not in printed
    if do is not copied_over:  # the old file was whole, only no longer at its place
        assert backups.verify(tmp_path / "m.db.rescued").ratings >= before + 20


def facts_of_server(server: Server) -> int:
    return int(server.client.get("/api/store").json()["ratings"])


@pytest.mark.parametrize(
    "put", [shutil.copyfile, pytest.param(shutil.move, marks=pytest.mark.long)], ids=["copied", "moved"]
)
def test_a_backup_in_the_place_of_a_killed_servers_store_is_served(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, put: Callable[[Path, Path], object]
) -> None:
    path = prepare(tmp_path, tmp_path_factory)
    server = Server(tmp_path)
    try:
        made = server.client.post("/api/store/backups").json()
        lists = server.client.get("/api/ml/recommendations/u1").json()["items"]
        for n in range(30):
            assert server.rate(f"later {n}").status_code == 200
    finally:
        server.end()
    put(tmp_path / "m.db.backups" / made["name"], path)
    server = Server(tmp_path)
    try:
        wait_for(lambda: server.client.get("/api/health/ready").status_code == 200)
        assert facts_of_server(server) == made["ratings"]
        assert server.client.get("/api/ml/recommendations/u1").json()["items"] == lists
        assert server.client.post("/api/store/check", json={}).json() == {"sound": True, "faults": []}
        notices = server.client.get("/api/notices").json()["notices"]
        assert any("did not belong" in one["text"] for one in notices)
        assert server.rate("again").status_code == 200
    finally:
        server.end()


def test_a_backup_of_a_busy_server_holds_every_acknowledged_rating_and_is_restored_through_the_api(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    prepare(tmp_path, tmp_path_factory)
    server = Server(tmp_path)
    stop = Event()
    acknowledged: list[Any] = []

    def rate() -> None:
        while not stop.wait(0.02):
            assert server.rate(f"busy {len(acknowledged)}").status_code == 200
            acknowledged.append(f"busy {len(acknowledged)}")

    try:
        lists = server.client.get("/api/ml/recommendations/u1").json()["items"]
        thread = Thread(target=rate)
        thread.start()
        try:
            for _ in range(3):
                more = len(acknowledged) + 5
                wait_for(lambda more=more: len(acknowledged) > more)  # type: ignore[misc]
                before = len(acknowledged)
                made = server.client.post("/api/store/backups").json()
                with closing(sqlite.connect(str(tmp_path / "m.db.backups" / made["name"]))) as backup:
                    held = {row[0] for row in backup.execute("SELECT external_id FROM users")}
                assert held >= set(acknowledged[:before])
        finally:
            stop.set()
            thread.join()
        now = facts_of_server(server)
        restored = server.client.post(f"/api/store/backups/{made['name']}/restore")
        assert restored.status_code == 200, restored.text
        assert facts_of_server(server) == made["ratings"]
        assert server.client.get("/api/ml/recommendations/u1").json()["items"] == lists
        assert server.client.get("/api/health/ready").status_code == 200
        assert backups.verify(tmp_path / restored.json()["replaced"]).ratings == now
    finally:
        server.end()
    assert "Traceback" not in server.log.read_text()
