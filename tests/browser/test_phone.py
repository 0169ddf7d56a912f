"""Pages on a phone: metrics are not cut off, and columns follow each other closely."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.console import Watch, settled

pytestmark = [pytest.mark.browser, pytest.mark.slow]

GAPS = """block => [...block.children].slice(1).map(
    (column, n) => column.getBoundingClientRect().top - block.children[n].getBoundingClientRect().bottom)"""
WIDEST_GAP = 24


@pytest.fixture
def phone(chromium: Browser, marquee: str) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, locale="en-GB")
    page = context.new_page()
    watch = Watch(page, marquee)
    yield page
    context.close()
    assert watch.faults == []


def test_metrics_fit(phone: Page, marquee: str) -> None:
    phone.goto(f"{marquee}/versions")
    settled(phone)
    metrics = phone.get_by_role("region", name="Metrics of version")
    assert metrics.evaluate("table => table.scrollWidth <= table.clientWidth")


def test_columns_below_each_other_are_close(phone: Page, marquee: str) -> None:
    phone.goto(f"{marquee}/movie?id=318")
    settled(phone)
    blocks = phone.get_by_test_id("stMain").get_by_test_id("stHorizontalBlock").all()
    gaps = [gap for block in blocks for gap in block.evaluate(GAPS)]
    assert gaps
    assert max(gaps) <= WIDEST_GAP


def test_an_odd_last_tile_takes_the_whole_line(phone: Page, marquee: str) -> None:
    phone.goto(f"{marquee}/movie?id=318")
    settled(phone)
    widths = [tile.bounding_box() for tile in phone.get_by_test_id("stMain").get_by_test_id("stMetric").all()]
    first, second, third = (one["width"] for one in widths[:3] if one)
    assert third > first + second
