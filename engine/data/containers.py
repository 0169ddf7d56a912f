"""Uploaded files as the files inside them: zip, gzip, bzip2, xz and tar are unpacked, also in each other."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from engine.data.zips import TooManyEntries, check_entries
from engine.errors import DiskFull, InvalidInput

MAX_UNPACKED = 4 * 2**30
"""Maximum bytes of all unpacked files: several times MovieLens 25M."""
MAX_MEMBERS = 20_000
MAX_DEPTH = 5
MAX_LABEL = 200
MIN_FREE = 64 * 2**20
"""Bytes of disk space that an import leaves free."""
STEP = 2**20
DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)
COMPRESSED: dict[bytes, tuple[str, Callable[..., Any]]] = {
    b"\x1f\x8b": (".gz", gzip.open),
    b"BZh": (".bz2", bz2.open),
    b"\xfd7zXZ\x00": (".xz", lzma.open),
}
UNSUPPORTED = {b"Rar!": "RAR", b"7z\xbc\xaf\x27\x1c": "7-Zip"}


@dataclass(frozen=True)
class SourceFile:
    """A file to import: its name, inside an archive with the folders there, and where its content is."""

    name: str
    path: Path


def unpack(
    files: Sequence[SourceFile], folder: Path, limit: int = MAX_UNPACKED, check: Callable[[], None] = lambda: None
) -> list[SourceFile]:
    """Replace every archive by its members, which are written to a folder under numbers.

    Names are only labels and never become paths. Sizes are counted while writing, since those in an archive may be
    wrong. Workbooks, which are zips too, stay files.

    Args:
        files: the uploaded files; an archive is deleted after unpacking.
        folder: where members are written.
        limit: maximum bytes of all members together.
        check: called often; may raise to stop.

    Raises:
        InvalidInput: an archive is damaged, encrypted, of an unsupported kind, nested too deeply, or too large.
        DiskFull: the disk has no room for the members.
        OSError: a member can't be written.
    """
    unpacking = _Unpacking(folder, limit, check)
    return [found for file in files for found in unpacking.open(SourceFile(_label(file.name), file.path), 0)]


def left_on(folder: Path) -> int:
    """Bytes that may be written to a folder's disk, leaving room for the store."""
    return shutil.disk_usage(folder).free - MIN_FREE


@dataclass
class _Unpacking:
    folder: Path
    limit: int
    check: Callable[[], None]
    left: int = field(init=False)
    written: int = 0

    def __post_init__(self) -> None:
        self.left = self.limit

    def open(self, file: SourceFile, depth: int) -> Iterator[SourceFile]:
        """The file, or what it contains."""
        with file.path.open("rb") as stream:
            magic = stream.read(8)
        for start, kind in UNSUPPORTED.items():
            if magic.startswith(start):
                text = f"{file.name} is a {kind} archive, which Marquee can't open. Unpack it and upload its files."
                raise InvalidInput(text, field="files")
        members = self._members(file, magic)
        if members is None:
            yield file
            return
        if depth >= MAX_DEPTH:
            raise InvalidInput(f"{file.name} is an archive inside {MAX_DEPTH} others; unpack it first.", field="files")
        for member in [self._write(label, pieces, file.name) for label, pieces in members]:
            yield from self.open(member, depth + 1)
        file.path.unlink()

    def _members(self, file: SourceFile, magic: bytes) -> Iterator[tuple[str, Iterator[bytes]]] | None:
        """Each member's label and content, to be read before the next one; None if the file is no archive."""
        if zipfile.is_zipfile(file.path):
            return None if _is_workbook(file) else self._zip(file)
        if _is_tar(file.path):
            return self._tar(file)
        for start, (suffix, opened) in COMPRESSED.items():
            if magic.startswith(start):
                return iter([(file.name.removesuffix(suffix), _pieces(file.name, partial(opened, file.path)))])
        return None

    def _zip(self, file: SourceFile) -> Iterator[tuple[str, Iterator[bytes]]]:
        _check_directory(file)
        with _readable(file.name), zipfile.ZipFile(file.path) as archive:
            members = archive.infolist()
            self._check_room(file.name, sum(member.file_size for member in members))
            for member in members:
                if not member.is_dir() and _is_wanted(member.filename):
                    yield _label(member.filename), _pieces(file.name, partial(archive.open, member))

    def _tar(self, file: SourceFile) -> Iterator[tuple[str, Iterator[bytes]]]:
        with _readable(file.name), tarfile.open(file.path, "r:*") as archive:
            for count, member in enumerate(archive):
                if count >= MAX_MEMBERS:
                    raise InvalidInput(f"{file.name} holds more than {MAX_MEMBERS:,} files.", field="files")
                if member.isreg() and _is_wanted(member.name):
                    self._check_room(file.name, member.size)
                    yield _label(member.name), _pieces(file.name, partial(archive.extractfile, member))

    def _check_room(self, name: str, size: int) -> None:
        if size > self.left:
            raise InvalidInput(f"{name} unpacks to more than {self.limit / 2**30:g} GiB.", field="files")
        if size > left_on(self.folder):
            raise DiskFull(
                f"{name} unpacks to {size / 2**20:,.0f} MiB, and the disk has no room for it. Free some space and "
                "import again."
            )

    def _write(self, label: str, pieces: Iterator[bytes], archive: str) -> SourceFile:
        target = self.folder / f"{self.written}.member"
        self.written += 1
        if self.written > MAX_MEMBERS:
            raise InvalidInput(f"{archive} holds more than {MAX_MEMBERS:,} files.", field="files")
        with target.open("wb") as copy:
            for piece in pieces:
                self.check()
                self.left -= len(piece)
                if self.left < 0:
                    raise InvalidInput(f"{archive} unpacks to more than {self.limit / 2**30:g} GiB.", field="files")
                copy.write(piece)
        return SourceFile(label, target)


def _pieces(name: str, opened: Callable[[], Any]) -> Iterator[bytes]:
    with _readable(name), opened() as source:
        while piece := source.read(STEP):
            yield piece


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Turns the many errors that a damaged archive can cause into one."""
    try:
        yield
    except (InvalidInput, DiskFull):
        raise
    except DAMAGE as error:
        encrypted = "encrypted" in str(error) or "password" in str(error)
        reason = "it is protected by a password" if encrypted else str(error)
        raise InvalidInput(f"{name} is an archive that can't be read: {reason}.", field="files") from error


def _check_directory(file: SourceFile) -> None:
    with file.path.open("rb") as stream:
        try:
            check_entries(stream, MAX_MEMBERS)
        except TooManyEntries as error:
            raise InvalidInput(f"{file.name} can't be imported: {error}.", field="files") from error


def _is_workbook(file: SourceFile) -> bool:
    """Whether a zip is a workbook of Excel or OpenDocument."""
    _check_directory(file)
    with _readable(file.name), zipfile.ZipFile(file.path) as archive:
        names = set(archive.namelist())
        return "xl/workbook.xml" in names or "xl/workbook.bin" in names or {"mimetype", "content.xml"} <= names


def _is_tar(path: Path) -> bool:
    """Whether a file is a tar, compressed or not. ``tarfile`` takes an empty or zeroed file for one."""
    try:
        if not tarfile.is_tarfile(path):
            return False
        with tarfile.open(path, "r:*") as archive:
            return archive.next() is not None
    except DAMAGE:
        return False


def _is_wanted(name: str) -> bool:
    path = PurePosixPath(name)
    return "__MACOSX" not in path.parts and not path.name.startswith(".")


def _label(name: str) -> str:
    """A path of any kind with slashes, shortened from the front for messages."""
    return name.replace("\\", "/").strip("/")[-MAX_LABEL:]
