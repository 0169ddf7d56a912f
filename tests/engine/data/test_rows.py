"""Bad lines cost no more than themselves, wherever the parts of a file end."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data import text
from engine.data.containers import SourceFile
from engine.data.rejections import Rejections
from engine.data.rows import MAX_LINE, PART_BYTES, TextRows

HEADER = "user,movie,rating,comment\n"
COLONS = text.TextFormat("::", 4, quoted=False)
TABS = text.TextFormat("\t", 4, quoted=False)
COMMAS = text.TextFormat(",", 4, 1)


def rows_of(file: SourceFile, form: text.TextFormat = COMMAS) -> tuple[dict[int, tuple[str, ...]], dict[int, str]]:
    """By line: the texts of user, movie and rating, and the codes of reasons of lines set aside."""
    rejections = Rejections()
    rows: dict[int, tuple[str, ...]] = {}
    for part in TextRows(file.name, file.path, form, [0, 1, 2, 3], [0, 1, 2]).parts(rejections):
        columns = [part.column(place).to_pylist() for place in range(3)]
        rows.update(zip(part.lines.tolist(), zip(*columns, strict=True), strict=True))
    return rows, {one["line"]: reason["code"] for reason in rejections.summary() for one in reason["lines"]}


def written(folder: Path, content: str | bytes) -> SourceFile:
    path = folder / "file"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return SourceFile("mine.csv", path)


@pytest.fixture(params=[PART_BYTES, 90], ids=["one part", "many parts"])
def parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.data.rows.PART_BYTES", request.param)


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("bad", ['u,"m,3,oops', '"u,m,3,oops', 'u,m",3,x,"', 'u,"m', '"'])
def test_a_quotation_mark_that_is_never_closed_costs_its_line_only(tmp_path: Path, bad: str) -> None:
    good = [f"u{n},m{n},3,fine" for n in range(100)]
    rows, reasons = rows_of(written(tmp_path, HEADER + "\n".join([*good[:50], bad, *good[50:]])))
    assert list(reasons) == [52]
    assert len(rows) == 100
    assert rows[101 + 1] == ("u99", "m99", "3")


@pytest.mark.usefixtures("parts")
def test_a_comment_may_run_over_lines(tmp_path: Path) -> None:
    text = HEADER + 'a,heat,4,"first\nsecond, and ""third""\n"\nb,heat,2,"10"" tape"\nc,heat,1,5" of rain\nd,heat,3,\n'
    rows, reasons = rows_of(written(tmp_path, text.replace("\n", "\r\n")))
    assert rows == {
        2: ("a", "heat", "4"),
        5: ("b", "heat", "2"),
        6: ("c", "heat", "1"),
        7: ("d", "heat", "3"),
    }
    assert reasons == {}


def test_a_comment_may_run_over_lines_at_every_place_where_a_part_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, HEADER + "".join(f'u{n},heat,4,"one\ntwo\nthree"\n' for n in range(8)))
    expected = {2 + 3 * n: (f"u{n}", "heat", "4") for n in range(8)}
    for size in range(1, 200):
        monkeypatch.setattr("engine.data.rows.PART_BYTES", size)
        assert rows_of(file) == (expected, {}), size


@pytest.mark.usefixtures("parts")
def test_blank_lines_are_nothing_to_set_aside(tmp_path: Path) -> None:
    rows, reasons = rows_of(written(tmp_path, HEADER + "a,heat,4,\n\nb,heat,4,\n,,,\nc,4\n\n\r\n\n"))
    assert list(rows) == [2, 4]
    assert reasons == {6: "columns"}


def test_a_line_without_end_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.data.rows.PART_BYTES", 100)
    endless = "x" * (2 * MAX_LINE + 200)
    rows, reasons = rows_of(written(tmp_path, HEADER + f"a,heat,4,\n{endless},heat,4,\nb,heat,4,\n{endless}"))
    assert list(rows) == [2, 4]
    assert reasons == dict.fromkeys((3, 5), "line_too_long")


def test_a_lone_carriage_return_ends_no_line(tmp_path: Path) -> None:
    rows, reasons = rows_of(written(tmp_path, HEADER + "a,heat,4,\nb,he\rat,4,\nc,heat,4,\n"))
    assert rows == {2: ("a", "heat", "4"), 3: ("b", "he\rat", "4"), 4: ("c", "heat", "4")}
    assert reasons == {}


def test_bytes_that_are_not_utf_8_cost_their_line_only(tmp_path: Path) -> None:
    rows, reasons = rows_of(written(tmp_path, HEADER.encode() + b"a,heat,4,\nb,h\xe9,4,\n\xe9,5\nc,heat,4,\xc3\xa9\n"))
    assert list(rows) == [2, 5]
    assert reasons == {3: "encoding", 4: "encoding"}


def test_quotation_marks_mean_nothing_where_columns_are_parted_by_tabs(tmp_path: Path) -> None:
    rows, reasons = rows_of(written(tmp_path, '"a\tm\t3\t1\nb\t"m"\t4\t1\n'), TABS)
    assert rows == {1: ('"a', "m", "3"), 2: ("b", '"m"', "4")}
    assert reasons == {}


CELLS = st.text(st.sampled_from('ab,"\n é'), max_size=6)


@given(st.lists(st.tuples(st.integers(1, 9), CELLS), min_size=1, max_size=30), st.sampled_from([7, 40, 5000]))
def test_what_a_csv_writer_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[int, str]], size: int
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["user", "movie", "rating", "comment"])
    writer.writerows([f"u{n}", f"m{number}", number, comment] for n, (number, comment) in enumerate(cells))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.data.rows.PART_BYTES", size)
        rows, reasons = rows_of(written(tmp_path_factory.mktemp("csv"), text.getvalue()))
    assert reasons == {}
    assert list(rows.values()) == [(f"u{n}", f"m{number}", str(number)) for n, (number, _) in enumerate(cells)]


@given(st.binary(max_size=300), st.sampled_from([COMMAS, TABS, COLONS]), st.sampled_from([5, 5000]))
def test_no_content_breaks_the_reader(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, form: text.TextFormat, size: int
) -> None:
    start = HEADER.encode() if form.skip else b""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.data.rows.PART_BYTES", size)
        rows, _ = rows_of(written(tmp_path_factory.mktemp("any"), start + content), form)
    assert len(rows) <= content.count(b"\n") + 1
