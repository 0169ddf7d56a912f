"""Rows of files as columns of values; invalid rows are rejected with their line and a reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.data.catalogue import Movie, split_genres
from engine.data.cells import unguarded
from engine.data.formats import U_ITEM_GENRES, Layout, SourceFile
from engine.data.identifiers import composed
from engine.data.rows import Part, Rejections, read_parts

MAX_ID_LENGTH = 200
UNKNOWN_TIME = -1
MAX_TIME = 2**32 - 1  # the year 2106; larger values are not seconds, but milliseconds perhaps

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
YEAR_IN_TITLE = re.compile(r"^(?P<title>.*\S)\s*\((?P<year>\d{4})(?:[-–]\d{0,4})?\)\s*$")


@dataclass(frozen=True)
class RatingBlock:
    """Valid ratings of a part of a file: distinct ids, and rows that refer to them by position.

    Attributes:
        user_ids, movie_ids: distinct ids.
        users, movies: int32[n], positions in them.
        ratings: float32[n].
        times: int64[n] Unix seconds, -1 where unknown.
        done: share of the file that has been read, 0..1.
    """

    user_ids: list[str]
    movie_ids: list[str]
    users: NDArray[np.int32]
    movies: NDArray[np.int32]
    ratings: NDArray[np.float32]
    times: NDArray[np.int64]
    done: float


def read_ratings(
    file: SourceFile, layout: Layout, scale: tuple[float, float], rejections: Rejections, latest: int = MAX_TIME
) -> Iterator[RatingBlock]:
    """The valid ratings of a file, block by block.

    Of several rows for the same pair the newest counts, and of equally new ones the last. Stored ratings are replaced
    by the same rule, so the result does not depend on block boundaries.

    Args:
        file: a file of ratings.
        layout: its layout.
        scale: the lowest and highest rating.
        rejections: collects the invalid rows.
        latest: maximum Unix time of a rating.
    """
    for part in read_parts(file, layout, rejections):
        yield _rating_block(file.name, layout, part, scale, rejections, latest)


def read_movies(file: SourceFile, layout: Layout, rejections: Rejections) -> list[Movie]:
    """The movies of a file; a year at the end of a title, ``Heat (1995)``, becomes the year."""
    movies: dict[str, Movie] = {}
    for part in read_parts(file, layout, rejections):
        columns = {name: part.column(place).to_pylist() for name, place in layout.columns.items()}
        genres = columns.get("genres") or _flagged_genres(part, layout)
        years = columns.get("year") or [""] * len(part.lines)
        rows = zip(part.lines, columns["movie"], columns["title"], genres, years, strict=True)
        for line, raw, title, genre, year in rows:
            movie_id = composed(_text(raw, layout).strip())
            problem = id_problem(movie_id, "movie id")
            if problem is not None:
                rejections.add(file.name, int(line), problem)
                continue
            if layout.exported:  # a year that the title ends with belongs to it
                name, genre = _text(title, layout), _text(genre, layout)
                movies[movie_id] = Movie(movie_id, name, _year(year), split_genres(genre))
            else:
                movies[movie_id] = make_movie(movie_id, title, year, genre)
    return list(movies.values())


def _text(cell: str, layout: Layout) -> str:
    """The text of a cell, without the guard of an export."""
    return unguarded(cell) if layout.exported else cell


def make_movie(movie_id: str, title: str | None, year: Any, genres: Any) -> Movie:
    """A movie from free text; without a title it is named by its id."""
    name = CONTROL.sub(" ", title or "").strip()
    found = YEAR_IN_TITLE.match(name)
    if found:
        name, year = found["title"], year or found["year"]
    return Movie(movie_id, name or f"Movie {movie_id}", _year(year), split_genres(genres))


def _year(value: Any) -> int | None:
    """A year between 1800 and 2200 from text or a number; None for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return int(number) if 1800 <= number <= 2200 else None


def id_problem(text: str, noun: str) -> str | None:
    """What is wrong with an id; None if it is valid."""
    if not text:
        return f"The {noun} is empty."
    if len(text) > MAX_ID_LENGTH:
        return f"The {noun} is longer than {MAX_ID_LENGTH} characters."
    if CONTROL.search(text):
        return f"The {noun} contains a control character."
    return None


def _flagged_genres(part: Part, layout: Layout) -> list[str]:
    """u.item's flags as ``Drama|War``; empty texts if the layout has none."""
    if layout.genre_flags is None:
        return [""] * len(part.lines)
    flags = [part.column(layout.genre_flags + place).to_pylist() for place in range(len(U_ITEM_GENRES))]
    return [
        "|".join(name for name, flag in zip(U_ITEM_GENRES, row, strict=True) if name and flag == "1")
        for row in zip(*flags, strict=True)
    ]


def _rating_block(
    name: str, layout: Layout, part: Part, scale: tuple[float, float], rejections: Rejections, latest: int
) -> RatingBlock:
    low, high = scale
    users, user_ids = _encode(part.column(layout.columns["user"]))
    movies, movie_ids = _encode(part.column(layout.columns["movie"]))
    user_ids, movie_ids = ([_text(one, layout) for one in ids] for ids in (user_ids, movie_ids))
    ratings = _numbers(part.column(layout.columns["rating"]))
    times = np.full(len(part.lines), float(UNKNOWN_TIME))
    if "time" in layout.columns:
        times = _times(part.column(layout.columns["time"]))
    wrong = np.zeros(len(part.lines), bool)

    def reject(rows: NDArray[np.bool_], reason: str) -> None:
        for row in np.flatnonzero(rows & ~wrong):
            rejections.add(name, int(part.lines[row]), reason)
        wrong[rows] = True

    for codes, ids, noun in ((users, user_ids, "user id"), (movies, movie_ids, "movie id")):
        problems = {place: problem for place, text in enumerate(ids) if (problem := id_problem(text, noun))}
        for place, problem in problems.items():
            reject(codes == place, problem)
    reject(np.isnan(ratings), "The rating is not a number.")
    reject(~((ratings >= low) & (ratings <= high)), f"The rating is outside the scale from {low:g} to {high:g}.")
    reject(np.isnan(times), "The time is neither in seconds since 1970 nor a date such as 2005-04-02 23:53:47.")
    reject(times > latest, "The time is after tomorrow, by this computer's clock.")
    pairs = users.astype(np.int64) * max(len(movie_ids), 1) + movies
    earlier, later = _replaced(pairs, times, ~wrong)
    reject(later, "An earlier line holds a newer rating of the same movie by the same user.")
    reject(earlier, "A later line rates the same movie for the same user.")
    kept = ~wrong
    return RatingBlock(
        user_ids,
        movie_ids,
        users[kept],
        movies[kept],
        ratings[kept].astype(np.float32),
        times[kept].astype(np.int64),
        part.done,
    )


def _replaced(
    pairs: NDArray[np.int64], times: NDArray[np.float64], sound: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Two masks: valid rows replaced by a later row of the same pair, and by an earlier one."""
    earlier, later = np.zeros(len(pairs), bool), np.zeros(len(pairs), bool)
    rows = np.flatnonzero(sound)
    rows = rows[pd.Series(pairs[rows]).duplicated(keep=False).to_numpy()]
    rows = rows[np.lexsort((times[rows], pairs[rows]))]
    ends = np.flatnonzero(np.append(np.diff(pairs[rows]) != 0, True)) if len(rows) else rows
    winners = np.repeat(rows[ends], np.diff(ends, prepend=-1))
    earlier[rows[rows < winners]] = True
    later[rows[rows > winners]] = True
    return earlier, later


def _encode(column: pa.ChunkedArray) -> tuple[NDArray[np.int32], list[str]]:
    """Each row's position in the distinct ids, and these, trimmed and composed (NFC)."""
    trimmed = pc.utf8_normalize(pc.utf8_trim_whitespace(column), form="NFC")
    encoded = trimmed.combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int32), encoded.dictionary.to_pylist()


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """float64[n], NaN where the text is not a finite number."""
    try:
        values = pc.utf8_trim_whitespace(column).cast(pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        values = pd.to_numeric(column.to_pandas(), errors="coerce").to_numpy(np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _times(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """float64[n]: whole seconds, -1 for empty text, NaN for invalid text. Dates without a zone are UTC.

    The caller, who knows the time, checks for times in the future.
    """
    empty = pc.equal(pc.utf8_trim_whitespace(column), "").to_numpy()
    values = _numbers(column)
    worded = np.isnan(values) & ~empty
    if worded.any():
        values[worded] = _seconds(column.filter(pa.array(worded)))
    return np.where(empty, UNKNOWN_TIME, np.where(values >= 0, np.floor(values), np.nan))


def _seconds(column: pa.ChunkedArray) -> NDArray[np.float64]:
    dates = pd.to_datetime(column.to_pandas(), format="ISO8601", utc=True, errors="coerce")
    moments = dates.dt.tz_localize(None).to_numpy("datetime64[us]")  # nanoseconds end in the year 2262
    return np.where(np.isnat(moments), np.nan, moments.astype(np.int64) / 1e6)
