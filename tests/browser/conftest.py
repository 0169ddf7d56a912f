"""One server on an empty store for all browser tests; it imports the demo and trains automatically."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.console import CHROMIUM, Watch, launch, server, wait_until_trained

expect.set_options(timeout=30_000)  # pages are slower beside another worker's tests

MISSING = "Chromium is not installed, so the pages were not tested. Install it with: apt-get install chromium"


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def started(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that has just started on an empty store."""
    with server(tmp_path_factory.mktemp("marquee"), MARQUEE_DEMO="1") as url:
        yield url


@pytest.fixture(scope="package")
def marquee(started: str) -> str:
    """The address of the same server once it has trained its first version."""
    wait_until_trained(started)
    return started


@pytest.fixture
def page(chromium: Browser, marquee: str) -> Iterator[Page]:
    """A fresh visitor; fails the test if the page misbehaves."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB", timezone_id="UTC")
    visitor = context.new_page()
    watch = Watch(visitor, marquee)
    yield visitor
    context.close()
    assert watch.faults == []
