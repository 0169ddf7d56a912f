"""The whole of Marquee as one ASGI app: the console at /, the API at /api, one process.

``python app.py`` (what ``make run`` does) serves it; ``uvicorn app:app`` and ``streamlit run app.py`` work as well.
"""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Event
from typing import Any

import anyio
import streamlit as st
import uvicorn
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from starlette.middleware import Middleware
from starlette.routing import Mount

from engine.errors import InvalidSettings, MarqueeError
from engine.runtime import Host, check_start
from engine.services.acting import ask
from engine.services.storing import in_words
from engine.settings import SHORT_KEY, Settings
from pages.server.browser_sessions import close_forgotten_sessions
from pages.server.console_actor import console_actor
from pages.ui.page import show_unexpected
from sidecar.app import create_api
from sidecar.http.connections import GuardedWebSocket, guarded
from sidecar.http.gate import raise_limit
from sidecar.logs import take_over, write_logs
from sidecar.near_addresses import NearAddressMiddleware
from sidecar.posters import create_posters
from sidecar.security.middleware import SecurityMiddleware, is_loopback
from sidecar.security.sessions import COOKIE, Sessions
from sidecar.security.sign_in import create_sign_in
from sidecar.start import StartMiddleware

SHELL = Path(__file__).parent / "pages" / "shell.py"
WORDMARK = SHELL.parent / "ui" / "assets" / "wordmark.svg"
PAGES = {file.stem for file in SHELL.parent.glob("*.py")} - {"__init__", SHELL.stem}
GRACE_S = 5
"""Seconds that a stop waits for requests in progress."""
PATIENCE_S = 1.0
"""Seconds that a start has before the port is opened; pages then say how it goes on."""

log = logging.getLogger(__name__)


def describe_fault(fault: ErrorDetails) -> str:
    """What is wrong with a setting, after its variable where it is a single one."""
    text = fault["msg"].removeprefix("Value error, ").rstrip(".")
    return ": ".join(("_".join(("MARQUEE", *map(str, fault["loc"]))).upper(), text)) if fault["loc"] else text


def read_settings() -> Settings:
    """The settings; ends the process with a message where one is not acceptable."""
    try:
        return Settings()
    except ValidationError as error:
        sys.exit(f"Marquee can't start. {'; '.join(map(describe_fault, error.errors()))}.")


settings = read_settings()
write_logs(settings.log_format)


reasons: list[str] = []
"""Why Marquee ends by itself."""
starting = Event()
"""Set while Marquee starts."""


def end(reason: str = "since its store was replaced") -> None:
    """Stop, as nothing more can be done."""
    reasons.append(reason)
    os.kill(os.getpid(), signal.SIGTERM)


def leave(number: int, _: Any) -> None:
    """After the stop: fail where Marquee ended by itself, so that a supervisor restarts it."""
    if reasons:
        sys.exit(f"Marquee has stopped, {reasons[0]}. The log says more.")
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


sessions = None if settings.key is None else Sessions(settings.key)


def key_name() -> str | None:
    """The name of the key of the page's session; None without one."""
    session = None if sessions is None else sessions.read(st.context.cookies.get(COOKIE, ""))
    return None if session is None else session.holder.name


@asynccontextmanager
async def lifespan(_: Any) -> AsyncIterator[None]:
    """Open the store and start background work before the first request; end both after the last."""
    take_over(settings.log_format)
    raise_limit()
    ask(lambda: console_actor(key_name))
    if os.environ.get("FORWARDED_ALLOW_IPS"):
        raise InvalidSettings(
            "FORWARDED_ALLOW_IPS is set, and lets uvicorn believe addresses that anybody can write. "
            "Remove it, and name your proxies in MARQUEE_TRUSTED_PROXIES."
        )
    if settings.key is None:
        log.info("no key is set, so only this computer is answered; behind any proxy, set MARQUEE_API_KEY")
    host = Host(settings, lost=end)
    starting.set()
    start = asyncio.ensure_future(anyio.to_thread.run_sync(begin, host))
    try:
        await asyncio.wait([start], timeout=PATIENCE_S)
        if start.done():
            start.result()
        else:
            start.add_done_callback(end_if_failed)
        yield
    finally:
        await asyncio.wait([start])
        await anyio.to_thread.run_sync(host.stop)


def begin(host: Host) -> None:
    """Start everything; whatever comes of it, the start is over then."""
    try:
        host.start()
        # Everything loaded so far stays. A full collection over it would stop every thread for 0.15 s.
        gc.collect()
        gc.freeze()
    finally:
        starting.clear()


def end_if_failed(start: asyncio.Future[None]) -> None:
    """Stop where a start failed after the port was opened."""
    error = start.exception()
    if error is not None:
        told = in_words(error) if isinstance(error, Exception) else None
        if isinstance(error, MarqueeError) or told is not None:
            log.error("Marquee can't start. %s", told or error)
        else:
            log.error("Marquee can't start.", exc_info=error)
        end("since it could not start")


close_forgotten_sessions()
app = st.App(
    SHELL,
    lifespan=lifespan,
    routes=[
        Mount("/api", create_api(settings)),
        *create_sign_in(WORDMARK.read_text(encoding="utf-8")),
        *create_posters(settings),
    ],
    on_script_error=show_unexpected,
    middleware=[
        Middleware(StartMiddleware, starting=starting),
        Middleware(SecurityMiddleware, settings=settings),
        Middleware(NearAddressMiddleware, pages=PAGES, home="overview"),
    ],
)


def check_port(host: str, port: int) -> None:
    """Exit if the port is taken, before the store is opened."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        sys.exit(
            f"Marquee can't listen on {host}, port {port}: {error.strerror}. "
            "Choose another with MARQUEE_PORT, or stop what listens there."
        )


def serve() -> None:
    """Serve until interrupted. Other machines need a key."""
    if not is_loopback(settings.host) and settings.key is None:
        sys.exit(
            f"MARQUEE_HOST is {settings.host}, which other machines can reach, but no MARQUEE_API_KEY is set. "
            "Set a key, or listen on 127.0.0.1."
        )
    if settings.key is not None and len(settings.key) < SHORT_KEY:
        if not is_loopback(settings.host):
            sys.exit(
                f"MARQUEE_HOST is {settings.host}, which other machines can reach, but MARQUEE_API_KEY has fewer than "
                f"{SHORT_KEY} letters and can be guessed. Make a longer one: openssl rand -hex 32"
            )
        log.warning("MARQUEE_API_KEY is so short that it can be guessed. Make a longer one: openssl rand -hex 32")
    check_port(settings.host, settings.port)
    raise_limit()  # before it is known how many connections there may be
    try:
        check_start(settings)
    except InvalidSettings as error:
        sys.exit(f"Marquee can't start. {error}")
    signal.signal(signal.SIGTERM, leave)  # uvicorn ends by the signal itself once it has stopped
    log.info("Marquee is at http://%s:%d (API under /api/docs)", settings.host, settings.port)
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        access_log=False,
        proxy_headers=False,  # MARQUEE_TRUSTED_PROXIES says which of them count
        log_config=None,  # its lines go the way of all others
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        http=guarded(settings),
        ws=GuardedWebSocket,
    )


if __name__ == "__main__":
    serve()
