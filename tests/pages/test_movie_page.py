"""Movie: its ratings, its place in lists, similar movies, fans, and rating it for a person."""

from __future__ import annotations

from pages.ui import session
from pages.ui.escape import text
from tests.pages import fakes
from tests.pages.conftest import Open, choose, click_rating, component, intact, links, rating_inputs, words


def test_without_a_movie_it_says_where_to_find_one(visit: Open) -> None:
    at = visit("movie.py", fakes.loaded())
    assert "No movie is chosen" in at.info[0].value
    assert links(at)["Open Catalogue"] == "catalogue?"
    assert "no movie 77" in visit("movie.py", fakes.loaded(), id="77").info[0].value
    assert at.title[0].value == "Movie"


def test_on_an_empty_store_it_says_what_comes_next(visit: Open) -> None:
    at = visit("movie.py", fakes.empty(), id="318")
    assert "The catalogue is empty" in at.info[0].value
    assert links(at)["Import ratings"] == "imports?"


def test_a_movie_has_facts_ratings_lists_similar_movies_and_fans(visit: Open) -> None:
    at = visit("movie.py", fakes.loaded(), id="2")
    shown = words(at)
    assert at.title[0].value == "Heat"
    assert text("1995 · Action, Crime, Thriller") in shown
    assert [one.value for one in at.metric] == ["311", "4.30", "3"]
    assert [one.value for one in at.header] == [
        "Ratings",
        "Over time",
        "In people's lists",
        "Similar movies",
        "Who liked it",
    ]
    assert "It is among the first ten for 113 people of 671 (16.8%)." in shown
    assert "Lists of all 671 people with ratings, by version 2" in shown
    assert '<a class="mq-go" href="/movie?id=4" target="_self">Blade Runner (1982)</a>' in shown
    assert '<a class="mq-go" href="/person?id=a_b%2A" target="_self">a_b*</a>' in shown
    assert len(at.get("vega_lite_chart")) == 3


def test_it_is_rated_for_a_person(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("movie.py", held, id="2")
    assert not rating_inputs(at)
    at = intact(choose(at, "Maria"))
    assert "Expected rating 4.4, likely between 3.2 and 5.0." in words(at)
    at = intact(click_rating(at, session.card("rate.Maria", "2"), 4.5))
    assert held.library.rated["Maria"][0].rating == 4.5
    assert "Maria rated 4\\.5" in at.toast[0].value.replace("4.5", "4\\.5")
    assert "They rated 4.5. Rate it again" in words(at)
    assert component(at, session.PICKER)


def test_a_movie_without_ratings_version_or_counted_lists(visit: Open) -> None:
    held = fakes.loaded()
    held.profiles.unrated, held.profiles.counted = True, False
    at = visit("movie.py", held, id="16")
    assert "Nobody has rated this movie yet" in at.info[0].value
    assert "Making people's lists" in words(at)
    at = visit("movie.py", fakes.first_training(), id="2")
    assert "Lists appear once the first version is trained" in words(at)


def test_titles_and_ids_are_text(visit: Open) -> None:
    at = visit("movie.py", fakes.loaded(), id="5")
    assert at.title[0].value.startswith(r"\<script\>")
    assert "<script" not in words(at).replace(r"\<script", "")
