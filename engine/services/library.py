"""The catalogue and its ratings: statistics, search, one user's ratings, and everything as CSV."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.data.catalogue import Movie
from engine.data.identifiers import composed, id_problem
from engine.data.scale import STARS, RatingScale
from engine.errors import UnknownMovie, UnknownUser
from engine.services.figures import Figures, FiguresService
from engine.services.scale import StoreScale
from engine.services.snapshots import Snapshots
from store.ratings import RatingStore
from store.records import UNKNOWN_TIME, Counts


@dataclass(frozen=True, slots=True)
class UserSummary:
    """A user as found by search; the mean is None without ratings."""

    user_id: str
    ratings_count: int
    mean_rating: float | None


@dataclass(frozen=True, slots=True)
class RatedMovie:
    """A past rating of one user; ``rated_at`` in Unix seconds, None where unknown."""

    movie: Movie
    rating: float
    rated_at: int | None


@dataclass(frozen=True, slots=True)
class DataStatistics:
    """Counts of what the store holds; ``genres`` maps a genre to its number of movies, ``scale`` is that of ratings."""

    users: int
    movies: int
    ratings: int
    density: float
    mean_rating: float | None
    first_rated_at: int | None
    last_rated_at: int | None
    rating_counts: dict[float, int]
    genres: dict[str, int]
    scale: RatingScale = STARS


NO_DATA = DataStatistics(0, 0, 0, 0.0, None, None, None, {}, {})


class LibraryService:
    """Reads what is stored.

    Args:
        ratings: the store.
        snapshots: all ratings as last read.
        scale: of the ratings.
        figures: what the ratings add up to.
    """

    def __init__(self, ratings: RatingStore, snapshots: Snapshots, scale: StoreScale, figures: FiguresService) -> None:
        self._ratings = ratings
        self._scale = scale
        self._snapshots = snapshots
        self._figures = figures

    def statistics(self, *, fresh: bool = True) -> DataStatistics:
        """Counts and distributions of what is stored.

        Args:
            fresh: read changes first; otherwise the last result is returned at no cost.
        """
        known = self._figures.current() if fresh else self._figures.known()
        return replace(NO_DATA if known is None else _statistics(known), scale=self._scale.current)

    def counts(self) -> Counts:
        """How many users, movies and ratings are stored; cheaper than ``statistics``."""
        return self._ratings.counts()

    def genres(self) -> list[str]:
        """The genres of the catalogue in alphabetical order; cheaper than ``statistics``."""
        return list(self._snapshots.movies()[1].genre_names)

    def search_users(self, text: str = "", limit: int = 20) -> list[UserSummary]:
        """Users whose id begins with a text, the exact id first, then in order of ids.

        Without a text those with the most ratings.
        """
        wanted = composed(text.strip())
        if limit < 1 or (wanted and id_problem(wanted, "id")):
            return []
        if wanted:
            return [UserSummary(one.user_id, one.ratings, one.mean) for one in self._ratings.users_like(wanted, limit)]
        figures = self._figures.current()
        counts, means, ids = figures.tally.user_counts, figures.tally.user_means, self._snapshots.users()
        return [
            UserSummary(str(ids.raw(key)), int(counts[key]), float(means[key]))
            for key in np.argsort(-counts, kind="stable")[:limit].tolist()
            if counts[key]
        ]

    def knows_user(self, user_id: str) -> bool:
        """Whether there is a user with this id."""
        return self._ratings.user_key(user_id) is not None

    def movie(self, movie_id: str) -> Movie:
        """One movie.

        Raises:
            UnknownMovie: the catalogue has no such movie.
        """
        ids, movies = self._snapshots.movies()
        key = ids.index(movie_id)
        if key < 0 or movies.removed[key]:
            raise UnknownMovie(f"The catalogue has no movie {movie_id!r}.")
        return movies.movie(key, movie_id)

    def sites(self, movie_id: str) -> dict[str, str]:
        """A movie's ids elsewhere, by site (imdb, tmdb, trakt, letterboxd); empty for an unknown movie."""
        return self._ratings.sites_of(movie_id)

    def user_ratings(self, user_id: str) -> list[RatedMovie]:
        """The ratings of a user, newest first.

        Raises:
            UnknownUser: there is no such user.
        """
        key = self._ratings.user_key(user_id)
        if key is None:
            raise UnknownUser(f"Nobody with the id {user_id!r} has ratings.")
        rated, (ids, movies) = self._snapshots.user_ratings(key), self._snapshots.movies()
        return [
            RatedMovie(
                movies.movie(movie, str(ids.raw(movie))),
                float(rated.ratings[place]),
                None if rated.rated_at[place] == UNKNOWN_TIME else int(rated.rated_at[place]),
            )
            for place in np.argsort(-rated.rated_at, kind="stable")
            if (movie := int(rated.movies[place])) < len(ids)
        ]

    def rating(self, user_id: str, movie_id: str) -> float | None:
        """What a user gave a movie; None without a rating."""
        user, movie = self._ratings.user_key(user_id), self._ratings.movie_key(movie_id)
        if user is None or movie is None:
            return None
        rated = self._snapshots.user_ratings(user)
        found = rated.ratings[rated.movies == movie]
        return float(found[0]) if len(found) else None

    def mark(self, user_id: str) -> tuple[bytes, bytes]:
        """Movies and ratings of a user, empty for an unknown id: two marks differ if a rating changed in between."""
        user = self._ratings.user_key(user_id)
        if user is None:
            return b"", b""
        rated = self._snapshots.user_ratings(user)
        return rated.movies.tobytes(), rated.ratings.tobytes()


def _statistics(figures: Figures) -> DataStatistics:
    """Counts and spread of the ratings."""
    tally, movies = figures.tally, figures.movies
    users = int((tally.user_counts > 0).sum())
    return DataStatistics(
        users=users,
        movies=movies.shown,
        ratings=tally.ratings,
        density=tally.ratings / (users * movies.shown) if tally.ratings else 0.0,
        mean_rating=tally.mean,
        first_rated_at=figures.first,
        last_rated_at=figures.last,
        rating_counts=dict(tally.values),
        genres=dict(zip(movies.genre_names, movies.genres.sum(0).tolist(), strict=True)),
    )
