"""A page whose server stops says so in Marquee's words, and goes on without a reload once it is back."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.console import broken, free_port, server, settled

pytestmark = [pytest.mark.browser, pytest.mark.slow]

BACK_MS = 90_000
TOLD = "one => getComputedStyle(one.querySelector(':scope > div'), '::after').content"
SHOWN = "one => one.innerText"


def test_a_page_outlives_a_restart_of_its_server(chromium: Browser, tmp_path: Path) -> None:
    port = free_port()
    context = chromium.new_context(locale="en-GB", timezone_id="UTC")
    page = context.new_page()
    with server(tmp_path, port, MARQUEE_DEMO="0") as url:
        page.goto(f"{url}/data")
        settled(page)
        page.evaluate("window.notReloaded = true")
    lost = page.get_by_role("dialog")
    expect(lost).to_be_visible()
    assert "Marquee does not answer." in lost.evaluate(TOLD)
    assert "Streamlit" not in lost.evaluate(SHOWN)
    with server(tmp_path, port, MARQUEE_DEMO="0"):
        expect(page.get_by_test_id("stApp")).to_have_attribute(
            "data-test-connection-state", "CONNECTED", timeout=BACK_MS
        )
        expect(lost).to_have_count(0)
        settled(page)
        page.get_by_test_id("stSidebar").get_by_role("link", name="Catalogue").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Catalogue")
        assert page.evaluate("window.notReloaded")
        assert broken(page) == 0
    context.close()
