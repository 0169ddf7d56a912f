"""The store's ratings as training arrays: keys are indices, so nothing has to be mapped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.dataset.interactions import IdIndex, Interactions, MovieTable
from store.ratings import RatingStore
from store.records import UNKNOWN_TIME


@dataclass(frozen=True)
class DataSnapshot:
    """All ratings at one revision of the store."""

    data: Interactions
    revision: int


def load_snapshot(ratings: RatingStore, scale: tuple[float, float]) -> DataSnapshot:
    """Read everything. Users and movies are read after the ratings: both only grow, so every key is covered."""
    loaded = ratings.load()
    movies = ratings.movies()
    table = MovieTable.build(
        [movie.title for movie in movies],
        [movie.year for movie in movies],
        ["|".join(movie.genres) for movie in movies],
    )
    known = loaded.rated_at != UNKNOWN_TIME
    data = Interactions(
        loaded.users,
        loaded.movies,
        loaded.ratings,
        loaded.rated_at if known.any() else None,
        IdIndex(pd.Index(np.array(ratings.user_ids(), dtype=object))),
        IdIndex(pd.Index(np.array([movie.external_id for movie in movies], dtype=object))),
        table,
        scale,
    )
    return DataSnapshot(data, loaded.revision)
