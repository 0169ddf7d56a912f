"""The star input alone, without a server: every value of a scale can be clicked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from pages.ui import stars

pytestmark = pytest.mark.browser

SCRIPT = Path(stars.__file__).parent / "assets" / "stars.js"
ROW = '<div class="stars" style="display:inline-block;width:200px;height:20px"></div>'
HTML = f'<div id="root">{ROW}<i class="value"></i></div>'
MOUNT = """async ([source, data]) => {
  const { default: mount } = await import("data:text/javascript;base64," + btoa(unescape(encodeURIComponent(source))));
  window.sent = [];
  const parentElement = document.querySelector("#root");
  mount({ data, parentElement, setTriggerValue: (name, value) => window.sent.push(value) });
}"""


@pytest.fixture
def blank(chromium: Browser) -> Iterator[Page]:
    page = chromium.new_page()
    yield page
    page.close()


def clicked(page: Page, scale: tuple[float, float], *places: float) -> list[float]:
    """What clicks at these places, as parts of the row's width, send."""
    page.set_content(HTML)
    data = {"label": "Rate it", "value": None, "invitation": "Rate it"} | stars.shape(scale)
    page.evaluate(MOUNT, [SCRIPT.read_text("utf-8"), data])
    for place in places:
        page.locator(".stars").click(position={"x": 200 * place, "y": 10})
    sent: list[float] = json.loads(page.evaluate("JSON.stringify(window.sent)"))
    return sent


def test_negative_ratings_can_be_clicked(blank: Page) -> None:
    assert clicked(blank, (-5.0, 5.0), 0.01, 0.14, 0.49, 0.99) == [-5, -3.5, 0, 5]


def test_the_ends_of_a_scale_can_be_clicked(blank: Page) -> None:
    assert clicked(blank, (0.5, 5.0), 0.01, 0.88, 0.99) == [0.5, 4.5, 5]
    assert clicked(blank, (0.0, 10.0), 0.01, 0.04, 0.99) == [0, 0.5, 10]
