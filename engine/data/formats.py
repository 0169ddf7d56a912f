"""Formats of uploaded files, recognised by name and first line, and the members of zips."""

from __future__ import annotations

import codecs
import lzma
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from engine.data.zips import TooManyEntries, check_entries
from engine.errors import DiskFull, InvalidInput

MAX_UNPACKED = 4 * 2**30
"""Maximum bytes of all members of a zip: several times MovieLens 25M."""
STEP = 2**20
MAX_LINE = 2**16
MAX_LABEL = 100
MAX_MEMBERS = 10_000
MIN_FREE = 64 * 2**20
"""Bytes of disk space that an import leaves free."""
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)

RATINGS_EXPORT = ("user_id", "movie_id", "rating", "rated_at", "movie_title")
MOVIES_EXPORT = ("movie_id", "title", "year", "genres", "ratings_count")
"""First lines of Marquee's own exports, whose cells are guarded."""

USER = ("userid", "user")
MOVIE = ("movieid", "itemid", "movie", "item")
RATING = ("rating", "score", "stars")
TIME = ("timestamp", "time", "ratedat")
U_ITEM_GENRES = (
    "", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
"""The 19 genre flags in MovieLens 100K's u.item; the first means unknown."""


@dataclass(frozen=True)
class SourceFile:
    """An uploaded file: its original name, and its path."""

    name: str
    path: Path


@dataclass(frozen=True)
class Layout:
    """How to read a file: the position of each column, and the delimiter.

    ``exported``: one of Marquee's own exports; ``double_colon``: MovieLens 1M's ``::``; ``genre_flags``: first column
    of the flags in u.item.
    """

    holds: Literal["ratings", "movies"]
    columns: dict[str, int]
    width: int
    delimiter: str = ","
    header: bool = True
    encoding: str = "utf-8"
    double_colon: bool = False
    exported: bool = False
    genre_flags: int | None = None


def unpack(
    files: Sequence[SourceFile], folder: Path, limit: int = MAX_UNPACKED, check: Callable[[], None] = lambda: None
) -> list[SourceFile]:
    """Replace every zip by its members, which are written to a folder under numbers.

    Names are only labels and never become paths. Sizes are counted while writing, since those in the zip may be wrong.

    Args:
        files: the uploaded files; a zip is deleted after unpacking.
        folder: where members are written.
        limit: maximum bytes of all members together.
        check: called often; may raise to stop.

    Raises:
        InvalidInput: a zip is damaged or has too many files, or the members exceed ``limit``.
        DiskFull: the disk has no room for the members.
        OSError: a member can't be written.
    """
    found: list[SourceFile] = []
    left = limit
    for place, file in enumerate(files):
        if not zipfile.is_zipfile(file.path):
            found.append(SourceFile(_label(file.name), file.path))
            continue
        for label, pieces in _members(file, left_on(folder)):
            target = folder / f"{place}-{len(found)}.member"
            with target.open("wb") as copy:
                for piece in pieces:
                    check()
                    left -= len(piece)
                    if left < 0:
                        raise InvalidInput(f"{file.name} unpacks to more than {limit / 2**30:g} GiB.", field="files")
                    copy.write(piece)
            found.append(SourceFile(label, target))
        file.path.unlink()
    return found


def left_on(folder: Path) -> int:
    """Bytes that may be written to a folder's disk, leaving room for the store."""
    return shutil.disk_usage(folder).free - MIN_FREE


def _members(file: SourceFile, room: int) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Each member's label and content, to be read before the next one.

    Args:
        file: a zip.
        room: maximum bytes of all members together.
    """
    with file.path.open("rb") as stream:
        try:
            check_entries(stream, MAX_MEMBERS)
        except TooManyEntries as error:
            raise InvalidInput(f"{file.name} can't be imported: {error}.", field="files") from error
    with _readable(file.name), zipfile.ZipFile(file.path) as archive:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS:
            raise InvalidInput(
                f"{file.name} can't be imported: it holds more than {MAX_MEMBERS:,} files.", field="files"
            )
        unpacked = sum(member.file_size for member in members)
        if unpacked <= MAX_UNPACKED and unpacked > room:
            raise DiskFull(
                f"{file.name} unpacks to {unpacked / 2**20:,.0f} MiB, and the disk has no room for it. Free some space "
                "and import again."
            )
        for member in members:
            path = PurePosixPath(member.filename)
            if not member.is_dir() and "__MACOSX" not in path.parts and not path.name.startswith("."):
                yield _label(member.filename), _pieces(file.name, archive, member)


def _pieces(name: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    with _readable(name), archive.open(member) as source:
        while piece := source.read(STEP):
            yield piece


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Turns the many errors that a damaged zip can cause into one."""
    try:
        yield
    except DAMAGE as error:
        raise InvalidInput(f"{name} is a zip that can't be read: {error}.", field="files") from error


def _label(name: str) -> str:
    """The last part of a path of any kind, shortened for messages."""
    return PurePosixPath(name.replace("\\", "/")).name[:MAX_LABEL]


def layout_of(file: SourceFile) -> Layout | None:
    """The layout of a file; None if it has neither ratings nor movies."""
    name = file.name.lower()
    ratings = {"user": 0, "movie": 1, "rating": 2, "time": 3}
    if name == "u.data":
        return Layout("ratings", ratings, 4, "\t", header=False, encoding=encoding_of(file.path))
    if name == "u.item":
        columns = {"movie": 0, "title": 1}
        return Layout("movies", columns, 24, "|", header=False, encoding=encoding_of(file.path), genre_flags=5)
    if name == "ratings.dat":
        return Layout("ratings", ratings, 4, "\t", header=False, encoding=encoding_of(file.path), double_colon=True)
    if name == "movies.dat":  # latin-1 in MovieLens 1M, UTF-8 in 10M
        columns = {"movie": 0, "title": 1, "genres": 2}
        return Layout("movies", columns, 3, "\t", header=False, encoding=encoding_of(file.path), double_colon=True)
    return _csv_layout(file)


def _csv_layout(file: SourceFile) -> Layout | None:
    with file.path.open("rb") as stream:
        line = stream.readline(MAX_LINE)
    if b"\0" in line or not line.strip() or b"\r" in line.rstrip(b"\r\n"):
        return None
    text = line.decode(errors="replace").lstrip("\ufeff").strip()
    delimiter = max(",;\t", key=text.count)
    names = [_plain(name) for name in text.split(delimiter)]
    columns = {"user": USER, "movie": MOVIE, "rating": RATING, "time": TIME, "title": ("title",), "year": ("year",)}
    columns |= {"genres": ("genres", "genre")}
    found = {
        column: names.index(alias)
        for column, aliases in columns.items()
        for alias in reversed(aliases)
        if alias in names
    }
    exported = tuple(text.split(",")) in (RATINGS_EXPORT, MOVIES_EXPORT)
    if {"user", "movie", "rating"} <= found.keys():
        return Layout("ratings", found, len(names), delimiter, encoding=encoding_of(file.path), exported=exported)
    if {"movie", "title"} <= found.keys():
        return Layout("movies", found, len(names), delimiter, encoding=encoding_of(file.path), exported=exported)
    return None


def _plain(name: str) -> str:
    """``"User_Id "`` to ``userid``."""
    return name.strip().strip('"').lower().replace("_", "").replace(" ", "")


def encoding_of(path: Path) -> str:
    """``utf-8`` if the whole file is valid, otherwise ``latin-1``, in which every byte is."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as stream:
        try:
            while piece := stream.read(STEP):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "latin-1"
    return "utf-8"
