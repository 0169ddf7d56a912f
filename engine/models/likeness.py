"""How alike movies are by what is known of them before anybody rates: genres and years."""

from __future__ import annotations

import numpy as np

from engine.dataset.interactions import Float32, Int32, MovieTable

YEARS_APART = 10.0  # at so many years two movies are alike to 1/e
ROWS_AT_ONCE = 1024  # bounds the memory beside the matrix


def add_likeness(gram: Float32, table: MovieTable, movies: Int32, genre: float, year: float) -> None:
    """Add the likeness of each two movies to a matrix, in place.

    The likeness is ``genre * cosine of the genres + year * exp(-(years apart / 10) ** 2)``; both parts are positive
    semi-definite, so the matrix stays invertible. A movie without genres or year is like no other in that part.

    Args:
        gram: float32[m, m].
        table: of the whole catalogue.
        movies: int32[m], the movie of each row and column.
        genre: weight of the genres.
        year: weight of the years.
    """
    genres = table.genres[movies].astype(np.float32)
    genres /= np.maximum(np.sqrt(genres.sum(1, keepdims=True)), 1)
    years = table.years[movies].astype(np.float32) / np.float32(YEARS_APART)
    for start in range(0, len(movies), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        if genre:
            gram[rows] += np.float32(genre) * (genres[rows] @ genres.T)
        if year:
            alike = np.exp(-((years[rows, None] - years) ** 2))
            gram[rows] += np.float32(year) * np.nan_to_num(alike, copy=False)  # NaN where a year is unknown
