"""Netflix: the Prize's blocks of ratings and its titles, and the export of an account."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow

from engine.data.formats.base import STARS, Head, Layout, Source
from engine.data.rejections import Rejections
from engine.data.rows import Part
from engine.data.scale import RatingScale
from engine.data.tables import Table

PRIZE = Source("netflix-prize", "Netflix Prize", STARS)
ACCOUNT = Source("netflix", "Netflix account", STARS, frozenset((0.0,)))
THUMBS = Source("netflix-thumbs", "Netflix thumbs", RatingScale(1.0, 3.0, 1.0), frozenset((0.0,)), liked_from=2.0)
BLOCK_BYTES = 8 * 2**20


def recognise(head: Head) -> Layout | None:
    """By a first line such as ``1:``, the name movie_titles, or the columns of the account's files."""
    if head.table.file is not None and _begins_block(head.table):
        table = replace(head.table, names=(), width=4, read=_blocks(head.table))
        return Layout(PRIZE, "ratings", table, {"movie": 0, "user": 1, "rating": 2, "time": 3})
    if head.name.startswith("movie_titles") and not head.table.names and head.table.width >= 3:
        table = replace(head.table, width=3, read=_titles(head.table))
        return Layout(PRIZE, "movies", table, {"movie": 0, "year": 1, "title": 2})
    if head.name in ("qualifying.txt", "probe.txt", "judging.txt"):
        return head.ignored(PRIZE, "It names pairs without their ratings.")
    if head.has("profilename", "titlename", "ratingtype", "starvalue"):
        stars = any(cell.strip("0. ") for cell in head.table.cells(head.names.index("starvalue")))
        column, source = ("starvalue", ACCOUNT) if stars else ("thumbsvalue", THUMBS)
        return head.ratings(source, user="profilename", title="titlename", rating=column, time="eventutcts")
    if head.has("profilename", "starttime", "title") or head.names == ["title", "date"]:
        return head.ignored(
            ACCOUNT, "It is a viewing history: what was watched and when, without ratings.", is_done=True
        )
    return None


def _begins_block(table: Table) -> bool:
    if table.delimiter != "," or table.file is None:
        return False
    with table.file.path.open("rb") as stream:
        first = stream.readline(64).strip()
    return first.endswith(b":") and first[:-1].isdigit()


def _blocks(table: Table):  # type: ignore[no-untyped-def]  # a ``Reader``
    """Reads a movie's number with a colon, then its ratings."""

    def read(used: Sequence[int], whole: Sequence[int], rejections: Rejections) -> Iterator[Part]:  # noqa: ARG001
        assert table.file is not None
        size, line, movie = max(table.file.path.stat().st_size, 1), 1, b""
        with table.file.path.open("rb") as stream:
            while block := stream.read(BLOCK_BYTES):
                rows = [row.rstrip(b"\r") for row in (block + stream.readline()).split(b"\n")]
                rows = rows[:-1] if not rows[-1] else rows
                marks = [place for place, row in enumerate(rows) if row.endswith(b":")]
                movies = [movie, *(rows[place][:-1] for place in marks)]
                movie = movies[-1]
                lengths = np.diff([-1, *marks, len(rows)]) - 1
                lines = np.delete(np.arange(line, line + len(rows)), marks)
                texts = [row for row in rows if not row.endswith(b":")]
                line += len(rows)
                owners = np.repeat(np.array(movies), lengths)
                yield _block(table.name, texts, owners, lines, rejections, stream.tell() / size)

    return read


def _block(
    name: str,
    texts: list[bytes],
    movies: np.ndarray,
    lines: np.ndarray,
    rejections: Rejections,
    done: float,
) -> Part:
    sound = np.array([text.count(b",") == 2 and text.isascii() and b"\r" not in text for text in texts], bool)
    rejections.add_many(
        "columns", name, lines[[not good and bool(text) for good, text in zip(sound, texts, strict=True)]]
    )
    kept = [text for text, good in zip(texts, sound, strict=True) if good]
    names = ["1", "2", "3"]
    if kept:
        found = arrow.read_csv(
            pa.BufferReader(b"\n".join(kept)),
            arrow.ReadOptions(use_threads=False, column_names=names),
            arrow.ParseOptions(quote_char=False),
            arrow.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )
    else:
        found = pa.table({place: pa.array([], pa.string()) for place in names})
    owners = pa.array([movie.decode() for movie in movies[sound]], pa.string())
    return Part(found.add_column(0, "0", owners), lines[sound], done)


def _titles(table: Table):  # type: ignore[no-untyped-def]  # a ``Reader``
    """Reads number, year and title, whose commas nothing quotes."""

    def read(used: Sequence[int], whole: Sequence[int], rejections: Rejections) -> Iterator[Part]:  # noqa: ARG001
        assert table.file is not None
        with table.file.path.open(encoding="utf-8-sig") as stream:
            rows = [(number, line.rstrip("\n").split(",", 2)) for number, line in enumerate(stream, 1) if line.strip()]
        sound = [(number, row) for number, row in rows if len(row) == 3]
        rejections.add_many("columns", table.name, np.array([number for number, row in rows if len(row) != 3]))
        columns = {str(place): pa.array([row[place] for _, row in sound], pa.string()) for place in range(3)}
        yield Part(pa.table(columns), np.array([number for number, _ in sound], np.int64), 1.0)

    return read
