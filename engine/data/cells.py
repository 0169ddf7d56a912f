"""Text in CSV cells, guarded against formulas in a way that an import can undo exactly.

Spreadsheets run a cell that starts with ``=``, ``+``, ``-`` or ``@`` as a formula (OWASP, "CSV Injection"). Such text
gets a leading apostrophe, and so does text that already has apostrophes before such a character, so that removing one
apostrophe restores every text of that form. Numbers such as ``-5`` are left alone.
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
    """Text as written to a cell."""
    return f"'{text}" if BEGINS.match(text) and not NUMBER.fullmatch(text) else text


def unguarded(cell: str) -> str:
    """The text before ``guarded``."""
    return cell[1:] if GUARDED.match(cell) else cell


def csv_pieces(header: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[bytes]:
    """A CSV file in UTF-8, in pieces of bounded size.

    Args:
        header: names of the columns.
        rows: their values: text is guarded, None is an empty cell, numbers are written unchanged.
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
