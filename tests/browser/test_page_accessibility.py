"""Every page for everybody: axe in both themes, 200% zoom, and all flows with the keyboard alone."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from tests.browser.console import Watch, broken, get, settled
from tests.browser.screenshots import PAGES, THEMES

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TOLERATED = {"minor"}
"""What axe may find; Streamlit's drop zone for files is a section whose role is that of a picture."""
WINDOW: ViewportSize = {"width": 1440, "height": 900}
ZOOMED: ViewportSize = {"width": 720, "height": 450}
"""What a zoom of 200% leaves of the window."""
MOST_TABS = 60
THEME = "getComputedStyle(document.querySelector('[data-testid=stApp]')).colorScheme"
NO_SIDEWAYS_SCROLL = """width => {
  const main = document.querySelector('[data-testid="stMain"]')
  return document.documentElement.scrollWidth <= width && main.scrollWidth <= main.clientWidth
}"""
STILL = """() => new Promise(next => requestAnimationFrame(() => requestAnimationFrame(next))).then(() =>
  document.getAnimations().every(one => one.effect.getComputedTiming().endTime === Infinity))"""
"""Whether no colour is on its way to another one: a change of the theme is drawn over some frames."""
TITLES = ".mq-tile :is(h2, h3)"


@pytest.fixture(scope="module")
def reader(chromium: Browser, marquee: str) -> Iterator[Page]:
    """Somebody who looks at one page after the other, on a screen with two pixels for one."""
    context = chromium.new_context(viewport=WINDOW, device_scale_factor=2, locale="en-GB", timezone_id="UTC")
    visitor = context.new_page()
    watch = Watch(visitor, marquee)
    yield visitor
    context.close()
    assert watch.faults == []


def findings(page: Page) -> list[str]:
    """What axe finds that is not tolerated, each with the first element."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [
        f"{one['impact']} {one['id']}, {len(one['nodes'])} times: {one['nodes'][0]['html'][:200]}"
        for one in found
        if one["impact"] not in TOLERATED
    ]


def test_every_page_of_the_navigation_is_looked_at(reader: Page, marquee: str) -> None:
    reader.goto(marquee)
    settled(reader)
    links = reader.get_by_test_id("stSidebarNav")
    expect(links.get_by_role("button")).to_have_count(0)  # none is hidden
    shown = {str(link.get_attribute("href")).rpartition("/")[2] for link in links.get_by_role("link").all()}
    assert shown == {path.partition("?")[0] for path in PAGES.values()} - {"movie", "person"}


def lasting_findings(page: Page) -> list[str]:
    """What axe finds three times in a row: a page that is drawn anew shows the old part paler for a moment."""
    found: list[str] = []
    for _ in range(3):
        page.wait_for_function(STILL)
        found = findings(page)
        if not found:
            break
        page.wait_for_timeout(1000)
    return found


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_axe_finds_nothing_and_zoom_needs_no_sideways_scroll(reader: Page, marquee: str, path: str) -> None:
    reader.set_viewport_size(WINDOW)
    reader.emulate_media(color_scheme="light")
    reader.goto(f"{marquee}/{path}")
    settled(reader)
    for theme in THEMES:
        reader.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        reader.wait_for_function(f"{THEME} === '{theme}'")
        assert lasting_findings(reader) == [], f"in the {theme} theme"
    reader.set_viewport_size(ZOOMED)
    settled(reader)
    reader.wait_for_function(NO_SIDEWAYS_SCROLL, arg=ZOOMED["width"])  # once the sidebar has moved away
    assert broken(reader) == 0


def tab_to(page: Page, what: Locator) -> None:
    """Press Tab until a control has the focus, as somebody without a mouse would."""
    for _ in range(MOST_TABS):
        if what.count() and what.first.evaluate("one => one.getRootNode().activeElement === one"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{what} is not reached with {MOST_TABS} times Tab")


def rate(page: Page, slider: Locator) -> None:
    """Give the second highest rating with the keys of a slider."""
    tab_to(page, slider)
    for key in ("End", "ArrowLeft", "Enter"):
        page.keyboard.press(key)


def test_a_rating_is_given_and_undone_and_the_focus_stays(page: Page, marquee: str) -> None:
    before = get(marquee, "/api/ml/recommendations/6?n=12") or {}
    page.goto(f"{marquee}/recommend?user=6")
    settled(page)
    first, second = page.locator(TITLES).all_inner_texts()[:2]
    rate(page, page.get_by_role("slider", name=f"Rate {first}", exact=True))
    expect(page.get_by_role("slider", name=f"Rate {first} again")).to_have_attribute("aria-valuetext", "4.5 of 5")
    now_first = page.locator(TITLES).first.inner_text()
    assert now_first != first
    expect(page.get_by_role("slider", name=f"Rate {now_first}", exact=True)).to_be_focused()
    assert (get(marquee, "/api/ml/recommendations/6") or {})["ratings_count"] == before["ratings_count"] + 1
    undo = page.get_by_role("button", name="Undo")
    undo.focus()
    page.keyboard.press("Enter")
    expect(undo).to_have_count(0)
    expect(page.locator(TITLES).first).to_have_text(first)
    assert (get(marquee, "/api/ml/recommendations/6") or {})["ratings_count"] == before["ratings_count"]
    page.wait_for_function("document.activeElement !== document.body")
    assert second in page.locator(TITLES).all_inner_texts()


def test_the_reasons_keep_the_focus_and_give_it_back(page: Page, marquee: str) -> None:
    page.goto(f"{marquee}/recommend?user=42")
    settled(page)
    why = page.get_by_role("button", name="Why this movie?").first
    tab_to(page, why)
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("you would probably give it")).to_be_visible()
    settled(page)
    assert findings(page) == []
    for _ in range(12):
        page.keyboard.press("Tab")
        assert dialog.evaluate("one => one.contains(document.activeElement)")
    tab_to(page, dialog.locator("summary"))
    page.keyboard.press("Enter")
    rank = dialog.get_by_role("tab", name="Rank")
    tab_to(page, rank)
    page.keyboard.press("ArrowRight")
    expect(dialog.get_by_role("tab", name="Rating")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(why).to_be_focused()


def test_filters_are_set_and_left(page: Page, marquee: str) -> None:
    page.goto(f"{marquee}/recommend?user=42")
    settled(page)
    button = page.get_by_role("button", name="Filters")
    tab_to(page, button)
    page.keyboard.press("Enter")
    genre = page.get_by_role("combobox", name="Genre", exact=True)
    expect(genre).to_be_visible()
    tab_to(page, genre)
    assert findings(page) == []
    page.keyboard.type("Drama")
    expect(page.get_by_role("option", name="Drama")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Filters: only Drama.")).to_be_visible()
    expect(page).to_have_url(re.compile("genre=Drama"))
    tab_to(page, button)  # past the last control, back to the button
    page.keyboard.press("Escape")
    expect(genre).to_have_count(0)
    expect(button).to_be_focused()
    genres = page.locator(".mq-tile p").all_inner_texts()
    assert genres
    assert all("Drama" in told for told in genres)


def test_a_list_that_was_shown_is_replayed(page: Page, marquee: str) -> None:
    first = (get(marquee, "/api/ml/recommendations/8?n=12") or {})["items"][0]
    page.goto(f"{marquee}/person?id=8")
    settled(page)
    box = page.get_by_role("combobox", name="Replay a list")
    box.focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("option").first).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Exactly the list that was shown.")).to_be_visible()
    settled(page)
    made = page.get_by_role("region", name="The list, made again").get_by_role("row")
    expect(made).to_have_count(1 + 12)
    expect(made.nth(1)).to_contain_text(first["title"])
    assert findings(page) == []


def test_a_search_leads_to_a_page_and_into_it(page: Page, marquee: str) -> None:
    page.goto(marquee)
    settled(page)
    page.keyboard.press("/")
    page.keyboard.type("godfather")
    expect(page.get_by_role("option").first).to_contain_text("Godfather")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Godfather")
    expect(page.get_by_test_id("stMain")).to_be_focused()
    person = page.get_by_role("combobox", name="Person")
    tab_to(page, person)
    page.keyboard.type("42")
    expect(page.get_by_role("option").first).to_contain_text("42")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("user=42"))
    expect(person).to_be_focused()
    expect(page.get_by_role("option")).to_have_count(0)


def test_an_interview_goes_from_question_to_question(page: Page, marquee: str) -> None:
    page.goto(f"{marquee}/newcomer")
    settled(page)
    tab_to(page, page.get_by_role("combobox", name="Person"))
    page.keyboard.type("keys alone")
    expect(page.get_by_role("option", name="New person: keys alone")).to_be_visible()
    page.keyboard.press("Enter")
    question = page.locator(TITLES)
    expect(page.get_by_text("0% of your taste known")).to_be_visible()
    asked = question.inner_text()
    rate(page, page.get_by_role("slider", name=f"Rate {asked}", exact=True))
    expect(page.get_by_text("known from 1 rating")).to_be_visible()
    expect(question).not_to_have_text(asked)
    asked = question.inner_text()
    expect(page.get_by_role("slider", name=f"Rate {asked}", exact=True)).to_be_focused()
    tab_to(page, page.get_by_role("button", name="I don't know it"))
    page.keyboard.press("Enter")
    expect(question).not_to_have_text(asked)
    expect(page.get_by_role("button", name="I don't know it")).to_be_focused()
    gone = urllib.request.Request(f"{marquee}/api/users/keys%20alone", method="DELETE")
    urllib.request.urlopen(gone, timeout=10).close()
    assert (get(marquee, "/api/ml/recommendations/keys%20alone") or {})["ratings_count"] == 0
