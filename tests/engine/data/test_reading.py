"""Files as people have them: every MovieLens layout, CSVs of all kinds, and what is wrong with them."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.data.catalogue import Movie
from engine.data.demo import load_demo
from engine.data.formats import SourceFile, encoding_of, layout_of, unpack
from engine.data.reading import MAX_TIME, make_movie, read_movies, read_ratings
from engine.data.rows import Rejections
from engine.errors import Cancelled, InvalidInput

SCALE = (0.5, 5.0)
Ratings = dict[tuple[str, str], tuple[float, int]]


def source(folder: Path, name: str, content: str | bytes) -> SourceFile:
    path = folder / f"{name}.upload"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return SourceFile(name, path)


def ratings_of(file: SourceFile, latest: int = MAX_TIME) -> tuple[Ratings, Rejections]:
    layout, rejections, found = layout_of(file), Rejections(), {}
    assert layout is not None
    assert layout.holds == "ratings"
    for block in read_ratings(file, layout, SCALE, rejections, latest):
        for user, movie, rating, time in zip(block.users, block.movies, block.ratings, block.times, strict=True):
            found[block.user_ids[user], block.movie_ids[movie]] = (float(rating), int(time))
    return found, rejections


def movies_of(file: SourceFile) -> tuple[list[Movie], Rejections]:
    layout, rejections = layout_of(file), Rejections()
    assert layout is not None
    assert layout.holds == "movies"
    return read_movies(file, layout, rejections), rejections


def test_movielens_latest(tmp_path: Path) -> None:
    found, rejections = ratings_of(
        source(tmp_path, "ratings.csv", "userId,movieId,rating,timestamp\n1,31,2.5,126\n1,5,4.0,9\n")
    )
    assert found == {("1", "31"): (2.5, 126), ("1", "5"): (4.0, 9)}
    assert rejections.count == 0
    text = (
        'movieId,title,genres\n31,"American President, The (1995)",Comedy|Drama\n'
        '5,Amélie (2001),(no genres listed)\n6,"Say ""No"" ",War\n7,,Drama\n'
    )
    movies, _ = movies_of(source(tmp_path, "movies.csv", text))
    assert movies == [
        Movie("31", "American President, The", 1995, ("Comedy", "Drama")),
        Movie("5", "Amélie", 2001, ()),
        Movie("6", 'Say "No"', None, ("War",)),
        Movie("7", "Movie 7", None, ("Drama",)),
    ]


def test_movielens_100k(tmp_path: Path) -> None:
    found, _ = ratings_of(source(tmp_path, "u.data", "196\t242\t3\t881250949\n186\t302\t3\t891717742"))
    assert found == {("196", "242"): (3.0, 881250949), ("186", "302"): (3.0, 891717742)}
    flags = "|".join("1" if place in (5, 18) else "0" for place in range(19))
    line = f"242|Misérables, Les (1995)|01-Jan-1995||http://example.org/?a=b|{flags}\n"
    movies, _ = movies_of(source(tmp_path, "u.item", line.encode("latin-1")))
    assert movies == [Movie("242", "Misérables, Les", 1995, ("Comedy", "Western"))]


def test_movielens_1m(tmp_path: Path) -> None:
    found, rejections = ratings_of(
        source(tmp_path, "ratings.dat", "1::1193::5::978300760\n1::661::3::978302109\n2::661::x::1\n")
    )
    assert found == {("1", "1193"): (5.0, 978300760), ("1", "661"): (3.0, 978302109)}
    assert [(row.line, row.reason) for row in rejections.rows] == [(3, "The rating is not a number.")]
    movies, _ = movies_of(
        source(tmp_path, "movies.dat", "73::Misérables, Les: A Story (1995)::Drama|War\n".encode("latin-1"))
    )
    assert movies == [Movie("73", "Misérables, Les: A Story", 1995, ("Drama", "War"))]


def test_movielens_10m_is_utf_8_in_the_files_that_are_latin_1_in_1m(tmp_path: Path) -> None:
    movies, _ = movies_of(source(tmp_path, "movies.dat", "73::Misérables, Les (1995)::Drama|War\n"))
    assert movies == [Movie("73", "Misérables, Les", 1995, ("Drama", "War"))]


def test_times_may_be_dates(tmp_path: Path) -> None:
    rows = "1,2,3,2005-04-02 23:53:47\n1,3,3,7\n1,4,3,1970-01-02T00:00:00+01:00\n1,5,3,-1\n"
    text = "userId,movieId,rating,timestamp\n" + rows
    found, rejections = ratings_of(source(tmp_path, "rating.csv", text))
    assert {movie: time for (_, movie), (_, time) in found.items()} == {"2": 1112486027, "3": 7, "4": 82800}
    assert [row.line for row in rejections.rows] == [5]


def test_ids_hold_no_control_characters(tmp_path: Path) -> None:
    found, rejections = ratings_of(source(tmp_path, "mine.csv", "user,movie,rating\na\x00b,1,3\na\x85b,1,3\nab,1,3\n"))
    assert list(found) == [("ab", "1")]
    assert {row.reason for row in rejections.rows} == {"The user id contains a control character."}


@pytest.mark.parametrize("time", ["1000001", "1970-01-12T13:46:41Z", "1048576000000", "1e18", "9999-12-31"])
def test_a_time_after_tomorrow_is_no_time(tmp_path: Path, time: str) -> None:
    """Of the same movie, so that a row that is set aside takes no part in what is the newest."""
    text = f"user,movie,rating,time\nann,heat,4,1000000\nann,heat,2,{time}\n"
    found, rejections = ratings_of(source(tmp_path, "mine.csv", text), 1_000_000)
    assert found == {("ann", "heat"): (4.0, 1_000_000)}
    assert [(row.line, row.reason) for row in rejections.rows] == [
        (3, "The time is after tomorrow, by this computer's clock.")
    ]


def test_a_time_that_no_clock_shows_is_refused_without_a_clock(tmp_path: Path) -> None:
    text = f"user,movie,rating,time\nann,heat,4,{MAX_TIME}\nann,alien,2,{MAX_TIME + 1}\n"
    found, rejections = ratings_of(source(tmp_path, "mine.csv", text))
    assert found == {("ann", "heat"): (4.0, MAX_TIME)}
    assert [row.line for row in rejections.rows] == [3]


@pytest.mark.parametrize(
    "text",
    [
        "user_id,movie_id,rating\nann,heat,4\n",
        "\ufeffUser ID;Item_ID;Score\r\nann;heat;4\r\n",
        'rating\tmovie\tuser\n" 4 "\theat\t ann ',
        "id,user,item,stars,comment\n9,ann,heat,4,fine\n",
    ],
)
def test_csv_files_as_people_have_them(tmp_path: Path, text: str) -> None:
    found, rejections = ratings_of(source(tmp_path, "mine.csv", text))
    assert found == {("ann", "heat"): (4.0, -1)}, rejections.rows


def test_bad_rows_are_set_aside_with_line_and_reason_and_the_rest_gets_in(tmp_path: Path) -> None:
    text = (
        "user_id,movie_id,rating,timestamp\n"
        "ann,heat,4,100\n"  # line 2
        "ann,alien,four,100\n"
        "ann,alien,9,100\n"
        ",alien,4,100\n"
        "ann,  ,4,100\n"
        "ann,alien,4\n"  # line 7: a column too few
        f"{'x' * 201},alien,4,100\n"
        "ann,alien,nan,100\n"
        "ann,alien,4,yesterday\n"
        "bob,heat,2,100\n"  # line 11: replaced by line 12
        "bob,heat,3,200\n"
        "bob,alien,5,\n"
        "bob,up,inf,1\n"
    )
    found, rejections = ratings_of(source(tmp_path, "mine.csv", text))
    assert found == {("ann", "heat"): (4, 100), ("bob", "heat"): (3, 200), ("bob", "alien"): (5, -1)}
    assert rejections.count == 10
    assert {row.line: row.reason for row in rejections.rows} == {
        3: "The rating is not a number.",
        4: "The rating is outside the scale from 0.5 to 5.",
        5: "The user id is empty.",
        6: "The movie id is empty.",
        7: "There are 3 columns where there should be 4.",
        8: "The user id is longer than 200 characters.",
        9: "The rating is not a number.",
        10: "The time is neither in seconds since 1970 nor a date such as 2005-04-02 23:53:47.",
        11: "A later line rates the same movie for the same user.",
        14: "The rating is not a number.",
    }


def test_of_a_pair_the_newest_row_counts_and_of_equally_new_ones_the_last(tmp_path: Path) -> None:
    text = (
        "user,movie,rating,timestamp\n"
        "ann,heat,5,900\n"
        "ann,heat,1,100\n"  # line 3: older than line 2
        "bob,heat,2,7\n"  # line 4: as new as line 6
        "ann,up,3,\n"  # line 5: without a time
        "bob,heat,4,7\n"
        "ann,up,9,800\n"  # line 7: outside the scale, so it replaces nothing
        "ann,up,4,1\n"
        "ann,heat,2,\n"
    )
    found, rejections = ratings_of(source(tmp_path, "mine.csv", text))
    assert found == {("ann", "heat"): (5, 900), ("bob", "heat"): (4, 7), ("ann", "up"): (4, 1)}
    newer, later = "An earlier line holds a newer rating", "A later line rates the same movie"
    reasons = {row.line: row.reason for row in rejections.rows if row.line != 7}
    assert {line: reason.split(" of ")[0].split(" for ")[0] for line, reason in reasons.items()} == {
        3: newer,
        4: later,
        5: later,
        9: newer,
    }
    assert rejections.count == 5


def test_only_the_first_100_rejected_rows_are_kept_but_all_are_counted(tmp_path: Path) -> None:
    text = "user,movie,rating\n" + "".join(f"ann,m{n},x\n" for n in range(250))
    _, rejections = ratings_of(source(tmp_path, "mine.csv", text))
    assert (rejections.count, len(rejections.rows), rejections.rows[-1].line) == (250, 100, 101)


def test_several_blocks_keep_their_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.data.rows.PART_BYTES", 200)
    rows = [f"u{n},m{n % 7},{'bad' if n % 50 == 49 else 3}" + (",extra" if n % 40 == 39 else "") for n in range(400)]
    found, rejections = ratings_of(source(tmp_path, "mine.csv", "user,movie,rating\n" + "\n".join(rows) + "\n"))
    wrong = sorted({n + 2 for n in range(400) if n % 50 == 49 or n % 40 == 39})
    assert sorted(row.line for row in rejections.rows) == wrong
    assert len(found) == 400 - len(wrong)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", b"user,movie,rating\r1,2,3\r", b"\x00\x01\x02" * 50, b"name,city\nann,rome\n", b"PK\x03\x04 broken"],
)
def test_files_that_hold_no_ratings_are_told_apart(tmp_path: Path, content: bytes) -> None:
    assert layout_of(source(tmp_path, "thing.csv", content)) is None


@pytest.mark.parametrize("name", ["u.data", "ratings.dat"])
def test_an_empty_movielens_file_has_no_ratings(tmp_path: Path, name: str) -> None:
    assert ratings_of(source(tmp_path, name, ""))[0] == {}


def test_a_header_alone_has_no_ratings(tmp_path: Path) -> None:
    assert ratings_of(source(tmp_path, "mine.csv", "user,movie,rating\n"))[0] == {}


def test_latin_1_is_read_where_utf_8_does_not_fit(tmp_path: Path) -> None:
    text = "user,movie,rating\nandré,amélie,4\n"
    for encoding in ("utf-8", "latin-1"):
        file = source(tmp_path, f"{encoding}.csv", text.encode(encoding))
        assert encoding_of(file.path) == encoding
        assert ratings_of(file)[0] == {("andré", "amélie"): (4.0, -1)}


def packed(**files: str) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__in__", "/"), content)
    stream.seek(0)
    return stream


def test_a_zip_is_replaced_by_its_members(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("ml/", "")
        archive.writestr("ml/ratings.csv", "userId,movieId,rating,timestamp\n1,2,3,4\n")
        archive.writestr("ml/../../../escape.csv", "user,movie,rating\n1,2,3\n")
        archive.writestr("__MACOSX/ml/._ratings.csv", "junk")
        archive.writestr("ml/.DS_Store", "junk")
    stream.seek(0)
    mine = replace(source(tmp_path, "mine.csv", "user,movie,rating\n1,9,3\n"), name="C:\\data\\mine.csv")
    found = unpack([source(tmp_path, "ml.zip", stream.getvalue()), mine], tmp_path)
    assert [file.name for file in found] == ["ratings.csv", "escape.csv", "mine.csv"]
    assert {file.path.parent for file in found} == {tmp_path}
    assert ratings_of(found[0])[0] == {("1", "2"): (3.0, 4)}
    assert not (tmp_path.parent / "escape.csv").exists()


def test_a_zip_that_swells_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="unpacks to more than"):
        unpack([source(tmp_path, "bomb.zip", packed(zeros="0" * 100_000).getvalue())], tmp_path, limit=50_000)


def test_zips_share_one_limit(tmp_path: Path) -> None:
    zips = [source(tmp_path, f"{n}.zip", packed(zeros="0" * 30_000).getvalue()) for n in range(2)]
    with pytest.raises(InvalidInput, match=r"1\.zip unpacks to more than"):
        unpack(zips, tmp_path, limit=50_000)


def test_a_zip_of_too_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.data.formats.MAX_MEMBERS", 2)
    with pytest.raises(InvalidInput, match="more than 2 files"):
        unpack([source(tmp_path, "many.zip", packed(a="", b="", c="").getvalue())], tmp_path)


def test_unpacking_can_be_ended(tmp_path: Path) -> None:
    def check() -> None:
        raise Cancelled("Enough.")

    with pytest.raises(Cancelled):
        unpack([source(tmp_path, "mine.zip", packed(a="text").getvalue())], tmp_path, check=check)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_zip_is_refused_or_read_but_nothing_else(tmp_path: Path, method: int) -> None:
    sound, chance, refused = io.BytesIO(), np.random.default_rng(method), 0
    with zipfile.ZipFile(sound, "w", method) as archive:
        archive.writestr("ratings.csv", "user,movie,rating\n" * 1000)
    for _ in range(100):
        content = bytearray(sound.getvalue())
        for place in chance.integers(0, len(content), 5):
            content[place] = chance.integers(256)
        try:
            unpack([source(tmp_path, "mine.zip", bytes(content))], tmp_path)
        except InvalidInput:
            refused += 1
    assert refused


@pytest.mark.parametrize(
    ("title", "year", "expected"),
    [
        ("Heat (1995)", "", ("Heat", 1995)),
        ("Heat (1995) ", "2001", ("Heat", 2001)),
        ("2001: A Space Odyssey (1968)", None, ("2001: A Space Odyssey", 1968)),
        ("Fawlty Towers (1975-1979)", "", ("Fawlty Towers", 1975)),
        ("(500) Days of Summer", "", ("(500) Days of Summer", None)),
        ("Heat\x00\x07", "soon", ("Heat", None)),
        (None, float("nan"), ("Movie 7", None)),
    ],
)
def test_titles_and_years(title: str | None, year: object, expected: tuple[str, int | None]) -> None:
    movie = make_movie("7", title, year, "")
    assert (movie.title, movie.year) == expected


def test_the_demo_is_what_it_says() -> None:
    demo = load_demo()
    assert (len(demo.ratings), len(set(demo.user_ids)), len(demo.movies)) == (100_004, 671, 9_066)
    nameless = [movie for movie in demo.movies if movie.title == f"Movie {movie.movie_id}"]
    assert len(nameless) == 5
    assert all(movie.year is None for movie in nameless)
    assert np.isfinite(demo.ratings).all()


def test_an_id_is_the_same_in_either_form(tmp_path: Path) -> None:
    """Written as one character or as a letter and an accent."""
    rows = "e\u0301va,a\u0301,3,1\n\u00e9va,\u00e1,4,2\n"
    found, _ = ratings_of(source(tmp_path, "mine.csv", f"user,movie,rating,time\n{rows}"))
    assert found == {("\u00e9va", "\u00e1"): (4.0, 2)}
    movies, _ = movies_of(source(tmp_path, "movies.csv", "movieId,title,genres\ne\u0301,Heat,Drama\n"))
    assert [movie.movie_id for movie in movies] == ["\u00e9"]
