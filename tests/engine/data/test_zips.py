"""The directory of a zip is counted before it is read."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from engine.data import containers
from engine.data.containers import SourceFile, unpack
from engine.data.zips import TooManyEntries, check_entries
from engine.errors import DiskFull, InvalidInput

ENTRY = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"


def many(entries: int, *, large: bool = False, comment: bytes = b"", says: int | None = None) -> bytes:
    """A zip of nothing but a directory; ``says``: how many entries its end claims to be there."""
    directory, count = ENTRY * entries, entries if says is None else says
    middle = b""
    if large:
        middle = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(directory), 0)
        middle += struct.pack("<4sLQL", b"PK\x06\x07", 0, len(directory), 1)
    number, size = (0xFFFF, 0xFFFFFFFF) if large else (min(count, 0xFFFF), len(directory))
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, number, number, size, 0, len(comment))
    return directory + middle + end + comment


def source(folder: Path, content: bytes) -> SourceFile:
    path = folder / "0.spool"
    path.write_bytes(content)
    return SourceFile("mine.zip", path)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("comment", [b"", b"a comment" * 100])
def test_entries_are_counted_as_zipfile_does(large: bool, comment: bytes) -> None:
    content = many(7, large=large, comment=comment)
    assert len(zipfile.ZipFile(io.BytesIO(content)).infolist()) == 7
    check_entries(io.BytesIO(content), 7)
    with pytest.raises(TooManyEntries):
        check_entries(io.BytesIO(content), 6)


def test_what_is_no_zip_passes() -> None:
    for content in (b"", b"x", b"user,movie,rating\n" * 1000, b"PK\x05\x06"):
        check_entries(io.BytesIO(content), 1)


@pytest.mark.parametrize("says", [None, 1])
@pytest.mark.parametrize("large", [False, True])
def test_a_million_entries_are_refused_without_being_read(tmp_path: Path, large: bool, says: int | None) -> None:
    """Also where the end says that there is one alone: zipfile reads as far as the directory goes."""
    mine = source(tmp_path, many(1_000_000, large=large, says=says))
    tracemalloc.start()
    with pytest.raises(InvalidInput, match="more than 20,000 files"):
        unpack([mine], tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6


def test_a_zip_that_the_disk_has_no_room_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ratings.csv", "0" * 3 * 2**20)
    monkeypatch.setattr(containers, "left_on", lambda _: 2**20)
    with pytest.raises(DiskFull, match="unpacks to 3 MiB, and the disk has no room for it"):
        unpack([source(tmp_path, stream.getvalue())], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["0.spool"]
