"""Fake serving, ratings and recommendations."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.data.catalogue import Movie
from engine.errors import (
    MarqueeError,
    NotReady,
)
from engine.recommending.changes import ListChanges
from engine.recommending.explanations import (
    Contribution,
    Explanation,
    GenreMatch,
    RatingExplanation,
    SimilarMovie,
    SimilarUser,
)
from engine.recommending.interview import InterviewQuestion, InterviewState
from engine.recommending.lists import (
    ImaginedItem,
    ListOptions,
    Prediction,
    Predictions,
    Recommendations,
    RecommendedItem,
    WhatIf,
)
from engine.recommending.ranking import VarietyPrice
from engine.recommending.reasons import tell_briefly
from engine.services.library import RatedMovie
from engine.services.ratings import ForgettingReceipt, RatingReceipt, RatingRemoval, check_rating
from engine.training.drift import UpdateHealth
from sidecar.docs.golden_people import LIST_CHANGES as CHANGES
from tests.pages.fakes.data import NOW
from tests.pages.fakes.library import FakeLibrary


@dataclass
class FakeServing:
    version: int | None = 2
    fails: MarqueeError | None = None
    strangers: bool = False

    def knows_nobody(self) -> bool:
        return self.strangers

    def active_version(self) -> int | None:
        return self.version

    def health(self) -> UpdateHealth:
        if self.fails:
            raise self.fails
        return UpdateHealth(self.version or 0, 12, 3, 1204, 0.0123, 0.81, 200, 941, "retrain soon")


@dataclass
class FakeRatings:
    library: FakeLibrary
    fails: MarqueeError | None = None
    previous: float | None = None

    def rate(self, user_id: str, movie_id: str, rating: float) -> RatingReceipt:
        if self.fails:
            raise self.fails
        check_rating(rating, self.library.scale.current)
        movie = next(movie for movie in self.library.movies if movie.movie_id == movie_id)
        self.library.rated.setdefault(user_id, []).insert(0, RatedMovie(movie, rating, int(NOW)))
        before, after = map(self.library.scale.between, (3.87, 4.12))
        return RatingReceipt(user_id, movie_id, rating, self.previous, before, after, True, 1.3)

    def forget(self, user_id: str) -> ForgettingReceipt:
        if self.fails:
            raise self.fails
        gone = len(self.library.rated.pop(user_id))
        return ForgettingReceipt(user_id, gone, NOW, (2,), f"{gone} ratings and the id were erased. Train again.")

    def unrate(self, user_id: str, movie_id: str) -> RatingRemoval:
        kept = [one for one in self.library.rated[user_id] if one.movie.movie_id != movie_id]
        self.library.rated[user_id] = kept
        return RatingRemoval(user_id, movie_id, 4.0, 3.6, True, 1.2)


@dataclass
class FakeRecommendations:
    library: FakeLibrary
    serving: FakeServing = field(default_factory=FakeServing)
    calibrated: bool = True
    explained: list[str] = field(default_factory=list)
    changed: ListChanges = CHANGES
    imagined: list[dict[str, float | None]] = field(default_factory=list)
    given: list[str] = field(default_factory=list)  # users who were shown a list

    def changes(
        self, new: tuple[int, object], old: tuple[int, object], progress: Callable[[float], object] = float
    ) -> ListChanges:
        progress(0.5)
        return replace(self.changed, version=new[0], baseline=old[0])

    def recommend(
        self,
        user_id: str,
        n: int = 10,
        *,
        genre: str | None = None,
        year_from: int | None = None,
        exclude: Collection[str] = (),
        diversity: float = 0.0,
        rank_by: str = "ranker",
        genres_liked: Collection[str] = (),
        include_rated: bool = False,
        shown: bool = True,
    ) -> Recommendations:
        if shown:
            self.given.append(user_id)
        if self.serving.version is None:
            raise NotReady("No model is trained yet. Start a training; the first one takes about a minute.")
        rated = self.library.rated.get(user_id, [])
        seen = {one.movie.movie_id: one.rating for one in rated}
        left = [movie for movie in self.library.movies if include_rated or movie.movie_id not in seen]
        left.sort(key=lambda movie: -len(set(genres_liked) & set(movie.genres)))
        left = [movie for movie in left if genre is None or genre in movie.genres]
        left = [movie for movie in left if year_from is None or (movie.year or 0) >= year_from]
        # The order turns with each rating, as a real list does.
        turn = len(rated) % max(len(left), 1)
        left = (left[turn:] + left[:turn])[:: -1 if rank_by == "rating" else 1]
        status, reason = self._status(user_id, len(rated))
        items = tuple(
            replace(self._item(rank, movie), rated=seen.get(movie.movie_id))
            for rank, movie in enumerate(left[:n], start=1)
        )
        price = VarietyPrice(3, 0.92, 4.11, 4.19, 0.71, 0.55) if diversity else None
        return Recommendations(user_id, status, reason, self.serving.version, 3600.0, 2.3, len(rated), items, price)  # type: ignore[arg-type]

    def _status(self, user_id: str, count: int) -> tuple[str, str]:
        if not self.library.rated.get(user_id):
            return (
                "unknown_user",
                "Nobody with this id has rated anything yet, so the list shows what most people like.",
            )
        if count < 3:
            return "blended", f"{count} ratings so far: {count * 10}% of the list's order comes from them."
        return "personal", f"Ordered by what {count} ratings say about their taste."

    def _item(self, rank: int, movie: Movie) -> RecommendedItem:
        predicted = 4.7 - 0.11 * rank
        ends = max(predicted - 1.2, 0.5), min(predicted + 1.0, 5.0)
        confidence = 1 - (ends[1] - ends[0]) / 4.5 if self.calibrated else None
        between = self.library.scale.between
        low, high = map(between, ends)
        return RecommendedItem(
            rank,
            movie.movie_id,
            movie.title,
            movie.year,
            movie.genres,
            0.9 - 0.03 * rank,
            between(predicted),
            (low, high) if self.calibrated else None,
            confidence,
        )

    def predict(self, pairs: Sequence[tuple[str, str]]) -> Predictions:
        between = self.library.scale.between
        span = between(3.2), between(5.0)
        found = tuple(Prediction(user, movie, between(4.4), span, None) for user, movie in pairs)
        return Predictions(self.serving.version or 0, found)

    def reasons(self, user_id: str, movie_ids: Sequence[str], genres_liked: Collection[str] = ()) -> list[str]:
        rated, liked = self.library.rated.get(user_id, []), sorted(genres_liked)
        leading = [Contribution(one.movie.movie_id, one.movie.title, one.rating, 0.2) for one in rated[:1]]
        preferences = self.library.scale.current.are_preferences
        return [tell_briefly(next(iter(leading), None), liked, preferences=preferences) for _ in movie_ids]

    def what_if(self, user_id: str, changes: Mapping[str, float | None], wanted: ListOptions) -> WhatIf:
        for rating in changes.values():
            if rating is not None:
                check_rating(rating, self.library.scale.current)
        self.imagined.append(dict(changes))
        listed = self.recommend(user_id, wanted.n, shown=False).items
        movies = [next(one for one in self.library.movies if one.movie_id == item.movie_id) for item in listed]
        moves = (2, None, -1, 0)
        items = tuple(
            ImaginedItem(rank, movie, moves[rank % 4], 4.1, 3.9) for rank, movie in enumerate(movies[:-1], start=1)
        )
        return WhatIf(user_id, "personal", "Ordered by what 3 ratings say.", 2, 3, items, tuple(movies[-1:]))

    def interview(self, user_id: str, n: int = 1, skipped: Collection[str] = ()) -> InterviewState:
        rated = self.library.rated.get(user_id, [])
        gone = {one.movie.movie_id for one in rated} | set(skipped)
        left = [movie for movie in self.library.movies[:6] if movie.movie_id not in gone][:n]
        status: Any = self._status(user_id, len(rated))[0]
        questions = tuple(InterviewQuestion(movie, 0.42, 0.031) for movie in left)
        finished = None if left else "There is no movie left to ask about."
        return InterviewState(user_id, status, 2, len(rated), 0.04 * len(rated), questions, finished)

    def _rating(self, contributions: tuple[Contribution, ...]) -> RatingExplanation:
        shares = tuple(replace(one, share=one.share / 4) for one in contributions)
        total = sum(one.share for one in shares)
        return RatingExplanation(4.4, 3.9, shares, 0.5 - total, 0.2, 0.25 - total, 0.05, 0.0, "exact")

    def explain(self, user_id: str, movie_id: str, genres_liked: Collection[str] = ()) -> Explanation:
        self.explained.append(movie_id)
        movie = next(movie for movie in self.library.movies if movie.movie_id == movie_id)
        rated = [film for film in self.library.movies if film.movie_id != movie_id]
        shares = [0.21 / (n + 1) * (-1 if n % 5 == 3 else 1) for n in range(len(rated))]
        contributions = tuple(
            Contribution(film.movie_id, film.title, 5.0 - n % 4 / 2, share)
            for n, (film, share) in enumerate(zip(rated, shares, strict=True))
        )
        return Explanation(
            user_id=user_id,
            movie_id=movie_id,
            title=movie.title,
            status="personal",
            score=0.01 + sum(shares) + 2e-7,
            baseline=0.01,
            contributions=contributions,
            residual=2e-7,
            from_rating=0.0,
            by_neighbours=False,
            predicted_rating=4.4,
            interval=(3.4, 5.0),
            rating=self._rating(contributions),
            similar_rated_movies=tuple(SimilarMovie(film.movie_id, film.title, 4.5, 0.44) for film in rated[:3]),
            genre_match=GenreMatch(0.4, tuple((genre, 0.4, 12) for genre in movie.genres)),
            similar_users=(SimilarUser("7", 4.5, 0.31), SimilarUser("a_b*", 5.0, 0.22)),
            text=f"The ratings of {rated[0].title} (5) and {rated[1].title} (4.5) weigh most. Expected rating: 4.4.",
            summary=f"It is here because you gave {rated[0].title} 5; you would probably give it 4.4.",
            model_version=self.serving.version or 0,
        )
