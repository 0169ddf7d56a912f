"""Ten questions that somebody has at the start page, each answered in at most two clicks or one search.

The answers are read from the page and compared with what the API says.
"""

from __future__ import annotations

import csv
import io
import re
import shlex
import urllib.request
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from engine.evaluation.segments import in_words
from pages.ui.escape import JOINER
from tests.browser.console import broken, get, post, settled, until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CLICKS, SEARCHES = 2, 1
REACH_AGE = 40
"""Movies by which the reach of lists, counted at most every five minutes, may be behind."""
QUICK = {
    "method": "ease",
    "l2": 300.0,
    "recency": 0.3,
    "next_weight": 0.0,
    "factor_weight": 0.0,
    "rating_weight": 0.0,
    "popularity_discount": 0.0,
}
"""Settings of lists with nothing left to choose, so that a training is over in seconds."""


class Visitor:
    """Somebody on the start page, whose clicks and searches are counted; the console must not be loaded again."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.clicks = self.searches = 0
        page.goto(url)
        settled(page)

    def click(self, what: Locator) -> None:
        self.clicks += 1
        what.click()

    def open(self, name: str) -> None:
        """Click a page of the navigation."""
        self.click(self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True))
        expect(self.page.get_by_role("heading", level=1)).to_have_text(name)

    def search(self, typed: str) -> None:
        """Search with ``/`` and open the first result with Enter."""
        self.searches += 1
        self.page.keyboard.press("/")
        expect(self.page.get_by_role("combobox", name="Search movies, people and versions")).to_be_focused()
        self.page.keyboard.type(typed)
        expect(self.page.get_by_role("option").first).to_contain_text(typed)
        self.page.keyboard.press("Enter")

    def done(self) -> None:
        """Assert that it took no more than promised, and that nothing broke."""
        assert self.clicks <= CLICKS if not self.searches else (self.searches, self.clicks) == (SEARCHES, 0)
        assert broken(self.page) == 0
        assert self.page.evaluate("performance.getEntriesByType('navigation').length") == 1


@pytest.fixture
def visitor(page: Page, marquee: str) -> Iterator[Visitor]:
    somebody = Visitor(page, marquee)
    yield somebody
    somebody.done()


@pytest.fixture(scope="module")
def retrained(marquee: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The version that served, and the run of one that took its place; at the end the first serves again."""
    before = serving(marquee)
    wanted = {"model": "svd", "hyperparameters": {"epochs": 2, "factors": 2, "regularization": 0.1}}
    run = post(marquee, "/api/ml/train", wanted | {"ranker": QUICK, "activate": "always"})["run_id"]
    until(
        lambda: ask(marquee, f"/ml/training-status?run_id={run}")["state"] == "succeeded", 240, f"no end of run {run}"
    )
    found = ask(marquee, f"/ml/training-status?run_id={run}")
    assert serving(marquee) == found["version"]
    yield before, found
    if serving(marquee) != before:
        post(marquee, f"/api/ml/models/activate/{before}", {})
    gone = urllib.request.Request(f"{marquee}/api/ml/models/{found['version']}", method="DELETE")
    urllib.request.urlopen(gone, timeout=30).close()


def ask(url: str, path: str) -> dict[str, Any]:
    """JSON answer of the API."""
    answer = get(url, f"/api{path}")
    assert answer is not None, path
    return answer


def serving(url: str) -> int:
    return int(ask(url, "/ml/models")["active_version"])


def version(url: str, number: int) -> dict[str, Any]:
    return next(one for one in ask(url, "/ml/models")["models"] if one["version"] == number)


def exported(url: str, table: str) -> list[dict[str, str]]:
    """Rows of an export."""
    with urllib.request.urlopen(f"{url}/api/data/exports/{table}?format=csv", timeout=60) as answer:
        return list(csv.DictReader(io.TextIOWrapper(answer, "utf-8")))


def tile(page: Page, label: str) -> Locator:
    return page.get_by_test_id("stMetric").filter(has=page.get_by_text(label, exact=True))


def cells(table: Locator) -> list[list[str]]:
    """Texts of the rows of a table, without its heading."""
    return [row.locator("th, td").all_inner_texts() for row in table.locator("tbody tr").all()]


def test_who_serves_and_since_when(visitor: Visitor, marquee: str) -> None:
    active = version(marquee, serving(marquee))
    since = datetime.fromtimestamp(active["activated_at"], UTC)
    expect(tile(visitor.page, "Active version")).to_contain_text(str(active["version"]))
    expect(visitor.page.get_by_text(f"Active since {since:%Y-%m-%d %H:%M}")).to_be_visible()


def test_is_it_better_than_popularity(visitor: Visitor, marquee: str) -> None:
    beside = ask(marquee, f"/ml/metrics?version={serving(marquee)}")["baselines"]
    one = next(one for one in beside if (one["segment"], one["metric"]) == ("all", "ndcg_at_k"))
    verdict = "are better than" if one["verdict"] == "better" else "are not shown to be better than"
    told = f"Lists {verdict} the most popular movies: NDCG@10 {one['value']:.4f} against {one['popularity']:.4f}"
    shown = visitor.page.get_by_text(re.compile("^Lists are .* the most popular movies"))
    expect(shown).to_be_visible()
    assert told in shown.inner_text().replace(JOINER, "")


def test_what_does_42_see_and_why_is_this_movie_first(visitor: Visitor, marquee: str) -> None:
    wanted = ask(marquee, "/ml/recommendations/42?n=10")["items"]
    why = ask(marquee, f"/ml/explain/42/{wanted[0]['movie_id']}")["summary"]
    visitor.search("42")
    expect(visitor.page.get_by_text(f"{wanted[0]['title']} comes first. They are told: “{why}”")).to_be_visible()
    shown = visitor.page.get_by_role("table", name="Their list now")
    listed = [f"{place}. {item['title']}" for place, item in enumerate(wanted, 1)]
    assert shown.locator("tbody a").all_inner_texts() == listed
    assert [row[1] for row in cells(shown)] == [f"{item['predicted_rating']:.1f}" for item in wanted]


def test_what_would_42_see_had_they_hated_it(visitor: Visitor, marquee: str) -> None:
    first = ask(marquee, "/ml/recommendations/42?n=1")["items"][0]
    changes = [{"movie_id": first["movie_id"], "rating": 0.5}]
    wanted = post(marquee, "/api/ml/what-if", {"user_id": "42", "changes": changes, "n": 10})["items"]
    visitor.search("42")
    hated = visitor.page.get_by_role("combobox", name="Had they hated (rated 0.5)")
    expect(hated).to_have_value(f"1. {first['title']}")
    shown = visitor.page.get_by_role("table", name="Their list then")
    expect(shown.locator("tbody tr")).to_have_count(10)
    places = {None: "new", 0: "="}
    for row, item in zip(cells(shown), wanted, strict=True):
        assert row[0].startswith(f"{item['rank']}. {item['movie']['title']}")
        change = item["change"]
        assert row[1] == places.get(change, f"{'▲' if (change or 0) > 0 else '▼'} {abs(change or 0)}")
        assert row[2] == f"{item['predicted_before']:.2f} → {item['predicted_rating']:.2f}"


def test_which_movies_are_never_shown(visitor: Visitor, marquee: str) -> None:
    listed = {row["movie_id"] for row in exported(marquee, "recommendations")}
    count = ask(marquee, "/data/statistics")["movies"] - len(listed)
    visitor.open("Catalogue")
    never = tile(visitor.page, "Never in a list")
    expect(never).to_contain_text(re.compile(r"\d,\d{3}"))
    visitor.click(visitor.page.get_by_role("link", name="Show them"))
    told = visitor.page.get_by_text(re.compile(r"^[\d,]+ movies\. Click a heading"))
    until(lambda: abs(number(told.inner_text()) - count) <= REACH_AGE, 10, f"about {count} movies are in no list")
    assert f"{number(told.inner_text()):,}" in never.inner_text()
    reach = visitor.page.locator(".mq-sorted tbody td:last-child")
    expect(reach).to_have_count(25)
    assert set(reach.all_inner_texts()) == {"0"}


def number(told: str) -> int:
    """The first number in a text."""
    found = re.search(r"[\d,]+", told)
    assert found is not None, told
    return int(found[0].replace(",", ""))


def test_is_there_enough_data(visitor: Visitor, marquee: str) -> None:
    people = Counter(row["user_id"] for row in exported(marquee, "ratings"))
    enough = sum(ratings >= 10 for ratings in people.values())
    visitor.open("Data")
    told = f"{enough:,} of {len(people):,} people ({enough / len(people):.0%}) have 10 ratings or more"
    expect(visitor.page.get_by_text(told)).to_be_visible()
    expect(visitor.page.get_by_role("heading", name="Is there enough?")).to_be_visible()
    expect(visitor.page.get_by_text("What would help most:")).to_be_visible()


def test_did_the_last_training_help_and_whom_not(
    retrained: tuple[int, dict[str, Any]], visitor: Visitor, marquee: str
) -> None:
    _, run = retrained
    judged = run["judgement"]
    visitor.open("Training")
    page = visitor.page
    expect(page.get_by_role("heading", name=f"Run {run['run_id']}", exact=True)).to_be_visible()
    expect(page.get_by_test_id("stAlert").filter(has_text=judged["text"])).to_contain_text(
        judged["verdict"].capitalize()
    )
    guards = [one for one in judged["evidence"] if one["role"] == "guard"]
    groups = {one["part"] for one in guards}
    differ = {one["part"] for one in guards if one["finding"] != "no difference shown"}
    told = page.get_by_test_id("stMarkdown").filter(has_text="For whom?")
    expect(told).to_contain_text(f"No difference is shown for {len(groups - differ)} of {len(groups)} groups")
    for part in differ:
        expect(told).to_contain_text(part.partition(":")[2] or in_words(part))
    better = any(one["finding"] == "better" for one in guards)
    worse = any(one["finding"] == "worse" for one in guards)
    assert ("Better for no group" in told.inner_text()) is not better
    assert ("Worse for none" in told.inner_text()) is not worse


def test_go_back_to_yesterdays_version(retrained: tuple[int, dict[str, Any]], visitor: Visitor, marquee: str) -> None:
    before, run = retrained
    assert serving(marquee) == run["version"]
    visitor.click(visitor.page.get_by_role("link", name=f"Go back to version {before}"))
    dialog = visitor.page.get_by_role("dialog")
    visitor.click(dialog.get_by_role("button", name=f"Roll back to version {before}"))
    expect(visitor.page.get_by_test_id("stSidebar").get_by_text(f"Version {before} active")).to_be_visible()
    expect(dialog).to_have_count(0)
    expect(visitor.page.get_by_text(f"Version {before} is active since")).to_be_visible()
    assert serving(marquee) == before


def test_how_do_i_call_this_from_code(visitor: Visitor, marquee: str) -> None:
    visitor.open("Recommend")
    visitor.click(visitor.page.get_by_role("button", name="Use from code"))
    shown = visitor.page.get_by_test_id("stCode")
    expect(shown).to_have_count(2)
    command, address = shlex.split(shown.first.inner_text().strip())
    assert command == "curl"
    with urllib.request.urlopen(address, timeout=10) as answer:
        assert b'"items"' in answer.read()
    script = shown.nth(1).inner_text()
    assert "requests.get(" in script
    assert f"{marquee}/api/ml/recommendations" in script


def test_what_did_my_import_change(visitor: Visitor, marquee: str) -> None:
    counts = ask(marquee, "/data/imports")["imports"][-1]["counts"]
    visitor.open("Import")
    first = visitor.page.get_by_text(re.compile("ratings added")).last
    for name, noun in (
        ("ratings_added", "ratings added"),
        ("movies_added", "new movies"),
        ("users_added", "new people"),
    ):
        expect(first).to_contain_text(f"{counts[name]:,} {noun}")
