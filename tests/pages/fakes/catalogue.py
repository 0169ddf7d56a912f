"""Fake catalogue, profiles and picture of the data."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from engine.data.catalogue import Movie
from engine.data.sufficiency import Evidence, judge
from engine.errors import UnknownMovie
from engine.recommending.explanations import LikeMovie, SimilarMovies
from engine.recommending.reach import Reach
from engine.services.catalogue import CataloguePage, CatalogueRow, Only, Order, Spread
from engine.services.data_picture import DataPicture
from engine.services.profiles import (
    Fan,
    GenreTaste,
    Month,
    MovieProfile,
    PersonProfile,
    PredictedRating,
    Standing,
)
from tests.pages.fakes.data import NOW
from tests.pages.fakes.library import FakeLibrary
from tests.pages.fakes.recommendations import FakeServing

JUNE_2016 = 12 * 46 + 5
MONTHS = tuple(Month(JUNE_2016 - 5 * n, 40 + n, 3.2 + 0.1 * n) for n in range(9, -1, -1))
TASTES = (
    GenreTaste("Drama", 12, 0.4, 4.1, 0.3, 3.6),
    GenreTaste("War", 5, 0.17, 3.1, 0.05, 3.8),
)


@dataclass
class FakeCatalogue:
    library: FakeLibrary
    serving: FakeServing = field(default_factory=FakeServing)
    counted: bool = True
    asked: list[dict[str, object]] = field(default_factory=list)

    def reach(self) -> Reach | None:
        if not self.counted or self.serving.version is None:
            return None
        return Reach(2, 671, 671, np.ones((len(self.library.movies), 10), np.int32), NOW)

    def find(self, text: str, limit: int = 8) -> list[CatalogueRow]:
        wanted = text.strip().casefold()
        found = [movie for movie in self.library.movies if wanted and wanted in movie.title.casefold()]
        return [self._row(movie) for movie in found[:limit]]

    def page(
        self,
        order: Order = "ratings",
        *,
        descending: bool = True,
        page: int = 1,
        rows: int = 25,
        text: str = "",
        genre: str | None = None,
        only: Only = "all",
    ) -> CataloguePage:
        self.asked.append({"order": order, "descending": descending, "page": page, "text": text, "only": only})
        movies = [movie for movie in self.library.movies if genre is None or genre in movie.genres]
        movies = [movie for movie in movies if text.casefold() in movie.title.casefold() and only != "never_rated"]
        return CataloguePage(tuple(map(self._row, movies)), len(movies), min(page, 3), 3)

    def spread(self) -> Spread:
        movies = len(self.library.movies)
        curve = ((1, 340), (10, 220), (movies, 1))
        return Spread(movies, movies, 3, 4, 5 if self.reach() else None, curve, self.reach())

    def _row(self, movie: Movie) -> CatalogueRow:
        return CatalogueRow(movie, 40 + int(movie.movie_id), 3.5, None if self.reach() is None else 12)


@dataclass
class FakeProfiles:
    library: FakeLibrary
    serving: FakeServing = field(default_factory=FakeServing)
    counted: bool = True
    unrated: bool = False

    def movie(self, movie_id: str) -> MovieProfile:
        movie = next((one for one in self.library.movies if one.movie_id == movie_id), None)
        if movie is None:
            raise UnknownMovie(f"The catalogue has no movie {movie_id!r}.")
        if self.unrated:
            return MovieProfile(movie, 0, None, None, len(self.library.movies), {}, (), ())
        of = self.library.scale.of
        fans = (Fan("7", of(5.0), int(NOW)), Fan("a_b*", of(4.5), None))
        counts = {of(4.0): 200, of(5.0): 111}
        mean = self.library.scale.between(4.3)
        return MovieProfile(movie, 311, mean, 3, len(self.library.movies), counts, self._months(), fans)

    def similar(self, movie_id: str) -> SimilarMovies | None:
        if self.serving.version is None:
            return None
        first, *others = self.library.movies
        return SimilarMovies(first, "ratings", tuple(LikeMovie(movie, 0.6) for movie in others[:4]))

    def standing(self, movie_id: str) -> Standing | None:
        if not self.counted or self.serving.version is None:
            return None
        return Standing(671, 671, 2, (27, 17, 15, 8, 9, 7, 7, 9, 6, 8), NOW)

    def person(self, user_id: str) -> PersonProfile:
        rated = self.library.rated.get(user_id)
        if not rated:
            return PersonProfile(user_id, rated is not None, (), None, 3.54, {}, (), ())
        mean = sum(one.rating for one in rated) / len(rated)
        counts = {one.rating: 1 for one in rated}
        return PersonProfile(user_id, True, tuple(rated), mean, 3.54, counts, self._months(), TASTES)

    def predicted(self, user_id: str) -> list[PredictedRating]:
        return [PredictedRating(one.movie, one.rating, one.rating - 0.5) for one in self.library.rated[user_id]]

    def _months(self) -> tuple[Month, ...]:
        between = self.library.scale.between
        return tuple(Month(one.month, one.ratings, between(one.mean)) for one in MONTHS)


@dataclass
class FakeData:
    library: FakeLibrary

    def picture(self) -> DataPicture:
        people, movies = np.array([70, 40, 3]), np.array([40, 6, 1, 0])
        return DataPicture(
            671,
            9066,
            self.library.ratings,
            12,
            71.0,
            {one.month: one.ratings for one in MONTHS},
            (("1 to 4", 1), ("5 to 9", 2)),
            (("None", 1), ("1 to 4", 1), ("5 to 9", 2)),
            ("Drama", "War"),
            (("1980s", "Drama", 4), ("1990s", "Drama", 7), ("1990s", "War", 2)),
            judge(Evidence(people, movies, 110, 2, 10, 0.014)),
            NOW,
            True,
        )


@dataclass
class FakeExports:
    library: FakeLibrary

    def person(self, user_id: str) -> bytes:
        return f"user_id\n{user_id}\n".encode()
