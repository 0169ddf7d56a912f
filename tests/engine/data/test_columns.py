"""Columns by their names and by what they hold."""

from __future__ import annotations

import pytest

from engine.data.columns import ALIASES, find, guess, is_header, normal

ROWS = [["ann", "296", "4.5", "1600000000"], ["bob", "318", "3.5", "1600000050"], ["ann", "318", "3.5", "1600000077"]]


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        ("user_id,movie_id,rating,timestamp", {"user": 0, "movie": 1, "rating": 2, "time": 3}),
        ("Rating, Item-ID ,USER ID,Date.Rated", {"user": 2, "movie": 1, "rating": 0, "time": 3}),
        ("reviewerID,asin,overall,unixReviewTime", {"user": 0, "movie": 1, "rating": 2, "time": 3}),
        ("Benutzer,Film,Bewertung,Datum", {"user": 0, "movie": 1, "rating": 2, "time": 3}),
        ("uid,iid,score,ts", {"user": 0, "movie": 1, "rating": 2, "time": 3}),
        ("User-ID,ISBN,Book-Rating", {"user": 0, "movie": 1, "rating": 2}),
        ("Title,Your Rating,Rating", {"title": 0, "rating": 1}),
        ("qx1,qx2,qx3", {}),
    ],
)
def test_names_in_many_spellings(names: str, roles: dict[str, int]) -> None:
    assert find(names.split(",")) == roles


def test_each_name_has_one_role() -> None:
    names = [name for aliases in ALIASES.values() for name in set(aliases)]
    assert len(names) == len(set(names))
    assert all(normal(name) == name for name in names)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (["user", "movie", "rating", "time"], True),
        (["qa", "qb", "qc", "qd"], True),
        (["cid", "3", "2.0", "1600000099"], False),
    ],
)
def test_a_header_differs_from_the_rows_below(header: list[str], expected: bool) -> None:
    assert is_header(header, ROWS) is expected


def test_roles_are_guessed_by_the_values() -> None:
    assert guess(ROWS, {}) == {"user": 0, "movie": 1, "rating": 2, "time": 3}
    assert guess(ROWS * 4, {"movie": 1}) == {"user": 0, "movie": 1, "rating": 2, "time": 3}
    assert guess([["a", "b"], ["c", "d"]], {}) == {}
    assert guess([["1", "2", "3"], ["2", "3", "1"]] * 5, {}) == {}  # any of them could be the ratings
