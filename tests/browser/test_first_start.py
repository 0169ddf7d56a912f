"""A visitor who opens Marquee on an empty store and only watches: no page may get out of date.

Named so that it runs first: the server it watches then serves all other browser tests, and trains only once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.console import Watch, broken, get, post, server, until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DEMO = {"Ratings": "100,004", "People": "671", "Movies": "9,066", "Mean rating": "3.54"}
FIRST_VERSION = {
    "recommend": "Choose a person to see their list",
    "newcomer": "Type a new name or id to begin",
    "versions": "Deployment history",
    "automation": "No need to retrain",
    "notices": "Version 1 is trained",
}
"""What other pages say once there is a version, and not before."""
SHORT_MS, LONG_MS = 10_000, 240_000


@contextmanager
def watched(browser: Browser, url: str, path: str = "") -> Iterator[Page]:
    """A page that is loaded once; a second load or a fault fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB", timezone_id="UTC")
    context.set_default_navigation_timeout(LONG_MS)
    page = context.new_page()
    watch = Watch(page, url)
    page.goto(f"{url}/{path}")
    loaded = page.evaluate("performance.timeOrigin")
    yield page
    assert page.evaluate("performance.timeOrigin") == loaded
    assert (watch.faults, broken(page)) == ([], 0)
    context.close()


@pytest.fixture(scope="module")
def others(chromium: Browser, started: str) -> Iterator[dict[str, Page]]:
    """Pages that are open before there is a version."""
    with ExitStack() as stack:
        pages = {path: stack.enter_context(watched(chromium, started, path)) for path in FIRST_VERSION}
        for path, page in pages.items():
            expect(page.get_by_role("heading", level=1)).to_have_text(path.capitalize(), timeout=LONG_MS)
            expect(page.get_by_text(FIRST_VERSION[path])).to_have_count(0)
        yield pages


def state(url: str, run_id: int) -> str | None:
    return (get(url, f"/api/ml/training-status?run_id={run_id}") or {}).get("state")


def tile(page: Page, label: str) -> str:
    """The number on a tile of the Overview, empty if it is not there."""
    found = page.get_by_test_id("stMetric").filter(has=page.get_by_text(label, exact=True))
    return found.get_by_test_id("stMetricValue").first.inner_text() if found.count() else ""


def watch_a_first_start(browser: Browser, url: str) -> None:
    """Import and first training on the Overview, then a second training on Training, without a reload."""
    with watched(browser, url) as page:
        sidebar, bar = page.get_by_test_id("stSidebar"), page.get_by_test_id("stMain").get_by_test_id("stProgress")
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview", timeout=LONG_MS)
        expect(bar).to_contain_text("Step ", timeout=LONG_MS)
        for label, number in DEMO.items():  # the import has ended, the training goes on
            until(lambda label=label, number=number: tile(page, label) == number, 10, f"{label} is not {number}")  # type: ignore[misc]
        expect(page.get_by_test_id("stVegaLiteChart").locator("svg")).to_be_visible(timeout=SHORT_MS)
        until(lambda: state(url, 1) == "succeeded", 240, "no end of run 1")

        expect(sidebar.get_by_text("Version 1 active")).to_be_visible(timeout=SHORT_MS)
        expect(page.get_by_role("heading", name="Version 1 is active")).to_be_visible(timeout=SHORT_MS)
        expect(page.get_by_text("Choose a person to see what Marquee recommends")).to_be_visible(timeout=SHORT_MS)
        expect(page.locator(".mq-tile")).to_have_count(4)  # it ends on a list
        expect(sidebar.get_by_role("button", name="unread")).to_have_count(0)  # a training needs no action
        expect(page.get_by_text("No version yet")).to_have_count(0)
        expect(bar).to_have_count(0)
        assert {label: tile(page, label) for label in DEMO} == DEMO
        page.get_by_role("link", name="Training", exact=True).click()
        expect(page.get_by_role("heading", name="Run 1", exact=True)).to_be_visible(timeout=SHORT_MS)
        watch_a_second_training(page, url)


def watch_a_second_training(page: Page, url: str) -> None:
    """Somebody else starts it while Training is open and idle."""
    sidebar, main = page.get_by_test_id("stSidebar"), page.get_by_test_id("stMain")
    post(url, "/api/ml/train", {"model": "svd", "hyperparameters": {"epochs": 2, "factors": 2}, "activate": "always"})
    expect(page.get_by_role("button", name="Cancel run")).to_be_visible(timeout=SHORT_MS)
    expect(main.get_by_test_id("stProgress").first).to_contain_text("Step ", timeout=SHORT_MS)
    until(lambda: state(url, 2) == "succeeded", 240, "no end of run 2")
    expect(sidebar.get_by_text("Version 2 active")).to_be_visible(timeout=SHORT_MS)
    expect(page.get_by_role("button", name="Cancel run")).to_have_count(0)
    until(lambda: runs_of_table(page) == ["2", "1"], 10, "the table of runs")
    expect(page.get_by_role("heading", name="Run 2", exact=True)).to_be_visible(timeout=SHORT_MS)


def runs_of_table(page: Page) -> list[str]:
    """The numbers in the table of runs, from its accessible text."""
    table = page.get_by_test_id("stDataFrame").first
    table.scroll_into_view_if_needed()  # it is drawn when it becomes visible
    return table.locator("td[aria-colindex='1']").all_text_contents()


def test_a_first_start_is_watched_to_its_end(chromium: Browser, started: str, others: dict[str, Page]) -> None:
    watch_a_first_start(chromium, started)


def test_every_page_keeps_up_with_trainings(marquee: str, others: dict[str, Page]) -> None:
    for path, page in others.items():
        expect(page.get_by_text(FIRST_VERSION[path]).first).to_be_visible(timeout=SHORT_MS)
        active = page.get_by_test_id("stSidebar").get_by_text(re.compile("Version [12] active"))
        expect(active).to_be_visible(timeout=SHORT_MS)


@pytest.mark.long
@pytest.mark.parametrize("time", range(10))
def test_ten_first_starts_are_watched_to_their_end(chromium: Browser, tmp_path: Path, time: int) -> None:
    with server(tmp_path, MARQUEE_DEMO="1") as url:
        watch_a_first_start(chromium, url)
