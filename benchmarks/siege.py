"""Response times for other clients while one address attacks: huge headers, many headers, idle and slow sockets.

``python -m benchmarks siege``: the attacks come from 127.0.0.1, in processes of their own, and the requests that are
measured from 127.0.0.2. The exit code is 1 where p99 of the others is 50 ms or more, or one of them fails.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import numpy as np

from benchmarks.server import KEYED, Server, until

SECONDS = 10.0
PER_SECOND = 50.0
GOAL_MS = 50.0
IDLE = 1005
HUGE = 150_000_000
LIST = "/api/ml/recommendations/1?n=10"
SERVER, ATTACKER, OTHERS = "127.0.0.1", "127.0.0.1", "127.0.0.2"
PIECE = b"a" * 65_536


def _connect(port: int) -> socket.socket:
    return socket.create_connection((SERVER, port), timeout=5, source_address=(ATTACKER, 0))


def _again(attack: Callable[[int], None]) -> Callable[[int], None]:
    def run(port: int) -> None:
        while True:
            with suppress(OSError):  # the server closes the connection, as it should
                attack(port)

    return run


def _huge_header(port: int) -> None:
    with _connect(port) as sent:
        sent.sendall(b"GET /api/health/live HTTP/1.1\r\nHost: localhost\r\nX-Large: ")
        for _ in range(HUGE // len(PIECE)):
            sent.sendall(PIECE)


def _many_headers(port: int) -> None:
    with _connect(port) as sent:
        sent.sendall(b"GET /api/health/live HTTP/1.1\r\nHost: localhost\r\n")
        lines = b"a: b\r\n" * 10_000
        for _ in range(50_000_000 // len(lines)):
            sent.sendall(lines)


def _hold(port: int, line: bytes) -> None:
    """Keep sockets open and reopen closed ones; send one more byte of a line each second."""
    held: list[socket.socket] = []
    while True:
        try:
            while len(held) < IDLE:
                held.append(_connect(port))
                held[-1].sendall(line)
        except OSError:  # refused for now
            pass
        time.sleep(1.0)
        held = [one for one in held if _is_open(one, line[-1:])]


def _is_open(one: socket.socket, byte: bytes) -> bool:
    """Whether a socket accepts another byte or, without one, is still open."""
    try:
        if byte:
            one.sendall(byte)
            return True
        one.setblocking(False)
        return bool(one.recv(1))
    except BlockingIOError:
        return True
    except OSError:
        one.close()
        return False


def _idle(port: int) -> None:
    _hold(port, b"")


def _slow(port: int) -> None:
    _hold(port, b"GET /api/health/live HTTP/1.1\r\nX-Slow: ")


ATTACKS: dict[str, Callable[[int], None] | None] = {
    "nothing": None,
    "one huge header": _again(_huge_header),
    "headers by the thousand": _again(_many_headers),
    f"{IDLE:,} idle sockets": _idle,
    f"{IDLE:,} slow sockets": _slow,
}


def _from_afar(attack: Callable[[int], None], port: int) -> None:
    """Attack at a lower priority: a real attacker has a processor of their own."""
    os.nice(19)
    attack(port)


@contextmanager
def besieged(attack: Callable[[int], None] | None, port: int) -> Iterator[None]:
    """Attack from a separate process."""
    if attack is None:
        yield
        return
    process = multiprocessing.get_context("fork").Process(target=_from_afar, args=(attack, port), daemon=True)
    process.start()
    try:
        time.sleep(2.0)
        yield
    finally:
        process.kill()
        process.join()


def others(port: int, path: str, seconds: float) -> list[float]:
    """Milliseconds of requests from another address, at a fixed rate over one connection.

    Raises:
        RuntimeError: one of them failed.
    """
    took = []
    begun = time.perf_counter()
    with closing(HTTPConnection(SERVER, port, timeout=30, source_address=(OTHERS, 0))) as connection:
        for place in range(int(seconds * PER_SECOND)):
            due = begun + place / PER_SECOND
            time.sleep(max(due - time.perf_counter(), 0.0))
            connection.request("GET", path, headers={"Host": "localhost"} | KEYED)
            answer = connection.getresponse()
            answer.read()
            took.append((time.perf_counter() - due) * 1e3)
            if answer.status != 200:
                raise RuntimeError(f"{path}: {answer.status}")
    return took


def _fresh(port: int) -> bool:
    """Whether a new client at either address gets a response to a probe."""
    for address in (OTHERS, ATTACKER):
        connection = HTTPConnection(SERVER, port, timeout=10, source_address=(address, 0))
        connection.request("GET", "/api/health/live", headers={"Host": "localhost"})
        if connection.getresponse().status != 200:
            return False
        connection.close()
    return True


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks siege", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each attack")
    asked = parser.parse_args(arguments)
    met = True
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        server.start()
        try:
            print(
                f"  {'':26s} {'probe: median':>14s} {'p99':>8s} {'slowest':>8s}   {'list: median':>13s} {'p99':>8s} ms"
            )
            for name, attack in ATTACKS.items():
                with besieged(attack, server.port):
                    found = [others(server.port, path, asked.seconds) for path in ("/api/health/live", LIST)]
                    until(lambda: _fresh(server.port), "a place for somebody new")
                probe, lists = (np.percentile(one, [50, 99]) for one in found)
                met = met and bool(probe[1] < GOAL_MS)
                print(
                    f"  {name:26s} {probe[0]:14.1f} {probe[1]:8.1f} {max(found[0]):8.1f}   "
                    f"{lists[0]:13.1f} {lists[1]:8.1f}",
                    flush=True,
                )
        finally:
            server.stop()
    print(f"  probe: p99 under {GOAL_MS:g} ms: {'met' if met else 'MISSED'}")
    return 0 if met else 1
