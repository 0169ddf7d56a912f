"""Pages of a store of preferences show likes in place of stars and errors, and say why."""

from __future__ import annotations

import json

import pytest

from engine.data.scale import PREFERENCES, STARS
from pages.ui import preferences, session
from pages.ui.rating_input import shape
from tests.pages import fakes
from tests.pages.conftest import Open, intact, press, rate, rating_inputs, words
from tests.pages.test_imports_page import drop


@pytest.mark.parametrize("page", ["overview.py", "recommend.py", "versions.py"])
def test_pages_say_why_there_are_no_stars(visit: Open, page: str) -> None:
    query = {"user": "42"} if page == "recommend.py" else {"version": "2"} if page == "versions.py" else {}
    shown = words(visit(page, fakes.rated_on(PREFERENCES), **query))
    assert preferences.WHY in shown
    assert "RMSE" not in shown.replace(preferences.WHY, "")
    assert preferences.WHY not in words(visit(page, fakes.rated_on(STARS), **query))


def test_movies_are_liked_by_name(visit: Open) -> None:
    held = fakes.rated_on(PREFERENCES)
    at = visit("recommend.py", held, user="42")
    inputs = [json.loads(one.proto.json) for one in rating_inputs(at)]
    assert {(one["kind"], tuple(one["names"]), one["invitation"]) for one in inputs} == {
        ("choices", ("Dislike", "Like"), "Like it?")
    }
    assert "Expected" not in words(at).replace(preferences.WHY, "")
    assert not [one for one in at.selectbox if one.key == session.RANK_BY]
    intact(rate(at, "1", 1.0))
    assert held.library.rated["42"][0].rating == 1.0


def test_newcomers_see_no_expected_rating(visit: Open) -> None:
    assert "Expected" not in words(visit("newcomer.py", fakes.rated_on(PREFERENCES), user="somebody"))


def test_other_scales_have_numbers() -> None:
    assert shape(STARS)["names"] == []
    assert preferences.given(4.5, STARS) == "rated 4.5"
    assert [preferences.given(one, PREFERENCES) for one in (1.0, 0.0)] == ["liked it", "did not like it"]


def test_refused_plays_are_taken_where_the_box_is_ticked(visit: Open) -> None:
    held = fakes.rated_on(PREFERENCES)
    held.imports.rounds = [[]]
    at = drop(visit("imports.py", held), session.IMPORT_FILES)
    held.imports.end("failed", "It counts plays. To import it as likes and dislikes, set the option preferences.")
    intact(at.run())
    at.checkbox(key=session.option("preferences")).check()
    intact(press(at, session.IMPORT_AGAIN))
    assert held.imports.ordered[-1][1].preferences


def test_preferences_are_not_offered_beside_ratings(visit: Open) -> None:
    held = fakes.rated_on(STARS)
    at = drop(visit("imports.py", held), session.IMPORT_FILES)
    held.imports.end("failed", "It counts plays.")
    assert not [one for one in intact(at.run()).checkbox if one.key == session.option("preferences")]


def test_studies_aim_at_lists(visit: Open) -> None:
    held = fakes.rated_on(PREFERENCES)
    intact(press(visit("tuning.py", held), session.START_STUDY))
    assert held.tuning.asked[0][-1] == "ndcg_at_k"
