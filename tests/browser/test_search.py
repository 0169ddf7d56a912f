"""Search in the sidebar, the pages it leads to, and the catalogue's table."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.console import broken, get, settled

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SEARCH = "Search movies, people and versions"


@pytest.fixture
def start(page: Page, marquee: str) -> Page:
    """The start page; it must not be loaded a second time."""
    page.goto(marquee)
    settled(page)
    return page


def opened_once(page: Page) -> None:
    """Assert that nothing broke and that links did not load the console anew."""
    assert broken(page) == 0
    assert page.evaluate("performance.getEntriesByType('navigation').length") == 1


def heading(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


def found_by(page: Page, typed: str, option: str) -> None:
    """Search with the keyboard alone."""
    page.keyboard.press("/")
    expect(page.get_by_role("combobox", name=SEARCH)).to_be_focused()
    page.keyboard.type(typed)
    expect(page.get_by_role("option").first).to_contain_text(option)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")


def test_a_movie_is_found_rated_as_somebody_and_leads_on(start: Page, marquee: str) -> None:
    found_by(start, "shawshank", "The Shawshank Redemption")
    expect(heading(start)).to_have_text("The Shawshank Redemption")
    expect(start.get_by_text(re.compile(r"among the first ten for \d+ people of 67\d"))).to_be_visible()
    person = start.get_by_role("combobox", name="Person")
    person.fill("a guest of the cinema")
    person.press("Enter")
    expect(start.get_by_text(re.compile(r"Expected rating \d\.\d"))).to_be_visible()
    stars = start.get_by_role("slider", name="Rate The Shawshank Redemption")
    stars.focus()
    stars.press("End")
    stars.press("Enter")
    expect(start.get_by_text("They rated 5. Rate it again to change that.")).to_be_visible()
    known = get(marquee, "/api/ml/recommendations/a%20guest%20of%20the%20cinema")
    assert known is not None
    assert known["ratings_count"] == 1
    similar = start.locator(".mq-facts a[href^='/movie']").first
    title = similar.inner_text()
    similar.click()
    expect(heading(start)).to_have_text(re.sub(r" \(\d{4}\)$", "", title))
    assert start.get_by_test_id("stMain").evaluate("main => main.scrollTop") == 0
    start.locator(".mq-facts a[href^='/person']").first.click()
    expect(heading(start)).to_have_text(re.compile("^Person "))
    start.go_back()
    expect(heading(start)).to_have_text(re.sub(r" \(\d{4}\)$", "", title))
    opened_once(start)


def test_a_version_is_found_by_its_number(start: Page) -> None:
    found_by(start, "version 1", "Version 1")
    expect(heading(start)).to_have_text("Versions")
    opened_once(start)


def test_a_search_without_a_result_says_what_to_type(start: Page) -> None:
    start.keyboard.press("/")
    expect(start.get_by_role("combobox", name=SEARCH)).to_be_focused()
    start.keyboard.type("zzzz")
    expect(start.get_by_text("Nothing found. Type the beginning")).to_be_visible()
    start.keyboard.press("Escape")
    expect(start.get_by_text("Nothing found. Type the beginning")).to_be_hidden()
    opened_once(start)


def test_the_table_is_sorted_and_turned_by_links(page: Page, marquee: str) -> None:
    page.goto(f"{marquee}/catalogue")
    settled(page)
    page.get_by_role("link", name="Year", exact=True).click()
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Year")
    page.get_by_role("link", name="Next", exact=True).click()
    expect(page.get_by_text("Page 2 of")).to_be_visible()
    expect(page).to_have_url(re.compile("sort=year&order=down&page=2"))
    page.get_by_role("textbox", name="Title").fill("godfather")
    page.get_by_role("textbox", name="Title").press("Enter")
    expect(page.get_by_text("Page 2 of")).to_have_count(0)
    expect(page.locator(".mq-sorted tbody tr").first).to_contain_text("Godfather")
    page.reload()
    expect(page.locator(".mq-sorted tbody tr").first).to_contain_text("Godfather")
    opened_once(page)


def test_a_person_is_exported_and_deleted(page: Page, marquee: str) -> None:
    page.goto(f"{marquee}/movie?id=318&user=soon+gone")
    stars = page.get_by_role("slider", name="Rate The Shawshank Redemption")
    stars.focus()
    stars.press("End")
    stars.press("Enter")
    expect(page.get_by_text("They rated 5.")).to_be_visible()
    page.goto(f"{marquee}/person?id=soon+gone")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export ratings").click()
    assert "The Shawshank Redemption" in download.value.path().read_text("utf-8")
    page.get_by_role("button", name="Delete this person").click()
    page.get_by_role("button", name="Delete person", exact=True).click()
    expect(page.get_by_text("Nobody has this id yet")).to_be_visible()
    assert broken(page) == 0
