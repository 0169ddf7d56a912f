"""The siege's own parts: what is measured, and how sockets are held."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from benchmarks import siege


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        Handler.seen.append(self.client_address[0])
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass

    seen: list[str] = []  # noqa: RUF012


@pytest.fixture
def port() -> Iterator[int]:
    Handler.seen.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        yield int(server.server_address[1])
        server.shutdown()


def test_others_come_from_another_address_at_a_fixed_rate(port: int) -> None:
    took = siege.others(port, "/", 0.2)
    assert len(took) == int(0.2 * siege.PER_SECOND)
    assert set(Handler.seen) == {siege.OTHERS}


def test_a_request_that_fails_is_no_time(port: int) -> None:
    with pytest.raises(RuntimeError, match="404"):
        siege.others(port, "/missing", 0.2)


def test_a_closed_socket_is_not_held() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
        with closing(ours):
            assert siege._is_open(ours, b"")
            theirs.close()
            assert not siege._is_open(ours, b"")
