"""How often each movie is in people's lists, and at which place."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from engine.data.arrays import Int32, Int64
from engine.recommending.state import ServingState

LISTED = 10


@dataclass(frozen=True)
class Reach:
    """The first places of people's lists.

    Attributes:
        version: the version that made the lists.
        people: number of lists.
        out_of: number of people with ratings; beyond ``people`` the lists are those of a random sample.
        places: int32[n_movies, 10], number of lists that have the movie at this place.
        at: Unix seconds when the lists were made.
    """

    version: int
    people: int
    out_of: int
    places: Int32
    at: float

    @property
    def counts(self) -> Int64:
        """int64[n_movies]: number of lists that have the movie among the first ten."""
        return np.asarray(self.places.sum(axis=1, dtype=np.int64))


def count_places(state: ServingState, users: Iterable[int], pause: Callable[[], object]) -> Int32:
    """int32[n_movies, 10]: in how many of these people's lists a movie has each of the first places.

    Args:
        state: makes the lists.
        users: keys of people.
        pause: called before each list; an error that it raises ends the count.
    """
    places = np.zeros((state.data.n_movies, LISTED), np.int32)
    for key in users:
        pause()
        movies = state.first_places(key, LISTED)
        places[movies, np.arange(len(movies))] += 1
    return places


def some_people(state: ServingState, limit: int) -> tuple[Int64, int]:
    """int64[k]: keys of up to ``limit`` people with ratings, drawn at random but always the same; and of how many."""
    rated = np.flatnonzero(state.data.user_counts)
    if len(rated) <= limit:
        return rated, len(rated)
    return np.sort(np.random.default_rng(0).choice(rated, limit, replace=False)), len(rated)
