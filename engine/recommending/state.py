"""In-memory serving state of one version, and a user as seen by one request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Float32, Int32
from engine.data.catalogue import Movie
from engine.data.history import UNKNOWN
from engine.data.ratings import Interactions
from engine.data.scale import are_preferences
from engine.models.base import NOTHING
from engine.models.version import VersionBundle
from engine.recommending.cold_start import Blend
from engine.recommending.explanations import ExplainerService, Explanation
from engine.recommending.fold_in import RealtimeLearner, UserState
from engine.recommending.interview import Interview
from engine.recommending.lists import ListOptions, RecommendedItem
from engine.recommending.ranking import VarietyPrice, candidates, diversify, price_variety
from engine.recommending.reasons import tell, tell_briefly, tell_plainly
from engine.recommending.scoring import ListScorer, Scores

CANDIDATES = 5
"""Candidates of a varied list, as a multiple of its length."""


class RatingChange(Protocol):
    """One rating before and after, as the store records it; ``rating`` is None for a removal."""

    @property
    def user_key(self) -> int:
        """The user's index."""

    @property
    def movie_key(self) -> int:
        """The movie's index."""

    @property
    def rating(self) -> float | None:
        """The new rating."""

    @property
    def previous(self) -> float | None:
        """The rating before; None if there was none."""

    @property
    def revision(self) -> int:
        """The revision of the ratings that includes it."""


@dataclass(frozen=True)
class Listener:
    """A user as seen by one request: current state, and the scores of their list.

    Attributes:
        key: of the user, -1 if unknown.
        prior: float32[n_movies], scores without any rating.
        scores: of the lists.
    """

    key: int
    state: UserState
    blend: Blend
    prior: Float32 = field(repr=False)
    scores: Scores = field(repr=False)


@dataclass(frozen=True)
class MadeList:
    """int64[n] movies, best first; scores (float32[n_movies], 0 for others); the price of variety if requested."""

    movies: NDArray[np.int64]
    scores: Float32
    price: VarietyPrice | None


@dataclass(frozen=True)
class ServingState:
    """In-memory state of one version, replaced as a whole when a version is activated or data is imported.

    Attributes:
        newest: Unix time of the newest rating; 0 without times.
        users, movies: raw id to key, without removed movies; only the writer adds users with their first rating.
    """

    version: int
    bundle: VersionBundle
    data: Interactions
    revision: int
    personal_from: int
    learner: RealtimeLearner
    explainer: ExplainerService
    scorer: ListScorer
    newest: float
    users: dict[str, int]
    movies: dict[str, int]

    @classmethod
    def build(
        cls, version: int, bundle: VersionBundle, data: Interactions, revision: int, personal_from: int
    ) -> ServingState:
        """Combine a version and the ratings; ``personal_from``: number of ratings from which a list is personal."""
        return cls(
            version,
            bundle,
            data,
            revision,
            personal_from,
            RealtimeLearner(bundle, data, revision),
            ExplainerService(data, bundle.ranker),
            ListScorer(bundle.ranker, bundle.popularity, data.movies, bundle.spread),
            float(data.timestamps.max()) if data.timestamps is not None and len(data) else 0.0,
            {str(user): key for key, user in enumerate(data.user_ids.ids)},
            {str(movie): key for key, movie in enumerate(data.movie_ids.ids) if not data.movies.removed[key]},
        )

    @property
    def has_preferences(self) -> bool:
        """Whether its ratings are preferences."""
        return are_preferences(self.data.scale)

    @cached_property
    def interview(self) -> Interview:
        """The interview, prepared on first use in up to a second."""
        return Interview.prepare(self.data, self.bundle.ranker)

    def learn(self, user_id: str, change: RatingChange, at: int = UNKNOWN) -> tuple[float | None, float | None]:
        """Fold in a rating that arrived after the ratings were read; returns the prediction before and after.

        Both are None if the movie arrived later too.

        Args:
            user_id: the user's id.
            change: the rating.
            at: its Unix time.
        """
        user, movie = change.user_key, change.movie_key
        if movie >= self.data.n_movies:
            return None, None
        column = np.array([movie], np.int32)
        known = self.learner.state(user)
        before = known.predict(column)[0]
        if change.rating != change.previous and change.revision > self.revision:
            known = (
                self.learner.unrate(user, movie, revision=change.revision)
                if change.rating is None
                else self.learner.rate(user, movie, change.rating, at, revision=change.revision)
            )
        after = known.predict(column)[0]
        self.users[user_id] = user
        return float(before), float(after)

    def state_of(self, user_id: str) -> UserState:
        """The current state of a user."""
        return self.learner.state(self.users.get(user_id, -1))

    def listen(self, user_id: str, liked: Sequence[str] = ()) -> Listener:
        """The user as they are now.

        Args:
            user_id: any id, known or not.
            liked: genres that the user says they like, in the catalogue's spelling.
        """
        key = self.users.get(user_id, -1)
        return self.listen_to(self.learner.state(key), liked, key=key, known=key >= 0)

    def listen_to(self, state: UserState, liked: Sequence[str] = (), *, key: int = -1, known: bool = True) -> Listener:
        """A user with this state; ``known``: whether the user is in the store."""
        how = self.blend_of(state, liked, known=known)
        prior = self.scorer.prior(liked)
        return Listener(key, state, how, prior, self.scorer.score(how, prior, state.history))

    def blend_of(self, state: UserState, liked: Sequence[str] = (), *, known: bool) -> Blend:
        """The weights of a list for this state."""
        noun = "like" if self.has_preferences else "rating"
        return self.scorer.blend(state.history, self.personal_from, known=known, liked=liked, noun=noun)

    def make_list(self, user: Listener, wanted: ListOptions, drop: Int32) -> MadeList:
        """The list for these options, best first.

        Args:
            user: the user.
            wanted: the options.
            drop: int32[k], movies to leave out.

        Raises:
            InvalidInput: no movie has the genre.
        """
        table, n, predict = self.data.movies, wanted.n, user.state.predict
        scores = user.scores
        if wanted.rank_by == "rating":
            scores = Scores(predict(np.arange(self.data.n_movies, dtype=np.int32)), 0.0)
        left_out = np.array([self.movies[movie] for movie in wanted.exclude if movie in self.movies], np.int32)
        drop = np.concatenate([drop, left_out])
        allowed = candidates(table, genre=wanted.genre, year_from=wanted.year_from)
        length = n if wanted.diversity == 0 else CANDIDATES * n
        best = scores.best(length, predict, allowed=allowed, drop=drop)
        found = np.zeros(self.data.n_movies, np.float32)
        found[best.movies] = best.scores
        plain = best.movies[:n]
        if wanted.diversity == 0 or not len(plain):
            return MadeList(plain, found, None)
        varied = diversify(best.movies, found, table.genres, n, wanted.diversity)
        predicted = predict(np.concatenate([varied, plain]).astype(np.int32)).reshape(2, -1)
        return MadeList(varied, found, price_variety(varied, plain, found, predicted, table.genres))

    def list_of(self, user: Listener, wanted: ListOptions) -> MadeList:
        """The list for these options, without the movies that the user has rated, unless they are asked for.

        Raises:
            InvalidInput: no movie has the genre.
        """
        return self.make_list(user, wanted, NOTHING if wanted.include_rated else user.state.items)

    def first_places(self, key: int, n: int) -> NDArray[np.int64]:
        """int64[at most n]: the movies that a user of the store is shown, best first."""
        user = self.listen_to(self.learner.state(key), key=key)
        return self.list_of(user, ListOptions(n)).movies

    def annotate(self, user: Listener, made: MadeList) -> tuple[RecommendedItem, ...]:
        """The items of a list, with predicted ratings and intervals."""
        columns = made.movies.astype(np.int32)
        predicted = user.state.predict(columns)
        intervals = self.intervals(predicted, user.state, columns)
        low, high = self.data.scale
        items = []
        for rank, (column, rating, interval) in enumerate(zip(columns, predicted, intervals, strict=True), start=1):
            movie = self.movie(int(column))
            items.append(
                RecommendedItem(
                    rank,
                    movie.movie_id,
                    movie.title,
                    movie.year,
                    movie.genres,
                    float(made.scores[column]),
                    float(rating),
                    interval,
                    None if interval is None else 1 - (interval[1] - interval[0]) / (high - low),
                    user.state.history.rating_of(int(column)),
                )
            )
        return tuple(items)

    def explain(self, user_id: str, user: Listener, movie: int, liked: Sequence[str] = ()) -> Explanation:
        """Why a movie has its place in a user's list.

        Args:
            user_id: the user's id, for the answer.
            user: the user.
            movie: the movie's key.
            liked: genres of the request, in the catalogue's spelling.
        """
        rating = self.explainer.explain_rating(user.state, movie)
        score, added = user.scores.of(movie, user.state.predict)
        parts = self.scorer.take_apart(user.blend, user.prior, user.state.history, movie, score, added)
        predicted, column = np.array([rating.predicted_rating], np.float32), np.array([movie], np.int32)
        named = self.movie(movie)
        explanation = Explanation(
            user_id,
            named.movie_id,
            named.title,
            user.blend.status,
            parts.score,
            parts.baseline,
            self.explainer.explain_recommendation(user.state, parts),
            parts.residual,
            parts.added,
            by_neighbours=self.scorer.by_neighbours(movie),
            predicted_rating=rating.predicted_rating,
            interval=self.intervals(predicted, user.state, column)[0],
            rating=rating,
            similar_rated_movies=self.explainer.find_similar_rated_movies(user.state, movie),
            genre_match=self.explainer.get_genre_match_score(user.state, movie),
            similar_users=self.explainer.get_similar_users_influence(user.key, user.state, movie),
            text="",
            model_version=self.version,
            genres_liked=tuple(genre for genre in liked if genre in named.genres),
        )
        text = tell(explanation, self._dislikes, preferences=self.has_preferences)
        summary = tell_plainly(explanation, self._dislikes, preferences=self.has_preferences)
        return replace(explanation, text=text, summary=summary)

    def reason(self, user: Listener, movie: int, liked: Sequence[str] = ()) -> str:
        """The main reason for a movie's place in a user's list, in a few words; arguments as of ``explain``."""
        shares = self.scorer.shares(user.blend, user.state.history, movie)
        leading = self.explainer.leading(user.state, user.blend.popular * float(user.prior[movie]), shares)
        shared = [genre for genre in liked if genre in self.movie(movie).genres]
        return tell_briefly(leading, shared, self._dislikes, preferences=self.has_preferences)

    def _dislikes(self, rating: float) -> bool:
        """Whether a rating counts against similar movies."""
        return float(self.bundle.ranker.weigher.taste(np.array([rating], np.float32))[0]) < 0

    def intervals(self, predicted: Float32, user: UserState, movies: Int32) -> list[tuple[float, float] | None]:
        """The 90% interval of each predicted rating; None without a calibration."""
        return user.intervals(self.bundle.calibration, predicted, movies)

    def movie(self, index: int) -> Movie:
        """One movie of the catalogue."""
        return self.data.movies.movie(index, str(self.data.movie_ids.raw(index)))
