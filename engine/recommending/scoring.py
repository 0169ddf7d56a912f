"""The score that orders lists: ranker and rating model, with popularity for newcomers and neighbours for new movies."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Bools, Float32, Int32
from engine.data.catalogue import MovieTable
from engine.data.history import History
from engine.models.base import NOTHING, top
from engine.models.ease import likeness
from engine.models.ranker import Ranker
from engine.recommending.cold_start import Blend, blend
from engine.recommending.ranking import genre_column

Predict = Callable[[Int32], Float32]
"""float32[n]: one user's predicted ratings of movies (int32[n]); -1 is a movie of which nothing is known."""

NEIGHBOURS = 20
NEW_PART = np.float32(0.2)
"""Share of its neighbours' mean score that a new movie gets. Above 0.2 the demo's lists get worse."""
FIRST, LIKED = 10, 6
"""Of a newcomer's first ten places, six go to movies of the genres they like."""
MIN_SPREAD = 1e-3
"""Predicted ratings that differ less, in rating units, are all the same."""
CANDIDATES = 500
"""Movies of the best linear scores, among which predicted ratings change the order."""
ABOVE = 1e-5
"""Relative distance by which a score is lifted above another one, enough for float32."""
ROWS_AT_ONCE = 1024  # bounds the memory of the search for neighbours


@dataclass(frozen=True)
class Shares:
    """Parts of a score: ``baseline + sum(shares) + residual == score``, shares in the order of the ratings.

    ``added``: the part of the residual that the predicted rating adds; the rest is the rounding error.
    """

    score: float
    baseline: float
    shares: Float32
    residual: float
    added: float


@dataclass(frozen=True)
class Best:
    """int64[n]: movies, best first; float32[n]: their scores."""

    movies: NDArray[np.int64]
    scores: Float32


@dataclass(frozen=True)
class NewMovies:
    """Movies without similarities, and the nearest movies to each by genre and year.

    Attributes:
        movies: int64[n], their indices, sorted.
        rows: int64[n], each one's row in ``neighbours``; movies of equal genres and year share a row.
        neighbours: int64[m, k], indices of the nearest movies.
    """

    movies: NDArray[np.int64]
    rows: NDArray[np.int64]
    neighbours: NDArray[np.int64]

    @classmethod
    def find(cls, ranker: Ranker, popularity: Float32, table: MovieTable) -> NewMovies:
        """Find the neighbours of all new movies; ties go to the more popular ones."""
        known = ranker.movies_[ranker.movies_ < len(table.titles)]
        new = np.setdiff1d(np.flatnonzero(table.genres.any(axis=1) | np.isfinite(table.years)), known)
        if not len(known):
            new = new[:0]
        content = np.column_stack([table.genres[new], np.nan_to_num(table.years[new], nan=-1)])
        _, first, rows = np.unique(content, axis=0, return_index=True, return_inverse=True)
        count = min(NEIGHBOURS, len(known))
        neighbours = np.empty((len(first), count), np.int64)
        tie = 1e-4 * popularity[known] / max(float(popularity[known].max(initial=0)), 1e-12)
        weights = ranker.config.genre_weight, ranker.config.year_weight
        for start in range(0, len(first), ROWS_AT_ONCE):
            here = slice(start, start + ROWS_AT_ONCE)
            alike = likeness(table, new[first[here]], known, *weights) + tie
            neighbours[here] = known[np.argpartition(-alike, count - 1, axis=1)[:, :count]]
        return cls(new, rows.ravel(), neighbours)

    def fill(self, scores: Float32) -> None:
        """Set the scores of new movies to a share of their neighbours' mean, in place."""
        if len(self.movies):
            scores[self.movies] = NEW_PART * scores[self.neighbours].mean(axis=1)[self.rows]

    def neighbours_of(self, movie: int) -> NDArray[np.int64] | None:
        """int64[k]: the neighbours of a new movie; None for other movies."""
        place = int(np.searchsorted(self.movies, movie))
        found = place < len(self.movies) and self.movies[place] == movie
        return self.neighbours[self.rows[place]] if found else None


@dataclass(frozen=True)
class Scores:
    """Scores of a user's lists.

    Attributes:
        linear: float32[n_movies], without the rating model's part.
        per_rating: what a predicted rating adds to a score for each rating unit above the user's level.
    """

    linear: Float32
    per_rating: float

    def best(self, n: int, predict: Predict, *, allowed: Bools | None = None, drop: Int32 = NOTHING) -> Best:
        """The n best movies with their scores.

        Only the ``CANDIDATES`` movies of the best linear scores (or n, if more) get the rating model's part.

        Args:
            n: maximum length.
            predict: the user's predicted ratings.
            allowed: bool[n_movies], the movies that may be listed; all by default.
            drop: indices of movies that may not.
        """
        linear = self.linear if allowed is None else np.where(allowed, self.linear, np.float32(-np.inf))
        if not self.per_rating:
            movies = top(linear, n, drop=drop)
            return Best(movies, linear[movies])
        movies = np.sort(top(linear, max(n, CANDIDATES), drop=drop))
        scores = linear[movies] + self.added(predict, movies.astype(np.int32))
        order = np.argsort(-scores, kind="stable")[:n]
        return Best(movies[order], scores[order])

    def of_best(self, n: int, predict: Predict, *, drop: Int32 = NOTHING) -> Float32:
        """float32[n_movies]: the scores of the n best movies; -inf for others."""
        best = self.best(n, predict, drop=drop)
        scores = np.full(len(self.linear), -np.inf, np.float32)
        scores[best.movies] = best.scores
        return scores

    def added(self, predict: Predict, movies: Int32) -> Float32:
        """float32[n]: what the predicted ratings of movies (int32[n]) add to their scores."""
        above = predict(movies) - np.float32(level_of(predict))
        return np.asarray(above * np.float32(self.per_rating), np.float32)

    def of(self, movie: int, predict: Predict) -> tuple[float, float]:
        """The score of one movie, and the part of it that the predicted rating adds."""
        added = float(self.added(predict, np.array([movie], np.int32))[0])
        return float(self.linear[movie]) + added, added


def level_of(predict: Predict) -> float:
    """The user's predicted rating of a movie of which nothing is known."""
    return float(predict(np.array([-1], np.int32))[0])


class ListScorer:
    """Scores ``personal * (x B)[movie] + popular * prior[movie] + what the predicted rating adds``.

    With x B the ranker's scores for the weighted history x. The prior is popularity, raised for the genres that a user
    likes. Movies without similarities get a share of their neighbours' scores. So but for the last term the score is
    linear in x, and each past rating's share in it is exact. The last term is ``rating_weight`` standard deviations of
    the user's ``personal * x B`` for each standard deviation of the predicted rating from the user's level.

    Args:
        ranker: of a version.
        popularity: float32[<= n_movies]; movies added later have 0, as removed ones get.
        table: the whole catalogue.
        spread: the standard deviation of a user's predicted ratings, in rating units; 0 leaves the last term out.
    """

    def __init__(self, ranker: Ranker, popularity: Float32, table: MovieTable, spread: float = 0.0) -> None:
        self.ranker = ranker
        self.popularity = np.zeros(len(table.titles), np.float32)
        known = popularity[: len(self.popularity)]
        self.popularity[: len(known)] = known
        self.popularity[table.removed] = 0
        self._table = table
        self._new = NewMovies.find(ranker, self.popularity, table)
        self._spread = spread

    def genres(self, names: Collection[str]) -> tuple[str, ...]:
        """The genres in the catalogue's spelling, without repetition.

        Raises:
            InvalidInput: no movie has one of them.
        """
        columns = sorted({genre_column(self._table, name, "genres_liked") for name in names})
        return tuple(self._table.genre_names[column] for column in columns)

    def prior(self, genres: Collection[str]) -> Float32:
        """float32[n_movies]: popularity, raised for movies of these genres (as returned by ``genres``).

        ``popularity * (1 + cosine)`` of a movie's genres and the liked ones, plus a lift for every movie with one of
        them: the smallest that brings six of them (or all, if fewer) into a newcomer's first ten. A product with
        popularity alone would never bring rare genres there. The lift is the same for all, so better known ones lead.
        """
        if not genres:
            return self.popularity
        stated = np.isin(self._table.genre_names, list(genres))
        sizes = np.maximum(self._table.genres.sum(axis=1), 1) * stated.sum()
        cosine = self._table.genres[:, stated].sum(axis=1) / np.sqrt(sizes)
        raised = self.popularity * (1 + cosine)
        liked = cosine > 0
        return np.asarray(raised + _lift(raised, liked) * liked, np.float32)

    def score(self, how: Blend, prior: Float32, history: History) -> Scores:
        """The scores of a user's lists."""
        scores = np.zeros(len(prior), np.float32)
        per_rating = 0.0
        if how.personal:
            ranked = self.ranker.score_history(history)
            scores[: len(ranked)] = np.float32(how.personal) * ranked[: len(scores)]
            per_rating = how.personal * weigh_rating(self.ranker, ranked, self._spread)
            self._new.fill(scores)
        scores += prior * np.float32(how.popular)
        return Scores(scores, per_rating)

    def blend(
        self, history: History, personal_from: int, *, known: bool, liked: Sequence[str] = (), noun: str = "rating"
    ) -> Blend:
        """The weights of a list for a history; arguments as of ``cold_start.blend``."""
        informative = len(self.ranker.known(history))
        return blend(len(history), informative, known=known, personal_from=personal_from, liked=liked, noun=noun)

    def by_neighbours(self, movie: int) -> bool:
        """Whether a movie's score comes from its neighbours."""
        return self._new.neighbours_of(movie) is not None

    def take_apart(
        self, how: Blend, prior: Float32, history: History, movie: int, score: float, added: float
    ) -> Shares:
        """The parts of one movie's score.

        Args:
            how: weights of the list.
            prior: float32[n_movies], as for ``score``.
            history: the user's ratings.
            movie: its index.
            score: its score.
            added: what the predicted rating adds to it.
        """
        shares = self.shares(how, history, movie)
        baseline = float(how.popular * prior[movie])
        return Shares(score, baseline, shares, score - baseline - float(shares.sum(dtype=np.float64)), added)

    def shares(self, how: Blend, history: History, movie: int) -> Float32:
        """float32[len(history)]: the share of each rating in one movie's score."""
        neighbours = self._new.neighbours_of(movie)
        if neighbours is None:
            shares = self.ranker.shares(history, movie)
        else:
            each = [self.ranker.shares(history, int(other)) for other in neighbours]
            shares = NEW_PART * np.array(each).mean(axis=0)
        return np.asarray(shares * np.float32(how.personal))


def weigh_rating(ranker: Ranker, ranked: Float32, spread: float) -> float:
    """What one rating unit of the predicted rating is worth beside a ranker's scores.

    Args:
        ranker: its config has the weight.
        ranked: float32[n_movies], its scores for a history.
        spread: the standard deviation of a user's predicted ratings; one below ``MIN_SPREAD`` counts as that, and 0 as
            no prediction.
    """
    weight = ranker.config.rating_weight
    if not weight or not spread:
        return 0.0
    return weight / max(spread, MIN_SPREAD) * float(ranked[ranker.movies_].std(dtype=np.float64))


def _lift(raised: NDArray[np.float64], liked: NDArray[np.bool_]) -> float:
    """The smallest lift that puts ``LIKED`` liked movies above all but four of the others."""
    left = FIRST - LIKED
    wanted, others = min(LIKED, int(liked.sum())), raised[~liked]
    if not wanted or len(others) <= left:
        return 0.0
    best = np.float32(-np.partition(-others, left)[left])
    above = float(best) * (1 + ABOVE) + ABOVE * max(float(raised.max()), ABOVE)
    missing = np.where(raised[liked].astype(np.float32) > best, 0.0, above - raised[liked])
    needed = np.maximum(missing, 0)
    return float(np.partition(needed, wanted - 1)[wanted - 1])
