"""Tables of who knows where: columns by their names, and by their values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine.data.columns import Role, are_people, find, guess, normal
from engine.data.formats.base import Head, Layout, Source, Unclear
from engine.data.titles import YEAR_IN_TITLE

TABLE = Source("table", "Table")
OWN = ("my", "your", "own", "mein", "manote")
"""Beginnings of names of columns that hold one's own ratings."""
LIST = Source("list", "List of one's own", personal=True)
CODE = re.compile(
    r"[A-Za-z]{0,3}[-_:#]?\d+[A-Za-z]?|[0-9A-Fa-f\-]{8,}|[A-Z0-9]{10}|\S+://\S+|[^\s_\-]+(?:[-_][^\s_\-]+)+|\d+(?:\.\d+)?"
)

SHORT_NUMBER = re.compile(r"\d{1,3}(?:[.,]\d{1,2})?")
MOST_RATINGS = 21
"""Different values of half points up to ten."""


def recognise(head: Head) -> Layout | Unclear | None:
    """A table of ratings, movies or links; unclear where roles are missing or could be several columns."""
    table, columns = head.table, find(head.table.names)
    if not table.names:
        return Unclear(table, guess(table.sample, {})) if table.width >= 3 else None
    if (
        "movie" not in columns
        and "user" not in columns
        and "title" in columns
        and "id" in head.names
        and "rating" not in columns
    ):
        columns["movie"] = head.names.index("id")
    if "rating" not in columns and "user" not in columns:
        return _movies(head, columns)
    if {"user", "rating"} <= columns.keys() and columns.keys() & {"movie", "title", "imdb", "tmdb"}:
        return with_columns(head, columns)
    if "rating" in columns and "user" not in columns:
        return _own_list(head, columns)
    return Unclear(table, guess(table.sample, columns))


def _movies(head: Head, columns: dict[Role, int]) -> Layout | Unclear | None:
    keys = columns.keys() & {"movie", "imdb", "tmdb"}
    if keys and "title" in columns:
        return Layout(TABLE, "movies", head.table, columns)
    if "movie" in columns and len(keys) > 1:
        return Layout(TABLE, "links", head.table, columns)
    suggestion = guess(head.table.sample, columns)
    if "time" in columns and columns.keys() & {"title", "movie"} and not suggestion and not _may_rate(head, columns):
        return head.ignored(TABLE, "It lists titles and dates, like a viewing history, without ratings.", is_done=True)
    return Unclear(head.table, suggestion) if head.table.width >= 3 else None


def _may_rate(head: Head, columns: Mapping[Role, int]) -> bool:
    """Whether a column of unknown name may hold ratings: a few different short numbers."""
    for place in range(head.table.width):
        cells = {cell for cell in head.table.cells(place) if cell.strip()} if place not in columns.values() else set()
        if 1 < len(cells) <= MOST_RATINGS and all(SHORT_NUMBER.fullmatch(cell.strip()) for cell in cells):
            return True
    return False


def _own_list(head: Head, columns: dict[Role, int]) -> Layout | Unclear | None:
    """Ratings without a user: a list of one's own, a catalogue with averages, or a column that was not recognised."""
    if not columns.keys() & {"movie", "title", "imdb", "tmdb"}:
        return Unclear(head.table, guess(head.table.sample, columns))
    if (
        "title" in columns
        and "movie" in columns
        and normal(head.table.names[columns["title"]]) == "name"
        and _looks_titled(head.table.cells(columns["movie"]))
    ):
        people = dict(columns)
        people["user"] = people.pop("title")
        return Unclear(head.table, people)
    if not normal(head.table.names[columns["rating"]]).startswith(OWN) and _names_people(head, columns):
        return Unclear(head.table, guess(head.table.sample, columns))
    return with_columns(head, columns, LIST)


def _names_people(head: Head, columns: Mapping[Role, int]) -> bool:
    """Whether a table without a known column for users may have one: a movie comes twice, or names repeat."""
    keys = [place for role, place in columns.items() if role in ("movie", "title", "year", "imdb", "tmdb")]
    movies = list(zip(*(head.table.cells(place) for place in keys), strict=True))
    others = [place for place in range(head.table.width) if place not in columns.values()]
    return len(set(movies)) < len(movies) or any(are_people(head.table.cells(place)) for place in others)


def with_columns(head: Head, columns: Mapping[Role, int], source: Source = TABLE) -> Layout:
    """A table of ratings with these columns."""
    found = dict(columns)
    has_titles = False
    if "movie" in found and "title" not in found and _looks_titled(head.table.cells(found["movie"])):
        has_titles = True
    if "user" not in found:
        source = LIST
    return replace(Layout(source, "ratings", head.table, found), has_titles=has_titles)


def _looks_titled(cells: Sequence[str]) -> bool:
    """Whether cells hold titles rather than ids."""
    filled = {cell for cell in cells if cell}
    titled = (
        bool(YEAR_IN_TITLE.match(cell)) or (not CODE.fullmatch(cell) and any(map(str.isalpha, cell))) for cell in filled
    )
    return sum(titled) > len(filled) / 2
