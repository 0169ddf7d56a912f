"""Segments of users, movies and genres that a model may serve better or worse than the rest."""

from dataclasses import dataclass

import numpy as np

from engine.data.arrays import Bools
from engine.data.ratings import Interactions
from engine.models.intervals import USER_EDGES

NEWCOMERS = "newcomers"
"""People kept out of training; ``newcomers:3`` is the segment after three ratings."""
NEW_USERS = "new_users"
PEOPLE = {
    NEW_USERS: "people with few ratings",
    "light_users": "people with some ratings",
    "heavy_users": "people with many ratings",
}
USER_SEGMENTS = tuple(PEOPLE)
MOVIES = {"head_movies": "popular movies", "tail_movies": "rare movies"}
HEAD = 0.2  # the most rated fifth of the movies
MIN_GENRE_RATINGS = 50
"""Minimum test ratings of a genre."""
MAX_GENRES = 40
"""Maximum number of genres, the most rated ones: some catalogues call every tag a genre."""


@dataclass(frozen=True)
class Segment:
    """A part of the test ratings.

    Attributes:
        rows: bool[n], its test ratings.
        users: bool[n_users], its users; None for a segment of movies.
    """

    rows: Bools
    users: Bools | None = None


def find_segments(train: Interactions, test: Interactions) -> dict[str, Segment]:
    """The segments with a test rating, by name.

    Users by number of training ratings (``new_users``, ``light_users``, ``heavy_users``), the most rated fifth of the
    movies and the others (``head_movies``, ``tail_movies``), and genres (``genre:Drama``). A rating belongs to every
    genre of its movie.
    """
    found = _by_user(train, test) | _by_popularity(train, test) | _by_genre(test)
    return {name: segment for name, segment in found.items() if segment.rows.any()}


def in_words(segment: str) -> str:
    """``light_users`` as ``people with some ratings``, ``genre:Drama`` as ``the genre Drama``."""
    start, _, genre = segment.partition(":")
    if start == NEWCOMERS:
        return f"newcomers after {genre} rating{'s' * (genre != '1')}"
    return f"the genre {genre}" if genre else (PEOPLE | MOVIES).get(start, start.replace("_", " "))


def kind_of(segment: str) -> str:
    """The kind of a segment: ``users``, ``movies``, ``genres`` or ``newcomers``."""
    if segment in USER_SEGMENTS:
        return "users"
    if segment.startswith(f"{NEWCOMERS}:"):
        return NEWCOMERS
    return "genres" if segment.startswith("genre:") else "movies"


def _by_user(train: Interactions, test: Interactions) -> dict[str, Segment]:
    group = np.digitize(train.user_counts, USER_EDGES)
    return {name: Segment((group == place)[test.users], group == place) for place, name in enumerate(USER_SEGMENTS)}


def _by_popularity(train: Interactions, test: Interactions) -> dict[str, Segment]:
    order = np.argsort(-train.movie_counts, kind="stable")
    head = np.zeros(train.n_movies, bool)
    head[order[: int(np.ceil(HEAD * train.n_movies))]] = True
    return {"head_movies": Segment(head[test.items]), "tail_movies": Segment(~head[test.items])}


def _by_genre(test: Interactions) -> dict[str, Segment]:
    of_ratings = test.movies.genres[test.items]
    counts = of_ratings.sum(axis=0)
    most_rated = np.argsort(-counts, kind="stable")[:MAX_GENRES]
    chosen = np.sort(most_rated[counts[most_rated] >= MIN_GENRE_RATINGS]).tolist()
    return {f"genre:{test.movies.genre_names[genre]}": Segment(of_ratings[:, genre]) for genre in chosen}
