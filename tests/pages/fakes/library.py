"""The fake library: ratings and users."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.data.catalogue import Movie
from engine.data.scale import STARS, RatingScale
from engine.errors import UnknownMovie, UnknownUser
from engine.services.library import DataStatistics, RatedMovie, UserSummary
from store.records import Counts
from tests.pages.fakes.data import MOVIES, NOW


@dataclass
class FakeScale:
    """The scale of the store; a test changes it while the page is open."""

    current: RatingScale = STARS

    def of(self, stars: float) -> float:
        """A rating in half stars, on this scale."""
        return self.current.snap(self.between(stars))

    def between(self, stars: float) -> float:
        """A predicted or mean rating in stars, on this scale."""
        low, high = self.current.ends
        return low + (stars - STARS.low) / (STARS.high - STARS.low) * (high - low)


@dataclass
class FakeLibrary:
    scale: FakeScale = field(default_factory=FakeScale)
    movies: tuple[Movie, ...] = MOVIES
    ratings: int = 100_004
    rated: dict[str, list[RatedMovie]] = field(
        default_factory=lambda: {
            "42": [RatedMovie(MOVIES[n], 5.0 - n % 4 / 2, int(NOW) - 86_400 * n) for n in (12, 4, 2, 8)],
            "7": [RatedMovie(MOVIES[1], 4.5, None)],
            "a_b*": [RatedMovie(MOVIES[3], 3.0, int(NOW))],
        }
    )

    def counts(self) -> Counts:
        return Counts(671 * bool(self.ratings), len(self.movies), self.ratings)

    def statistics(self, *, fresh: bool = True) -> DataStatistics:
        if not self.ratings:
            return DataStatistics(0, 0, 0, 0.0, None, None, None, {}, {})
        counts = {
            0.5: 1101,
            1.0: 3326,
            1.5: 1687,
            2.0: 7271,
            2.5: 4449,
            3.0: 20064,
            3.5: 10538,
            4.0: 28750,
            4.5: 7723,
            5.0: 15095,
        }
        counts = {self.scale.of(rating): count for rating, count in counts.items()}
        mean, movies = self.scale.between(3.54), dict.fromkeys(self.genres(), 3)
        return DataStatistics(671, 9066, self.ratings, 0.0164, mean, 789652009, 1476640644, counts, movies)

    def search_users(self, text: str = "", limit: int = 20) -> list[UserSummary]:
        mean = self.scale.between(4.0)
        found = [UserSummary(user, len(rated), mean) for user, rated in self.rated.items() if user.startswith(text)]
        return sorted(found, key=lambda one: -one.ratings_count)[:limit]

    def knows_user(self, user_id: str) -> bool:
        return user_id in self.rated

    def genres(self) -> list[str]:
        return sorted({genre for movie in self.movies for genre in movie.genres})

    def sites(self, movie_id: str) -> dict[str, str]:
        return {"tmdb": "862"} if movie_id == "1" else {}

    def movie(self, movie_id: str) -> Movie:
        found = next((one for one in self.movies if one.movie_id == movie_id), None)
        if found is None:
            raise UnknownMovie(f"The catalogue has no movie {movie_id!r}.")
        return found

    def rating(self, user_id: str, movie_id: str) -> float | None:
        return next((one.rating for one in self.rated.get(user_id, ()) if one.movie.movie_id == movie_id), None)

    def mark(self, user_id: str) -> tuple[bytes, bytes]:
        rated = self.rated.get(user_id, ())
        return repr([one.movie.movie_id for one in rated]).encode(), repr([one.rating for one in rated]).encode()

    def user_ratings(self, user_id: str) -> list[RatedMovie]:
        if user_id not in self.rated:
            raise UnknownUser(f"No ratings of user {user_id!r} are stored.")
        return self.rated[user_id]
