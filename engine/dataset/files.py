"""Files that people bring: what they are, told by their name and first line, and what is inside a zip."""

from __future__ import annotations

import codecs
import shutil
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal

from engine.errors import InvalidInput

MOST_UNPACKED = 4 * 2**30
"""Bytes that the members of a zip may come to: several times MovieLens 25M."""
STEP = 2**20
LONGEST_LINE = 2**16

USER = ("userid", "user")
MOVIE = ("movieid", "itemid", "movie", "item")
RATING = ("rating", "score", "stars")
TIME = ("timestamp", "time", "ratedat")
U_ITEM_GENRES = (
    "", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
"""The 19 flags of MovieLens 100K's u.item; the first one means unknown."""


@dataclass(frozen=True)
class SourceFile:
    """A file under the name its owner gave it, and where it lies now."""

    name: str
    path: Path


@dataclass(frozen=True)
class Layout:
    """How to read a file: which column is what (by position), and how columns are told apart.

    ``double_colon`` stands for the ``::`` of MovieLens 1M; ``genre_flags`` is where u.item's flags begin.
    """

    holds: Literal["ratings", "movies"]
    columns: dict[str, int]
    width: int
    delimiter: str = ","
    header: bool = True
    encoding: str = "utf-8"
    double_colon: bool = False
    genre_flags: int | None = None


def unpack(files: Sequence[tuple[str, BinaryIO]], folder: Path, limit: int = MOST_UNPACKED) -> list[SourceFile]:
    """Copy files into a folder of ours under numbers; a zip is replaced by its members.

    Names are labels only: none becomes a path. Sizes are counted while they are written, not believed.

    Raises:
        InvalidInput: a zip is damaged, or comes to more than ``limit`` bytes.
    """
    found: list[SourceFile] = []
    for name, stream in files:
        path = folder / f"{len(found)}.upload"
        with path.open("wb") as target:
            shutil.copyfileobj(stream, target, STEP)
        if zipfile.is_zipfile(path):
            found.extend(_members(name, path, folder, limit))
        else:
            found.append(SourceFile(PurePosixPath(name.replace("\\", "/")).name, path))
    return found


def _members(name: str, path: Path, folder: Path, limit: int) -> list[SourceFile]:
    found, left = [], limit
    try:
        with zipfile.ZipFile(path) as archive:
            for place, member in enumerate(archive.infolist()):
                label = PurePosixPath(member.filename)
                if member.is_dir() or "__MACOSX" in label.parts or label.name.startswith("."):
                    continue
                target = folder / f"{path.stem}-{place}.member"
                with archive.open(member) as source, target.open("wb") as copy:
                    while piece := source.read(STEP):
                        left -= len(piece)
                        if left < 0:
                            raise InvalidInput(f"{name} unpacks to more than {limit / 2**30:g} GiB.", field="files")
                        copy.write(piece)
                found.append(SourceFile(label.name, target))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InvalidInput(f"{name} is a zip that can't be read: {error}.", field="files") from error
    finally:
        path.unlink()
    return found


def layout_of(file: SourceFile) -> Layout | None:
    """How to read a file; None for one that holds neither ratings nor movies."""
    name = file.name.lower()
    if name == "u.data":
        columns = {"user": 0, "movie": 1, "rating": 2, "time": 3}
        return Layout("ratings", columns, 4, delimiter="\t", header=False, encoding="latin-1")
    if name == "u.item":
        columns = {"movie": 0, "title": 1}
        return Layout("movies", columns, 24, delimiter="|", header=False, encoding="latin-1", genre_flags=5)
    if name == "ratings.dat":
        columns = {"user": 0, "movie": 1, "rating": 2, "time": 3}
        return Layout("ratings", columns, 4, "\t", header=False, encoding="latin-1", double_colon=True)
    if name == "movies.dat":
        columns = {"movie": 0, "title": 1, "genres": 2}
        return Layout("movies", columns, 3, "\t", header=False, encoding="latin-1", double_colon=True)
    return _csv_layout(file)


def _csv_layout(file: SourceFile) -> Layout | None:
    with file.path.open("rb") as stream:
        line = stream.readline(LONGEST_LINE)
    if b"\0" in line or not line.strip():
        return None
    encoding = encoding_of(file.path)
    text = line.decode(encoding).lstrip("\ufeff").strip()
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
    if {"user", "movie", "rating"} <= found.keys():
        return Layout("ratings", found, len(names), delimiter, encoding=encoding)
    if {"movie", "title"} <= found.keys():
        return Layout("movies", found, len(names), delimiter, encoding=encoding)
    return None


def _plain(name: str) -> str:
    """``"User_Id "`` to ``userid``."""
    return name.strip().strip('"').lower().replace("_", "").replace(" ", "")


def encoding_of(path: Path) -> str:
    """``utf-8`` where the whole file is, otherwise ``latin-1``, in which every byte means something."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as stream:
        try:
            while piece := stream.read(STEP):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "latin-1"
    return "utf-8"
