"""The contract of every ranker: scores that are linear in a user's weighted history."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from engine.data.arrays import Arrays, Float32, Int32
from engine.data.history import History
from engine.data.ratings import Interactions
from engine.models.base import Fitted, ModelConfig

HIGH = 0.75
"""Place in the used range at which a rating weighs 1."""
LOW = 0.5
"""Place in the used range below which a rating counts against a movie."""
RARE = 0.005
"""Ends of the scale with a smaller share of the ratings are not in use."""


class RankerConfig(ModelConfig):
    """Hyperparameters that all rankers share."""

    min_ratings: int = Field(
        4, ge=1, le=1000, title="Minimum ratings", description="Movies with fewer ratings get no similarities."
    )
    rating_power: float = Field(
        2.0, ge=0, le=10, description="Weight of high ratings over low ones; 0 weighs all equally."
    )
    dislike: float = Field(
        0.3, ge=0, le=10, description="How strongly the lowest rating counts against similar movies."
    )
    recency: float = Field(
        0.0, ge=0, le=5, description="How fast older ratings of a person lose weight; 0 weighs all equally."
    )
    popularity_discount: float = Field(0.1, ge=0, le=1, description="How strongly less rated movies are raised.")
    rating_weight: float = Field(
        0.0, ge=0, le=5, description="Weight of the predicted rating in the order of a list, in standard deviations."
    )
    genre_weight: float = Field(
        0.5, ge=0, le=100, description="Weight of shared genres beside that of people who rated both."
    )
    year_weight: float = Field(
        0.2, ge=0, le=100, description="Weight of close years beside that of people who rated both."
    )


@dataclass(frozen=True)
class RatingWeigher:
    """Weights of the ratings of a history.

    A rating weighs ``(place / 0.75) ** power``, with its place from 0 to 1 in the used range of ratings, so that likes,
    which use one end of the scale only, don't weigh 0. Below the middle, ``dislike * (1 - place / 0.5)`` is taken off
    when a list is made.

    Attributes:
        low, high: lowest and highest rating in use.
        power: weight of high ratings over low ones.
        dislike: what the lowest rating weighs, negative.
        recency: each weight is multiplied by ``(1 + rank) ** -recency``, with the rating's rank from the newest one.
    """

    low: float
    high: float
    power: float
    dislike: float
    recency: float

    @classmethod
    def of(cls, config: RankerConfig, used: tuple[float, float]) -> Self:
        """The weights for these settings, and this used range."""
        return cls(*used, config.rating_power, config.dislike, config.recency)

    def _place(self, ratings: Float32) -> Float32:
        return np.asarray((np.clip(ratings, self.low, self.high) - self.low) / (self.high - self.low), np.float32)

    def like(self, ratings: Float32) -> Float32:
        """float32[n]: the weight of each rating, at least 0: how far it shows that the user likes such movies."""
        if self.high == self.low:
            return np.ones(len(ratings), np.float32)
        weights: Float32 = (self._place(ratings) / np.float32(HIGH)) ** np.float32(self.power)
        return weights

    def taste(self, ratings: Float32) -> Float32:
        """float32[n]: the weight of each rating when a list is made; those of low ratings may be negative."""
        if self.high == self.low or not self.dislike:
            return self.like(ratings)
        against = np.maximum(1 - self._place(ratings) / np.float32(LOW), 0)
        return np.asarray(self.like(ratings) - np.float32(self.dislike) * against, np.float32)

    def weights_of(self, history: History) -> Float32:
        """float32[n]: the weight of each rating of a history: by its height and its age."""
        return self.taste(history.ratings) * history.recency(self.recency)


class Ranker(Fitted, ABC):
    """Orders a user's list by scores that are linear in the user's weighted history.

    Attributes:
        movies_: int32[m], the movies with similarities; others score 0.
        position_: int32[n_movies], each movie's place in ``movies_``, -1 without one.
        range_: lowest and highest rating in use.
    """

    config: RankerConfig
    movies_: Int32
    position_: Int32
    range_: tuple[float, float]

    @abstractmethod
    def fit(self, data: Interactions) -> Self:
        """Learn from ratings.

        Raises:
            InvalidInput: the data are no ``Interactions``.
        """

    def steps(self, data: Interactions) -> Generator[str, None, None]:
        """Learn as ``fit`` does, yielding names of steps; closing it ends what works outside this process at once."""
        self.fit(data)
        yield from ()

    @classmethod
    @abstractmethod
    def variants(cls, data: Interactions, max_movies: int) -> Callable[[RankerConfig], Ranker]:
        """Makes rankers of any settings from the same ratings, and shares what they have in common.

        Args:
            data: the ratings.
            max_movies: only the most rated movies take part.
        """

    @abstractmethod
    def score_history(self, history: History) -> Float32:
        """float32[n_movies]: the scores of all movies for a history."""

    @abstractmethod
    def shares(self, history: History, movie: int) -> Float32:
        """float32[len(history)]: each rating's share in one movie's score, with the weights of the others kept.

        They sum to the score.
        """

    @abstractmethod
    def arrays(self) -> Arrays:
        """Learned arrays by name."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, config: ModelConfig, arrays: Arrays) -> Self:
        """Rebuild a ranker from ``arrays()``; it knows indices, not raw ids."""

    def bind(self, data: Interactions) -> None:
        """Remember the data's raw ids and histories, for the methods that take raw ids."""
        super().bind(data)
        self.data_ = data

    @property
    def weigher(self) -> RatingWeigher:
        """The weights of ratings."""
        return RatingWeigher.of(self.config, self.range_)

    def known(self, history: History) -> NDArray[np.intp]:
        """intp[k]: the places in a history of movies with similarities."""
        inside = np.flatnonzero((history.items >= 0) & (history.items < len(self.position_)))
        return inside[self.position_[history.items[inside]] >= 0]

    def score_user(self, user: int) -> Float32:
        """float32[n_movies]: the scores of a user of the training data; zeros for an unknown user."""
        self.check_fitted()
        return self.score_history(self.data_.history(user))

    def _keep(self, data: Interactions, most: int) -> None:
        """Set the used range, and the movies with similarities: the most rated of those with enough ratings."""
        self.range_ = range_in_use(data)
        counts = data.movie_counts
        # If no movie has enough ratings, those with the most still get similarities.
        enough = np.flatnonzero(counts >= min(self.config.min_ratings, max(int(counts.max()), 1)))
        most_rated = enough[np.argsort(-counts[enough], kind="stable")[:most]]
        self._place(np.sort(most_rated).astype(np.int32), data.n_movies)

    def _keep_as(self, other: Ranker) -> None:
        """The same as of another ranker of the same ratings and limits."""
        self.range_, self.movies_, self.position_ = other.range_, other.movies_, other.position_

    def _place(self, movies: Int32, n_movies: int) -> None:
        self.movies_ = movies
        self.position_ = np.full(n_movies, -1, np.int32)
        self.position_[movies] = np.arange(len(movies), dtype=np.int32)


def range_in_use(data: Interactions) -> tuple[float, float]:
    """Lowest and highest rating in use; the scale if there are no ratings."""
    if not len(data):
        return data.scale
    low, high = np.quantile(data.ratings, [RARE, 1 - RARE], method="inverted_cdf").tolist()
    return low, high
