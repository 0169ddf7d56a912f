"""Lists as they are served, for an evaluation before a version exists."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Float32, Int32
from engine.data.history import History
from engine.data.ratings import Interactions
from engine.evaluation.lists import ScoreUser
from engine.models.base import RatingModel
from engine.models.ranker import Ranker
from engine.recommending.bundling import measure_spread
from engine.recommending.cold_start import Blend, popularity
from engine.recommending.scoring import CANDIDATES, ListScorer, Predict, Scores

LIST_LENGTH = 10


@dataclass(frozen=True)
class ServedLists:
    """Lists as they are served: popularity is blended in for newcomers, and new movies are scored.

    Attributes:
        scorer: of the ranker and the rating model.
        personal_from: number of ratings from which a list is purely personal.
    """

    scorer: ListScorer
    personal_from: int

    @classmethod
    def of(cls, ranker: Ranker, model: RatingModel, data: Interactions, personal_from: int) -> Self:
        """The lists of a ranker that was fitted on ``data``, and of a rating model that knows no other ratings."""
        popular = popularity(data, ranker.weigher.like(data.ratings))
        spread = measure_spread(model, data, ranker.movies_)
        return cls(ListScorer(ranker, popular, data.movies, spread), personal_from)

    @property
    def popularity(self) -> Float32:
        """float32[n_movies]: what orders the list of an unknown user."""
        return self.scorer.popularity

    def _blend(self, history: History) -> Blend:
        return self.scorer.blend(history, self.personal_from, known=len(history) > 0)

    def scores(self, history: History) -> Scores:
        """The scores for a history."""
        return self.scorer.score(self._blend(history), self.popularity, history)

    def shares(self, history: History, movie: int) -> Float32:
        """float32[len(history)]: the share of each rating in a movie's score."""
        return self.scorer.shares(self._blend(history), history, movie)

    def draw(self, history: History, predict: Predict, drop: Int32) -> NDArray[np.int64]:
        """int64[n]: the list for a history; ``drop``: int32[k], movies to leave out."""
        return self.scores(history).best(LIST_LENGTH, predict, drop=drop).movies

    def of_user(self, model: RatingModel, data: Interactions, check: Callable[[], object]) -> ScoreUser:
        """Scores of the movies that a user's list may hold, for the ratings in ``data``; -inf for others.

        Args:
            model: predicts the users' ratings.
            data: the users' ratings.
            check: called for each user; may raise to stop.
        """

        def score(user: int) -> Float32:
            check()  # a large evaluation takes minutes
            history = data.history(user)

            def predict(movies: Int32) -> Float32:
                return model.predict_indices(np.full(len(movies), user, np.int32), movies)

            return self.scores(history).of_best(CANDIDATES, predict, drop=history.items)

        return score
