"""Titles as people say them, the forms in which two are the same, genres, and ids that have a title alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.matching import same_title
from engine.data.titles import (
    clean_title,
    is_placeholder,
    read_genres,
    read_year,
    sort_title,
    title_id,
    title_keys,
)


@pytest.mark.parametrize(
    ("text", "title", "year"),
    [
        ("Matrix, The (1999)", "The Matrix", 1999),
        ("Misérables, Les (1995)", "Les Misérables", 1995),
        ("Avventura, L' (1960)", "L'Avventura", 1960),
        ("American in Paris, An (1951)", "An American in Paris", 1951),
        ("Monsters, Inc. (2001)", "Monsters, Inc.", 2001),
        ("Good, the Bad and the Ugly, The (1966)", "The Good, the Bad and the Ugly", 1966),
        ("2001: A Space Odyssey (1968)", "2001: A Space Odyssey", 1968),
        ("Fawlty Towers (1975-1979)", "Fawlty Towers", 1975),
        ("Babylon 5", "Babylon 5", None),
        ("1984", "1984", None),
        ("(500) Days of Summer", "(500) Days of Summer", None),
        ("Heat\x00\x07", "Heat", None),
        ("", "", None),
    ],
)
def test_article_and_year_go_to_their_places(text: str, title: str, year: int | None) -> None:
    assert clean_title(text) == (title, year)
    assert clean_title(title) == (title, None)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The Matrix", "matrix"),
        ("Amélie", "AMELIE"),
        ("Rocky II", "Rocky 2"),
        ("Léon: The Professional", "Leon - the professional"),
        ("Schindler’s List", "Schindler's List"),
        ("Spirited Away (Sen to Chihiro no kamikakushi)", "Sen to Chihiro no Kamikakushi"),
        ("Die Straße", "Die Strasse"),
        ("Thelma & Louise", "Thelma and Louise"),
        ("E.T.", "ET"),
    ],
)
def test_spelling_does_not_tell_movies_apart(one: str, other: str) -> None:
    assert set(title_keys(one)) & set(title_keys(other))
    assert same_title(one, other)


@pytest.mark.parametrize(("one", "other"), [("Rocky II", "Rocky III"), ("Heat", "Alien"), ("Toy Story", "Toy Story 2")])
def test_other_movies_have_other_forms(one: str, other: str) -> None:
    assert not set(title_keys(one)) & set(title_keys(other))


@pytest.mark.parametrize(
    ("title", "movie_id", "expected"),
    [
        ("", "17", True),
        ("17", "17", True),
        ("Movie 17", "17", True),
        ("film #17", "17", True),
        ("Movie 18", "17", False),
        ("Heat", "Heat (1995)", False),
        ("Heat", "", False),
        ("Movie", "", False),
    ],
)
def test_placeholders_say_no_more_than_the_id(title: str, movie_id: str, expected: bool) -> None:
    assert is_placeholder(title, movie_id) is expected


@pytest.mark.parametrize(
    ("value", "year"),
    [
        ("1999", 1999),
        (1999.0, 1999),
        ("1999-05-04", 1999),
        ("4 May 1999", 1999),
        ("", None),
        ("99", None),
        ("3000", None),
    ],
)
def test_years(value: object, year: int | None) -> None:
    assert read_year(value) == year


@pytest.mark.parametrize(
    ("text", "genres"),
    [
        ("Drama|War", ("Drama", "War")),
        ("Drama, War", ("Drama", "War")),
        ("Drama; War;Drama", ("Drama", "War")),
        ("Drama / War", ("Drama", "War")),
        ('["Drama", "War"]', ("Drama", "War")),
        ("['Drama', 'War']", ("Drama", "War")),
        ("[{'id': 18, 'name': 'Drama'}, {'name': 'War'}]", ("Drama", "War")),
        ("[Drama, War]", ("Drama", "War")),
        ("(no genres listed)", ()),
        ("", ()),
        ("[]", ()),
    ],
)
def test_genres(text: str, genres: tuple[str, ...]) -> None:
    assert read_genres(text) == genres


def test_titles_are_sorted_without_their_article() -> None:
    titles = ["The Matrix", "Alien", "A Clockwork Orange", "L'Avventura", "The"]
    assert sorted(titles, key=sort_title) == ["Alien", "L'Avventura", "A Clockwork Orange", "The Matrix", "The"]
    assert (title_id("Heat", 1995), title_id("Heat", None)) == ("Heat (1995)", "Heat")


@given(st.text(max_size=30))
def test_any_text_has_a_form(text: str) -> None:
    assert title_keys(text)
    assert same_title(text, text)
    title, year = clean_title(text)
    assert year is None or 1800 <= year < 2200
    assert clean_title(title)[0] == title or year is not None or "," in text
    read_genres(text)
