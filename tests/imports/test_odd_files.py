"""Files that have been read wrong before: what is odd about each, and what is stored of it."""

from __future__ import annotations

import json

import pytest

from engine.data.plan import ImportOptions
from tests.imports.bench import Bench, Case
from tests.imports.data import (
    START,
    TENS,
    Row,
    json_lines,
    no_time,
    number,
    plain,
    records,
    rows,
    table,
    title,
    wanted,
)
from tests.imports.test_sources import BOXD, ENTRIES

ROWS = rows()
OBJECTS = [{"user": one.user, "movie": one.film.ml, "rating": one.rating, "time": one.time} for one in ROWS]
PEOPLE = ("ann", "bob", "cid")
RUSSIAN = ("Ирония судьбы", "Сталкер", "Летят журавли", "Солярис", "Иди и смотри")
FILMS = [{"id": place, "title": f"Film {place}"} for place in range(30)]


def across(some: list[Row], *about: str, corner: str = "Film") -> str:
    """Movies down and users across, with what is said of the movie between."""
    lines = [
        (
            one.film.title,
            *({"Year": one.film.year, "Genres": "|".join(one.film.genres), "Average": 3.1}[name] for name in about),
            *(number(one.rating) if one.user == user else "" for user in PEOPLE),
        )
        for one in some
    ]
    return table((corner, *about, *PEOPLE), lines)


CASES = [
    Case("json with two lists", {"r.json": json.dumps({"movies": FILMS, "ratings": OBJECTS})}, wanted(ROWS)),
    Case(
        "json with a broken line",
        {"r.jsonl": json_lines(OBJECTS) + "{broken\n"},
        wanted(ROWS),
        result={"rows_rejected": 1},
    ),
    Case(
        "half of a character",
        {"r.json": json.dumps([{**one, "title": "x\ud800y"} for one in OBJECTS])},
        wanted(ROWS),
    ),
    Case(
        "a wide table with years and genres",
        {"wide.csv": across(ROWS, "Year", "Genres")},
        wanted(ROWS, title, time=no_time),
        titles=True,
        movies={"The Shining": ("The Shining", 1980, ("Horror",))},
    ),
    Case(
        "a wide table with averages",
        {"wide.csv": across(ROWS, "Average")},
        wanted(ROWS, title, time=no_time),
        titles=True,
    ),
    Case(
        "a wide table with ids as names",
        {
            "wide.csv": table(
                ("user_id", *(one.film.ml for one in ROWS)),
                [(user, *(number(o.rating) if o.user == user else "" for o in ROWS)) for user in PEOPLE],
            )
        },
        wanted(ROWS, time=no_time),
    ),
    Case(
        "titles of numbers",
        {
            "r.csv": table(
                ("user", "movie", "rating"),
                [(f"u{n}", name, 2.5) for n in range(4) for name in ("1917 (2019)", "300 (2006)", "2012 (2009)")],
            )
        },
        {(f"u{n}", name): (2.5, None) for n in range(4) for name in ("1917", "300", "2012")},
        titles=True,
        movies={"1917": ("1917", 2019)},
    ),
    Case(
        "anime that was watched",
        {"a.csv": "user_id,anime_id,watched_episodes\n1,20,12\n2,20,3\n"},
        error=("without a column of ratings",),
    ),
    Case(
        "an endless time",
        {"r.csv": plain(ROWS).replace(str(ROWS[2].time), "1e999")},
        None,
        result={"times_unknown": 1, "ratings_added": 10},
    ),
    Case(
        "a time of twenty digits",
        {"r.csv": plain(ROWS, time=lambda _: "9" * 20)},
        None,
        options={"dates": "ymd"},
        result={"times_unknown": 10, "ratings_added": 10},
    ),
    Case("another encoding than declared", {"r.csv": plain(ROWS)}, options={"encoding": "utf-16"}, error=("utf-16",)),
    Case(
        "an encoding to ask for, then the columns",
        {
            "r.csv": table(
                ("q1", "q2", "q3", "q4"), [(f"u{n % 3}", f"m{n}", ROWS[n].rating, RUSSIAN[n % 5]) for n in range(10)]
            ).encode("cp1251")
        },
        {(f"u{n % 3}", f"m{n}"): (ROWS[n].rating, None) for n in range(10)},
        answers={"encoding": "cp1251", "columns": {"user": "q1", "movie": "q2", "rating": "q3", "title": "q4"}},
        movies={f"m{n}": (RUSSIAN[n % 5], None) for n in range(10)},
    ),
    Case(
        "an encoding to ask for, then the user",
        {
            "ratings.csv": records(BOXD, [*ENTRIES, *({**ENTRIES[0], "Name": name} for name in RUSSIAN)]).encode(
                "cp1251"
            )
        },
        None,
        answers={"encoding": "cp1251", "user": "me"},
        movies={name: (name, 1995) for name in RUSSIAN},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_odd_file(bench: Bench, case: Case) -> None:
    case.check(bench)


@pytest.mark.parametrize(("field", "value"), [("user_id", "\ud800"), ("prefix", "a\0"), ("scale", [1, 1e308])])
def test_options_that_no_file_can_have_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        ImportOptions.model_validate({field: value})


def test_0_is_outside_a_store_of_half_stars(bench: Bench) -> None:
    bench.bring({"r.csv": plain(ROWS)})
    more = [one._replace(user="dan", rating=one.rating if one.rating > 0.5 else 0.0) for one in ROWS]
    assert bench.bring({"r.csv": plain(more)}).codes == ["scale"]


def test_two_movies_of_one_catalogue_stay_two(bench: Bench) -> None:
    """Also where both are found under one movie that is there."""
    bench.bring(
        {"r.csv": table(("user", "title", "year", "rating"), [(f"u{n}", "Hamlet", 1990, 2.5) for n in range(9)])}
    )
    twins = table(
        ("user", "movie", "title", "year", "rating"),
        [(f"v{n}", n % 2, "Hamlet", 1990 + n % 2, TENS[n] / 2) for n in range(10)],
    )
    bench.bring({"r.csv": twins}, {"scale": [0.5, 5]})
    assert sorted(row.year or 0 for row in bench.movies().values()) == [1990, 1991]
    assert min(at or START for _, at in bench.stored().values()) == START
