"""The server starts in each of the three ways, answers, and ends when asked."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pysqlite3.dbapi2 as sqlite
import pytest

from engine.runtime import build
from engine.settings import Settings
from store.database import Database
from store.ratings import RatingStore
from store.records import MovieRow
from tests.store.locker import locked

ROOT = Path(__file__).parents[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(folder: Path, port: int) -> dict[str, str]:
    own = {"MARQUEE_DATABASE_URL": f"sqlite:///{folder}/m.db", "MARQUEE_DEMO": "false", "MARQUEE_PORT": str(port)}
    return os.environ | own | {"MARQUEE_HOST": "127.0.0.1"}


def command(way: str, port: int) -> list[str]:
    return {
        "python": [sys.executable, "app.py"],
        "uvicorn": [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port)],
        "streamlit": [
            sys.executable,
            "-m",
            "streamlit",
            "run",
            "app.py",
            f"--server.port={port}",
            "--server.headless=true",
        ],
    }[way]


@pytest.mark.parametrize("way", ["python", "uvicorn", "streamlit"])
def test_each_way_of_starting(tmp_path: Path, way: str) -> None:
    port = free_port()
    process = subprocess.Popen(
        command(way, port),
        cwd=ROOT,
        env=environment(tmp_path, port),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            wait_until_live(client, process)
            assert client.get("/api/health/ready").status_code == 503
            page = client.get("/")
            assert page.status_code == 200
            # As from a proxy on this computer: uvicorn believes it and would take the client for this computer.
            assert client.get("/", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 421
            assert "text/html" in page.headers["content-type"]
            assert page.headers["x-content-type-options"] == "nosniff"
            assert client.get("/recommend").status_code == 200  # a deep link
    finally:
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
    assert "Traceback" not in output, output
    assert "behind any proxy, set MARQUEE_API_KEY" in output
    assert not (tmp_path / "m.db-wal").exists() or not (tmp_path / "m.db-wal").stat().st_size, (
        "the store was not closed"
    )


def wait_until_live(client: httpx.Client, process: subprocess.Popen[Any]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None, process.communicate()[0]
        try:
            if client.get("/api/health/live").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail("the server did not come up within a minute")


def test_other_machines_are_let_in_only_with_a_key(tmp_path: Path) -> None:
    open_to_all = environment(tmp_path, free_port()) | {"MARQUEE_HOST": "0.0.0.0"}
    done = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=open_to_all, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "MARQUEE_API_KEY" in done.stderr
    assert "Traceback" not in done.stderr


def refused(folder: Path, port: int | None = None, **changes: str) -> str:
    """What a start says that comes to nothing."""
    own = environment(folder, port or free_port()) | changes
    done = subprocess.run([sys.executable, "app.py"], cwd=ROOT, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_setting_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    both = refused(tmp_path, MARQUEE_PORT="many", MARQUEE_KEEP_VERSIONS="-1")
    assert "MARQUEE_PORT: Input should be a valid integer" in both
    assert "MARQUEE_KEEP_VERSIONS: Input should be greater" in both
    assert "MARQUEE_RATING_MIN (6.0) must be below" in refused(tmp_path, MARQUEE_RATING_MIN="6")
    assert "MARQUEE_POSTERS: /nowhere is no folder" in refused(tmp_path, MARQUEE_POSTERS="/nowhere")
    reversed_scale = refused(tmp_path, MARQUEE_RATING_MIN="5", MARQUEE_RATING_MAX="1")
    assert reversed_scale == ("Marquee can't start. MARQUEE_RATING_MIN (5.0) must be below MARQUEE_RATING_MAX (1.0).\n")


def test_a_scale_that_is_not_the_stores_is_named(tmp_path: Path) -> None:
    runtime = build(Settings(database_url=f"sqlite:///{tmp_path}/m.db", demo=False, rating_min=1, rating_max=100))
    ratings = RatingStore(runtime.database)
    ratings.add_movies([MovieRow("m", "Movie", None, ())])
    ratings.put_rating("ann", "m", 90.0, 100)
    runtime.database.close()
    assert "MARQUEE_RATING_MAX is 5, but the ratings of this store are" in refused(tmp_path, MARQUEE_RATING_MAX="5")


def test_a_port_that_is_taken_is_named_and_the_store_left_alone(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = refused(tmp_path, port)
    assert f"port {port}" in told
    assert "MARQUEE_PORT" in told
    assert not (tmp_path / "m.db").exists()


def test_a_store_that_can_not_be_opened_says_why(tmp_path: Path) -> None:
    (tmp_path / "m.db").write_bytes(b"this is no database, but long enough to look like one" * 100)
    assert "is not a Marquee store, or is damaged: it is not an SQLite database" in refused(tmp_path)
    assert "must name a file" in refused(tmp_path, MARQUEE_DATABASE_URL="postgres://elsewhere")


@pytest.mark.parametrize("way", ["python", "uvicorn", pytest.param("streamlit", marks=pytest.mark.long)])
def test_no_way_of_starting_changes_what_is_not_ours(tmp_path: Path, way: str) -> None:
    """It says what the file is, in a sentence, and ends."""
    connection = sqlite.connect(str(tmp_path / "m.db"))
    connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()
    before = (tmp_path / "m.db").read_bytes(), (tmp_path / "m.db").stat().st_mtime_ns
    port = free_port()
    done = subprocess.run(
        command(way, port), cwd=ROOT, env=environment(tmp_path, port), capture_output=True, text=True, check=False
    )
    told = done.stdout + done.stderr
    assert done.returncode not in (0, None)
    assert "Marquee can't start." in told
    assert "m.db is not a Marquee store but the database of another program, with songs." in told
    assert "Traceback" not in told
    assert ((tmp_path / "m.db").read_bytes(), (tmp_path / "m.db").stat().st_mtime_ns) == before
    assert [path.name for path in tmp_path.iterdir()] == ["m.db"]


@pytest.mark.parametrize("way", ["python", pytest.param("uvicorn", marks=pytest.mark.long)])
def test_a_locked_store_is_told_at_the_start(tmp_path: Path, way: str) -> None:
    Database.open(f"sqlite:///{tmp_path}/m.db").close()
    port = free_port()
    with locked(tmp_path / "m.db"):
        done = subprocess.run(
            command(way, port), cwd=ROOT, env=environment(tmp_path, port), capture_output=True, text=True, check=False
        )
    told = done.stdout + done.stderr
    assert done.returncode not in (0, None)
    assert f"Marquee can't start. Another program has {tmp_path}/m.db locked. Nothing is lost" in told
    assert "Traceback" not in told


def test_a_short_key_is_refused_beyond_this_computer(tmp_path: Path) -> None:
    told = refused(tmp_path, MARQUEE_HOST="0.0.0.0", MARQUEE_API_KEY="fifteen letters")
    assert "fewer than 16 letters" in told
    assert "openssl rand -hex 32" in told
    assert not (tmp_path / "m.db").exists()


@pytest.mark.parametrize("way", [pytest.param("python", marks=pytest.mark.long), "uvicorn"])
def test_uvicorn_is_not_to_believe_forwarded_addresses(tmp_path: Path, way: str) -> None:
    port = free_port()
    own = environment(tmp_path, port) | {"FORWARDED_ALLOW_IPS": "*"}
    done = subprocess.run(command(way, port), cwd=ROOT, env=own, capture_output=True, text=True, check=False)
    told = done.stdout + done.stderr
    assert done.returncode not in (0, None)
    assert "Marquee can't start. FORWARDED_ALLOW_IPS is set" in told
    assert "MARQUEE_TRUSTED_PROXIES" in told
    assert "Traceback" not in told


def test_uvicorn_can_be_told_to_guard_connections(tmp_path: Path) -> None:
    port = free_port()
    process = subprocess.Popen(
        [*command("uvicorn", port), "--http", "sidecar.http.connections:GuardedProtocol"],
        cwd=ROOT,
        env=environment(tmp_path, port),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            wait_until_live(client, process)
            assert client.get("/api/health/live", headers={"X-Large": "a" * 40_000}).status_code == 431
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
