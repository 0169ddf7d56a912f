"""Generated title cards."""

from __future__ import annotations

import base64
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.scale import STARS
from pages.ui.movie_card import certainty, predicted, tile
from pages.ui.poster import GENRES, data_url, drawing
from tests.pages.fakes import TRICKY, FakeLibrary, FakeRecommendations

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@pytest.mark.parametrize("genre", [*GENRES, "Something else"])
def test_every_genre_draws_well_formed_svg(genre: str) -> None:
    root = ElementTree.fromstring(drawing("1", (genre.title(), "Drama")))
    assert root.tag.endswith("svg")
    assert len(list(root.iter())) > 6


def test_the_same_movie_always_looks_the_same_and_two_differ() -> None:
    assert drawing("42", ("Drama",)) == drawing("42", ("Drama",))
    assert drawing("42", ("Drama",)) != drawing("43", ("Drama",))
    assert drawing("42", ("Drama",)) != drawing("42", ("War",))


def test_movies_without_a_genre_differ_in_colour() -> None:
    colours = {drawing(str(movie), ()).split("hsl(")[1].split(",")[0] for movie in range(20)}
    assert len(colours) > 12


@given(ANY_TEXT, st.lists(ANY_TEXT, max_size=3))
def test_no_data_gets_into_the_drawing(movie_id: str, genres: list[str]) -> None:
    encoded = data_url(movie_id, genres).removeprefix("data:image/svg+xml;base64,")
    ElementTree.fromstring(base64.b64decode(encoded))


def test_a_title_is_escaped_in_text_and_attribute() -> None:
    shown = tile(TRICKY, '1"><b>', None, ("<i>",), "1 · was 2")
    assert "<script" not in shown
    assert "<b>" not in shown
    assert "<i>" not in shown
    assert shown.count("&lt;script&gt;") == 2


def test_year_and_genres_are_shown_if_known() -> None:
    assert "<p>1995 · Drama, War</p>" in tile("A", "1", 1995, ("Drama", "War"), "1")
    assert "<p>Drama</p>" in tile("A", "1", None, ("Drama",), "1")
    assert "<p>1995</p>" in tile("A", "1", 1995, (), "1")
    assert "<p></p>" in tile("A", "1", None, (), "1")


def test_the_interval_lies_on_the_scale() -> None:
    item = FakeRecommendations(FakeLibrary()).recommend("42", 1).items[0]
    shown = predicted(item, STARS)
    assert "<strong>4.6</strong>" in shown
    assert "Likely between 3.4 and 5.0" in shown
    assert "quite certain" in shown


@pytest.mark.parametrize(
    ("confidence", "words"),
    [
        (1.0, "quite certain"),
        (0.6, "quite certain"),
        (0.59, "fairly certain"),
        (0.44, "uncertain"),
        (0.29, "a guess"),
        (0, "a guess"),
    ],
)
def test_confidence_is_told_in_words(confidence: float, words: str) -> None:
    assert certainty(confidence) == words


def test_without_calibration_there_is_no_interval() -> None:
    item = FakeRecommendations(FakeLibrary(), calibrated=False).recommend("42", 1).items[0]
    assert "likely" not in predicted(item, STARS)
