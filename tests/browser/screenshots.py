"""Screenshots of every page in both themes and two widths, to review before a release.

    python -m tests.browser.screenshots FOLDER [--url http://127.0.0.1:8501] [--readme]

Without an address a server is started on an empty store in a temporary folder. ``--readme`` also refreshes the four
screenshots of the README in ``docs/images``.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.console import ROOT, launch, server, settled, wait_until_trained

PAGES = {
    "overview": "",
    "imports": "imports",
    "data": "data",
    "catalogue": "catalogue",
    "movie": "movie?id=318&user=42",
    "person": "person?id=42",
    "recommend": "recommend?user=1",
    "newcomer": "newcomer?user=somebody",
    "training": "training",
    "tuning": "tuning",
    "versions": "versions",
    "live": "live",
    "automation": "automation",
    "notices": "notices",
    "keys": "keys",
    "settings": "settings",
}
THEMES = ("light", "dark")
WIDTHS = (1440, 390)
HEIGHT, TALLEST = 900, 6000
README = {
    "overview": ("", "light", 892),
    "recommend": ("recommend?user=40", "dark", 1420),
    "movie": ("movie?id=318&user=40", "light", 1325),
    "data": ("data", "dark", 1140),
}
README_WIDTH = 1440


def visitor(browser: Browser, theme: str, width: int) -> Page:
    """A new visitor with this theme."""
    context = browser.new_context(
        viewport={"width": width, "height": HEIGHT},
        color_scheme="dark" if theme == "dark" else "light",
        has_touch=width < 600,
        locale="en-GB",
        timezone_id="UTC",
    )
    return context.new_page()


def show(page: Page, url: str, path: str) -> None:
    """Open a page."""
    page.goto(f"{url}/{path}")
    settled(page)


def whole(page: Page, width: int) -> None:
    """Make the window as tall as the page, which scrolls inside it."""
    tall = page.get_by_test_id("stMain").evaluate("main => main.scrollHeight")
    page.set_viewport_size({"width": width, "height": min(max(tall, HEIGHT), TALLEST)})
    settled(page)


def take(browser: Browser, url: str, folder: Path) -> None:
    """Save every page, theme and width to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for theme in THEMES:
        for width in WIDTHS:
            for name, path in PAGES.items():
                page = visitor(browser, theme, width)
                show(page, url, path)
                whole(page, width)
                page.screenshot(path=folder / f"{name}-{theme}-{width}.png")
                page.context.close()


def take_for_readme(browser: Browser, url: str, folder: Path) -> None:
    """Save the screenshots of the README."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (path, theme, height) in README.items():
        page = visitor(browser, theme, README_WIDTH)
        page.set_viewport_size({"width": README_WIDTH, "height": height})
        show(page, url, path)
        page.screenshot(path=folder / f"{name}.png")
        page.context.close()


def main() -> None:
    """Take the screenshots asked for on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--url")
    parser.add_argument("--readme", action="store_true")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        url = chosen.url or stack.enter_context(server(Path(stack.enter_context(tempfile.TemporaryDirectory()))))
        wait_until_trained(url)
        browser = launch(stack.enter_context(sync_playwright()))
        take(browser, url, chosen.folder)
        if chosen.readme:
            take_for_readme(browser, url, ROOT / "docs" / "images")
        browser.close()


if __name__ == "__main__":
    main()
