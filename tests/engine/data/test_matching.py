"""Which movie of the catalogue a movie in a file is."""

from __future__ import annotations

import pytest

from engine.data.matching import Film, Known, KnownMovie, find, link_ids, others, unsure

MOVIES = (
    KnownMovie(0, "2571", "The Matrix", 1999),
    KnownMovie(1, "260", "Star Wars: Episode IV - A New Hope", 1977),
    KnownMovie(2, "5618", "Spirited Away (Sen to Chihiro no kamikakushi)", 2001),
    KnownMovie(3, "100", "Hamlet", 1990),
    KnownMovie(4, "101", "Hamlet", 1996),
    KnownMovie(5, "102", "Rocky III", 1982),
    KnownMovie(6, "103", "", None),
    KnownMovie(7, "104", "Le Fabuleux Destin d'Amélie Poulain", 2001),
)
KNOWN = Known(MOVIES, {"imdb": {"0133093": 0, "0076759": 1}, "tmdb": {"129": 2}}, frozenset({"ann"}))


@pytest.mark.parametrize(
    ("film", "movie_id"),
    [
        (Film(title="Something else", year=1950, links={"imdb": "0133093"}), "2571"),
        (Film(title="Something else", links={"imdb": "9999999", "tmdb": "129"}), "5618"),
        (Film(title="matrix", year=1999), "2571"),
        (Film(title="The Matrix", year=2000), "2571"),
        (Film(title="The Matrix", year=2001), None),
        (Film(title="The Matrix"), "2571"),
        (Film(title="Sen to Chihiro no Kamikakushi", year=2001), "5618"),
        (Film(title="Hamlet", year=1990), "100"),
        (Film(title="Hamlet", year=1995), "101"),
        (Film(title="Hamlet", year=1993), None),
        (Film(title="Hamlet"), None),
        (Film(title="Rocky 3", year=1982), "102"),
        (Film(title="Rocky II", year=1982), None),
        (Film(title="", year=1999), None),
    ],
)
def test_a_film_is_found_by_number_then_by_title_and_year(film: Film, movie_id: str | None) -> None:
    found = find(film, KNOWN)
    assert (None if found is None else found.movie_id) == movie_id


@pytest.mark.parametrize(
    ("title", "year", "movie_id"),
    [
        ("Fabuleux destin d'Amelie Poulin", 2001, "104"),
        ("Rocky IV", 1982, None),
        ("The Matrix", None, None),
        ("Casablanca", 1942, None),
    ],
)
def test_titles_that_are_alike_are_proposed(title: str, year: int | None, movie_id: str | None) -> None:
    film = Film(title=title, year=year)
    proposed = unsure([film], KNOWN)
    assert {new: movie.movie_id for new, movie in proposed.items()} == (
        {} if movie_id is None else {film.new_id: movie_id}
    )


def test_known_ids_with_other_titles_are_counted() -> None:
    films = [
        Film("2571", "Matrix, The", 1999),
        Film("260", "Cats", 2019),
        Film("5618", "5618"),
        Film("103", "Named now"),
        Film("7", "New"),
    ]
    compared, different, some = others(films, KNOWN)
    assert (compared, different) == (2, 1)
    assert some == [("260", "Star Wars: Episode IV - A New Hope (1977)", "Cats (2019)")]


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({"imdb": "tt0133093", "tmdb": "603"}, {"imdb": "0133093", "tmdb": "603"}),
        ({"imdb": "133093", "tmdb": "603.0"}, {"imdb": "0133093", "tmdb": "603"}),
        ({"imdb": "tt10872600"}, {"imdb": "10872600"}),
        ({"imdb": "", "tmdb": "0", "trakt": "x"}, {}),
        ({"letterboxd": "https://boxd.it/2a1m"}, {"letterboxd": "https://boxd.it/2a1m"}),
    ],
)
def test_numbers_on_other_sites_have_one_form(given: dict[str, str], stored: dict[str, str]) -> None:
    assert link_ids(**given) == stored


@pytest.mark.parametrize(
    ("film", "new_id"),
    [
        (Film("17", links={"imdb": "0133093"}), "17"),
        (Film(title="Heat", year=1995, links={"imdb": "0113277", "tmdb": "949"}), "tt0113277"),
        (Film(title="Heat", year=1995, links={"tmdb": "949"}), "tmdb:949"),
        (Film(title="Heat", year=1995, links={"letterboxd": "https://boxd.it/2"}), "Heat (1995)"),
        (Film(title="Heat"), "Heat"),
    ],
)
def test_a_new_movie_gets_the_best_id_there_is(film: Film, new_id: str) -> None:
    assert film.new_id == new_id


def test_what_later_rows_say_completes_what_earlier_ones_said() -> None:
    film = Film("1", "Heat", links={"imdb": "1"})
    film.fill(Film("1", "Other", 1995, ("Crime",), {"imdb": "2", "tmdb": "3"}))
    assert film == Film("1", "Heat", 1995, ("Crime",), {"imdb": "1", "tmdb": "3"})
