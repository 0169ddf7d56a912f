"""Any file as tables of text: delimited text, workbooks, Parquet, Arrow, JSON, JSON lines and XML."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import python_calamine
from numpy.typing import NDArray

from engine.data import encodings, text
from engine.data.columns import is_header
from engine.data.containers import SourceFile
from engine.data.records import MAX_DOCUMENT, json_lines, json_tables, xml_records
from engine.data.rejections import Rejections
from engine.data.rows import Part, TextRows
from engine.errors import InvalidInput

Row = tuple[int, list[str] | None]
"""A row's line and its cells; None for a line that can't be read."""

SAMPLE_ROWS = 1000
PART_ROWS = 100_000
HTML = re.compile(rb"^\s*<(?:!doctype html|head|body|(?s:.*?)<?html[\s>])", re.IGNORECASE)
REFUSED = {
    b"SQLite format 3\0": "it is an SQLite database; export its tables as CSV",
    b"%PDF": "it is a PDF document, not a table",
    b"\x89PNG": "it is a picture, not a table",
    b"\xff\xd8\xff": "it is a picture, not a table",
    b"GIF8": "it is a picture, not a table",
    b"\x89HDF": "it is an HDF5 file; save it as CSV or Parquet",
    b"\x93NUMPY": "it is a NumPy array; save it as CSV or Parquet",
    b"\x80\x04": "it is a Python pickle, which can't be opened safely; save it as CSV or Parquet",
    b"\x80\x05": "it is a Python pickle, which can't be opened safely; save it as CSV or Parquet",
}


class Unreadable(ValueError):
    """A file is no table; the text says what it is, as the end of a sentence."""


class EncodingUnknown(Exception):
    """The encoding of a text can't be told; ``readings`` has some lines as each encoding would read them."""

    def __init__(self, readings: dict[str, str], sample: bytes) -> None:
        super().__init__("The encoding is not known.")
        self.readings, self.sample = readings, sample


class Reader(Protocol):
    """Reads the rows of a table."""

    def __call__(self, used: Sequence[int], whole: Sequence[int], rejections: Rejections) -> Iterator[Part]:
        """The rows, with the columns in ``used``; a row with a line end in one of ``whole`` is broken."""


@dataclass(frozen=True)
class TextOptions:
    """What is known of a text file; None where it is not."""

    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None
    fallback: str | None = None
    """Encoding of the source, where the text is not UTF-8."""


@dataclass(frozen=True)
class Table:
    """A table in a file.

    Attributes:
        name: of the file, and of the sheet where a workbook has several.
        names: the header's cells; () where there is no header.
        width: number of columns.
        sample: the first rows.
        encoding, delimiter: of a text file.
        read: reads all rows.
        about: facts beside the rows, such as the user's name in an XML export.
    """

    name: str
    names: tuple[str, ...]
    width: int
    sample: list[list[str]]
    read: Reader
    encoding: str | None = None
    delimiter: str | None = None
    about: dict[str, str] = field(default_factory=dict)
    file: SourceFile | None = None

    def cells(self, place: int) -> list[str]:
        """The sample's cells in a column, without blanks around them."""
        return [row[place].strip() for row in self.sample if place < len(row)]


def open_tables(file: SourceFile, options: TextOptions, check: Callable[[], None] = lambda: None) -> list[Table]:
    """The tables of a file.

    Args:
        file: the file; text in another encoding than UTF-8 is rewritten in it.
        options: what is known of a text file.
        check: called often; may raise to stop.

    Raises:
        Unreadable: it is no table.
        EncodingUnknown: the encoding has to be asked for.
    """
    with file.path.open("rb") as stream:
        head = stream.read(4096)
    for magic, reason in REFUSED.items():
        if head.startswith(magic):
            raise Unreadable(reason)
    if not head.strip(b"\0\xef\xbb\xbf \r\n\t"):
        raise Unreadable("it is empty")
    if head.startswith(b"PAR1"):
        return [_parquet(file)]
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return _workbook(file)
    if HTML.search(head.removeprefix(b"\xef\xbb\xbf")):
        raise Unreadable("it is a web page (HTML); download the file itself, perhaps after signing in")
    return _text(file, options, check)


def _text(file: SourceFile, options: TextOptions, check: Callable[[], None]) -> list[Table]:
    encoding = _normalise(file, options, check)
    with file.path.open("rb") as stream:
        head = stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    if b"\0" in head:
        raise Unreadable("it is not text, and of no format that is known")
    if head.startswith((b"{", b"[{", b"[")) and (records := _json(file)) is not None:
        return records
    if head.startswith(b"<"):
        return [_of_records(file, *xml_records(file.path))]
    found = text.sniff(file.path, options.delimiter, options.header)
    if found is None:
        raise Unreadable("it has no columns")
    form, sample = found

    def read(used: Sequence[int], whole: Sequence[int], rejections: Rejections) -> Iterator[Part]:
        return TextRows(file.name, file.path, form, used, whole).parts(rejections)

    return [Table(file.name, form.names or (), form.width, sample, read, encoding, form.delimiter, file=file)]


def _normalise(file: SourceFile, options: TextOptions, check: Callable[[], None]) -> str:
    """Rewrite a file in UTF-8 where it is in something else; returns the encoding it was in."""
    encoding = options.encoding
    if encoding is None:
        found = encodings.detect(file.path, check)
        if not found.is_certain and options.fallback is None:
            readings = encodings.readings(found.sample)
            if not readings:
                raise Unreadable("it is not text, and of no format that is known")
            raise EncodingUnknown(readings, found.sample)
        encoding = found.name if found.is_certain else str(options.fallback)
    if text.needs_transcoding(file.path, encoding):
        try:
            text.transcode(file.path, encoding, check)
        except UnicodeError as error:
            raise Unreadable(f"it can't be read as {encoding}") from error
    return encoding


def _json(file: SourceFile) -> list[Table] | None:
    """The tables of JSON or JSON lines; None where the text is neither."""
    lines = json_lines(file.path)
    if lines is not None:
        return [_of_rows(file, lines.names, lines.rows, header=True)]
    if file.path.stat().st_size > MAX_DOCUMENT:
        raise Unreadable(f"it is JSON of more than {MAX_DOCUMENT / 2**20:.0f} MiB; save it as JSON lines or CSV")
    try:
        document = json.loads(file.path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        return None
    except RecursionError as error:
        raise Unreadable("it is JSON that is nested too deeply") from error
    found = json_tables(document)
    tables = [_of_records(file, records, {}, name) for name, records in found.items() if records]
    if not tables:
        raise Unreadable("it holds no list of records")
    return tables


def _of_records(file: SourceFile, records: Sequence[dict[str, str]], about: dict[str, str], part: str = "") -> Table:
    """Records as a table: a column for each name, in order of appearance."""
    names = tuple(dict.fromkeys(name for record in records for name in record))
    if not names:
        raise Unreadable("it holds no list of records")

    def rows() -> Iterator[Row]:
        for place, record in enumerate(records, 1):
            yield place, [record.get(name, "") for name in names]

    table = _of_rows(file, names, rows, header=True, sheet=part)
    return Table(table.name, table.names, table.width, table.sample, table.read, about=about, file=file)


def _of_rows(
    file: SourceFile,
    names: Sequence[str],
    rows: Callable[[], Iterator[Row]],
    *,
    header: bool,
    sheet: str = "",
) -> Table:
    """A table of numbered rows that can be read again and again."""
    width = len(names)
    label = f"{file.name} ({sheet})" if sheet else file.name
    sample = [row for _, row in islice(rows(), SAMPLE_ROWS) if row is not None]

    def read(used: Sequence[int], whole: Sequence[int], rejections: Rejections) -> Iterator[Part]:  # noqa: ARG001
        return _parts(label, rows(), sorted(set(used)), rejections)

    return Table(label, tuple(names) if header else (), width, sample, read, file=file)


def _parts(name: str, rows: Iterable[Row], used: Sequence[int], rejections: Rejections) -> Iterator[Part]:
    batch: list[list[str]] = []
    lines: list[int] = []
    for line, row in rows:
        if row is None:
            rejections.add("record", name, line)
        elif any(row[place] for place in used):
            batch.append([row[place] for place in used])
            lines.append(line)
        if len(batch) == PART_ROWS:
            yield _part(batch, lines, used, 0.5)
            batch, lines = [], []
    yield _part(batch, lines, used, 1.0)


def _part(batch: list[list[str]], lines: list[int], used: Sequence[int], done: float) -> Part:
    columns = zip(*batch, strict=True) if batch else ([] for _ in used)
    table = pa.table({str(place): pa.array(cells, pa.string()) for place, cells in zip(used, columns, strict=True)})
    return Part(table, np.array(lines, np.int64), done)


def _workbook(file: SourceFile) -> list[Table]:
    """The sheets of a workbook of Excel or OpenDocument that hold tables."""
    try:
        book = python_calamine.CalamineWorkbook.from_path(str(file.path))
        found = [(name, _sheet(book, name)) for name in book.sheet_names]
    except python_calamine.CalamineError as error:
        raise Unreadable(f"it is a workbook that can't be opened: {error}") from error
    tables = [(name, rows) for name, rows in found if rows]
    if not tables:
        raise Unreadable("it is a workbook without a table")
    return [_sheet_table(file, name if len(tables) > 1 else "", rows) for name, rows in tables]


def _sheet(book: python_calamine.CalamineWorkbook, name: str) -> list[tuple[int, list[str]]]:
    """The numbered rows of a sheet that are not empty."""
    sheet = book.get_sheet_by_name(name)
    first = 1 if sheet.start is None else sheet.start[0] + 1
    rows = (
        (line, [cell_text(cell) for cell in row])
        for line, row in enumerate(sheet.to_python(skip_empty_area=True), first)
    )
    return [(line, row) for line, row in rows if any(row)]


def _sheet_table(file: SourceFile, sheet: str, rows: list[tuple[int, list[str]]]) -> Table:
    filled = [sum(map(bool, row)) for _, row in rows]
    typical = Counter(filled).most_common(1)[0][0]
    start = next(place for place, count in enumerate(filled) if count >= max(min(typical, 2), typical - 1))
    named = is_header(rows[start][1], [row for _, row in rows[start + 1 : SAMPLE_ROWS]])
    body = rows[start + named :]
    names = rows[start][1] if named else [""] * len(rows[start][1])
    return _of_rows(file, names, lambda: iter(body), header=named, sheet=sheet)


def cell_text(value: Any) -> str:
    """A cell's value as text: whole numbers without a point, dates in ISO 8601."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.0f}" if value == int(value) and abs(value) < 1e15 else repr(value) if value == value else ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, date) else str(value).strip()


def _parquet(file: SourceFile) -> Table:
    try:
        source = pq.ParquetFile(file.path)
    except (pa.ArrowException, OSError) as error:
        raise Unreadable(f"it is a Parquet file that can't be opened: {error}") from error
    schema = source.schema_arrow
    names = tuple(schema.names)

    def read(used: Sequence[int], whole: Sequence[int], rejections: Rejections) -> Iterator[Part]:  # noqa: ARG001
        line, total = 1, max(source.metadata.num_rows, 1)
        for batch in _batches(file, PART_ROWS):
            columns = {str(place): _texts(batch.column(place)) for place in sorted(set(used))}
            lines: NDArray[np.int64] = np.arange(line, line + len(batch))
            line += len(batch)
            yield Part(pa.table(columns), lines, (line - 1) / total)

    first = next(_batches(file, SAMPLE_ROWS), None)
    columns = [] if first is None else [_texts(column).to_pylist() for column in first.columns]
    sample = [list(row) for row in zip(*columns, strict=True)]
    return Table(file.name, names, len(names), sample, read, file=file)


def _batches(file: SourceFile, rows: int) -> Iterator[pa.RecordBatch]:
    """The rows of a Parquet file, some at a time."""
    try:
        yield from pq.ParquetFile(file.path).iter_batches(rows, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise InvalidInput(f"{file.name} is a Parquet file that is damaged: {error}", field="files") from error


def _texts(column: pa.Array) -> pa.Array:
    """A column of any type as text; null is empty."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.string())
    elif pa.types.is_nested(column.type) or pa.types.is_floating(column.type) or pa.types.is_boolean(column.type):
        column = pa.array([_nested_text(value) for value in column.to_pylist()], pa.string())
    return column.cast(pa.string()).fill_null("")


def _nested_text(value: Any) -> str:
    return "|".join(map(str, value)) if isinstance(value, list) else cell_text(value)
