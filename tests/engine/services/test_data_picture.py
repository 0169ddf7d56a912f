"""The data at a glance."""

from __future__ import annotations

import numpy as np

from engine.data.catalogue import MovieTable
from engine.runtime import Runtime
from engine.services.data_picture import OTHERS, by_decade, by_range


def test_the_picture_adds_up(trained: Runtime) -> None:
    found = trained.services.data.picture()
    assert (found.people, found.movies, found.ratings, found.undated) == (60, 80, 1500, 0)
    assert sum(count for _, count in found.people_by_ratings) == 60
    assert sum(count for _, count in found.movies_by_ratings) == 80
    assert sum(found.months.values()) == 1500
    assert found.current
    assert [one.level for one in found.findings][2] == "partly"
    assert "NDCG@10 of the active version is known to within" in found.findings[2].text


def test_an_empty_store_has_an_empty_picture(runtime: Runtime) -> None:
    found = runtime.services.data.picture()
    assert (found.ratings, found.findings, found.decades, found.people_by_ratings) == (0, (), (), ())


def test_numbers_are_counted_by_range() -> None:
    assert by_range(np.array([1, 4, 5, 12])) == (("1 to 4", 2), ("5 to 9", 1), ("10 to 19", 1))
    assert by_range(np.array([1000, 5000, 999]))[-2:] == (("500 to 999", 1), ("1,000 or more", 2))
    assert by_range(np.array([3])) == (("1 to 4", 1),)


def test_genres_are_counted_by_decade_and_rare_ones_together() -> None:
    names = "ABCDEFG"
    genres = ["|".join(names[: 7 - k]) for k in range(7)]
    table = MovieTable.build(["t"] * 7, [1995, 1999, 2001, None, 1980, 1981, 1982], genres)
    found, rows = by_decade(table)
    assert found == ("A", "B", "C", "D", "E", OTHERS)
    assert ("1990s", "A", 2) in rows
    assert ("1990s", OTHERS, 2) in rows
    assert ("2000s", "E", 1) in rows
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
