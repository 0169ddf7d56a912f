"""Containers, tables in text and elsewhere, and encodings: the same ratings come out of each."""

from __future__ import annotations

import bz2
import json
import lzma
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from tests.imports.bench import Bench, Case
from tests.imports.data import (
    day,
    gzipped,
    json_lines,
    moment,
    no_time,
    number,
    plain,
    rows,
    table,
    tarred,
    title,
    wanted,
    workbook,
    zipped,
)

ROWS = rows()
TEXT = plain(ROWS)
WANTED = wanted(ROWS)
OBJECTS = [{"user": one.user, "movie": one.film.ml, "rating": one.rating, "time": one.time} for one in ROWS]
FRAME = pd.DataFrame(OBJECTS)
SHEET: list[list[Any]] = [
    ["User", "Movie", "Rating", "Date"],
    *([one.user, int(one.film.ml), one.rating, datetime.fromtimestamp(one.time, UTC)] for one in ROWS),
]
ODS_CELL = '<table:table-cell office:value-type="{0}" {1}><text:p>{2}</text:p></table:table-cell>'


def ods() -> bytes:
    """A spreadsheet of OpenDocument."""
    lines: list[list[str]] = [
        ["User", "Movie", "Rating", "Time"],
        *([one.user, one.film.ml, str(one.rating), str(one.time)] for one in ROWS),
    ]
    body = ""
    for line in lines:
        cells = (
            ODS_CELL.format("float", f'office:value="{cell}"', cell)
            if cell.replace(".", "").isdigit()
            else ODS_CELL.format("string", "", cell)
            for cell in line
        )
        body += f"<table:table-row>{''.join(cells)}</table:table-row>"
    space = "urn:oasis:names:tc:opendocument:xmlns:"
    names = " ".join(f'xmlns:{name}="{space}{name}:1.0"' for name in ("office", "table", "text"))
    sheet = f'<table:table table:name="Films">{body}</table:table>'
    return zipped(
        {
            "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
            "content.xml": (
                f"<office:document-content {names}><office:body><office:spreadsheet>{sheet}"
                "</office:spreadsheet></office:body></office:document-content>"
            ),
            "META-INF/manifest.xml": "<manifest/>",
        }
    )


def parquet(frame: pd.DataFrame, **types: str) -> bytes:
    """The frame as Parquet."""
    return bytes(frame.astype(types).to_parquet(index=False))


CONTAINERS: dict[str, dict[str, str | bytes]] = {
    "gzip": {"ratings.csv.gz": gzipped(TEXT)},
    "bzip2": {"ratings.csv.bz2": bz2.compress(TEXT.encode())},
    "xz": {"ratings.csv.xz": lzma.compress(TEXT.encode())},
    "zip with folders and rubbish": {
        "mine.zip": zipped({"a/b/ratings.csv": TEXT, "__MACOSX/a/._ratings.csv": "x", "a/.DS_Store": "x"})
    },
    "zip in zip": {"outer.zip": zipped({"inner.zip": zipped({"ratings.csv": TEXT}), "README.txt": "Hello."})},
    "tar": {"mine.tar": tarred({"x/ratings.csv": TEXT}, "w")},
    "tar.gz": {"mine.tar.gz": tarred({"x/ratings.csv": TEXT})},
    "tar.xz": {"mine.tar.xz": tarred({"x/ratings.csv": TEXT}, "w:xz")},
    "gzip in zip": {"mine.zip": zipped({"ratings.csv.gz": gzipped(TEXT)})},
    "a misleading name": {"photo.jpg": TEXT},
    "two files": {"a.csv": plain(ROWS[:5]), "b.csv": plain(ROWS[5:])},
    "beside a document": {"ratings.csv": TEXT, "terms.pdf": b"%PDF-1.7 ..."},
    "excel": {"Film club.xlsx": workbook({"Ratings": SHEET})},
    "excel with a cover sheet": {
        "Film club.xlsx": workbook({"About": [["Our film club"], [None, "since 2019"]], "All": SHEET})
    },
    "openoffice": {"films.ods": ods()},
    "parquet": {"r.parquet": parquet(FRAME)},
    "parquet with categories and moments": {
        "r.parquet": parquet(
            FRAME.assign(time=pd.to_datetime(FRAME.time, unit="s", utc=True)), user="category", rating="float32"
        )
    },
    "parquet with ids of numbers": {"r.parquet": parquet(FRAME, movie="float64")},
    "json": {"r.json": json.dumps(OBJECTS)},
    "json in an object": {"r.json": json.dumps({"version": 3, "data": {"ratings": OBJECTS, "tags": [{"tag": "x"}]}})},
    "json of pandas by column": {"r.json": FRAME.to_json()},
    "json of pandas in parts": {"r.json": FRAME.to_json(orient="split")},
    "json with nested objects": {"r.json": json.dumps([{"about": {"movie": o["movie"]}} | o for o in OBJECTS])},
    "json lines": {"r.jsonl": json_lines(OBJECTS)},
}
TEXTS: dict[str, str | bytes] = {
    "semicolons": plain(ROWS, delimiter=";"),
    "tabs": plain(ROWS, delimiter="\t"),
    "bars": plain(ROWS, delimiter="|"),
    "blanks": "\n".join("   ".join(line.split(",")) for line in TEXT.splitlines()),
    "carriage returns": plain(ROWS, end="\r"),
    "windows line ends": plain(ROWS, end="\r\n"),
    "no line end at the end": TEXT.rstrip("\n"),
    "a mark": "\ufeff" + TEXT,
    "utf-16": "\ufeff".encode("utf-16-le") + TEXT.encode("utf-16-le"),
    "utf-16 big endian": "\ufeff".encode("utf-16-be") + TEXT.encode("utf-16-be"),
    "utf-16 without a mark": TEXT.encode("utf-16-le"),
    "the separator named": "sep=;\n" + plain(ROWS, delimiter=";"),
    "comments": "# exported on Monday\n# by ann\n" + TEXT,
    "sentences before the header": "Film club, ratings\nExported, at last, on Monday\n\n" + TEXT,
    "blank lines": TEXT.replace("\n", "\n\n"),
    "quotation marks": "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in TEXT.splitlines()),
    "blanks around ids and names": TEXT.replace(",", " , "),
    "ids with a point": plain(ROWS, movie=lambda film: f"{film.ml}.0"),
    "columns in another order": table(
        ("Rated At", "SCORE", "item-id", "Member"), [(one.time, one.rating, one.film.ml, one.user) for one in ROWS]
    ),
    "an index of pandas": "\n".join(f"{n - 1 if n else ''},{line}" for n, line in enumerate(TEXT.splitlines())),
    "a delimiter at the end of rows": TEXT.replace("\n", ",\n"),
    "decimal commas": plain(ROWS, delimiter=";", rating=lambda value: f"{value:.1f}".replace(".", ",")),
    "other columns": table(
        ("n", "user", "note", "movie", "rating", "timestamp"),
        [(n, one.user, "so, so", one.film.ml, one.rating, one.time) for n, one in enumerate(ROWS)],
    ),
    "german names": plain(ROWS, ("Benutzer", "Film", "Bewertung", "Zeitstempel"), delimiter=";"),
}
CASES = [
    *(Case(name, files, WANTED) for name, files in CONTAINERS.items()),
    *(Case(name, {"ratings.csv": content}, WANTED) for name, content in TEXTS.items()),
    Case(
        "no header",
        {"r.csv": plain(ROWS, None)},
        WANTED,
        answers={"columns": dict(zip(("user", "movie", "rating", "time"), range(4), strict=True))},
    ),
    Case(
        "no header declared",
        {"r.csv": plain(ROWS, None)},
        WANTED,
        options={"header": False, "columns": {"user": 0, "movie": 1, "rating": 2, "time": 3}},
    ),
    Case("an unusual delimiter declared", {"r.csv": plain(ROWS, delimiter="^")}, WANTED, options={"delimiter": "^"}),
    Case(
        "notes of several lines",
        {
            "r.csv": table(
                ("user", "movie", "rating", "note"),
                [(o.user, o.film.ml, o.rating, 'It is\n"good",\nreally') for o in ROWS],
            )
        },
        wanted(ROWS, time=no_time),
    ),
    Case(
        "wide in excel, in german",
        {
            "w.csv": table(
                ("Film", "ann", "bob", "cid"),
                [
                    (
                        o.film.title,
                        *(number(o.rating).replace(".", ",") if o.user == u else "-" for u in ("ann", "bob", "cid")),
                    )
                    for o in ROWS
                ],
                ";",
            ).encode("cp1252")
        },
        wanted(ROWS, title, time=no_time),
        titles=True,
    ),
    Case(
        "titles, years and genres beside ratings",
        {
            "r.csv": table(
                ("user", "movie", "rating", "title", "year", "genres"),
                [(o.user, o.film.ml, o.rating, o.film.filed, o.film.year, "; ".join(o.film.genres)) for o in ROWS],
            )
        },
        wanted(ROWS, time=no_time),
        movies={
            "1258": ("The Shining", 1980, ("Horror",)),
            "541": ("Blade Runner", 1982, ("Action", "Sci-Fi", "Thriller")),
        },
    ),
    Case(
        "genres as lists",
        {"m.csv": 'id,title,genres\n1,Heat (1995),"[""Crime"", ""Drama""]"\n2,Up,War / X\n3,M,"Horror, Sci-Fi"\n'},
        {},
        movies={
            "1": ("Heat", 1995, ("Crime", "Drama")),
            "2": ("Up", None, ("War", "X")),
            "3": ("M", None, ("Horror", "Sci-Fi")),
        },
        result={"movies_added": 3, "ratings_added": 0},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_same_ratings_come_out(bench: Bench, case: Case) -> None:
    case.check(bench)


# -- encodings ---------------------------------------------------------------------------------------------------------

LANGUAGES = {
    "french": ("cp1252", ["L’Été meurtrier", "Été violent", "La Règle du jeu", "Hôtel du Nord", "Cléo de 5 à 7"]),
    "spanish": ("cp1252", ["El espíritu de la colmena", "Los olvidados", "La niña santa", "Mañana", "Ópera prima"]),
    "german": ("cp1252", ["Der Himmel über Berlin", "Die Blechtrommel", "Fräulein", "Das weiße Band", "Lola rennt"]),
    "swedish": ("cp1252", ["Smultronstället", "Såsom i en spegel", "Låt den rätte komma in", "Fanny och Alexander"]),
    "russian": ("cp1251", ["Ирония судьбы", "Сталкер", "Летят журавли", "Солярис", "Иди и смотри"]),
    "russian in koi8": ("koi8_r", ["Ирония судьбы", "Сталкер", "Летят журавли", "Солярис", "Иди и смотри"]),
    "polish": ("cp1250", ["Popiół i diament", "Nóż w wodzie", "Człowiek z żelaza", "Przypadek", "Ziemia obiecana"]),
    "greek": ("cp1253", ["Ο θίασος", "Μια αιωνιότητα και μια μέρα", "Τοπίο στην ομίχλη", "Κυνόδοντας"]),
    "turkish": ("cp1254", ["Yol", "Kış Uykusu", "Üç Maymun", "Bir Zamanlar Anadolu'da", "Eşkıya"]),
    "japanese": ("shift_jis", ["千と千尋の神隠し", "七人の侍", "東京物語", "羅生門", "となりのトトロ"]),
    "chinese": ("gb18030", ["霸王别姬", "花样年华", "大红灯笼高高挂", "活着", "一一"]),
}  # fmt: skip
CERTAIN = ("utf-8", "utf-8-sig", "utf-16")


def titled(names: list[str]) -> str:
    return table(
        ("user", "movie", "title", "rating"),
        [(f"u{n % 3}", f"m{n}", names[n % len(names)], ROWS[n].rating) for n in range(10)],
    )


@pytest.mark.parametrize("encoding", CERTAIN)
@pytest.mark.parametrize("language", LANGUAGES)
def test_unicode_is_read_without_a_question(bench: Bench, language: str, encoding: str) -> None:
    names = LANGUAGES[language][1]
    done = bench.bring({"ratings.csv": titled(names).encode(encoding)})
    assert (done.job.state, done.codes) == ("succeeded", []), done.job.error
    assert [bench.movies()[f"m{n}"].title for n in range(10)] == [names[n % len(names)] for n in range(10)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_other_encodings_are_read_or_asked_for(bench: Bench, language: str) -> None:
    """Western text is read as Windows-1252; any other is asked for, with lines of the file; nothing is garbled."""
    encoding, names = LANGUAGES[language]
    answers = {} if encoding == "cp1252" else {"encoding": encoding}
    done = bench.bring({"ratings.csv": titled(names).encode(encoding)}, answers)
    assert done.codes == list(answers), done.job.error
    assert done.job.state == "succeeded"
    assert [bench.movies()[f"m{n}"].title for n in range(10)] == [names[n % len(names)] for n in range(10)]
    if done.asked:
        assert any(names[1] in choice.consequence for choice in done.asked[0].choices)


def test_a_declared_encoding_is_not_asked_for(bench: Bench) -> None:
    done = bench.bring({"r.csv": titled(LANGUAGES["russian"][1]).encode("cp1251")}, encoding="cp1251")
    assert (done.codes, bench.movies()["m1"].title) == ([], "Сталкер")


# -- times -------------------------------------------------------------------------------------------------------------

MONTHS = ("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November")


def to_minute(seconds: int) -> int:
    return seconds - seconds % 60


def to_day(seconds: int) -> int:
    return seconds - seconds % 86_400


def same(seconds: int) -> int:
    return seconds


TIMES: dict[str, tuple[Callable[[int], Any], Callable[[int], int]]] = {
    "seconds": (int, same),
    "seconds with a point": (float, same),
    "milliseconds": (lambda at: at * 1000, same),
    "nanoseconds": (lambda at: at * 10**9, same),
    "iso": (moment, same),
    "iso with a zone": (lambda at: moment(at + 7200, "%Y-%m-%dT%H:%M:%S+02:00"), same),
    "iso with a blank": (lambda at: moment(at, "%Y-%m-%d %H:%M:%S"), same),
    "iso with UTC": (lambda at: moment(at, "%Y-%m-%d %H:%M:%S UTC"), same),
    "days": (day, to_day),
    "compact days": (lambda at: moment(at, "%Y%m%d"), to_day),
    "year first with slashes": (lambda at: moment(at, "%Y/%m/%d"), to_day),
    "days of excel": (lambda at: at // 86_400 + 25_569, to_day),
    "mail": (lambda at: moment(at, "%a, %d %b %Y %H:%M:%S +0000"), same),
    "english months": (lambda at: moment(at, "%b %d, %Y"), to_day),
    "long english months": (lambda at: moment(at, "%d %B %Y, %I:%M %p"), to_minute),
    "german months": (lambda at: moment(at, "%d. ") + MONTHS[int(moment(at, "%m")) - 1] + moment(at, " %Y"), to_day),
}
MANY = rows(10) + [one._replace(user="dan", time=one.time + 12 * 86_400) for one in rows(10)]


@pytest.mark.parametrize("form", TIMES)
def test_times_of_all_forms_are_read(bench: Bench, form: str) -> None:
    write, kept = TIMES[form]
    Case(form, {"r.csv": plain(MANY, time=write)}, wanted(MANY, time=kept), result={"times_unknown": 0}).check(bench)


@pytest.mark.parametrize(("form", "written"), [("dmy", "%d.%m.%Y"), ("mdy", "%m/%d/%y %H:%M"), ("dmy", "%d-%m-%Y")])
def test_day_and_month_are_told_apart_by_all_rows(bench: Bench, form: str, written: str) -> None:
    kept = to_minute if "%H" in written else to_day
    done = Case("", {"r.csv": plain(MANY, time=lambda at: moment(at, written))}, wanted(MANY, time=kept)).check(bench)
    assert done.plan.dates is not None
    assert done.plan.dates.form == form


@pytest.mark.parametrize(("answer", "written"), [("dmy", "%d.%m.%Y"), ("mdy", "%m.%d.%Y")])
def test_where_no_row_decides_it_is_asked(bench: Bench, answer: str, written: str) -> None:
    case = Case("", {"r.csv": plain(ROWS, time=lambda at: moment(at, written))}, wanted(ROWS, time=to_day))
    early = case.files
    done = bench.bring(early)
    assert done.codes == ["dates"]
    assert [choice.value for choice in done.asked[0].choices] == ["dmy", "mdy"]
    bench.service.cancel_job(done.job.job_id)
    found = bench.bring(early, {"dates": answer})
    assert found.job.state == "succeeded"
    assert bench.stored() == case.ratings


@pytest.mark.parametrize("bad", ["", "soon", "31.02.2020", "9999-12-31", "-1", "0000-00-00"])
def test_a_time_that_cannot_be_read_costs_no_rating(bench: Bench, bad: str) -> None:
    text = plain(ROWS).replace(str(ROWS[3].time), bad)
    times = {one.time: None if one is ROWS[3] else one.time for one in ROWS}
    Case(
        "", {"r.csv": text}, wanted(ROWS, time=times.__getitem__), result={"times_unknown": 1, "rows_rejected": 0}
    ).check(bench)


@pytest.mark.parametrize(
    ("kept", "written"), [("007", "007"), ("7", "7.0"), ("é", "e\u0301"), ("a b", "  a b "), ("x" * 200, "x" * 200)]
)
def test_ids_are_kept_as_people_mean_them(bench: Bench, kept: str, written: str) -> None:
    text = table(("user", "movie", "rating"), [(f"u{n}", written, 2.5) for n in range(10)])
    Case("", {"r.csv": text}, {(f"u{n}", kept): (2.5, None) for n in range(10)}).check(bench)


def test_rejected_rows_have_the_lines_where_they_stand(bench: Bench) -> None:
    """Also after a cell of several lines, in a second file, and in a workbook."""
    noted = 'user,movie,rating,note\nann,1,4.5,"two\nlines"\nann,2,x,\nann,3,2.5,"a\nb\nc"\n,4,3,\n'
    sheet = workbook({"A": [["user", "movie", "rating"], ["bob", "1", 3.5], [None, None, None], ["bob", "", 2]]})
    files: dict[str, str | bytes] = {
        "a.csv": noted,
        "b.csv": plain(ROWS, ("user", "movie", "rating")) + "cid,9\n",
        "c.xlsx": sheet,
    }
    done = bench.bring(files)
    lines = [(line["file"], line["line"]) for reason in done.job.result.rejected for line in reason.lines]
    assert sorted(lines) == [("a.csv", 4), ("a.csv", 8), ("b.csv", 12), ("c.xlsx", 4)]
    assert done.result["rows_rejected"] == 4


@pytest.mark.parametrize("word", ["", " ", "NULL", "n/a", "NaN", "-", "not rated"])
def test_no_rating_is_no_rejection(bench: Bench, word: str) -> None:
    text = plain(ROWS, ("user", "movie", "rating")) + f"dan,1,{word}\ndan,260,4\n"
    expected = wanted(ROWS, time=no_time) | {("dan", "260"): (4.0, None)}
    Case("", {"r.csv": text}, expected, result={"unrated": 1, "rows_rejected": 0}).check(bench)
