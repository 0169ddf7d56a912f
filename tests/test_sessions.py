"""Sessions of the console that are opened and closed leave nothing open."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.session_manager import SessionInfo
from websockets.asyncio.client import connect

from pages.server.browser_sessions import MAX_KEPT, ClosingSessionStorage
from sidecar.http.gate import MAX_DESCRIPTORS, raise_limit
from tests.sidecar.client import run
from tests.test_starting import ROOT, environment, free_port, wait_until_live

OF_A_SESSION = 3
OTHERS = 60
"""Descriptors beside those of sessions: the store's connections, threads, sockets that are closing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """Port and process of a server whose soft limit of descriptors was low when it started."""
    port = free_port()
    own = environment(tmp_path, port)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    process = subprocess.Popen(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env=own,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard)),
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            wait_until_live(client, process)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(30)


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def visit(port: int) -> None:
    """Open a session, let its page be drawn, and close it."""
    address = f"ws://127.0.0.1:{port}/_stcore/stream"
    origin: Any = f"http://127.0.0.1:{port}"
    async with connect(address, origin=origin, subprotocols=["streamlit"], max_size=None) as socket:  # type: ignore[list-item]
        wanted = BackMsg()
        wanted.rerun_script.query_string = ""
        await socket.send(wanted.SerializeToString())
        answer = ForwardMsg()
        while answer.WhichOneof("type") != "script_finished":
            answer = ForwardMsg()
            answer.ParseFromString(await asyncio.wait_for(socket.recv(), 30))  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("sessions", [120, pytest.param(500, marks=pytest.mark.long)])
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are counted in /proc")
def test_many_sessions_leave_a_bounded_number_of_descriptors(server: tuple[int, int], sessions: int) -> None:
    port, pid = server
    before, most = descriptors(pid), 0

    async def visit_all() -> None:
        nonlocal most
        for _ in range(sessions // 5):
            await asyncio.gather(*(visit(port) for _ in range(5)))
            most = max(most, descriptors(pid))

    run(visit_all())
    assert most - before <= OF_A_SESSION * MAX_KEPT + OTHERS
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    (found,) = [line.split() for line in limits if line.startswith("Max open files")]
    assert int(found[3]) >= min(int(found[4]), MAX_DESCRIPTORS)


@dataclass
class Session:
    id: str
    closed: int = 0

    def shutdown(self) -> None:
        self.closed += 1


def test_a_session_is_closed_when_it_is_given_up_and_not_when_its_browser_comes_back() -> None:
    now = [1000.0]
    storage = ClosingSessionStorage(2, 120, lambda: now[0])
    sessions = [Session(str(number)) for number in range(5)]

    def keep(session: Session) -> None:
        storage.save(SessionInfo(client=None, session=session, script_run_count=0))  # type: ignore[arg-type]

    for session in sessions[:3]:
        keep(session)
    assert [session.closed for session in sessions] == [1, 0, 0, 0, 0]
    assert [info.session.id for info in storage.list()] == ["1", "2"]
    storage.delete("1")  # its browser is back
    assert storage.get("1") is None
    assert storage.get("2") is not None
    now[0] += 121
    assert storage.get("2") is None
    assert storage.list() == []
    keep(sessions[3])
    assert [session.closed for session in sessions] == [1, 0, 1, 0, 0]


def test_the_limit_is_raised_to_what_the_system_allows() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, before[1]), before[1]))
        raise_limit()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert hard == before[1]
        assert soft >= min(hard if hard != resource.RLIM_INFINITY else MAX_DESCRIPTORS, MAX_DESCRIPTORS)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
