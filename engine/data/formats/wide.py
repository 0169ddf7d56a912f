"""Tables with a line for each user and a column for each movie, or the other way round; Jester is one of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa

from engine.data.columns import ALIASES, NAMES, Role, is_value, normal
from engine.data.formats.base import Head, Layout, Source, numbers
from engine.data.notations import NOT_RATED
from engine.data.rejections import Rejections
from engine.data.rows import Part
from engine.data.scale import RatingScale
from engine.data.tables import Table

JESTER = Source("jester", "Jester", RatingScale(-10.0, 10.0, 0.01), frozenset((99.0,)))
WIDE = Source("wide", "Table with a column for each movie or person")
JOKES = 100
TITLE = re.compile(r"\(\d{4}\)\s*$|\w\s+\w")
LONG: dict[Role, int] = {"user": 0, "movie": 1, "rating": 2}
ABOUT: tuple[Role, ...] = ("year", "genres", "imdb", "tmdb")
MOST = 0.9
"""Share of the filled cells of all columns that have to be ratings."""
FEW = 2
"""Cells of a column that may all be mistakes."""
SUMS = frozenset(
    (
        "average", "avg", "mean", "median", "total", "sum", "count", "votes", "schnitt", "durchschnitt", "summe",
        "moyenne", "media", "gemiddelde",
    )
)  # fmt: skip
"""Names of columns and lines that sum up others."""


def recognise(head: Head) -> Layout | None:
    """Jester by its hundred columns of numbers, others by columns of ratings under names that are no roles."""
    return _jester(head) or (_wide(head) if head.table.names else None)


def _jester(head: Head) -> Layout | None:
    if head.table.names or head.table.width not in (JOKES, JOKES + 1):
        return None
    first = head.table.width - JOKES
    values = [value for row in head.table.sample for value in numbers(row[first:])]
    if not values or not all(-10 <= value <= 10 or value == 99 for value in values) or 99 not in values:
        return None
    stem = PurePosixPath(head.name).stem
    columns = {place: str(place - first + 1) for place in range(first, head.table.width)}
    return Layout(JESTER, "ratings", long(head.table, columns, None, prefix=f"{stem}:"), LONG)


def _wide(head: Head) -> Layout | None:
    table = head.table
    roles = [NAMES.get(normal(name)) for name in table.names]
    started = (place for place, name in enumerate(table.names) if name or _is_text(table.cells(place)))
    first = next((place for place in started if roles[place] != "time"), 0)
    about = {
        role: place
        for place, name in enumerate(table.names)
        if place != first and (role := NAMES.get(normal(name))) in ABOUT
    }
    columns = {
        place: name.strip()
        for place, name in enumerate(table.names)
        if place > first and place not in about.values() and name.strip() and normal(name) not in SUMS
    }
    named = [
        name for name in columns.values() if NAMES.get(normal(name)) in ("user", "movie", "rating", "time", "title")
    ]
    if len(columns) < 2 or named or not _are_ratings([table.cells(place) for place in columns]):
        return None
    corner = normal(table.names[first])
    if corner and NAMES.get(corner) not in ("user", "movie", "title") and not _has_titles(table.cells(first), columns):
        return None
    films_down = _films_down(table.names[first], table.cells(first), list(columns.values()))
    melted = long(table, columns, first, turned=films_down, about=list(about.values()) if films_down else ())
    titles = table.cells(first) if films_down else list(columns.values())
    more = {role: 3 + place for place, role in enumerate(about)} if films_down else {}
    return Layout(WIDE, "ratings", melted, LONG | more, has_titles=any(not title.isdigit() for title in titles))


def _has_titles(down: Sequence[str], across: Mapping[int, str]) -> bool:
    """Whether most lines or most columns are named by what looks like titles."""
    names = down, list(across.values())
    return any(2 * sum(bool(TITLE.search(text)) for text in texts) > len(texts) for texts in names)


def _is_text(cells: Sequence[str]) -> bool:
    return any(cell and not is_value(cell) for cell in cells)


def _are_ratings(columns: Sequence[Sequence[str]]) -> bool:
    """Whether columns hold ratings, give or take a mistake."""
    filled = [[cell for cell in cells if cell.casefold() not in NOT_RATED] for cells in columns]
    rated = [
        [cell for cell in cells if is_value(cell) and all(abs(one) <= 100 for one in numbers([cell]))]
        for cells in filled
    ]
    pairs = [(len(some), len(cells)) for some, cells in zip(rated, filled, strict=True)]
    return 0 < MOST * sum(count for _, count in pairs) <= sum(some for some, _ in pairs) and all(
        2 * some >= count or count <= FEW for some, count in pairs
    )


def _films_down(corner: str, down: Sequence[str], across: Sequence[str]) -> bool:
    """Whether movies are lines and users are columns: by the name in the corner, else by what looks like titles."""
    if normal(corner) in ALIASES["user"]:
        return False
    if normal(corner) in ALIASES["movie"] or (normal(corner) in ALIASES["title"] and normal(corner) != "name"):
        return True
    shares = [sum(bool(TITLE.search(text)) for text in texts) / max(len(texts), 1) for texts in (down, across)]
    return shares[0] > shares[1]


def long(
    table: Table,
    columns: dict[int, str],
    first: int | None,
    *,
    turned: bool = False,
    prefix: str = "",
    about: Sequence[int] = (),
) -> Table:
    """A wide table as rows of user, movie and rating; blank cells give none, nor do lines that sum up others.

    Args:
        table: a line for each user, or each movie where it is ``turned``.
        columns: the columns of ratings, and what each is of.
        first: the column that names the line; None: its number does, after the prefix.
        turned: whether lines are movies and columns users.
        prefix: before the numbers of lines.
        about: further columns that describe the line.
    """

    def read(used: Sequence[int], whole: Sequence[int], rejections: Rejections) -> Iterator[Part]:  # noqa: ARG001
        wanted = [*columns, *about, *([] if first is None else [first])]
        for part in table.read(wanted, (), rejections):
            down = [f"{prefix}{line}" for line in part.lines] if first is None else part.column(first).to_pylist()
            cells = [part.column(place).to_pylist() for place in columns]
            kept = np.array([normal(name) not in SUMS for name in down], bool)
            filled = np.array([[bool(cell.strip()) for cell in column] for column in cells], bool).reshape(
                -1, len(down)
            )
            row, column = np.nonzero((filled & kept).T)
            names = np.array(list(columns.values()), dtype=object)[column]
            owners = np.array(down, dtype=object)[row]
            values = [cells[place][line] for line, place in zip(row.tolist(), column.tolist(), strict=True)]
            pair = (names, owners) if turned else (owners, names)
            more = [np.array(part.column(place).to_pylist(), dtype=object)[row] for place in about]
            arrays = [pa.array(texts, pa.string()) for texts in (*pair, values, *more)]
            yield Part(pa.table(arrays, names=[str(place) for place in range(len(arrays))]), part.lines[row], part.done)

    return replace(table, names=(), width=3 + len(about), read=read, sample=[])
