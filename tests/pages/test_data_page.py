"""Data: its shape, and whether there is enough."""

from __future__ import annotations

import json

from pages.ui import figures
from tests.pages import fakes
from tests.pages.conftest import Open, links, words


def test_an_empty_store_says_what_comes_next(visit: Open) -> None:
    assert links(visit("data.py", fakes.empty()))["Import ratings"] == "imports?"


def test_the_page_shows_shape_and_sufficiency(visit: Open) -> None:
    at = visit("data.py", fakes.loaded())
    assert [one.value for one in at.header] == [
        "Is there enough?",
        "Ratings",
        "Activity over time",
        "People by number of ratings",
        "Movies by number of ratings",
        "Genres over the years",
        "What did an import change?",
    ]
    shown = words(at)
    assert "**Personal lists** :orange[Partly]" in shown
    assert "Add people rather than ratings" in at.info[0].value
    assert "12 ratings have no date." in shown
    assert len(at.get("vega_lite_chart")) == 5
    specs = [json.loads(chart.proto.spec) for chart in at.get("vega_lite_chart")]
    short = [spec["encoding"]["x"]["axis"].get("labelExpr") == figures.SHORT for spec in specs]
    assert short == [False, False, True, True, False]
    assert specs[-1]["encoding"]["color"]["title"] == ""
    assert links(at)["Imports so far"] == "imports?"
