"""``python -m benchmarks first_minute``: seconds from the start on an empty store to a first list, in Chromium.

The Overview is opened as soon as the port answers, and is never reloaded. Then somebody new goes to *Newcomer* and
rates what is asked, with the mouse and a second to think about each movie, until their list is personal. The exit code
is 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Locator, Page, sync_playwright

from benchmarks import markdown
from benchmarks.server import Server, until
from tests.browser.console import launch

LIST_S, PERSONAL_S, CLICKS = 90, 25, 14
"""Goals."""
TIMEOUT_MS = 300_000
THINK_S, KEY_MS, MOVES = 1.0, 90, 12
"""Somebody's thought about a movie, pause between two keys, and steps of the mouse on the way to a place."""
NAME = "Maria"
PLACES = (0.75, 0.95, 0.55, 0.85, 0.35, 0.95, 0.65, 0.75, 0.15, 0.85)
"""Where on the stars the answers are, from 0 (left) to 1."""
TITLE = ".mq-tile :is(h2, h3)"


@dataclass
class Hand:
    """A person's hand on the mouse, which counts its clicks."""

    page: Page
    clicks: int = field(default=0, init=False)

    def click(self, what: Locator, across: float = 0.5) -> None:
        """Move to a place in an element, and click it."""
        what.scroll_into_view_if_needed()
        box = what.bounding_box()
        if box is None:
            raise RuntimeError(f"nothing to click: {what}")
        self.page.mouse.move(box["x"] + across * box["width"], box["y"] + box["height"] / 2, steps=MOVES)
        self.page.mouse.click(box["x"] + across * box["width"], box["y"] + box["height"] / 2)
        self.clicks += 1


@dataclass(frozen=True)
class Figures:
    """Seconds from the start to a port that answers, to a page, to a list; and a newcomer's seconds and clicks."""

    port_s: float
    page_s: float
    list_s: float
    personal_s: float
    clicks: int

    def missed(self) -> list[str]:
        """The goals that were not met."""
        goals = (("first list", self.list_s, LIST_S), ("personal list", self.personal_s, PERSONAL_S))
        found = [f"{name}: {took:.1f} s instead of {goal} s" for name, took, goal in goals if took > goal]
        return found + ([f"{self.clicks} clicks instead of {CLICKS}"] if self.clicks > CLICKS else [])

    def table(self) -> str:
        """The figures beside the goals."""
        rows = (
            ("the port answers", f"{self.port_s:.1f} s", ""),
            ("the Overview is shown", f"{self.page_s:.1f} s", ""),
            ("the Overview shows a list, without a reload", f"{self.list_s:.1f} s", f"{LIST_S} s"),
            ("a newcomer's list is personal", f"{self.personal_s:.1f} s", f"{PERSONAL_S} s"),
            ("clicks of the newcomer", str(self.clicks), str(CLICKS)),
        )
        return markdown.table(("until", "measured", "goal"), rows)


def main(arguments: list[str]) -> int:
    """Measure once; 1 if a goal is missed."""
    argparse.ArgumentParser(prog="python -m benchmarks first_minute", description=__doc__).parse_args(arguments)
    found = measure()
    print(found.table())
    print(f"missed: {'; '.join(found.missed()) or 'none'}")
    return int(bool(found.missed()))


def measure() -> Figures:
    """Start a server on an empty store with the demo, and watch it as a person would."""
    with ExitStack() as stack:
        browser = launch(stack.enter_context(sync_playwright()))
        stack.callback(browser.close)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(TIMEOUT_MS)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="marquee-first-minute-")))
        server = Server(folder, MARQUEE_API_KEY="")  # as `make run` starts it
        begun = time.perf_counter()
        server.launch()
        stack.callback(server.stop)
        until(server.shows_a_page, "a page")
        port_s = time.perf_counter() - begun
        page.goto(f"http://127.0.0.1:{server.port}/")
        page.get_by_role("heading", level=1, name="Overview").wait_for()
        page_s = time.perf_counter() - begun
        page.locator(TITLE).first.wait_for()
        list_s = time.perf_counter() - begun
        loaded = page.evaluate("performance.getEntriesByType('navigation').length")
        personal_s, clicks = become_known(page)
        if loaded != 1 or page.evaluate("performance.getEntriesByType('navigation').length") != 1:
            raise RuntimeError("the page was loaded again")
        return Figures(port_s, page_s, list_s, personal_s, clicks)


def become_known(page: Page) -> tuple[float, int]:
    """Seconds and clicks from the Overview to a newcomer's personal list."""
    hand, begun = Hand(page), time.perf_counter()
    hand.click(page.get_by_test_id("stSidebarNav").get_by_role("link", name="Newcomer", exact=True))
    person = page.get_by_role("combobox", name="Person")
    person.wait_for()
    hand.click(person)
    page.keyboard.type(NAME, delay=KEY_MS)
    page.keyboard.press("Enter")
    question = page.locator(TITLE).first
    for place in PLACES:
        question.wait_for()
        asked = question.inner_text()
        page.wait_for_timeout(1000 * THINK_S)
        hand.click(page.get_by_role("slider", name=f"Rate {asked}", exact=True), place)
        page.wait_for_function(
            "([title, asked]) => document.querySelector(title)?.innerText !== asked", arg=[TITLE, asked]
        )
    page.get_by_text(f"Ordered by what {len(PLACES)} ratings say").wait_for()
    return time.perf_counter() - begun, hand.clicks
