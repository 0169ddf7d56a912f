"""The delimiter and the header of a text, and where its first row is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.text import BLANKS, sniff, transcode

NAMES = ("user", "movie", "rating")
BODY = [("ann", "17", "4.5"), ("bob", "3", "2"), ("cid", "17", "5")]


def joined(delimiter: str, *, header: bool = True) -> str:
    return "".join(delimiter.join(row) + "\n" for row in ([NAMES] if header else []) + BODY)


def file(folder: Path, content: str | bytes) -> Path:
    path = folder / "file"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("content", "delimiter", "names", "skip"),
    [
        (joined(","), ",", NAMES, 1),
        (joined(";"), ";", NAMES, 1),
        (joined("\t"), "\t", NAMES, 1),
        (joined("|"), "|", NAMES, 1),
        (joined("::"), "::", NAMES, 1),
        (joined("   "), BLANKS, NAMES, 1),
        (joined(",", header=False), ",", None, 0),
        (joined("\t", header=False), "\t", None, 0),
        ("sep=;\n" + joined(";"), ";", NAMES, 2),
        ("# a note\n# another, longer, note, here\n" + joined(","), ",", NAMES, 3),
        ("Ratings of our club\n\n" + joined(","), ",", NAMES, 3),
        ("One, two\n" + joined(","), ",", NAMES, 2),
        ("#" + joined(","), ",", NAMES, 1),
        ("\ufeff" + joined(","), ",", NAMES, 1),
        (joined(",").replace("\n", "\r\n"), ",", NAMES, 1),
    ],
)
def test_delimiter_header_and_first_row_are_found(
    tmp_path: Path, content: str, delimiter: str, names: tuple[str, ...] | None, skip: int
) -> None:
    found = sniff(file(tmp_path, content))
    assert found is not None
    form, sample = found
    assert (form.delimiter, form.names, form.skip, form.width) == (delimiter, names, skip, 3)
    assert [tuple(cell.strip() for cell in row) for row in sample] == BODY


def test_a_header_with_a_name_less_leaves_the_first_or_the_last_column_unnamed(tmp_path: Path) -> None:
    numbered = "user,movie,rating\n" + "".join(f"{n},{','.join(row)}\n" for n, row in enumerate(BODY))
    assert sniff(file(tmp_path, numbered))[0].names == ("", *NAMES)
    ended = "user,movie,rating\n" + "".join(f"{','.join(row)},\n" for row in BODY)
    assert sniff(file(tmp_path, ended))[0].names == (*NAMES, "")


def test_what_is_declared_counts(tmp_path: Path) -> None:
    path = file(tmp_path, joined("^"))
    assert sniff(path, "^")[0].names == NAMES
    assert sniff(path, "^", header=False)[0].names is None
    assert sniff(file(tmp_path, joined(",", header=False)), header=True)[0].names == BODY[0]


@pytest.mark.parametrize("content", ["", "hello\n", "one\ntwo\nthree\n"])
def test_a_text_without_columns_is_no_table(tmp_path: Path, content: str) -> None:
    assert sniff(file(tmp_path, content)) is None


def test_a_file_is_rewritten_in_utf_8_with_plain_line_ends(tmp_path: Path) -> None:
    path = file(tmp_path, "a,é\rb,“\r".encode("cp1252"))
    transcode(path, "cp1252", lambda: None)
    assert path.read_bytes() == "a,é\nb,“\n".encode()


@given(st.text(max_size=200))
def test_any_text_has_a_form_or_none(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    found = sniff(file(tmp_path_factory.mktemp("text"), content.encode("utf-8", "replace")))
    if found is not None:
        form, sample = found
        assert form.names is None or len(form.names) == form.width
        assert all(len(row) == form.width for row in sample)
