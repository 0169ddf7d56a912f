"""Newcomer: questions, the preview of the list, and undo."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pages.ui import session
from tests.pages import fakes
from tests.pages.conftest import Open, button, choose, click_rating, intact, links, press, rating_inputs, words


def question(movie_id: str) -> str:
    return session.question("guest", movie_id)


def met() -> fakes.Fakes:
    """With a newcomer whom the page lists: AppTest can send nothing on from a page where a new name was typed."""
    held = fakes.loaded()
    held.library.rated |= {"guest": [], "another": []}
    return held


def test_without_a_version_the_page_shows_the_next_step(visit: Open) -> None:
    assert "Import ratings" in words(visit("newcomer.py", fakes.empty()))


def test_without_a_user_it_says_how_to_begin(visit: Open) -> None:
    assert "Type a new name or id" in visit("newcomer.py", fakes.loaded()).info[0].value


def test_a_new_user_gets_a_first_question(visit: Open) -> None:
    at = visit("newcomer.py", met(), user="guest")
    shown = words(at)
    assert "Toy Story" in shown
    assert "Question 1" in shown
    assert "About 4 in 10 people with similar ratings know it. Rating it would reveal 3.1% more" in shown
    assert "New person" in shown
    assert "Nobody with this id has rated anything yet" in shown
    assert [one.key for one in rating_inputs(at)] == [question("1")]
    assert button(at, session.UNDO) is None


def test_a_rating_is_saved_and_the_next_question_asked(visit: Open) -> None:
    held = met()
    at = visit("newcomer.py", held, user="guest")
    at = intact(click_rating(at, question("1"), 4.5))
    assert [(one.movie.movie_id, one.rating) for one in held.library.rated["guest"]] == [("1", 4.5)]
    assert [one.key for one in rating_inputs(at)] == [question("2")]
    assert "Question 2" in words(at)
    assert "<td>new</td>" in words(at)
    at = intact(press(at, session.UNDO))
    assert held.library.rated["guest"] == []
    assert [one.key for one in rating_inputs(at)] == [question("1")]


def test_skipped_movies_can_be_asked_again(visit: Open) -> None:
    held = met()
    at = visit("newcomer.py", held, user="guest")
    at = intact(press(at, session.SKIP))
    assert held.library.rated["guest"] == []
    assert [one.key for one in rating_inputs(at)] == [question("2")]
    at = intact(press(at, session.ASK_AGAIN))
    assert [one.key for one in rating_inputs(at)] == [question("1")]


def test_the_interview_ends_with_a_reason(visit: Open) -> None:
    at = visit("newcomer.py", met(), user="guest")
    for _ in range(6):
        at = intact(press(at, session.SKIP))
    assert at.success[0].value == "There is no movie left to ask about\\."
    assert not rating_inputs(at)
    assert button(at, session.ASK_AGAIN)


def test_without_a_first_question_it_leads_to_more_ratings(visit: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    held = met()
    none = replace(held.recommendations.interview("guest"), questions=(), finished="There are too few ratings.")
    monkeypatch.setattr(held.recommendations, "interview", lambda *_: none)
    at = visit("newcomer.py", held, user="guest")
    assert not at.success
    assert at.info[0].value == "There are too few ratings\\."
    assert links(at)["Import ratings"] == "imports?"


def test_skipped_movies_belong_to_one_user(visit: Open) -> None:
    at = intact(press(visit("newcomer.py", met(), user="guest"), session.SKIP))
    at = intact(choose(at, "another"))
    assert [one.key for one in rating_inputs(at)] == [session.question("another", "1")]
    assert "Question 1" in words(at)


def test_a_reload_forgets_neither_skips_nor_the_last_rating(visit: Open) -> None:
    held = met()
    at = intact(press(visit("newcomer.py", held, user="guest"), session.SKIP))
    at = intact(click_rating(at, question("2"), 4.5))
    assert (at.query_params[session.SKIPPED], at.query_params[session.ANSWERED]) == ("1", "2")
    at = visit("newcomer.py", held, user="guest", skipped="1", answered="2")
    assert [one.key for one in rating_inputs(at)] == [question("3")]
    assert "Question 3" in words(at)
    at = intact(press(at, session.UNDO))
    assert held.library.rated["guest"] == []
    assert session.ANSWERED not in at.query_params
    at = intact(press(at, session.ASK_AGAIN))
    assert session.SKIPPED not in at.query_params


def test_an_address_undoes_only_ratings_of_this_person(visit: Open) -> None:
    at = visit("newcomer.py", met(), user="guest", answered="2")
    assert button(at, session.UNDO) is None
    assert "Question 1" in words(at)


def test_liked_genres_lead_the_preview(visit: Open) -> None:
    at = visit("newcomer.py", met(), user="guest")
    intact(at.multiselect(key=session.LIKES).set_value(["Western"]).run())
    assert "1. Once Upon a Time in the West" in words(at)


def test_the_full_list_is_linked(visit: Open) -> None:
    at = visit("newcomer.py", met(), user="guest")
    assert links(at)["Open full list"] == "recommend?user=guest"


def test_a_title_is_text(visit: Open) -> None:
    at = visit("newcomer.py", met(), user="guest")
    for _ in range(4):
        at = intact(press(at, session.SKIP))
    assert "&lt;script&gt;" in words(at)
    assert "<script" not in words(at)
