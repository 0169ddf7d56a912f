"""An interview: which movies to ask a newcomer about, so that few answers tell much about their taste."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from engine.data.arrays import Bools, Float32, Floats, Int32
from engine.data.catalogue import Movie
from engine.data.ratings import Interactions
from engine.models.ease import ItemSimilarityRanker
from engine.recommending.cold_start import Status
from engine.rounding import settle

Rows = NDArray[np.int64]

EPSILON = 1e-6  # variances below this part of the mean square are rounding
TIED = 5  # digits of the first question's worth up to which worths, computed from float32, are equal
MODELLED = 1000  # the most rated movies, whose ratings tell of a taste
ASKED = 600  # the most rated of these, which are ever asked about
FACTORS = 16
NOISE = 0.3  # variance of an answer that says nothing of the taste, in squared weights of ratings
MAX_USERS = 10_000  # of whose ratings the model is made
MIN_CHANCE = 0.1  # no answers make a movie less likely to be known than this part of the chance for anybody
MIN_WORTH = 1 / 40
"""What a question has to teach on average to be asked, as a part of what the first one teaches."""


@dataclass(frozen=True, slots=True)
class InterviewQuestion:
    """A movie to ask about.

    Attributes:
        chance: how likely the person knows it, 0 to 1.
        teaches: what a rating of it would add to the confidence just now, 0 to 1.
    """

    movie: Movie
    chance: float
    teaches: float


@dataclass(frozen=True, slots=True)
class InterviewState:
    """Where an interview stands.

    Attributes:
        questions: the next ones, the best first; none once it has ended.
        confidence: how much of what there is to learn of the taste is known, 0 to 1.
        finished: why it has ended, None while it goes on.
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
        chance: how likely the person knows it, given what they know and do not, 0 to 1.
        teaches: by how much a rating lowers what is uncertain of the taste, as a part of what was at first, 0 to 1.
    """

    movie: int
    chance: float
    teaches: float

    @property
    def value(self) -> float:
        """How much asking teaches on average: whoever does not know the movie teaches nothing."""
        return self.chance * self.teaches


@dataclass(frozen=True)
class Interview:
    """Asks for what lowers the uncertainty of a taste the most, weighed by the chance that the person can answer.

    What a person rated of the m most rated movies, weighted as the ranker does (0 for a movie not rated), is taken to
    be ``means + loadings @ taste + noise``, the k numbers of a taste being standard normal: probabilistic principal
    components (Tipping and Bishop, "Probabilistic principal component analysis", J. R. Stat. Soc. B 61, 1999), here
    with a noise for each movie. Uncertain is the variance of all weighted ratings that the taste explains, and a rating
    is worth by how much it lowers that: an A-optimal design (Rubens, Elahi, Sugiyama and Kaplan, "Active learning in
    recommender systems", in Recommender Systems Handbook, 2015). That is multiplied by the chance to know the movie, as
    popularity is in Rashid et al., "Getting to know you: learning new user preferences in recommender systems", IUI
    2002, but the chance follows the answers: a linear regression on the taste, which for this learns from movies that
    the person does not know as well. Lists are made from ratings alone, so these alone make a taste more certain.

    Nothing changes once it is prepared, so any number of threads may ask.

    Attributes:
        movies: int64[m], movie indices, the most rated first.
        position: int64[n_movies], the row of a movie in what follows, -1 without one.
        means: float64[m], of the weighted ratings.
        loadings: float64[m, k].
        noise: float64[m], the variance that the taste does not explain.
        known: float64[m], the part of people who rated the movie.
        chances: float64[m, k], what each number of a taste adds to the chance to know the movie.
        weigher: what a rating counts; it knows no similarities.
        asked: how many of the first movies may be asked about.
    """

    movies: Rows
    position: Rows
    means: Floats
    loadings: Floats
    noise: Floats
    known: Floats
    chances: Floats
    weigher: ItemSimilarityRanker
    asked: int

    @classmethod
    def prepare(cls, data: Interactions, ranker: ItemSimilarityRanker, asked: int = ASKED, seed: int = 0) -> Self:
        """Learn from ratings what goes with what; takes under a second, whatever their number.

        Args:
            data: the ratings; of more than 10,000 users, those of 10,000 drawn at random.
            ranker: says what a rating counts, and which movies its lists can learn from.
            asked: how many movies at most are ever asked about.
            seed: of the draw of users.
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
            _without_similarities(ranker),
            min(asked, len(movies)),
        )

    def questions(self, items: Int32, ratings: Float32, skipped: Int32, n: int = 1) -> tuple[Question, ...]:
        """What to ask next, best first; each as if those before it had been answered.

        Args:
            items: int32[any], the movies that the person has rated, each once; they are not asked about.
            ratings: float32[any], how they were rated.
            skipped: int32[any], the movies that the person does not know; nor are these.
            n: how many questions at most.

        Returns:
            Fewer than ``n`` where no others teach enough. None: the interview has ended, and ``finished`` says why.
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
        """How much of what there is to learn of a taste is known: 0 without ratings, below 1 with any number of them.

        It grows with every movie rated and never falls, however they were rated: the variance of a normal distribution
        depends on what was observed, not on what was found. Movies that few have rated add nothing.
        """
        if not self._total:
            return 0.0
        remains = np.trace(self._weights @ self._uncertain(self._rows(items))) / self._total
        return float(np.clip(1 - remains, 0, 1))

    def finished(self, items: Int32, ratings: Float32, skipped: Int32) -> str | None:
        """Why the interview ends, in a sentence, or None while there is a question worth asking.

        Arguments are those of ``questions``, which gives none just then.
        """
        if not self._first_value:
            return "The ratings so far are too few, or too much alike, to know what to ask about."
        if not self._left(items, skipped).any():
            return "There is no movie left to ask about."
        if not self.questions(items, ratings, skipped):
            return f"Another question would teach less than a {1 / MIN_WORTH:.0f}th of what the first one did."
        return None

    @cached_property
    def _weights(self) -> Floats:
        """float64[k, k]: how uncertainty of a taste becomes uncertainty of ratings."""
        return np.asarray(self.loadings.T @ self.loadings, np.float64)

    @cached_property
    def _total(self) -> float:
        """What is uncertain before any answer."""
        return float(np.trace(self._weights))

    @cached_property
    def _first_value(self) -> float:
        """What the first question teaches somebody of whom nothing is known."""
        teaches = self._teach(self._uncertain(np.empty(0, np.int64)))
        return float((self.known * teaches)[: self.asked].max(initial=0))

    def _rows(self, items: Int32) -> Rows:
        return self.position[items[self._covers(items)]]

    def _covers(self, items: Int32) -> Bools:
        """bool[len(items)]: which movies are modelled."""
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
        """float64[m]: by how much the rating of each movie lowers what is uncertain, as a part of what was at first."""
        moved = self.loadings @ uncertain
        lowered = ((moved @ self._weights) * moved).sum(axis=1) / ((moved * self.loadings).sum(axis=1) + self.noise)
        return np.asarray(lowered / (self._total or 1), np.float64)

    def _chance(self, items: Int32, ratings: Float32, skipped: Int32) -> Floats:
        """float64[m]: the chance to know each movie."""
        covered = self._covers(items)
        rows, weights = self.position[items[covered]], self.weigher.weigh(ratings[covered])
        unknown = np.setdiff1d(self._rows(skipped), rows)
        rows, weights = np.concatenate([rows, unknown]), np.concatenate([weights, np.zeros(len(unknown))])
        surprise = (weights - self.means[rows]) / self.noise[rows]
        taste = self._uncertain(rows) @ (self.loadings[rows].T @ surprise)
        chance: Floats = np.clip(self.known + self.chances @ taste, MIN_CHANCE * self.known, 1)
        return chance


def _most_rated(data: Interactions, ranker: ItemSimilarityRanker) -> Rows:
    """int64[m]: of the movies that the ranker knows, those with most ratings, the most first."""
    learned = ranker.movies_[ranker.movies_ < data.n_movies].astype(np.int64)
    counts = data.movie_counts[learned]
    order = np.argsort(-counts, kind="stable")[:MODELLED]
    return learned[order[counts[order] > 0]]


def _draw_histories(
    data: Interactions, ranker: ItemSimilarityRanker, position: Rows, seed: int
) -> tuple[Float32, Float32]:
    """float32[users, m] twice: what each movie counts in a history, and 1 where it was rated; one user at least."""
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
    weighted[place], rated[place] = ranker.weigh(data.ratings[drawn]), 1
    return weighted, rated


def _load(covariance: Floats, square: float) -> Floats:
    """float64[m, k]: the directions of most variance, each as long as its standard deviation; none that is nothing.

    ``square``: the mean square of a history, before the means are taken off: what is left of equal ones is rounding.
    """
    size = len(covariance)
    if not size:
        return np.zeros((0, 0))
    values, vectors = scipy.linalg.eigh(covariance, subset_by_index=[max(size - FACTORS, 0), size - 1])
    real = values > EPSILON * max(square, EPSILON)
    loadings: Floats = vectors[:, real] * np.sqrt(values[real])
    return loadings


def _without_similarities(ranker: ItemSimilarityRanker) -> ItemSimilarityRanker:
    """A ranker that weighs ratings the same and keeps no large arrays alive."""
    light = ItemSimilarityRanker(ranker.config)
    light.range_ = ranker.range_
    return light
