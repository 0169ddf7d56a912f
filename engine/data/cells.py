"""Text in cells of CSV files: no program that opens one takes it for a formula, and an import gets it back exactly.

A spreadsheet computes a cell that begins with ``=``, ``+``, ``-`` or ``@`` (OWASP, "CSV Injection"), so such a text
gets an apostrophe in front, and so does one that begins with apostrophes before such a character: taking one
apostrophe away from every text of that form is then exact. Numbers such as ``-5`` stay as they are.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator

BEGINS = re.compile(r"'*[=+\-@\t\r]")
GUARDED = re.compile(r"'+[=+\-@\t\r]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
ROWS_A_PIECE = 5000


def guarded(text: str) -> str:
    """A text as it stands in a cell."""
    return f"'{text}" if BEGINS.match(text) and not NUMBER.fullmatch(text) else text


def unguarded(cell: str) -> str:
    """The text that ``guarded`` was given."""
    return cell[1:] if GUARDED.match(cell) else cell


def csv_pieces(header: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[bytes]:
    """A CSV file in UTF-8, a bounded part at a time.

    Args:
        header: names of the columns.
        rows: their values: texts are guarded, None is an empty cell, and numbers are written as they are.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    for place, row in enumerate(rows, start=1):
        writer.writerow([guarded(value) if isinstance(value, str) else value for value in row])
        if place % ROWS_A_PIECE == 0:
            yield _take(buffer)
    yield _take(buffer)


def _take(buffer: io.StringIO) -> bytes:
    content = buffer.getvalue().encode()
    buffer.seek(0)
    buffer.truncate()
    return content
