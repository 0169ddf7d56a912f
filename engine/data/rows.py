"""Rows of text files as tables of text, in parts of bounded size, with line numbers.

A part is parsed at once if each of its lines is a row. If quotation marks hide line ends, as an unclosed one does, it
is read line by line, so that only the bad line is lost.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow
from numpy.typing import NDArray

from engine.data.rejections import Rejections
from engine.data.text import BLANKS, TextFormat, split

PART_BYTES = 8 * 2**20  # about 300,000 ratings
MAX_LINE = 2**16
MAX_LINES_PER_ROW = 20  # lines of a quoted text
TAB = "\t"


@dataclass(frozen=True)
class Part:
    """Some rows of a file.

    Attributes:
        table: n rows of text; columns are named by their position, and only those asked for are there.
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
    rest: list[bytes] = field(default_factory=list)


class TextRows:
    """Reads the rows of a text file in UTF-8.

    Args:
        name: of the file, for rejections.
        path: the file.
        form: how it is divided.
        used: positions of the columns that are wanted.
        whole: those of them in which no line end can be, so that a row with one is broken.
    """

    def __init__(self, name: str, path: Path, form: TextFormat, used: Sequence[int], whole: Sequence[int] = ()) -> None:
        self._name, self._path, self._form = name, path, form
        self._used, self._whole = sorted(set(used)), whole
        self._replaced = len(form.delimiter) > 1 or form.delimiter == BLANKS
        self._delimiter = TAB if self._replaced else form.delimiter

    def parts(self, rejections: Rejections) -> Iterator[Part]:
        """The rows, part by part; empty rows and comments are skipped, those of a wrong width rejected."""
        size = max(self._path.stat().st_size, 1)
        with self._path.open("rb") as stream:
            line, rest = 1 + self._skip(stream), b""
            for read, cut in _whole_lines(stream):
                part = rest + self._plain(read)
                count = part.count(b"\n") + bool(part and not part.endswith(b"\n"))
                ends = cut or stream.tell() >= size
                parsed = self._at_once(part, count, line) or self._line_by_line(part, line, ends)
                for number, code in parsed.bad:
                    rejections.add(code, self._name, number)
                line += count - len(parsed.rest)
                rest = b"".join(parsed.rest)
                if cut:
                    rejections.add("line_too_long", self._name, line)
                    line += 1
                yield _without_empty_rows(Part(parsed.table, parsed.lines, min(stream.tell() / size, 1.0)))

    def _skip(self, stream: BinaryIO) -> int:
        """Go to the first row; returns the number of lines before it."""
        if not stream.read(len(codecs.BOM_UTF8)).startswith(codecs.BOM_UTF8):
            stream.seek(0)
        for _ in range(self._form.skip):
            _finish_line(stream)
        return self._form.skip

    def _plain(self, part: bytes) -> bytes:
        """The part with single-character delimiters."""
        if not self._replaced:
            return part
        part = part.replace(b"\t", b" ")
        if self._form.delimiter == BLANKS:
            return b"\n".join(b"\t".join(line.split()) for line in part.split(b"\n"))
        return part.replace(self._form.delimiter.encode(), b"\t")

    def _at_once(self, part: bytes, count: int, first: int) -> _Parsed | None:
        """The rows of a part in which every line is a row; None for other parts."""
        if (self._form.quoted and part.count(b'"') % 2) or not _is_utf8(part):
            return None
        bad: list[tuple[int, str]] = []
        dropped: list[int] = []

        def set_aside(row: Any) -> str:
            dropped.append(first + row.number - 1)
            if not row.text.startswith("#") and row.text.strip(self._delimiter + " \r"):
                bad.append((first + row.number - 1, "columns"))
            return "skip"

        names = [str(place) for place in range(self._form.width)]
        try:
            table = arrow.read_csv(
                pa.BufferReader(part),
                arrow.ReadOptions(use_threads=False, block_size=len(part) + 1, column_names=names),
                arrow.ParseOptions(
                    delimiter=self._delimiter,
                    quote_char='"' if self._form.quoted else False,
                    invalid_row_handler=set_aside,
                    ignore_empty_lines=False,
                ),
                arrow.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    include_columns=[str(place) for place in self._used],
                    strings_can_be_null=False,
                    quoted_strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid:
            return None
        if len(table) + len(dropped) != count:
            return None
        lines = np.delete(np.arange(first, first + count), [number - first for number in dropped])
        return _Parsed(table, lines, bad)

    def _line_by_line(self, part: bytes, first: int, ends: bool) -> _Parsed:
        """The valid rows of a part with invalid lines; ``ends``: no more lines follow."""
        texts = part.split(b"\n")
        texts = [text + b"\n" for text in texts[:-1]] + ([texts[-1]] if texts[-1] else [])
        rows: list[list[str]] = []
        lines: list[int] = []
        bad: list[tuple[int, str]] = []
        place = 0
        while place < len(texts):
            opened = self._form.quoted and texts[place].count(b'"') % 2 == 1
            if opened and not ends and len(texts) - place < MAX_LINES_PER_ROW:
                break
            row, taken = self._row(texts, place, opened=opened)
            if isinstance(row, str):
                bad.append((first + place, row))
            elif row:
                rows.append(row)
                lines.append(first + place)
            place += taken
        columns = {str(column): pa.array([row[column] for row in rows], pa.string()) for column in self._used}
        return _Parsed(pa.table(columns), np.array(lines, np.int64), bad, texts[place:])

    def _row(self, texts: list[bytes], place: int, *, opened: bool) -> tuple[list[str] | str, int]:
        """The row that begins on a line, or the code of its fault, and the number of its lines; [] for a comment."""
        if opened and (joined := self._joined(texts, place)) is not None:
            return joined
        try:
            text = texts[place].decode().rstrip("\r\n")
        except UnicodeDecodeError:
            return "encoding", 1
        found = split(text, self._delimiter, self._form.quoted)
        if len(found) == self._form.width:
            return found, 1
        if not text.strip(self._delimiter + " ") or text.startswith("#"):
            return [], 1
        return ("quotes" if opened else "columns"), 1

    def _joined(self, texts: list[bytes], place: int) -> tuple[list[str], int] | None:
        """The row that a line forms with the next ones; None where they form none."""
        text = texts[place]
        for end in range(place + 1, min(place + MAX_LINES_PER_ROW, len(texts))):
            text += texts[end]
            if text.count(b'"') % 2:
                continue
            try:
                found = next(csv.reader([text.decode().rstrip("\r\n")], delimiter=self._delimiter, strict=True), [])
            except (csv.Error, UnicodeDecodeError):
                return None
            sound = len(found) == self._form.width and not any("\n" in found[column] for column in self._whole)
            return (found, end + 1 - place) if sound else None
        return None


def _is_utf8(part: bytes) -> bool:
    """Whether all of a part can be decoded; where it can't, Arrow hands bad rows to no handler."""
    if part.isascii():
        return True
    try:
        part.decode()
    except UnicodeDecodeError:
        return False
    return True


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


def _without_empty_rows(part: Part) -> Part:
    """Skip blank lines, with which files often end."""
    kept = np.zeros(len(part.table), bool)
    for column in part.table.columns:
        kept |= pc.not_equal(column, "").to_numpy()
        if kept.all():
            return part
    return Part(part.table.filter(pa.array(kept)), part.lines[kept], part.done)
