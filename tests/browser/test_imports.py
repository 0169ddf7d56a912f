"""The ways into an empty store: an export, a table and the demo; refusals, and undo."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, process_time

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.browser.console import TRAINED_S, Watch, broken, get, server, settled

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LIST_S = 60
"""Limit from the drop of an export to its owner's list, where nothing else keeps the processors busy."""
SPIN_S = 0.5
FILMS = (
    ("The Matrix", 1999, 5.0), ("Pulp Fiction", 1994, 4.5), ("Fargo", 1996, 4.5), ("Toy Story", 1995, 4.0),
    ("Alien", 1979, 4.5), ("Casablanca", 1942, 5.0), ("Chinatown", 1974, 4.5), ("The Usual Suspects", 1995, 4.0),
    ("Batman & Robin", 1997, 0.5), ("Waterworld", 1995, 2.0), ("Jaws", 1975, 4.0), ("Amélie", 2001, 4.5),
    ("Rear Window", 1954, 5.0), ("Titanic", 1997, 2.5), ("Seven Samurai", 1954, 5.0), ("My Own Film", 2019, 5.0),
)  # fmt: skip
TEN = "user,movie,score\n" + "".join(f"u{n % 12},m{n % 17},{10 if n < 17 else n * 7 % 10 + 1}\n" for n in range(180))
REFUSED = {
    "plays": ("plays.csv", b"user,artist,plays\nann,Abba,17\nben,Cher,1204\ncarla,Abba,3\n", "plays"),
    "no rows": ("ratings.csv", b"user_id,movie_id,rating\n", "ratings.csv has columns for ratings, but no rows"),
    "web page": ("ratings.csv", b"<!DOCTYPE html>\n<html><body>Please sign in</body></html>\n", "web page"),
    "picture": ("ratings.csv", b"\x89PNG\r\n\x1a\n" + bytes(100), "picture"),
    "nothing": ("ratings.csv", b"", "empty"),
}


def upload(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def processor_share() -> float:
    """How much of a processor one busy thread gets beside everything else on this machine, at most 1."""
    begun, used = monotonic(), process_time()
    while monotonic() - begun < SPIN_S:
        pass
    return min((process_time() - used) / (monotonic() - begun), 1.0)


def letterboxd() -> FilePayload:
    """An export as Letterboxd gives it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        rows = "".join(
            f"2024-01-{n + 1:02},{title},{year},https://boxd.it/{n:04},{rating:g}\n"
            for n, (title, year, rating) in enumerate(FILMS)
        )
        archive.writestr("ratings.csv", "Date,Name,Year,Letterboxd URI,Rating\n" + rows)
        archive.writestr("watched.csv", "Date,Name,Year,Letterboxd URI\n2024-01-01,Heat,1995,https://boxd.it/x\n")
        archive.writestr("profile.csv", "Date Joined,Username,Favorite Films\n2020-01-01,mariah,\n")
    return upload("letterboxd-mariah-2026-01-02-10-00-utc.zip", packed.getvalue())


def open_page(browser: Browser, url: str) -> tuple[Page, Watch]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB", timezone_id="UTC")
    page = context.new_page()
    watch = Watch(page, url)
    page.goto(f"{url}/imports")
    settled(page)
    return page, watch


def drop(page: Page, file: FilePayload, way: str) -> None:
    """Drop a file into one of the three ways."""
    column = page.get_by_test_id("stColumn").filter(has=page.get_by_role("heading", name=way))
    column.locator("input[type=file]").set_input_files([file])


@pytest.fixture(scope="module")
def empty(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with an empty store."""
    with server(tmp_path_factory.mktemp("empty"), MARQUEE_DEMO="0") as url:
        yield url


@pytest.fixture
def page(chromium: Browser, empty: str) -> Iterator[Page]:
    """The page of imports; fails the test if it misbehaves."""
    visitor, watch = open_page(chromium, empty)
    yield visitor
    assert (watch.faults, broken(visitor)) == ([], 0)
    visitor.context.close()


@pytest.mark.parametrize("kind", REFUSED)
def test_a_refusal_says_what_was_found_and_keeps_the_files(page: Page, empty: str, kind: str) -> None:
    name, content, found = REFUSED[kind]
    drop(page, upload(name, content), "A table")
    told = page.get_by_test_id("stAlert").filter(has_text="Import failed")
    expect(told).to_contain_text(re.compile(found, re.IGNORECASE))
    expect(page.get_by_text(f"Your files are still here: {name}")).to_be_visible()
    page.get_by_text("Read the files differently, or try again").click()
    page.get_by_role("button", name="Try again").click()
    expect(told).to_contain_text(re.compile(found, re.IGNORECASE))
    assert (get(empty, "/api/data/statistics") or {})["ratings"] == 0


def test_a_table_is_asked_about_shown_imported_and_undone(page: Page, empty: str) -> None:
    drop(page, upload("scores.csv", TEN.encode()), "A table")
    expect(page.get_by_text("On which scale are the ratings?")).to_be_visible()
    page.get_by_text("1 to 10", exact=True).click()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Ready to import")).to_be_visible()
    roles = page.get_by_role("combobox", name=re.compile("Role of the column"))
    expect(roles).to_have_count(3)
    assert (get(empty, "/api/data/statistics") or {})["ratings"] == 0
    page.get_by_role("button", name="Import 180 ratings by 12 people").click()
    expect(page.get_by_text("Import done.")).to_be_visible()
    statistics = get(empty, "/api/data/statistics") or {}
    assert statistics["ratings"] == 180
    assert statistics["scale"] == {"low": 1.0, "high": 10.0, "step": 1.0}

    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("dialog")).to_contain_text("added 180 ratings and 17 movies. These are removed.")
    page.get_by_role("button", name="Undo import").click()
    expect(page.get_by_text("Undo done.")).to_be_visible()
    expect(page.get_by_text("Undone", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="The demo")).to_be_visible()
    assert (get(empty, "/api/data/statistics") or {})["ratings"] == 0


def test_the_demo_is_imported_by_a_click(page: Page, empty: str) -> None:
    page.get_by_role("button", name="Import the demo").click()
    expect(page.get_by_text("Demo import done.")).to_be_visible()
    assert (get(empty, "/api/data/statistics") or {})["ratings"] == 100_004
    expect(page.get_by_role("link", name="Ratings (CSV)").first).to_be_visible()


def test_an_export_ends_on_the_list_of_its_owner(chromium: Browser, tmp_path: Path) -> None:
    with server(tmp_path, MARQUEE_DEMO="0") as url:
        page, watch = open_page(chromium, url)
        begun = monotonic()
        drop(page, letterboxd(), "My export")
        expect(page.get_by_role("textbox", name="Name or id")).to_have_value("mariah")
        expect(page.get_by_text("Add the demo as company")).to_be_visible()
        page.get_by_role("button", name="Continue").click()
        confirm = page.get_by_role("button", name="Import 16 ratings by mariah")
        similar = page.get_by_text("Movies with similar titles")
        expect(confirm.or_(similar).first).to_be_visible()
        if similar.count():
            page.get_by_role("button", name="Continue").click()
        confirm.click()
        own = page.get_by_role("heading", name="Person mariah")
        expect(own.or_(page.get_by_text("The list of mariah opens here")).first).to_be_visible()
        share = processor_share()
        expect(own).to_be_visible(timeout=1000 * TRAINED_S)
        titles = page.locator(".mq-tile :is(h2, h3)")
        expect(titles).to_have_count(12)
        assert (monotonic() - begun) * share < LIST_S
        assert not {title for title, _, _ in FILMS} & set(titles.all_inner_texts())
        page.get_by_text("Why this movie?").first.click()
        expect(page.get_by_role("dialog").get_by_text("It is here because")).to_be_visible()
        answer = get(url, "/api/ml/recommendations/mariah") or {}
        assert (answer["status"], answer["ratings_count"]) == ("personal", 16)
        assert (watch.faults, broken(page)) == ([], 0)
        page.context.close()
