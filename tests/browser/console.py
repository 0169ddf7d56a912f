"""Runs the real server in its own process, and Debian's Chromium to look at it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from playwright.sync_api import Browser, Page, Playwright, expect

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TRAINED_S = 300
STOPPED_S = 20
# Streamlit first requests these below a page's own path, to find where it is mounted.
OWN_PROBES = ("/_stcore/health", "/_stcore/host-config")
BREAKS = ("stException", "stExceptionMessage")


def launch(playwright: Playwright) -> Browser:
    """Debian's Chromium with all background requests turned off."""
    assert CHROMIUM, "Chromium is not installed (apt-get install chromium)."
    return playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(folder: Path, port: int | None = None, /, **settings: str) -> Iterator[str]:
    """Address of ``python app.py`` with its store in ``folder``, on a free port by default; stopped at the end."""
    port = port or free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MARQUEE_", "STREAMLIT_"))}
    environment |= {"MARQUEE_PORT": str(port), "MARQUEE_DATABASE_URL": f"sqlite:///{folder / 'marquee.db'}", **settings}
    log = folder / "server.log"
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=out, stderr=out)
        try:
            url = f"http://127.0.0.1:{port}"
            until(
                lambda: process.poll() is not None or get(url, "/api/health/live") is not None, TRAINED_S, "no answer"
            )
            assert process.poll() is None, log.read_text("utf-8")
            yield url
        finally:
            process.terminate()
            try:
                process.wait(STOPPED_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def get(url: str, path: str) -> dict[str, Any] | None:
    """JSON answer of the API; None if it fails or does not answer."""
    try:
        with urllib.request.urlopen(url + path, timeout=10) as answer:
            return dict(json.load(answer))
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None


def post(url: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """JSON answer of the API."""
    sent = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(sent, timeout=10) as answer:
        return dict(json.load(answer))


def until(true: Callable[[], bool], seconds: float, what: str) -> None:
    """Poll until the condition holds; fail after the given time."""
    pause = Event()
    for _ in range(int(seconds * 5)):
        if true():
            return
        pause.wait(0.2)
    raise AssertionError(f"After {seconds} s: {what}")


def wait_until_trained(url: str) -> dict[str, Any]:
    """Wait for the first version; return the list of user 1."""

    def personal() -> bool:
        answer = get(url, "/api/ml/recommendations/1")
        return answer is not None and answer["status"] == "personal"

    until(personal, TRAINED_S, "no personal list for user 1")
    return get(url, "/api/ml/recommendations/1") or {}


class Watch:
    """Records what a page must not do: console errors, uncaught exceptions, requests to other hosts."""

    def __init__(self, page: Page, url: str) -> None:
        self.faults: list[str] = []
        self._host = url.removeprefix("http://")
        page.on("pageerror", lambda error: self.faults.append(f"uncaught: {error}"))
        page.on("console", self._console)
        page.on("request", lambda request: self._request(request.url))

    def _console(self, message: Any) -> None:
        own = message.location.get("url", "").endswith(OWN_PROBES)
        if message.type == "error" and not own:
            self.faults.append(f"console: {message.text} {message.location}")

    def _request(self, address: str) -> None:
        inside = (f"http://{self._host}/", f"ws://{self._host}/", "data:", "blob:")
        if not address.startswith(inside):
            self.faults.append(f"outside: {address}")


def settled(page: Page) -> None:
    """Wait until the page is complete: title shown, no script running, no placeholders."""
    page.locator("h1").first.wait_for()
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    page.wait_for_load_state("networkidle")
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=30_000)
    page.wait_for_function("document.fonts.status === 'loaded'")


def broken(page: Page) -> int:
    """Number of exception boxes on the page."""
    return sum(page.get_by_test_id(name).count() for name in BREAKS) + page.get_by_text("Something went wrong").count()
