"""``python -m benchmarks pages``: seconds from a click in the navigation until a page is complete, in Chromium.

Complete means that its script has ended and no placeholder is left. Without ``--store`` a new store with the demo is
used. The exit code is 1 where the median of a page is above the limit.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from benchmarks import markdown
from benchmarks.server import KEY, Server
from tests.browser.console import launch

NAVIGATION = "[data-testid=stSidebarNavLink]"
COMPLETE = """name => document.title.startsWith(name)
    && document.querySelector('h1')
    && document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'
    && !document.querySelector('[data-testid=stSkeleton]')"""
TIMEOUT_MS = 60_000


def main(arguments: list[str]) -> int:
    """Measure all pages of the navigation; 1 if one is slower than allowed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks pages", description=__doc__)
    parser.add_argument("--store", type=Path, help="folder of a store, marquee.db, which has an active version")
    parser.add_argument("--rounds", type=int, default=5, help="visits of each page after the first one (5)")
    parser.add_argument("--most", type=float, default=0.4, help="seconds that a page may take (0.4)")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        folder = options.store or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="marquee-pages-")))
        server = Server(folder, MARQUEE_DEMO="0" if options.store else "1")
        server.start()
        stack.callback(server.stop)
        browser = launch(stack.enter_context(sync_playwright()))
        stack.callback(browser.close)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        found = visits(page, server, options.rounds)
    rows = [(name, f"{np.median(took[1:]):.2f}", f"{max(took[1:]):.2f}", f"{took[0]:.2f}") for name, took in found]
    print(markdown.table(("page", "median, s", "slowest", "first visit"), rows))
    slow = [name for name, took in found if np.median(took[1:]) > options.most]
    print(f"slower than {options.most:g} s: {', '.join(slow) or 'none'}")
    return int(bool(slow))


def visits(page: Page, server: Server, rounds: int) -> list[tuple[str, list[float]]]:
    """Seconds of each visit of each page, by its name in the navigation; each round visits all in turn."""
    page.goto(f"http://127.0.0.1:{server.port}/sign-in")
    page.locator("input[type=password]").fill(KEY)
    page.keyboard.press("Enter")
    page.locator(NAVIGATION).first.wait_for()
    names = [text.splitlines()[-1] for text in page.locator(NAVIGATION).all_inner_texts()]
    took: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds + 1):
        for name in names:
            link = page.locator(NAVIGATION, has_text=name)
            begun = time.perf_counter()
            link.first.click()
            page.wait_for_function(COMPLETE, arg=name, timeout=TIMEOUT_MS)
            took[name].append(time.perf_counter() - begun)
    return list(took.items())
