"""Profiles: all that the ratings say of one movie and of one person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.data.arrays import Float32, Int32, Int64
from engine.data.catalogue import Movie
from engine.data.tallies import Tally
from engine.errors import NotReady, UnknownMovie
from engine.recommending.explanations import SimilarMovies
from engine.recommending.leave_one_out import predict_without_each
from engine.services.figures import FiguresService
from engine.services.library import LibraryService, RatedMovie
from engine.services.reach import ReachService
from engine.services.recommendations import RecommendationService
from engine.services.serving import ServingService
from engine.services.snapshots import Snapshots
from store.ratings import RatingStore
from store.records import UNKNOWN_TIME
from store.times import known_times

SIMILAR, FANS, PREDICTED = 8, 10, 40
MIN_OF_GENRE = 3
"""Ratings from which the mean of a genre is shown."""


@dataclass(frozen=True, slots=True)
class Month:
    """Ratings of a month, counted from January 1970: number and mean."""

    month: int
    ratings: int
    mean: float


@dataclass(frozen=True, slots=True)
class Fan:
    """Somebody who rated a movie high; ``rated_at`` in Unix seconds, None where unknown."""

    user_id: str
    rating: float
    rated_at: int | None


@dataclass(frozen=True, slots=True)
class Standing:
    """A movie in people's lists.

    Attributes:
        people: number of lists that were made.
        out_of: number of people with ratings.
        version: the version that made them.
        places: number of lists that have the movie at each of the first ten places.
        at: Unix seconds when they were made.
    """

    people: int
    out_of: int
    version: int
    places: tuple[int, ...]
    at: float


@dataclass(frozen=True, slots=True)
class MovieProfile:
    """All that the ratings say of a movie.

    Attributes:
        movie: title, year and genres.
        ratings: number of ratings.
        mean: None without ratings.
        rank: place by number of ratings, 1 for the most rated; None without ratings.
        movies: number of movies.
        rating_counts: number of ratings by rating.
        months: ratings over time, without undated ones.
        fans: people who rated it highest, the newest rating first among equals.
    """

    movie: Movie
    ratings: int
    mean: float | None
    rank: int | None
    movies: int
    rating_counts: dict[float, int]
    months: tuple[Month, ...]
    fans: tuple[Fan, ...]


@dataclass(frozen=True, slots=True)
class GenreTaste:
    """A person's ratings of a genre beside everybody's: number, share of all ratings, and mean.

    A film of two genres counts in both, so shares exceed 1 together.
    """

    genre: str
    ratings: int
    share: float
    mean: float
    share_of_all: float
    mean_of_all: float


@dataclass(frozen=True, slots=True)
class PredictedRating:
    """A rating, and what would have been predicted from the person's other ratings."""

    movie: Movie
    rating: float
    predicted: float


@dataclass(frozen=True, slots=True)
class PersonProfile:
    """All that is stored of a person.

    Attributes:
        user_id: the id.
        known: whether the store has it.
        ratings: newest first.
        mean: None without ratings.
        mean_of_all: everybody's mean rating; None without any.
        rating_counts: number of ratings by rating.
        months: ratings over time, without undated ones.
        genres: taste by genre, most rated first.
    """

    user_id: str
    known: bool
    ratings: tuple[RatedMovie, ...]
    mean: float | None
    mean_of_all: float | None
    rating_counts: dict[float, int]
    months: tuple[Month, ...]
    genres: tuple[GenreTaste, ...]


@dataclass(frozen=True, eq=False)
class ProfileService:
    """Reads profiles from what is in memory, with ratings that came since from the store."""

    _ratings: RatingStore
    _snapshots: Snapshots
    _figures: FiguresService
    _library: LibraryService
    _serving: ServingService
    _recommendations: RecommendationService
    _reach: ReachService
    _clock: Callable[[], float]

    def movie(self, movie_id: str) -> MovieProfile:
        """The profile of a movie.

        Raises:
            UnknownMovie: the catalogue has no such movie.
        """
        movie, figures = self._library.movie(movie_id), self._figures.current()
        key = self._ratings.movie_key(movie_id)
        if key is None:
            raise UnknownMovie(f"The catalogue has no movie {movie_id!r}.")
        users, given, times = self._ratings_of(key)
        counts = figures.tally.movie_counts
        best = np.lexsort((-times, -given))[:FANS]
        ids = self._snapshots.users()
        return MovieProfile(
            movie,
            len(given),
            float(given.mean(dtype=np.float64)) if len(given) else None,
            int((counts > len(given)).sum()) + 1 if len(given) else None,
            figures.movies.shown,
            _values(given),
            _by_month(given, times),
            tuple(
                Fan(
                    str(ids.raw(int(users[row]))),
                    float(given[row]),
                    None if times[row] == UNKNOWN_TIME else int(times[row]),
                )
                for row in best
            ),
        )

    def similar(self, movie_id: str) -> SimilarMovies | None:
        """The movies most similar to one; None before the first version, and where that does not know the movie."""
        try:
            return self._recommendations.similar(movie_id, SIMILAR)
        except (NotReady, UnknownMovie):
            return None

    def standing(self, movie_id: str) -> Standing | None:
        """The place of a movie in people's lists; None without a version, and until the lists are counted."""
        key = self._ratings.movie_key(movie_id)
        if self._serving.active_version() is None or key is None:
            return None
        reach = self._reach.current()
        if reach is None:
            return None
        places = reach.places[key] if key < len(reach.places) else np.zeros(reach.places.shape[1], np.int32)
        return Standing(reach.people, reach.out_of, reach.version, tuple(places.tolist()), reach.at)

    def person(self, user_id: str) -> PersonProfile:
        """The profile of a person; of an id that nobody has, an empty one."""
        figures = self._figures.current()
        known = self._library.knows_user(user_id)
        rated = self._library.user_ratings(user_id) if known else []
        given = np.array([one.rating for one in rated], np.float32)
        times = np.array([UNKNOWN_TIME if one.rated_at is None else one.rated_at for one in rated], np.int64)
        return PersonProfile(
            user_id,
            known,
            tuple(rated),
            float(given.mean(dtype=np.float64)) if len(given) else None,
            figures.tally.mean,
            _values(given),
            _by_month(given, times),
            self._tastes(rated),
        )

    def predicted(self, user_id: str) -> list[PredictedRating]:
        """The newest ratings of a person, and what would have been predicted without each; empty with fewer than two.

        Raises:
            NotReady: nothing is trained yet.
        """
        state = self._serving.ready()
        found = predict_without_each(state.state_of(user_id), PREDICTED)
        return [
            PredictedRating(state.movie(movie), rating, predicted)
            for movie, rating, predicted in zip(*(column.tolist() for column in found), strict=True)
        ]

    def _tastes(self, rated: list[RatedMovie]) -> tuple[GenreTaste, ...]:
        figures = self._figures.current()
        movies, tally = figures.movies, figures.tally
        counts = tally.movie_counts[: len(movies.titles)] @ movies.genres
        sums = tally.movie_sums[: len(movies.titles)] @ movies.genres
        found = []
        for place, genre in enumerate(movies.genre_names):
            mine = [one.rating for one in rated if genre in one.movie.genres]
            if len(mine) >= MIN_OF_GENRE and counts[place]:
                shares = len(mine) / len(rated), float(counts[place]) / tally.ratings
                means = sum(mine) / len(mine), float(sums[place] / counts[place])
                found.append(GenreTaste(genre, len(mine), shares[0], means[0], shares[1], means[1]))
        return tuple(sorted(found, key=lambda one: (-one.ratings, one.genre)))

    def _ratings_of(self, movie: int) -> tuple[Int32, Float32, Int64]:
        """int32[n] users, float32[n] ratings and int64[n] times of a movie as they are now."""
        snapshot = self._snapshots.latest()
        data = snapshot.data
        later = self._ratings.ratings_of_movie(movie, snapshot.revision)
        changed = self._ratings.users_changed_since(snapshot.revision)
        rows = data.by_movie.of(movie)
        rows = rows[~np.isin(data.users[rows], changed)]
        times = np.full(len(rows), UNKNOWN_TIME) if data.timestamps is None else data.timestamps[rows]
        return (
            np.append(data.users[rows], later.users),
            np.append(data.ratings[rows], later.ratings),
            np.append(times, known_times(later.rated_at, self._clock())),
        )


def _values(given: Float32) -> dict[float, int]:
    nobody = np.zeros(len(given), np.int32)
    return Tally.of(nobody, nobody, given, None, 1, 1).values


def _by_month(given: Float32, times: Int64) -> tuple[Month, ...]:
    known = times >= 0
    if not known.any():
        return ()
    month = times[known].astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    first = int(month.min())
    counts = np.bincount(month - first)
    sums = np.bincount(month - first, given[known].astype(np.float64))
    return tuple(
        Month(first + int(place), int(counts[place]), float(sums[place] / counts[place]))
        for place in np.flatnonzero(counts)
    )
