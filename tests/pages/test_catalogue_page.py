"""Catalogue: the sorted table, filters in the address, and the long tail."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pages.ui import session
from tests.pages import fakes
from tests.pages.conftest import Open, intact, links, words


def addresses(text: str) -> dict[str, str]:
    """Address of each link, by its text."""
    return {name: there for there, name in re.findall(r'href="([^"]*)" target="_self">([^<]*)</a>', text)}


def test_an_empty_store_says_what_comes_next(visit: Open) -> None:
    assert links(visit("catalogue.py", fakes.empty()))["Import ratings"] == "imports?"


def test_movies_are_listed_with_their_figures(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("catalogue.py", held)
    shown = words(at)
    assert [one.value for one in at.metric] == ["18", "0", "3", "5"]
    assert "18 movies. Click a heading to sort. In lists: among the first ten, of 671 people." in shown
    assert addresses(shown)["Heat"] == "/movie?id=2"
    assert "<td>42</td><td>3.50</td><td>12</td>" in shown
    assert held.catalogue.asked[-1]["order"] == "ratings"
    assert "Half of all ratings are of the 4 most rated movies" in shown
    assert "13 movies (72%) are among somebody's first ten." in shown
    assert "<script" not in shown


def test_without_a_tail_there_is_no_chart_of_it(visit: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    held = fakes.loaded()
    flat = replace(held.catalogue.spread(), curve=((1, 1), (18, 1)))
    monkeypatch.setattr(held.catalogue, "spread", lambda: flat)
    at = visit("catalogue.py", held)
    assert "There is none: every rated movie has 1 rating." in words(at)
    assert not at.get("vega_lite_chart")


def test_a_click_leads_to_what_no_list_shows(visit: Open) -> None:
    at = visit("catalogue.py", fakes.loaded())
    assert 'href="/catalogue?show=Never+in+a+list"' in words(at)
    at = visit("catalogue.py", fakes.loaded(), show="Never in a list")
    assert at.selectbox(session.CATALOGUE_SHOW).value == "Never in a list"


def test_headings_sort_and_pages_turn_in_the_address(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("catalogue.py", held, sort="mean", order="up", page="2", genre="War")
    assert held.catalogue.asked[-1] | {"text": ""} == {
        "order": "mean",
        "descending": False,
        "page": 2,
        "text": "",
        "only": "all",
    }
    found = addresses(words(at))
    assert 'aria-sort="ascending"' in words(at)
    assert found["Mean ▲"] == "/catalogue?sort=mean&amp;order=down&amp;genre=War"
    assert found["Movie"] == "/catalogue?sort=title&amp;order=up&amp;genre=War"
    assert found["Next"] == "/catalogue?sort=mean&amp;order=up&amp;genre=War&amp;page=3"
    assert "Page 2 of 3" in words(at)


def test_filters_start_at_the_first_page(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("catalogue.py", held, page="3")
    intact(at.text_input(key=session.CATALOGUE_TITLE).set_value("zzz").run())
    assert held.catalogue.asked[-1]["page"] == 1
    assert "No movies match" in at.info[0].value
    intact(at.text_input(key=session.CATALOGUE_TITLE).set_value("").run())
    intact(at.selectbox(key=session.CATALOGUE_SHOW).set_value("Never rated").run())
    assert "Every movie that matches has ratings" in at.info[0].value


def test_while_lists_are_counted_the_page_says_so(visit: Open) -> None:
    held = fakes.loaded()
    held.catalogue.counted = False
    at = visit("catalogue.py", held)
    assert "Making people's lists" in words(at)
    assert [one.value for one in at.metric][-1] == "–"
