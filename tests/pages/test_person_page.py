"""Person: ratings, taste, predictions, and their data."""

from __future__ import annotations

from dataclasses import replace

from streamlit.testing.v1 import AppTest

from engine.errors import DiskFull
from pages.panels import person_shown
from pages.ui import session
from pages.ui.escape import text
from tests.pages import fakes
from tests.pages.conftest import Open, button, intact, links, press, words
from tests.pages.fakes.answers import shown
from tests.pages.fakes.data import MOVIES


def test_without_a_person_it_says_where_to_find_one(visit: Open) -> None:
    assert "No person is chosen" in visit("person.py", fakes.loaded()).info[0].value


def test_an_id_that_is_too_long_is_said(visit: Open) -> None:
    at = visit("person.py", fakes.loaded(), id="x" * 201)
    assert at.info[0].value == "The id is longer than 200 characters. Find one with the search in the sidebar."


def test_a_person_has_ratings_taste_and_predictions(visit: Open) -> None:
    at = visit("person.py", fakes.loaded(), id="42")
    shown = words(at)
    assert at.title[0].value == "Person 42"
    assert [one.value for one in at.header] == [
        "What they see",
        "Ratings",
        "Over time",
        "Taste by genre",
        "How well their ratings are predicted",
        "Newest ratings",
        "What they were shown",
        "Their data",
    ]
    assert "Off by **0.50** on average over the newest 4 ratings." in shown
    assert 'href="/movie?id=13"' in shown
    assert "&lt;script&gt;" in shown
    assert links(at)["Open their list"] == "recommend?user=42"
    assert links(at)["Learn more about their taste"] == "newcomer?user=42"
    assert len(at.get("vega_lite_chart")) == 4


def test_a_person_has_a_list_with_reasons_and_one_had_they_hated_a_movie(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("person.py", held, id="42")
    listed = held.recommendations.recommend("42").items
    assert f"**{text(listed[0].title)}** comes first. They are told: “" in words(at)
    assert held.recommendations.imagined == [{listed[0].movie_id: 0.5}]
    at = intact(at.selectbox(session.hated("42", 4)).select(listed[2].movie_id).run())
    assert held.recommendations.imagined[-1] == {listed[2].movie_id: 0.5}
    assert "Their list then" in words(at)


def lists_of(at: AppTest) -> str:
    """The table of lists that were shown, as HTML."""
    return next(one.body for one in at.html if "Lists shown to this person" in one.body)


def test_a_person_has_the_lists_that_they_were_shown(visit: Open) -> None:
    at = visit("person.py", fakes.loaded(), id="42")
    table = lists_of(at)
    assert table.count("<tr>") == 1 + person_shown.PAGE
    for told in (
        'href="/versions?version=2"',
        "40 ratings",
        ", and 3 more",
        "Filters: only Drama, from 1990, without 2 movies",
    ):
        assert told in table
    assert "&lt;script&gt;" in table
    at = intact(press(at, session.OLDER_LISTS))
    assert lists_of(at).count("<tr>") == 1 + 9
    assert button(at, session.OLDER_LISTS) is None
    assert "Lists are kept from" in words(at)


def test_without_lists_it_says_from_when_on_they_are_kept(visit: Open) -> None:
    assert "No list was shown to this person since" in words(visit("person.py", fakes.loaded(), id="7"))


def test_where_lists_are_not_kept_it_says_why(visit: Open) -> None:
    held = fakes.loaded()
    held.answers.is_on = False
    at = visit("person.py", held, id="42")
    assert "MARQUEE_ANSWER_LOG_MB is 0" in words(at)
    assert session.EXPORT_LISTS not in [one.key for one in at.get("download_button")]


def test_a_list_is_replayed_with_the_ratings_of_that_time(visit: Open) -> None:
    held = fakes.loaded()
    at = intact(visit("person.py", held, id="42").selectbox(session.REPLAYED).select(100).run())
    assert at.success[0].value == "Exactly the list that was shown."
    assert "Because of place 8" in words(at)
    assert "&lt;script&gt;" in words(at)
    assert f"It was made from {len(MOVIES)} ratings. The best 10:" in words(at)
    at = intact(at.selectbox(session.REPLAYED).select(98).run())
    assert at.info[0].value == "This list can't be made again. Version 1 was deleted."
    held.replays.is_exact = False
    at = intact(at.selectbox(session.REPLAYED).select(99).run())
    assert at.warning[0].value.startswith("Not the list that was shown.")
    assert "They had rated nothing then." in words(at)


def test_a_list_without_movies_says_so(visit: Open) -> None:
    held = fakes.loaded()
    held.answers.held["42"] = [replace(shown(0), items=())]
    assert "No movie matched" in words(visit("person.py", held, id="42"))


def test_somebody_new_has_a_list_and_nothing_to_delete(visit: Open) -> None:
    at = visit("person.py", fakes.loaded(), id="Maria")
    assert text("Nobody has this id yet. Their list shows what most people like.") in words(at)
    assert "Their list shows" not in words(visit("person.py", fakes.empty(), id="Maria"))
    assert links(at)["Begin with a few questions"] == "newcomer?user=Maria"
    assert button(at, session.DELETE_USER) is None


def test_before_the_first_version_there_are_no_predictions(visit: Open) -> None:
    shown = words(visit("person.py", fakes.first_training(), id="42"))
    assert "Predictions appear once" in shown
    assert "Their list appears once" in shown


def test_deleting_a_person_asks_first(visit: Open) -> None:
    held = fakes.loaded()
    at = intact(press(visit("person.py", held, id="42"), session.DELETE_USER))
    assert "permanently erases 4 ratings and the id of **42**" in words(at)
    assert "42" in held.library.rated


FORGETTING = """
from engine.services import current
from pages.panels.person_data import confirm_deletion
confirm_deletion(current(), "42", 4)
"""


def test_a_confirmed_person_is_deleted(dialog: Open) -> None:
    held = fakes.loaded()
    at = dialog(FORGETTING, held)
    held.ratings.fails = DiskFull("The disk is full.")
    at = intact(press(at, session.CONFIRM))
    assert "disk is full" in at.error[0].value
    held.ratings.fails = None
    at = intact(press(at, session.CONFIRM))
    assert "42" not in held.library.rated
    assert "4 ratings and the id were erased" in at.session_state[session.TOASTS][0]
