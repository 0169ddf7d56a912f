"""The interview: which movies to ask a newcomer about, so that few answers say much about their taste."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from engine.data.arrays import Bools, Float32, Floats, Int32
from engine.data.catalogue import Movie
from engine.data.ratings import Interactions
from engine.models.ranker import Ranker, RatingWeigher
from engine.recommending.cold_start import Status
from engine.rounding import settle

Rows = NDArray[np.int64]

EPSILON = 1e-6  # variances below this share of the mean square are rounding errors
TIED = 5  # digits of the first question's value to which values, computed from float32, tie
MODELLED = 1000  # most rated movies in the model
ASKED = 600  # most rated movies that may be asked about
FACTORS = 16
NOISE = 0.3  # variance of an answer that is not taste, in squared weights of ratings
MAX_USERS = 10_000  # users in the model
MIN_CHANCE = 0.1  # the chance to know a movie never falls below this share of the average one
MIN_WORTH = 1 / 40
"""Smallest value of a question, as a share of the first one's."""


@dataclass(frozen=True, slots=True)
class InterviewQuestion:
    """A movie to ask about.

    Attributes:
        chance: how likely the person knows it, 0 to 1.
        teaches: what a rating would add to the confidence now, 0 to 1.
    """

    movie: Movie
    chance: float
    teaches: float


@dataclass(frozen=True, slots=True)
class InterviewState:
    """The state of an interview.

    Attributes:
        questions: the next ones, best first; none once it has ended.
        confidence: share of the taste that is known, 0 to 1.
        finished: why it has ended; None while it goes on.
    """

    user_id: str
    status: Status
    model_version: int
    ratings_count: int
    confidence: float
    questions: tuple[InterviewQuestion, ...]
    finished: str | None


@dataclass(frozen=True, slots=True)
class Question:
    """A movie to ask about.

    Attributes:
        movie: its index.
        chance: how likely the person knows it, given the answers so far, 0 to 1.
        teaches: share of the initial uncertainty that a rating removes, 0 to 1.
    """

    movie: int
    chance: float
    teaches: float

    @property
    def value(self) -> float:
        """What asking teaches on average; people who don't know the movie teach nothing."""
        return self.chance * self.teaches


@dataclass(frozen=True)
class Interview:
    """Asks for the rating that reduces the uncertainty of a taste most, weighted by the chance of an answer.

    A person's ratings of the m most rated movies, weighted as by the ranker (0 where not rated), are modelled as
    ``means + loadings @ taste + noise`` with k standard normal numbers as the taste: probabilistic principal components
    (Tipping and Bishop, "Probabilistic principal component analysis", J. R. Stat. Soc. B 61, 1999) with a noise for
    each movie. The uncertainty is the variance of the weighted ratings that the taste explains, and the value of a
    rating is how much it reduces that: an A-optimal design (Rubens, Elahi, Sugiyama and Kaplan, "Active learning in
    recommender systems", in Recommender Systems Handbook, 2015). It is multiplied by the chance to know the movie, as
    popularity is in Rashid et al., "Getting to know you: learning new user preferences in recommender systems", IUI
    2002, but here the chance follows the answers: a linear regression on the taste, which for this also learns from
    the movies that the person does not know. Only ratings reduce the uncertainty, since lists are made from them alone.

    Immutable once prepared, so any number of threads may ask.

    Attributes:
        movies: int64[m], movie indices, most rated first.
        position: int64[n_movies], each movie's row in the arrays below, -1 without one.
        means: float64[m], means of the weighted ratings.
        loadings: float64[m, k].
        noise: float64[m], the variance that the taste does not explain.
        known: float64[m], share of people who rated the movie.
        chances: float64[m, k], effect of each number of a taste on the chance to know the movie.
        weigher: a ranker without similarities, which weighs ratings.
        asked: number of movies that may be asked about.
    """

    movies: Rows
    position: Rows
    means: Floats
    loadings: Floats
    noise: Floats
    known: Floats
    chances: Floats
    weigher: RatingWeigher
    asked: int

    @classmethod
    def prepare(cls, data: Interactions, ranker: Ranker, asked: int = ASKED, seed: int = 0) -> Self:
        """Learn the model from ratings, in under a second for any number of them.

        Args:
            data: the ratings; at most 10,000 users are used, drawn at random.
            ranker: weighs ratings, and knows which movies its lists can learn from.
            asked: maximum number of movies to ask about.
            seed: random seed of the draw.
        """
        movies = _most_rated(data, ranker)
        position = np.full(data.n_movies, -1, np.int64)
        position[movies] = np.arange(len(movies))
        weighted, rated = _draw_histories(data, ranker, position, seed)
        means, square = weighted.mean(axis=0), float(np.square(weighted).sum(dtype=np.float64)) / len(weighted)
        weighted -= means
        covariance = (weighted.T @ weighted).astype(np.float64) / len(weighted)
        loadings = _load(covariance, square)
        explained = loadings**2
        tastes = weighted @ (loadings / explained.sum(axis=0)).astype(np.float32)
        return cls(
            movies,
            position,
            means.astype(np.float64),
            loadings,
            NOISE + np.maximum(np.diag(covariance) - explained.sum(axis=1), 0),
            rated.mean(axis=0, dtype=np.float64),
            (rated.T @ tastes).astype(np.float64) / len(rated),
            ranker.weigher,
            min(asked, len(movies)),
        )

    def questions(self, items: Int32, ratings: Float32, skipped: Int32, n: int = 1) -> tuple[Question, ...]:
        """The next questions, best first; each as if those before it had been answered.

        Args:
            items: int32[any], the movies that the person has rated, each once.
            ratings: float32[any], their ratings.
            skipped: int32[any], movies that the person does not know.
            n: maximum number of questions.

        Returns:
            Fewer than ``n`` if no others teach enough. Without any the interview has ended, and ``finished`` says why.
        """
        chance, left = self._chance(items, ratings, skipped), self._left(items, skipped)
        uncertain = self._uncertain(self._rows(items))
        found: list[Question] = []
        while len(found) < n:
            teaches = self._teach(uncertain)
            values = settle(np.where(left, chance * teaches, 0), self._first_value, TIED)
            best = int(np.argmax(values)) if left.any() else -1
            if best < 0 or values[best] <= settle(MIN_WORTH * self._first_value, self._first_value, TIED):
                break
            found.append(Question(int(self.movies[best]), float(chance[best]), float(teaches[best])))
            left[best] = False
            uncertain = self._answer(uncertain, best)
        return tuple(found)

    def confidence(self, items: Int32) -> float:
        """Share of the taste that is known: 0 without ratings, and always below 1.

        Each rated movie adds to it, whatever the rating: the variance of a normal distribution depends on what was
        observed, not on the values. Movies outside the model add nothing.
        """
        if not self._total:
            return 0.0
        remains = np.trace(self._weights @ self._uncertain(self._rows(items))) / self._total
        return float(np.clip(1 - remains, 0, 1))

    def finished(self, items: Int32, ratings: Float32, skipped: Int32) -> str | None:
        """Why the interview has ended, as a sentence; None while there is a question worth asking.

        The arguments are those of ``questions``, which returns none in that case.
        """
        if not self._first_value:
            return "There are too few ratings, or they are too similar, to choose questions from."
        if not self._left(items, skipped).any():
            return "There is no movie left to ask about."
        if not self.questions(items, ratings, skipped):
            return f"Another question would teach less than 1/{1 / MIN_WORTH:.0f} of what the first one did."
        return None

    @cached_property
    def _weights(self) -> Floats:
        """float64[k, k]: turns uncertainty of a taste into uncertainty of ratings."""
        return np.asarray(self.loadings.T @ self.loadings, np.float64)

    @cached_property
    def _total(self) -> float:
        """Uncertainty before any answer."""
        return float(np.trace(self._weights))

    @cached_property
    def _first_value(self) -> float:
        """Value of the first question."""
        teaches = self._teach(self._uncertain(np.empty(0, np.int64)))
        return float((self.known * teaches)[: self.asked].max(initial=0))

    def _rows(self, items: Int32) -> Rows:
        return self.position[items[self._covers(items)]]

    def _covers(self, items: Int32) -> Bools:
        """bool[len(items)]: which movies are in the model."""
        inside = (items >= 0) & (items < len(self.position))
        inside[inside] = self.position[items[inside]] >= 0
        return inside

    def _left(self, items: Int32, skipped: Int32) -> Bools:
        left = np.ones(len(self.movies), bool)
        left[self.asked :] = left[self._rows(items)] = left[self._rows(skipped)] = False
        return left

    def _uncertain(self, rows: Rows) -> Floats:
        """float64[k, k]: the covariance of a taste once the movies in these rows are rated."""
        loadings = self.loadings[rows]
        precision = np.eye(loadings.shape[1]) + loadings.T @ (loadings / self.noise[rows, None])
        return np.asarray(np.linalg.inv(precision), np.float64)

    def _answer(self, uncertain: Floats, row: int) -> Floats:
        """The covariance once another movie is rated."""
        moved = uncertain @ self.loadings[row]
        lowered = np.outer(moved, moved) / (self.loadings[row] @ moved + self.noise[row])
        return np.asarray(uncertain - lowered, np.float64)

    def _teach(self, uncertain: Floats) -> Floats:
        """float64[m]: the share of the initial uncertainty that a rating of each movie removes."""
        moved = self.loadings @ uncertain
        lowered = ((moved @ self._weights) * moved).sum(axis=1) / ((moved * self.loadings).sum(axis=1) + self.noise)
        return np.asarray(lowered / (self._total or 1), np.float64)

    def _chance(self, items: Int32, ratings: Float32, skipped: Int32) -> Floats:
        """float64[m]: the chance to know each movie."""
        covered = self._covers(items)
        rows, weights = self.position[items[covered]], self.weigher.like(ratings[covered])
        unknown = np.setdiff1d(self._rows(skipped), rows)
        rows, weights = np.concatenate([rows, unknown]), np.concatenate([weights, np.zeros(len(unknown))])
        surprise = (weights - self.means[rows]) / self.noise[rows]
        taste = self._uncertain(rows) @ (self.loadings[rows].T @ surprise)
        chance: Floats = np.clip(self.known + self.chances @ taste, MIN_CHANCE * self.known, 1)
        return chance


def _most_rated(data: Interactions, ranker: Ranker) -> Rows:
    """int64[m]: the most rated movies that the ranker knows, most rated first."""
    learned = ranker.movies_[ranker.movies_ < data.n_movies].astype(np.int64)
    counts = data.movie_counts[learned]
    order = np.argsort(-counts, kind="stable")[:MODELLED]
    return learned[order[counts[order] > 0]]


def _draw_histories(data: Interactions, ranker: Ranker, position: Rows, seed: int) -> tuple[Float32, Float32]:
    """float32[users, m] twice: weights of the ratings, and 1 where a movie was rated; at least one user."""
    users = np.flatnonzero(data.user_counts)
    if len(users) > MAX_USERS:
        users = np.sort(np.random.default_rng(seed).choice(users, MAX_USERS, replace=False))
    line = np.full(data.n_users, -1, np.int64)
    line[users] = np.arange(len(users))
    drawn = np.flatnonzero((line >= 0)[data.users])
    drawn = drawn[position[data.items[drawn]] >= 0]
    place = line[data.users[drawn]], position[data.items[drawn]]
    weighted = np.zeros((max(len(users), 1), int(position.max(initial=-1)) + 1), np.float32)
    rated = np.zeros_like(weighted)
    weighted[place], rated[place] = ranker.weigher.like(data.ratings[drawn]), 1
    return weighted, rated


def _load(covariance: Floats, square: float) -> Floats:
    """float64[m, k]: the directions of most variance, each as long as its standard deviation.

    ``square``: the mean square of a history before centring; variances far below it are rounding errors.
    """
    size = len(covariance)
    if not size:
        return np.zeros((0, 0))
    values, vectors = scipy.linalg.eigh(covariance, subset_by_index=[max(size - FACTORS, 0), size - 1])
    real = values > EPSILON * max(square, EPSILON)
    loadings: Floats = vectors[:, real] * np.sqrt(values[real])
    return loadings
