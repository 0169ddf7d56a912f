"""Text files as tables: delimiter, header, and what stands before it."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.data.columns import is_header

HEAD_BYTES = 2**18
STEP = 2**20
SAMPLE_ROWS = 1000
DELIMITERS = (",", ";", "\t", "|", "::")
BLANKS = " "
"""Delimiter of tables whose columns are divided by one or more blanks."""
SEPARATOR_LINE = re.compile(r'^"?sep=(.)"?\s*$', re.IGNORECASE)


@dataclass(frozen=True)
class TextFormat:
    """How a text file is divided.

    Attributes:
        delimiter: ``,``, ``;``, a tab, ``|``, ``::``, any other sign, or a blank for one or more.
        width: number of columns.
        skip: lines before the first row.
        quoted: whether quotation marks enclose cells.
        names: the header's cells; None where there is no header.
    """

    delimiter: str
    width: int
    skip: int = 0
    quoted: bool = True
    names: tuple[str, ...] | None = None


def transcode(path: Path, encoding: str, check: Callable[[], None]) -> None:
    """Rewrite a file in UTF-8 without a mark and with plain line ends; undecodable bytes become U+FFFD."""
    copy = path.with_suffix(".utf8")
    with (
        path.open(encoding=encoding, errors="replace", newline=None) as source,
        copy.open("w", encoding="utf-8") as sink,
    ):
        while block := source.read(STEP):
            check()
            sink.write(block)
    copy.replace(path)


def needs_transcoding(path: Path, encoding: str) -> bool:
    """Whether a file is in another encoding than UTF-8, or its lines end with carriage returns alone."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    return encoding not in ("utf-8", "utf-8-sig") or (b"\r" in head and b"\n" not in head)


def sniff(
    path: Path, delimiter: str | None = None, header: bool | None = None
) -> tuple[TextFormat, list[list[str]]] | None:
    """The format of a text file in UTF-8, and its first rows; None if it has no two columns.

    Args:
        path: the file.
        delimiter: what divides columns, if known.
        header: whether a row names the columns, if known.
    """
    lines = _first_lines(path)
    start = 0
    if lines and (found := SEPARATOR_LINE.match(lines[0])):
        delimiter, start = delimiter or found[1], 1
    delimiter = delimiter or _delimiter(lines[start:])
    if delimiter is None:
        return None
    quoted = _is_quoted(lines, delimiter)
    rows = list(_rows(lines, start, delimiter, quoted))
    widths = Counter(len(cells) for _, _, cells in rows)
    width = max(widths, key=lambda one: (widths[one] * (one > 1), one), default=0)
    if width < 2 and header is None and delimiter is None:
        return None
    return _with_header(rows, width, delimiter, quoted, header)


def _with_header(
    rows: list[tuple[int, int, list[str]]], width: int, delimiter: str, quoted: bool, header: bool | None
) -> tuple[TextFormat, list[list[str]]] | None:
    first = next((place for place, (*_, cells) in enumerate(rows) if len(cells) == width), None)
    if first is None:
        return None
    body = [cells for *_, cells in rows[first + 1 :] if len(cells) == width]
    line, end, cells = rows[first]
    named = is_header([cell.lstrip("# ") for cell in cells], body)
    narrow = _narrow_header(rows[first - 1][2], cells, width) if first and not named else None
    if header is not False and narrow:
        return TextFormat(delimiter, width, rows[first - 1][1], quoted, narrow), [cells, *body][:SAMPLE_ROWS]
    if header is True or (header is None and named):
        names = tuple(cell.strip().removeprefix("#").strip() for cell in cells)
        return TextFormat(delimiter, width, end, quoted, names), body[:SAMPLE_ROWS]
    return TextFormat(delimiter, width, line - 1, quoted), [cells, *body][:SAMPLE_ROWS]


def _narrow_header(cells: list[str], row: list[str], width: int) -> tuple[str, ...] | None:
    """The names of a header with one cell fewer than the rows, which end in a delimiter or begin with a number."""
    if len(cells) != width - 1 or width < 3 or not is_header(cells, [row[1:] if row[-1] else row[:-1]]):
        return None
    return ("", *cells) if row[-1] else (*cells, "")


def _first_lines(path: Path) -> list[str]:
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
        whole = not stream.read(1)
    lines = head.removeprefix(b"\xef\xbb\xbf").decode(errors="replace").replace("\r\n", "\n").split("\n")
    return lines if whole or len(lines) == 1 else lines[:-1]


def _delimiter(lines: Sequence[str]) -> str | None:
    """The delimiter that divides most lines into the same number of columns."""
    lines = [line for line in lines if line.strip() and not line.startswith("#")][:SAMPLE_ROWS] or [
        line for line in lines if line.strip()
    ]
    best, score = None, 0.0
    for delimiter in DELIMITERS:
        widths = Counter(len(cells) for *_, cells in _rows(lines, 0, delimiter, quoted=True))
        width = max(widths, key=lambda one: (widths[one] * (one > 1), one), default=0)
        share = widths[width] / max(sum(widths.values()), 1)
        worth = share * share * (1 + min(width, 12) / 6) * (1.5 if delimiter == "::" else 1.0)
        if width > 1 and worth > score:
            best, score = delimiter, worth
    if best is None or score < 0.5:
        widths = Counter(len(line.split()) for line in lines)
        width = max(widths, key=lambda one: widths[one], default=0)
        if width >= 3 and widths[width] > 0.9 * len(lines):
            return BLANKS
    return best


def _is_quoted(lines: Sequence[str], delimiter: str) -> bool:
    """Whether quotation marks enclose cells: in tables with tabs, bars or colons only where all that stand there do."""
    if delimiter in (",", ";"):
        return True
    if len(delimiter) > 1 or delimiter == BLANKS:
        return False
    marks = [line for line in lines if '"' in line]
    edge = re.escape(delimiter)
    enclosed = re.compile(rf'(?:^|{edge})"(?:[^"]|"")*"(?=$|{edge})')
    return bool(marks) and all('"' not in enclosed.sub("", line) for line in marks)


def _rows(lines: Sequence[str], start: int, delimiter: str, quoted: bool) -> Iterator[tuple[int, int, list[str]]]:
    """First line, last line (from 1) and cells of each row; blank lines and comments are left out."""
    place = start
    while place < len(lines):
        first, line = place, lines[place]
        place += 1
        if quoted and delimiter != BLANKS and len(delimiter) == 1:
            while line.count('"') % 2 and place < len(lines) and place - first < 20:
                line += "\n" + lines[place]
                place += 1
            if line.count('"') % 2:  # a quotation mark that nothing closes belongs to its line alone
                line, place = lines[first], first + 1
        cells = split(line, delimiter, quoted)
        if any(cell.strip() for cell in cells) and not (line.startswith("#") and len(cells) < 2):
            yield first + 1, place, cells


def split(line: str, delimiter: str, quoted: bool) -> list[str]:
    """The cells of a row."""
    if delimiter == BLANKS:
        return line.split()
    if len(delimiter) > 1:
        return line.split(delimiter)
    try:
        if quoted:
            return next(csv.reader([line], delimiter=delimiter), [])
        return next(csv.reader([line], delimiter=delimiter, quoting=csv.QUOTE_NONE), [])
    except csv.Error:
        return line.split(delimiter)
