"""Rows of files as columns of values: what is sound goes on, what is not is set aside with its line and a reason."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
from numpy.typing import NDArray

from engine.dataset.files import U_ITEM_GENRES, Layout, SourceFile
from engine.dataset.interactions import split_genres
from engine.errors import InvalidInput
from engine.types import Movie, RejectedRow

BLOCK_BYTES = 16 * 2**20  # about 600,000 ratings
LONGEST_ID = 200
KEPT_REJECTIONS = 100
UNKNOWN_TIME = -1
LATEST_TIME = 2**40  # seconds; beyond it a column holds something else

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
YEAR_IN_TITLE = re.compile(r"^(?P<title>.*\S)\s*\((?P<year>\d{4})(?:[-–]\d{0,4})?\)\s*$")


@dataclass
class Rejections:
    """Rows set aside: all are counted, the first 100 are kept."""

    count: int = 0
    rows: list[RejectedRow] = field(default_factory=list)

    def add(self, file: str, line: int, reason: str) -> None:
        """Set a row aside; ``line`` counts from 1."""
        self.count += 1
        if len(self.rows) < KEPT_REJECTIONS:
            self.rows.append(RejectedRow(file, line, reason))


@dataclass(frozen=True)
class RatingBlock:
    """Sound ratings of a part of a file: ids once each, and rows that refer to them by position.

    Attributes:
        user_ids, movie_ids: distinct ids.
        users, movies: int32[n], positions in them.
        ratings: float32[n].
        times: int64[n] Unix seconds, -1 where unknown.
        done: the part of the file that has been read, 0..1.
    """

    user_ids: list[str]
    movie_ids: list[str]
    users: NDArray[np.int32]
    movies: NDArray[np.int32]
    ratings: NDArray[np.float32]
    times: NDArray[np.int64]
    done: float


def read_ratings(
    file: SourceFile, layout: Layout, scale: tuple[float, float], rejections: Rejections
) -> Iterator[RatingBlock]:
    """The sound ratings of a file, block by block; of two rows in a block for the same pair the last counts."""
    size = max(file.path.stat().st_size, 1)
    for table, lines, position in _blocks(file, layout, rejections):
        yield _rating_block(file.name, layout, table, lines, scale, rejections, min(position / size, 1.0))


def read_movies(file: SourceFile, layout: Layout, rejections: Rejections) -> list[Movie]:
    """The movies of a file; a year at the end of a title, ``Heat (1995)``, becomes the year."""
    movies: dict[str, Movie] = {}
    for table, lines, _ in _blocks(file, layout, rejections):
        columns = {name: table.column(place).to_pylist() for name, place in layout.columns.items()}
        genres = columns.get("genres") or _flagged_genres(table, layout)
        years = columns.get("year") or [""] * len(table)
        for line, raw, title, genre, year in zip(lines, columns["movie"], columns["title"], genres, years, strict=True):
            movie_id = raw.strip()
            problem = id_problem(movie_id, "movie id")
            if problem is not None:
                rejections.add(file.name, int(line), problem)
                continue
            movies[movie_id] = make_movie(movie_id, title, year, genre)
    return list(movies.values())


def make_movie(movie_id: str, title: str | None, year: Any, genres: Any) -> Movie:
    """A movie from text as people write it; one without a title is called by its id."""
    name = CONTROL.sub(" ", title or "").strip()
    found = YEAR_IN_TITLE.match(name)
    if found:
        name, year = found["title"], year or found["year"]
    return Movie(movie_id, name or f"Movie {movie_id}", _year(year), split_genres(genres))


def _year(value: Any) -> int | None:
    """A year between 1800 and 2200 from text or a number, None where it is something else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return int(number) if 1800 <= number <= 2200 else None


def id_problem(text: str, noun: str) -> str | None:
    """What is wrong with an id, None where nothing is."""
    if not text:
        return f"The {noun} is empty."
    if len(text) > LONGEST_ID:
        return f"The {noun} is longer than {LONGEST_ID} characters."
    if CONTROL.search(text):
        return f"The {noun} contains a control character."
    return None


def _flagged_genres(table: pa.Table, layout: Layout) -> list[str]:
    """u.item's flags as ``Drama|War``; nothing where the layout has none."""
    if layout.genre_flags is None:
        return [""] * len(table)
    flags = [table.column(layout.genre_flags + place).to_pylist() for place in range(len(U_ITEM_GENRES))]
    return [
        "|".join(name for name, flag in zip(U_ITEM_GENRES, row, strict=True) if name and flag == "1")
        for row in zip(*flags, strict=True)
    ]


def _blocks(
    file: SourceFile, layout: Layout, rejections: Rejections
) -> Iterator[tuple[pa.Table, NDArray[np.int64], int]]:
    """Tables of text, the line of each row, and how many bytes have been read."""
    bad: list[int] = []

    def set_aside(row: Any) -> str:
        bad.append(row.number)
        text = f"There are {row.actual_columns} columns where there should be {row.expected_columns}."
        rejections.add(file.name, row.number, text)
        return "skip"

    names = [str(place) for place in range(layout.width)]
    with file.path.open("rb") as raw:
        stream = _Colons(raw) if layout.double_colon else raw
        try:
            reader = csv.open_csv(
                stream,
                csv.ReadOptions(
                    use_threads=False,
                    block_size=BLOCK_BYTES,
                    column_names=names,
                    skip_rows=int(layout.header),
                    encoding=layout.encoding,
                ),
                csv.ParseOptions(
                    delimiter=layout.delimiter,
                    quote_char='"' if layout.header else False,
                    invalid_row_handler=set_aside,
                    ignore_empty_lines=False,
                ),
                csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    strings_can_be_null=False,
                    quoted_strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid as error:
            if "Empty CSV" in str(error):
                return
            raise InvalidInput(f"{file.name} can't be read: {error}.", field="files") from error
        line = 1 + int(layout.header)
        try:
            for batch in reader:
                lines, line = _lines(line, len(batch), bad)
                yield pa.Table.from_batches([batch]), lines, raw.tell()
        except pa.ArrowInvalid as error:
            raise InvalidInput(f"{file.name} can't be read from line {line} on: {error}.", field="files") from error


def _lines(first: int, count: int, bad: list[int]) -> tuple[NDArray[np.int64], int]:
    """The lines of the next rows, those set aside being left out, and the line after them."""
    skipped = np.array(sorted(number for number in bad if number >= first), np.int64)
    lines = np.arange(first, first + count + len(skipped))
    lines = lines[~np.isin(lines, skipped)][:count]
    return lines, int(lines[-1]) + 1 if count else first


class _Colons(io.RawIOBase):
    """Turns the ``::`` between columns into tabs on the way."""

    def __init__(self, raw: io.BufferedReader) -> None:
        super().__init__()
        self._raw = raw

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """A piece that never ends between two colons."""
        piece = self._raw.read(size)
        while piece.endswith(b":") and (more := self._raw.read(1)):
            piece += more
        return piece.replace(b"\t", b" ").replace(b"::", b"\t")


def _rating_block(
    name: str,
    layout: Layout,
    table: pa.Table,
    lines: NDArray[np.int64],
    scale: tuple[float, float],
    rejections: Rejections,
    done: float,
) -> RatingBlock:
    low, high = scale
    users, user_ids = _encode(table.column(layout.columns["user"]))
    movies, movie_ids = _encode(table.column(layout.columns["movie"]))
    ratings = _numbers(table.column(layout.columns["rating"]))
    times = np.full(len(table), float(UNKNOWN_TIME))
    if "time" in layout.columns:
        times = _times(table.column(layout.columns["time"]))
    wrong = np.zeros(len(table), bool)

    def reject(rows: NDArray[np.bool_], reason: str) -> None:
        for row in np.flatnonzero(rows & ~wrong):
            rejections.add(name, int(lines[row]), reason)
        wrong[rows] = True

    for codes, ids, noun in ((users, user_ids, "user id"), (movies, movie_ids, "movie id")):
        problems = {place: problem for place, text in enumerate(ids) if (problem := id_problem(text, noun))}
        for place, problem in problems.items():
            reject(codes == place, problem)
    reject(np.isnan(ratings), "The rating is not a number.")
    reject(~((ratings >= low) & (ratings <= high)), f"The rating is outside the scale from {low:g} to {high:g}.")
    reject(np.isnan(times), "The time is not in seconds since 1970.")
    pairs = users.astype(np.int64) * max(len(movie_ids), 1) + movies
    later = pd.Series(np.where(wrong, -1 - np.arange(len(pairs)), pairs)).duplicated(keep="last").to_numpy()
    reject(later, "A later line rates the same movie for the same user.")
    kept = ~wrong
    return RatingBlock(
        user_ids,
        movie_ids,
        users[kept],
        movies[kept],
        ratings[kept].astype(np.float32),
        times[kept].astype(np.int64),
        done,
    )


def _encode(column: pa.ChunkedArray) -> tuple[NDArray[np.int32], list[str]]:
    """Each row's position in the distinct trimmed texts, and these."""
    encoded = pc.utf8_trim_whitespace(column).combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int32), encoded.dictionary.to_pylist()


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """float64[n], NaN where the text is no finite number."""
    try:
        values = pc.utf8_trim_whitespace(column).cast(pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        values = pd.to_numeric(column.to_pandas(), errors="coerce").to_numpy(np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _times(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """float64[n]: whole seconds, -1 where the text is empty, NaN where it is something else."""
    empty = pc.equal(pc.utf8_trim_whitespace(column), "").to_numpy()
    values = _numbers(column)
    sound = (values >= 0) & (values < LATEST_TIME)
    return np.where(empty, UNKNOWN_TIME, np.where(sound, np.floor(values), np.nan))
