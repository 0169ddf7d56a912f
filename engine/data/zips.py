"""How much a zip holds, found out before its directory is read: 1.5 million entries would take half a gigabyte."""

from __future__ import annotations

import os
import struct
from typing import IO

END, END64, LOCATOR = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
END_BYTES, END64_BYTES, LOCATOR_BYTES = 22, 56, 20
MAX_COMMENT = 2**16
DIRECTORY_BYTES = 2**22
"""The largest directory that is read; that of 10,000 files with names of 300 letters takes 3.5 MB."""


class TooManyEntries(ValueError):
    """The directory of a zip is larger than is read."""


def check_entries(stream: IO[bytes], most: int, largest: int = DIRECTORY_BYTES) -> None:
    """Whether the directory at a zip's end names no more entries than allowed and is no larger than it may be.

    What is no zip passes: whoever reads it says so. The end is looked for as ``zipfile`` looks for it (APPNOTE.TXT
    6.3.10, sections 4.3.14 to 4.3.16).

    Args:
        stream: a binary file that can seek; its place is kept.
        most: how many entries there may be.
        largest: how many bytes the directory may take.

    Raises:
        TooManyEntries: there are more, or the directory is larger.
    """
    kept = stream.tell()
    try:
        found = _directory(stream)
    finally:
        stream.seek(kept)
    if found is not None and (found[0] > most or found[1] > largest):
        raise TooManyEntries(f"it holds more than {most:,} files")


def _directory(stream: IO[bytes]) -> tuple[int, int] | None:
    """How many entries the directory has, and how many bytes; None where there is none."""
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
    """The same from the record of a large zip, where there is one before the end."""
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
