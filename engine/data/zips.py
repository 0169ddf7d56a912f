"""Size check of a zip before its directory is read: 1.5 million entries would take half a gigabyte."""

from __future__ import annotations

import os
import struct
from typing import IO

END, END64, LOCATOR = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
END_BYTES, END64_BYTES, LOCATOR_BYTES = 22, 56, 20
MAX_COMMENT = 2**16
DIRECTORY_BYTES = 2**22
"""Maximum size of the directory; 10,000 files with names of 300 letters take 3.5 MB."""


class TooManyEntries(ValueError):
    """The directory of a zip is too large."""


def check_entries(stream: IO[bytes], most: int, largest: int = DIRECTORY_BYTES) -> None:
    """Check the number of entries and the size of a zip's directory, found as ``zipfile`` does.

    Files that are no zips pass. The format is APPNOTE.TXT 6.3.10, sections 4.3.14 to 4.3.16.

    Args:
        stream: a seekable binary file; its position is restored.
        most: maximum number of entries.
        largest: maximum bytes of the directory.

    Raises:
        TooManyEntries: one of them is exceeded.
    """
    kept = stream.tell()
    try:
        found = _directory(stream)
    finally:
        stream.seek(kept)
    if found is not None and (found[0] > most or found[1] > largest):
        raise TooManyEntries(f"it holds more than {most:,} files")


def _directory(stream: IO[bytes]) -> tuple[int, int] | None:
    """Number of entries and bytes of the directory; None if there is none."""
    size = stream.seek(0, os.SEEK_END)
    begin = max(size - MAX_COMMENT - END_BYTES, 0)
    stream.seek(begin)
    tail = stream.read()
    at = len(tail) - END_BYTES if tail[-END_BYTES:][:4] == END and tail[-2:] == b"\0\0" else tail.rfind(END)
    if at < 0 or len(tail) - at < END_BYTES:
        return None
    entries, length = struct.unpack("<HL", tail[at + 10 : at + 16])
    here = begin + at
    larger = _directory64(stream, here)
    return larger if larger is not None else (entries, length)


def _directory64(stream: IO[bytes], end: int) -> tuple[int, int] | None:
    """The same from the ZIP64 record before the end, if there is one."""
    if end < LOCATOR_BYTES + END64_BYTES:
        return None
    stream.seek(end - LOCATOR_BYTES)
    if stream.read(4) != LOCATOR:
        return None
    stream.seek(end - LOCATOR_BYTES - END64_BYTES)
    record = stream.read(END64_BYTES)
    if record[:4] != END64:
        return None
    entries, length = struct.unpack("<QQ", record[32:48])
    return entries, length
