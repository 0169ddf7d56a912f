"""Exams of new ratings: each is predicted from the state before it, and only then learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.background import give_way
from engine.data.arrays import Int32
from engine.data.ratings import Interactions
from engine.models.intervals import Calibration
from engine.models.version import RatingParts, VersionBundle
from engine.recommending.fold_in import RealtimeLearner, UserState
from engine.recommending.scoring import CANDIDATES
from engine.recommending.state import RatingChange, ServingState


@dataclass(frozen=True, slots=True)
class Predicted:
    """A predicted rating and its 90% interval, in rating units; the interval is None without a calibration."""

    rating: float
    interval: tuple[float, float] | None


def predict(user: UserState, movie: int, calibration: Calibration | None) -> Predicted:
    """What a user at one moment is expected to give a movie."""
    column = np.array([movie], np.int32)
    found = user.predict(column)
    return Predicted(float(found[0]), user.intervals(calibration, found, column)[0])


def place_in_list(state: ServingState, user: UserState, movie: int, *, key: int, known: bool) -> int | None:
    """Place of a movie in a user's plain list of all unrated movies, from 1; None where no list may show it.

    Beyond the ``CANDIDATES`` best movies the predicted rating changes no order, so the linear scores decide there.

    Args:
        state: the version that serves.
        user: the user at one moment.
        movie: its key.
        key: the user's key.
        known: whether the user was in the store.
    """
    allowed = ~state.data.movies.removed
    allowed[user.items] = False
    if not allowed[movie]:
        return None
    scores = state.listen_to(user, key=key, known=known).scores
    best = scores.best(CANDIDATES, user.predict, allowed=allowed).movies
    found = np.flatnonzero(best == movie)
    if len(found):
        return int(found[0]) + 1
    better = allowed & (scores.linear > scores.linear[movie])
    return max(int(better.sum()), len(best)) + 1


class Examiner:
    """One shadow version, which predicts each new rating before it folds it in.

    Changes have to come in the order in which they were stored. Those that the ratings at ``revision`` have already are
    neither predicted nor learned: their answers are known.

    Args:
        version: its number.
        parts: what predicts.
        data: the ratings.
        revision: of the store, which the ratings include.
    """

    def __init__(self, version: int, parts: VersionBundle | RatingParts, data: Interactions, revision: int) -> None:
        self.version = version
        self.revision = revision
        self.learner = RealtimeLearner(parts, data)
        self._calibration = parts.calibration

    def predict(self, change: RatingChange) -> Predicted | None:
        """The prediction of a new rating; None where the rating may be known, or the movie is not."""
        if change.revision <= self.revision or change.movie_key >= self.learner.data.n_movies:
            return None
        return predict(self.learner.state(change.user_key), change.movie_key, self._calibration)

    def learn(self, change: RatingChange, at: int) -> None:
        """Fold a change in; ``at``: its Unix time."""
        if change.revision <= self.revision:
            return
        self.revision = change.revision
        if change.movie_key >= self.learner.data.n_movies or change.rating == change.previous:
            return
        if change.rating is None:
            self.learner.unrate(change.user_key, change.movie_key)
        else:
            self.learner.rate(change.user_key, change.movie_key, change.rating, at)


def fold_changed(learner: RealtimeLearner, users: Int32, movies: Int32) -> None:
    """Fold in the users, then the movies, of which the learner's data have other ratings than its version learned."""
    data = learner.data
    for user in users[users < data.n_users].tolist():
        give_way()
        mine = data.history(user)
        learner.update_user_embedding(user, mine.items, mine.ratings, mine.times)
    for movie in movies[movies < data.n_movies].tolist():
        give_way()
        rows = data.by_movie.of(movie)
        learner.update_movie_embedding(movie, data.users[rows], data.ratings[rows])
