"""Rows of files as tables of text, in parts of bounded size, with line numbers.

A part is parsed at once if each of its lines is a row. If quotation marks hide line ends, as an unclosed one does, it
is read line by line, so that only the bad line is lost.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow
from numpy.typing import NDArray

from engine.data.formats import MAX_LINE, Layout, SourceFile

PART_BYTES = 8 * 2**20  # about 300,000 ratings
MAX_LINES_PER_ROW = 20  # lines of a quoted text
KEPT_REJECTIONS = 100


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that an import rejected: file name, line number from 1, and reason."""

    file: str
    line: int
    reason: str


@dataclass
class Rejections:
    """Rejected rows: all are counted, the first 100 are kept."""

    count: int = 0
    rows: list[RejectedRow] = field(default_factory=list)

    def add(self, file: str, line: int, reason: str) -> None:
        """Reject a row; ``line`` counts from 1."""
        self.count += 1
        if len(self.rows) < KEPT_REJECTIONS:
            self.rows.append(RejectedRow(file, line, reason))


@dataclass(frozen=True)
class Part:
    """Some rows of a file.

    Attributes:
        table: n rows of text; columns are named by their position, and only those of the layout are there.
        lines: int64[n], first line of each row, from 1.
        done: share of the file that has been read, 0..1.
    """

    table: pa.Table
    lines: NDArray[np.int64]
    done: float

    def column(self, place: int) -> pa.ChunkedArray:
        """The texts of the column at a position."""
        return self.table.column(str(place))


@dataclass(frozen=True)
class _Parsed:
    """Rows of a part, rejected lines with reasons, and lines left for the next part."""

    table: pa.Table
    lines: NDArray[np.int64]
    bad: list[tuple[int, str]]
    rest: list[str] = field(default_factory=list)


def read_parts(file: SourceFile, layout: Layout, rejections: Rejections) -> Iterator[Part]:
    """A file's rows, part by part; empty rows are skipped, those of a wrong width rejected."""
    size = max(file.path.stat().st_size, 1)
    with file.path.open("rb") as stream:
        line, rest = 1 + _skip_header(stream, layout), b""
        for read, cut in _whole_lines(stream):
            part = rest + _utf8(read, layout)
            count = part.count(b"\n") + bool(part and not part.endswith(b"\n"))
            ends = cut or stream.tell() >= size
            parsed = _at_once(part, count, line, layout) or _line_by_line(part, line, layout, ends)
            for number, reason in parsed.bad:
                rejections.add(file.name, number, reason)
            line += count - len(parsed.rest)
            rest = "".join(parsed.rest).encode()
            if cut:
                rejections.add(file.name, line, f"The line is longer than {MAX_LINE:,} characters.")
                line += 1
            yield _without_empty_rows(Part(parsed.table, parsed.lines, min(stream.tell() / size, 1.0)))


def _skip_header(stream: BinaryIO, layout: Layout) -> int:
    """Go to the first row; returns the number of lines before it."""
    if not stream.read(len(codecs.BOM_UTF8)).startswith(codecs.BOM_UTF8):
        stream.seek(0)
    if layout.header:
        _finish_line(stream)
    return int(layout.header)


def _finish_line(stream: BinaryIO) -> None:
    while (piece := stream.readline(MAX_LINE)) and not piece.endswith(b"\n"):
        pass


def _whole_lines(stream: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Parts that end at a line end, and whether an overlong line, which is skipped, follows."""
    while part := stream.read(PART_BYTES):
        tail = b"" if part.endswith(b"\n") else stream.readline(MAX_LINE)
        cut = len(tail) == MAX_LINE and not tail.endswith(b"\n")
        part += tail
        if cut:
            part = part[: part.rfind(b"\n") + 1]
            _finish_line(stream)
        yield part, cut


def _utf8(part: bytes, layout: Layout) -> bytes:
    """The part in UTF-8, with single-character delimiters."""
    if layout.encoding != "utf-8":
        part = part.decode(layout.encoding).encode()
    return part.replace(b"\t", b" ").replace(b"::", b"\t") if layout.double_colon else part


def _used(layout: Layout) -> list[int]:
    return list(range(layout.width)) if layout.genre_flags is not None else sorted(set(layout.columns.values()))


def _at_once(part: bytes, count: int, first: int, layout: Layout) -> _Parsed | None:
    """The rows of a part in which every line is a row; None for other parts."""
    if layout.header and part.count(b'"') % 2:
        return None
    bad: list[tuple[int, str]] = []

    def set_aside(row: Any) -> str:
        bad.append((first + row.number - 1, _wrong_width(row.actual_columns, row.expected_columns)))
        return "skip"

    names = [str(place) for place in range(layout.width)]
    used = [str(place) for place in _used(layout)]
    try:
        table = arrow.read_csv(
            pa.BufferReader(part),
            arrow.ReadOptions(use_threads=False, block_size=len(part) + 1, column_names=names),
            arrow.ParseOptions(
                delimiter=layout.delimiter,
                quote_char='"' if layout.header else False,
                invalid_row_handler=set_aside,
                ignore_empty_lines=False,
            ),
            arrow.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=used,
                strings_can_be_null=False,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:
        return None
    if len(table) + len(bad) != count:
        return None
    lines = np.delete(np.arange(first, first + count), [number - first for number, _ in bad])
    return _Parsed(table, lines, bad)


def _wrong_width(found: int, expected: int) -> str:
    """The reason for rejecting a line with a wrong number of columns."""
    have = "There is 1 column" if found == 1 else f"There are {found} columns"
    return f"{have} where there should be {expected}."


def _line_by_line(part: bytes, first: int, layout: Layout, ends: bool) -> _Parsed:
    """The valid rows of a part with invalid lines; ``ends``: no more lines follow."""
    texts = part.decode().split("\n")
    texts = [text + "\n" for text in texts[:-1]] + ([texts[-1]] if texts[-1] else [])
    rows: list[list[str]] = []
    lines: list[int] = []
    bad: list[tuple[int, str]] = []
    place = 0
    while place < len(texts):
        if not ends and len(texts) - place < MAX_LINES_PER_ROW and texts[place].count('"') % 2 and layout.header:
            break
        row, taken = _row(texts, place, layout)
        if isinstance(row, str):
            bad.append((first + place, row))
        else:
            rows.append(row)
            lines.append(first + place)
        place += taken
    used = _used(layout)
    columns = {str(column): pa.array([row[column] for row in rows], pa.string()) for column in used}
    return _Parsed(pa.table(columns), np.array(lines, np.int64), bad, texts[place:])


def _row(texts: list[str], place: int, layout: Layout) -> tuple[list[str] | str, int]:
    """The row that begins on a line, or its fault, and the number of its lines."""
    opened = layout.header and texts[place].count('"') % 2 == 1
    if opened and (joined := _joined(texts, place, layout)) is not None:
        return joined
    try:
        found = next(_reader(texts[place], layout), [])
    except csv.Error:
        return "The line can't be split into columns.", 1
    if not found:
        return [""] * layout.width, 1
    if len(found) == layout.width:
        return found, 1
    return ("A quotation mark is not closed." if opened else _wrong_width(len(found), layout.width)), 1


def _joined(texts: list[str], place: int, layout: Layout) -> tuple[list[str], int] | None:
    """The row that a line forms with the next ones; only titles may contain line ends."""
    whole = [column for name, column in layout.columns.items() if name != "title"]
    text = texts[place]
    for end in range(place + 1, min(place + MAX_LINES_PER_ROW, len(texts))):
        text += texts[end]
        if text.count('"') % 2:
            continue
        try:
            found = next(_reader(text, layout, strict=True), [])
        except csv.Error:
            return None
        sound = len(found) == layout.width and not any("\n" in found[column] for column in whole)
        return (found, end + 1 - place) if sound else None
    return None


def _reader(text: str, layout: Layout, *, strict: bool = False) -> Iterator[list[str]]:
    if layout.header:
        return csv.reader([text], delimiter=layout.delimiter, strict=strict)
    return csv.reader([text], delimiter=layout.delimiter, quoting=csv.QUOTE_NONE)


def _without_empty_rows(part: Part) -> Part:
    """Skip blank lines, with which files often end."""
    kept = np.zeros(len(part.table), bool)
    for column in part.table.columns:
        kept |= pc.not_equal(column, "").to_numpy()
        if kept.all():
            return part
    return Part(part.table.filter(pa.array(kept)), part.lines[kept], part.done)
