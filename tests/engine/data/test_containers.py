"""Archives are replaced by what is in them; damaged, encrypted and endless ones are refused."""

from __future__ import annotations

import io
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.data import containers
from engine.data.containers import SourceFile, unpack
from engine.errors import Cancelled, InvalidInput
from tests.imports.data import gzipped, tarred, workbook, zipped

TEXT = "user,movie,rating\n1,2,3\n"


def source(folder: Path, name: str, content: str | bytes) -> SourceFile:
    path = folder / f"{Path(name).name}.spool"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return SourceFile(name, path)


def test_members_keep_their_names_and_folders_as_labels_only(tmp_path: Path) -> None:
    members = {"ml/": "", "ml/ratings.csv": TEXT, "ml/../../../escape.csv": TEXT}
    rubbish = {"__MACOSX/ml/._ratings.csv": "x", "ml/.DS_Store": "x"}
    mine = replace(source(tmp_path, "mine.csv", TEXT), name="C:\\data\\mine.csv")
    found = unpack([source(tmp_path, "ml.zip", zipped(members | rubbish)), mine], tmp_path)
    assert [file.name for file in found] == ["ml/ratings.csv", "ml/../../../escape.csv", "C:/data/mine.csv"]
    assert {file.path.parent for file in found} == {tmp_path}
    assert found[0].path.read_text() == TEXT
    assert not (tmp_path.parent / "escape.csv").exists()


def test_archives_in_archives_are_unpacked_and_deleted(tmp_path: Path) -> None:
    inner = zipped({"c.csv.gz": gzipped(TEXT), "d.csv": TEXT})
    file = source(tmp_path, "outer.tar.gz", tarred({"e.csv": TEXT}))
    found = unpack([source(tmp_path, "outer.zip", zipped({"inner.zip": inner})), file], tmp_path)
    assert [one.name for one in found] == ["c.csv", "d.csv", "e.csv"]
    assert {one.path.read_text() for one in found} == {TEXT}
    assert {path.name for path in tmp_path.iterdir()} == {one.path.name for one in found}


def test_a_workbook_stays_a_file(tmp_path: Path) -> None:
    book = source(tmp_path, "a.xlsx", workbook({"A": [["user"]]}))
    assert unpack([book], tmp_path) == [book]


@pytest.mark.parametrize("content", [b"", b"\0" * 20_000, b"user,movie\n" * 1000, b"PK but no zip"])
def test_what_is_no_archive_stays_a_file(tmp_path: Path, content: bytes) -> None:
    file = source(tmp_path, "a.csv", content)
    assert unpack([file], tmp_path) == [file]


def test_too_many_archives_in_each_other_are_refused(tmp_path: Path) -> None:
    content: bytes = TEXT.encode()
    for depth in range(containers.MAX_DEPTH + 1):
        content = zipped({f"{depth}.zip": content})
    with pytest.raises(InvalidInput, match="inside 5 others"):
        unpack([source(tmp_path, "a.zip", content)], tmp_path)


@pytest.mark.parametrize(
    "content", [zipped({"zeros": "0" * 100_000}), gzipped("0" * 100_000), tarred({"a": "0" * 100_000})]
)
def test_what_swells_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InvalidInput, match="unpacks to more than"):
        unpack([source(tmp_path, "bomb", content)], tmp_path, limit=50_000)


def test_archives_share_one_limit(tmp_path: Path) -> None:
    zips = [source(tmp_path, f"{n}.zip", zipped({"zeros": "0" * 30_000})) for n in range(2)]
    with pytest.raises(InvalidInput, match=r"1\.zip unpacks to more than"):
        unpack(zips, tmp_path, limit=50_000)


@pytest.mark.parametrize(
    "content", [zipped({"a": "", "b": "", "c": ""}), tarred({"a": "", "b": "", "c": ""})], ids=["zip", "tar"]
)
def test_an_archive_of_too_many_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(containers, "MAX_MEMBERS", 2)
    with pytest.raises(InvalidInput, match="more than 2 files"):
        unpack([source(tmp_path, "many", content)], tmp_path)


def test_links_in_a_tar_are_left_out(tmp_path: Path) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        link = tarfile.TarInfo("passwd")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        archive.addfile(tarfile.TarInfo("a.csv"), io.BytesIO())
    assert [one.name for one in unpack([source(tmp_path, "a.tar", content.getvalue())], tmp_path)] == ["a.csv"]


def test_unpacking_can_be_ended(tmp_path: Path) -> None:
    def check() -> None:
        raise Cancelled("Enough.")

    with pytest.raises(Cancelled):
        unpack([source(tmp_path, "mine.zip", zipped({"a": "text"}))], tmp_path, check=check)


def test_an_encrypted_zip_says_so(tmp_path: Path) -> None:
    content = bytearray(zipped({"ratings.csv": TEXT}, zipfile.ZIP_STORED))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(InvalidInput, match="protected by a password"):
        unpack([source(tmp_path, "a.zip", bytes(content))], tmp_path)


@pytest.mark.parametrize("kind", ["stored", "deflated", "bzip2", "lzma", "gzip", "tar", "tar.gz"])
def test_a_damaged_archive_is_refused_or_read_but_nothing_else(tmp_path: Path, kind: str) -> None:
    methods = {"stored": 0, "deflated": 8, "bzip2": 12, "lzma": 14}
    long = TEXT * 500
    sound = {
        "gzip": lambda: gzipped(long),
        "tar": lambda: tarred({"a.csv": long}, "w"),
        "tar.gz": lambda: tarred({"a.csv": long}),
    }.get(kind, lambda: zipped({"a.csv": long}, methods[kind]))()
    chance, refused = np.random.default_rng(1), 0
    for number in range(80):
        content = bytearray(sound[: len(sound) - chance.integers(len(sound)) if number % 2 else len(sound)])
        for place in chance.integers(0, max(len(content), 1), 5):
            content[place : place + 1] = bytes([chance.integers(256)])
        try:
            unpack([source(tmp_path, "mine", bytes(content))], tmp_path)
        except InvalidInput:
            refused += 1
    assert refused
