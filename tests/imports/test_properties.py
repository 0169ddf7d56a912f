"""Export then import is the identity, undoing is one too, order does not matter, and no file breaks an import."""

from __future__ import annotations

import json
import random
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.data.titles import is_placeholder
from engine.services.exports import ExportService, TableName
from engine.services.snapshots import Snapshots
from store.records import MovieRow
from tests.imports.bench import Bench
from tests.imports.data import START, gzipped, json_lines, table, tarred, workbook, zipped
from tests.imports.test_other_sources import CASES as OTHER_CASES
from tests.imports.test_sources import CASES as MOVIE_CASES

FEW = settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
TABLES: tuple[TableName, ...] = ("ratings", "movies")
STARS = {"scale": [0.5, 5.0], "catalogue": "same"}


@pytest.fixture
def fresh(empty: Path) -> Callable[[], Any]:
    """Opens benches on empty stores, one for each example."""

    @contextmanager
    def opened() -> Iterator[Bench]:
        with TemporaryDirectory() as folder:
            bench = Bench.copied(empty, Path(folder))
            try:
                yield bench
            finally:
                bench.close()

    return opened


def exports(bench: Bench) -> ExportService:
    """Exports of what is stored; a bench has no versions."""
    nothing: Any = None
    return ExportService(bench.ratings, Snapshots(bench.ratings, bench.scale), bench.scale, nothing, nothing)


def exported(bench: Bench) -> dict[str, bytes]:
    """Both tables as CSV."""
    service = exports(bench)
    return {"ratings.csv": b"".join(service.export("ratings")), "movies.csv": b"".join(service.export("movies"))}


# -- export and import -------------------------------------------------------------------------------------------------

LETTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp", "Zs"])
TEXT = (
    st.text(st.one_of(st.sampled_from("=+-@'\",;|/ aé\u00df漢"), LETTERS), min_size=1, max_size=12)
    .map(lambda text: unicodedata.normalize("NFC", text.strip()).strip())
    .filter(bool)
)
GENRE = st.sampled_from(["Drama", "Sci-Fi", "=Odd", "-Noir", "Film & TV"])
MOVIES = st.lists(
    st.builds(
        MovieRow,
        TEXT,
        st.one_of(st.just(""), TEXT),
        st.one_of(st.none(), st.integers(1900, 2030)),
        st.lists(GENRE, unique=True, max_size=3).map(lambda names: tuple(sorted(names))),
        st.one_of(st.just({}), st.builds(lambda n: {"imdb": f"{n:07}", "tmdb": str(n)}, st.integers(1, 10**7))),
    ),
    min_size=1,
    max_size=8,
    unique_by=(lambda row: row.external_id, lambda row: row.links.get("imdb", row.external_id)),
).map(lambda rows: [replace(row, title="") if is_placeholder(row.title, row.external_id) else row for row in rows])


@FEW
@given(data=st.data())
def test_what_is_exported_is_imported_as_it_was(fresh: Callable[[], Any], data: st.DataObject) -> None:
    movies = data.draw(MOVIES)
    users = data.draw(st.lists(TEXT, min_size=1, max_size=4, unique=True))
    pairs = data.draw(st.lists(st.tuples(st.sampled_from(users), st.sampled_from(movies)), min_size=1, max_size=20))
    with fresh() as first, fresh() as second, fresh() as third:
        first.ratings.add_movies(movies)
        for user, movie in pairs:
            value = data.draw(st.integers(1, 10)) / 2
            first.ratings.put_rating(user, movie.external_id, value, data.draw(st.integers(10**8, START)))
        files = exported(first)
        done = second.bring(files, **STARS)
        assert (done.job.state, done.codes) == ("succeeded", []), done.job.error
        assert second.stored() == first.stored()
        assert second.movies() == first.movies()
        assert exported(second) == files
        archive = b"".join(exports(first).archive())
        done = third.bring({"marquee.zip": archive})
        assert (done.job.state, done.codes) == ("succeeded", []), done.job.error
        assert (third.stored(), third.movies()) == (first.stored(), first.movies())
        assert b"".join(exports(third).archive()) == archive


# -- undo, and order ---------------------------------------------------------------------------------------------------

VOTE = st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(1, 10), st.integers(0, 3))
"""User, movie, half stars and time; times are few, so that imports meet."""


def votes(some: list[tuple[int, int, int, int]], title: str = "") -> dict[str, str | bytes]:
    lines = [
        (f"u{user}", f"m{movie}", half / 2, START + at, title and f"{title} {movie}") for user, movie, half, at in some
    ]
    return {"votes.csv": table(("user", "movie", "rating", "time", "title"), lines)}


@FEW
@given(st.lists(VOTE, max_size=12), st.lists(VOTE, min_size=1, max_size=12))
def test_undoing_an_import_restores_what_was_there(
    fresh: Callable[[], Any], before: list[tuple[int, int, int, int]], more: list[tuple[int, int, int, int]]
) -> None:
    with fresh() as bench:
        if before:
            bench.bring(votes(before, "Film"), **STARS)
        kept = bench.stored(), bench.movies()
        done = bench.bring(votes(more, "A film"), **STARS)
        assert bench.undo(done.result["import_id"]).state == "succeeded"
        assert (bench.stored(), bench.movies()) == kept


@FEW
@given(st.lists(VOTE, min_size=1, max_size=12), st.lists(VOTE, min_size=1, max_size=12))
def test_two_imports_agree_in_either_order_where_their_times_say_so(
    fresh: Callable[[], Any], one: list[tuple[int, int, int, int]], other: list[tuple[int, int, int, int]]
) -> None:
    with fresh() as first, fresh() as second:
        for files in (one, other):
            first.bring(votes(files), **STARS)
        for files in (other, one):
            second.bring(votes(files), **STARS)
        found, reversed_ = first.stored(), second.stored()
        assert found.keys() == reversed_.keys()
        newest = {(f"u{vote[0]}", f"m{vote[1]}"): 0 for vote in [*one, *other]}
        for vote in [*one, *other]:
            newest[f"u{vote[0]}", f"m{vote[1]}"] = max(newest[f"u{vote[0]}", f"m{vote[1]}"], START + vote[3])
        assert {pair: at for pair, (_, at) in found.items()} == newest
        tied = {
            (f"u{a[0]}", f"m{a[1]}") for a in one for b in other if a[:2] == b[:2] and a[3] == b[3] and a[2] != b[2]
        }
        assert all(found[pair] == reversed_[pair] for pair in found.keys() - tied)


# -- any file ----------------------------------------------------------------------------------------------------------

PLAIN = [
    {"user": f"u{n}", "movie": f"m{n % 5}", "rating": n % 9 / 2 + 0.5, "time": START + n, "title": "Ünïcode, the film"}
    for n in range(20)
]


@cache
def sound_files() -> list[tuple[str, bytes]]:
    """Files of all kinds that can be imported."""
    text = table(tuple(PLAIN[0]), [tuple(one.values()) for one in PLAIN])
    found: list[tuple[str, str | bytes]] = [
        ("a.csv", text),
        ("a.txt", text.encode("utf-16")),
        ("a.csv", text.encode("cp1252")),
        ("a.json", json.dumps(PLAIN)),
        ("a.jsonl", json_lines(PLAIN)),
        ("a.xlsx", workbook({"A": [list(PLAIN[0]), *(list(one.values()) for one in PLAIN)]})),
        ("a.zip", zipped({"a.csv": text, "b.json": json.dumps(PLAIN)})),
        ("a.csv.gz", gzipped(text)),
        ("a.tar.gz", tarred({"a.csv": text})),
        *((name, content) for case in [*MOVIE_CASES, *OTHER_CASES] for name, content in case.files.items()),
    ]
    return [(name, content.encode() if isinstance(content, str) else content) for name, content in found]


def mutated(content: bytes, draw: random.Random) -> bytes:
    """The content with bytes changed, repeated, cut out or cut off."""
    text = bytearray(content)
    for _ in range(draw.choice((1, 1, 3, 10))):
        place, length = draw.randrange(len(text) + 1), draw.choice((1, 2, 20, 300))
        piece = bytes(text[place : place + length])
        match draw.randrange(5):
            case 0:
                text[place : place + 1] = bytes([draw.randrange(256)])
            case 1:
                del text[place : place + length]
            case 2:
                text[place:place] = piece * draw.choice((1, 2, 30))
            case 3:
                text[place:place] = draw.choice(
                    (b'"', b"\0", b"\r", b"\n", b",", b"\xff\xfe", b"{", b"]", b"1e999", b"nan", b"<!ENTITY")
                )
            case _:
                del text[place:]
    return bytes(text)


def survives(bench: Bench, name: str, content: bytes) -> str:
    """Import a file, whatever comes of it; returns how the job ended. Nothing of a failure is kept."""
    kept = len(bench.service.batches()), bench.ratings.counts().ratings
    done = bench.bring({name: content}, user_id="me", on_question="suggestion", catalogue="same")
    assert "unexpected" not in str(done.job.error), (name, content, done.job.error)
    assert done.job.state in ("succeeded", "failed")
    if done.job.state == "failed":
        assert (len(bench.service.batches()), bench.ratings.counts().ratings) == kept
    assert bench.imports.unfinished() == []
    return str(done.job.state)


def fuzz(bench: Bench, n: int, seed: int) -> None:
    draw, ended = random.Random(seed), list[str]()
    for _ in range(n):
        name, content = draw.choice(sound_files())
        ended.append(survives(bench, name, mutated(content, draw)))
    assert {"succeeded", "failed"} <= set(ended)


@FEW
@given(st.binary(max_size=400), st.sampled_from(["a.csv", "a.json", "u.data", "ratings.dat", "a.xml"]))
def test_random_bytes_break_nothing(fresh: Callable[[], Any], content: bytes, name: str) -> None:
    with fresh() as bench:
        survives(bench, name, content)
        survives(bench, name, b"user,movie,rating\n" + content)


def test_damaged_files_break_nothing(bench: Bench) -> None:
    fuzz(bench, 60, seed=1)


@pytest.mark.long
def test_many_damaged_files_break_nothing(bench: Bench) -> None:
    fuzz(bench, 3000, seed=2)
