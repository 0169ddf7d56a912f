"""Cells of CSV files: harmless in a spreadsheet, and exactly what they were after an import."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.cells import BEGINS, NUMBER, csv_pieces, guarded, unguarded


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+x", "'+x"),
        ("-x", "'-x"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("'=1", "''=1"),
        ("''@a", "'''@a"),
        ("-5", "-5"),
        ("+1.5e-3", "+1.5e-3"),
        ("'-5", "''-5"),
        ("-inf", "'-inf"),
        ("--5", "'--5"),
        ("-1_0", "'-1_0"),
        ("'Salem's Lot", "'Salem's Lot"),
        ("Heat", "Heat"),
        ("", ""),
    ],
)
def test_what_is_put_in_front(text: str, cell: str) -> None:
    assert guarded(text) == cell
    assert unguarded(cell) == text


@given(st.text("'=+-@\t\r15.e x"))
def test_any_text_comes_back_and_no_cell_is_a_formula(text: str) -> None:
    cell = guarded(text)
    assert unguarded(cell) == text
    assert cell.startswith("'") or not BEGINS.match(cell) or NUMBER.fullmatch(cell)


def test_a_table_in_pieces() -> None:
    content = b"".join(csv_pieces(["a", "b"], (("=x", row) for row in range(12_000)))).decode()
    rows = list(csv.reader(io.StringIO(content)))
    assert rows[0] == ["a", "b"]
    assert rows[1] == ["'=x", "0"]
    assert len(rows) == 12_001
