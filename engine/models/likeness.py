"""How alike movies are by what is known of them before anybody rates: genres and years."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.ratings import Float32, Int32, MovieTable

YEARS_APART = 10.0  # at so many years two movies are alike to 1/e
ROWS_AT_ONCE = 1024  # bounds the memory beside the matrix


def likeness(table: MovieTable, some: NDArray[Any], others: NDArray[Any], genre: float, year: float) -> Float32:
    """float32[m, n]: ``genre * cosine of the genres + year * exp(-(years apart / 10) ** 2)``.

    A movie without genres or year is like no other in that part.

    Args:
        table: of the whole catalogue.
        some: int[m], indices of movies.
        others: int[n], indices of movies.
        genre: weight of the genres.
        year: weight of the years.
    """
    found = np.zeros((len(some), len(others)), np.float32)
    if genre:
        found += np.float32(genre) * (_unit_genres(table, some) @ _unit_genres(table, others).T)
    if year:
        mine, theirs = (table.years[movies].astype(np.float32) / np.float32(YEARS_APART) for movies in (some, others))
        alike = np.exp(-((mine[:, None] - theirs) ** 2))
        found += np.float32(year) * np.nan_to_num(alike, copy=False)  # NaN where a year is unknown
    return found


def add_likeness(gram: Float32, table: MovieTable, movies: Int32, genre: float, year: float) -> None:
    """Add the likeness of each two of these movies to float32[m, m], in place.

    Both of its parts are positive semi-definite, so the matrix stays invertible.
    """
    if not genre and not year:
        return
    for start in range(0, len(movies), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        gram[rows] += likeness(table, movies[rows], movies, genre, year)


def _unit_genres(table: MovieTable, movies: NDArray[Any]) -> Float32:
    genres: Float32 = table.genres[movies].astype(np.float32)
    genres /= np.maximum(np.sqrt(genres.sum(1, keepdims=True)), 1)
    return genres
