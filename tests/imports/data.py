"""Ratings that nobody gave of movies that exist, and writers of the files in which people have such ratings."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tests.imports.bench import Stored

START = 1_577_934_245  # 2020-01-02 03:04:05 UTC
STEP = 90_061  # a day, an hour, a minute and a second
HALVES = (0.5, 4.0, 2.5, 5.0, 1.0, 3.5, 3.0, 1.5, 4.5, 2.0)
TENS = (1.0, 8.0, 5.0, 10.0, 2.0, 7.0, 6.0, 3.0, 9.0, 4.0)
FIVES = (1.0, 4.0, 2.0, 5.0, 3.0)


class Film(NamedTuple):
    """A movie with its numbers at MovieLens, IMDb and TMDB, its title, and the title as MovieLens files it."""

    ml: str
    tt: str
    tmdb: str
    title: str
    year: int
    genres: tuple[str, ...]
    filed: str

    @property
    def ml_title(self) -> str:
        """The title as in MovieLens's movies.csv."""
        return f"{self.filed} ({self.year})"


def _film(ml: int, tt: str, tmdb: int, title: str, year: int, genres: str, filed: str = "") -> Film:
    return Film(str(ml), tt, str(tmdb), title, year, tuple(genres.split("|")), filed or title)


FILMS = (
    _film(1, "tt0114709", 862, "Toy Story", 1995, "Adventure|Animation|Comedy"),
    _film(260, "tt0076759", 11, "Star Wars: Episode IV - A New Hope", 1977, "Action|Adventure|Sci-Fi"),
    _film(1193, "tt0073486", 510, "One Flew Over the Cuckoo's Nest", 1975, "Drama"),
    _film(912, "tt0034583", 289, "Casablanca", 1942, "Drama|Romance"),
    _film(1136, "tt0071853", 762, "Monty Python and the Holy Grail", 1975, "Adventure|Comedy|Fantasy"),
    _film(
        4993,
        "tt0120737",
        120,
        "The Lord of the Rings: The Fellowship of the Ring",
        2001,
        "Adventure|Fantasy",
        "Lord of the Rings: The Fellowship of the Ring, The",
    ),
    _film(7361, "tt0338013", 38, "Eternal Sunshine of the Spotless Mind", 2004, "Drama|Romance|Sci-Fi"),
    _film(1207, "tt0056592", 595, "To Kill a Mockingbird", 1962, "Drama"),
    _film(1258, "tt0081505", 694, "The Shining", 1980, "Horror", "Shining, The"),
    _film(541, "tt0083658", 78, "Blade Runner", 1982, "Action|Sci-Fi|Thriller"),
)


class Row(NamedTuple):
    """A rating."""

    user: str
    film: Film
    rating: float
    time: int


def rows(n: int = 10, users: Sequence[str] = ("ann", "bob", "cid"), values: Sequence[float] = HALVES) -> list[Row]:
    """Ratings of the first n movies, users in turn."""
    return [
        Row(users[place % len(users)], FILMS[place], values[place % len(values)], START + place * STEP)
        for place in range(n)
    ]


def crowd(n_users: int, values: Sequence[float] = FIVES, each: int = 5) -> list[Row]:
    """Ratings by many users."""
    return [
        Row(f"u{user}", FILMS[(user + place) % len(FILMS)], values[(user + place) % len(values)], START + user * STEP)
        for user in range(n_users)
        for place in range(each)
    ]


def wanted(
    some: Iterable[Row],
    movie: Callable[[Film], str] = lambda film: film.ml,
    rating: Callable[[float], float] = lambda value: value,
    time: Callable[[int], int | None] = lambda seconds: seconds,
    user: Callable[[str], str] = lambda name: name,
) -> Stored:
    """The rows as they are stored."""
    return {(user(one.user), movie(one.film)): (rating(one.rating), time(one.time)) for one in some}


def title(film: Film) -> str:
    """The title as people say it."""
    return film.title


def midnight(seconds: int) -> int:
    """The beginning of the day."""
    return seconds - seconds % 86_400


def no_time(_: int) -> None:
    """The time of a file without times."""


def moment(seconds: int, form: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    """A time in UTC as text."""
    return datetime.fromtimestamp(seconds, UTC).strftime(form)


def day(seconds: int) -> str:
    """A day as ``2020-01-02``."""
    return moment(seconds, "%Y-%m-%d")


def number(value: float) -> str:
    """4.0 as ``4``."""
    return f"{value:g}"


# -- writers -----------------------------------------------------------------------------------------------------------


def table(header: Sequence[str] | None, lines: Iterable[Sequence[Any]], delimiter: str = ",", end: str = "\n") -> str:
    """CSV text."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end)
    writer.writerows([*([header] if header else []), *lines])
    return text.getvalue()


def plain(
    some: Iterable[Row],
    header: Sequence[str] | None = ("user_id", "movie_id", "rating", "timestamp"),
    rating: Callable[[float], Any] = number,
    time: Callable[[int], Any] = int,
    movie: Callable[[Film], str] = lambda film: film.ml,
    delimiter: str = ",",
    end: str = "\n",
) -> str:
    """User, movie, rating and time; the time is left out where the header has three names."""
    width = 4 if header is None else len(header)
    lines = [(one.user, movie(one.film), rating(one.rating), time(one.time))[:width] for one in some]
    return table(header, lines, delimiter, end)


def records(header: str, some: Iterable[Mapping[str, Any]]) -> str:
    """CSV of dicts under a header; what a dict lacks is blank."""
    names = header.split(",")
    return table(names, [[one.get(name, "") for name in names] for one in some])


def zipped(members: Mapping[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip, the same bytes each time."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, member in members.items():
            archive.writestr(zipfile.ZipInfo(name), member, method)
    return content.getvalue()


def tarred(members: Mapping[str, str], mode: str = "w:gz") -> bytes:
    """A tar, compressed by the mode; the same bytes each time."""
    if mode == "w:gz":
        return gzip.compress(tarred(members, "w:"), mtime=0)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:  # type: ignore[call-overload]
        for name, member in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(member.encode())
            archive.addfile(info, io.BytesIO(member.encode()))
    return content.getvalue()


def gzipped(text: str) -> bytes:
    """Text, compressed."""
    return gzip.compress(text.encode(), mtime=0)


def json_lines(some: Iterable[Mapping[str, Any]]) -> str:
    """An object on each line."""
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in some)


SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def workbook(sheets: Mapping[str, Sequence[Sequence[Any]]]) -> bytes:
    """A workbook of Excel: texts stand in their cells, datetimes are styled numbers, None is no cell."""
    numbers = range(1, len(sheets) + 1)
    entries = "".join(
        f'<sheet name="{name}" sheetId="{place}" r:id="rId{place}"/>'
        for place, name in zip(numbers, sheets, strict=True)
    )
    links = "".join(
        f'<Relationship Id="rId{place}" Type="{OFFICE}/worksheet" Target="worksheets/s{place}.xml"/>'
        for place in numbers
    )
    styles = f'<Relationship Id="rId0" Type="{OFFICE}/styles" Target="styles.xml"/>'
    main = f'<Relationship Id="rId1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
    formats = '<cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="22" applyNumberFormat="1"/></cellXfs>'
    types = '<Default Extension="xml" ContentType="application/xml"/>'
    parts = {
        "[Content_Types].xml": (
            f'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">{types}</Types>'
        ),
        "_rels/.rels": f'<Relationships xmlns="{RELATIONS}">{main}</Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{SHEET}" xmlns:r="{OFFICE}"><sheets>{entries}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{RELATIONS}">{styles}{links}</Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{SHEET}">{formats}</styleSheet>',
    }
    for place, lines in zip(numbers, sheets.values(), strict=True):
        body = "".join(f'<row r="{n}">{_cells(n, line)}</row>' for n, line in enumerate(lines, 1))
        parts[f"xl/worksheets/s{place}.xml"] = f'<worksheet xmlns="{SHEET}"><sheetData>{body}</sheetData></worksheet>'
    return zipped(parts)


def _cells(line: int, values: Sequence[Any]) -> str:
    found = ""
    for place, value in enumerate(values):
        where = f'r="{chr(ord("A") + place)}{line}"'
        if isinstance(value, datetime):
            found += f'<c {where} s="1"><v>{value.timestamp() / 86_400 + 25_569:.10f}</v></c>'
        elif isinstance(value, str):
            text = value.replace("&", "&amp;").replace("<", "&lt;")
            found += f'<c {where} t="inlineStr"><is><t>{text}</t></is></c>'
        elif value is not None:
            found += f"<c {where}><v>{value}</v></c>"
    return found
