"""The sidebar in a narrow window, where it covers the page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.console import settled

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_chosen_page_is_not_covered(page: Page, started: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(started)
    settled(page)
    sidebar = page.get_by_test_id("stSidebar")
    for name in ("Versions", "Versions", "Training"):  # also the page that is already open
        page.get_by_test_id("stExpandSidebarButton").click()
        expect(sidebar).to_have_attribute("data-collapsed", "false")
        sidebar.get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        expect(sidebar).to_have_attribute("data-collapsed", "true")
        settled(page)
        expect(sidebar).to_have_attribute("data-collapsed", "true")


def test_a_wide_window_keeps_it(page: Page, started: str) -> None:
    page.goto(started)
    settled(page)
    sidebar = page.get_by_test_id("stSidebar")
    sidebar.get_by_role("link", name="Versions").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Versions")
    settled(page)
    expect(sidebar).to_have_attribute("data-collapsed", "false")
