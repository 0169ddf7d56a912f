"""New ratings count at once: what is known of each user now, on top of a version that never changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.dataset.interactions import Float32, Int32, Interactions
from engine.models.base import Vector
from engine.models.bundle import VersionBundle


@dataclass(frozen=True)
class UserState:
    """What serving knows of one user: the rated movies, their ratings, and the rating model's vector. Never changed."""

    items: Int32
    ratings: Float32
    vector: Vector

    def rating_of(self, movie: int) -> float | None:
        """The user's rating of a movie, None where there is none."""
        found = np.flatnonzero(self.items == movie)
        return float(self.ratings[found[0]]) if len(found) else None

    @property
    def mean(self) -> float:
        """The mean of the user's ratings; 0 without any."""
        return float(self.ratings.mean()) if len(self.ratings) else 0.0


class RealtimeLearner:
    """Folds users into a version by closed form, the movies' side being kept.

    Readers never wait: a state is replaced whole by one assignment. Writers of the same user must take turns (the
    serving service holds its lock around the store's write and the update, so that both happen in one order).

    Args:
        bundle: the version that serves.
        data: the ratings as loaded; users rated after it are in the overlay.
    """

    def __init__(self, bundle: VersionBundle, data: Interactions) -> None:
        self.bundle = bundle
        self.data = data
        self._overlay: dict[int, UserState] = {}

    def state(self, user: int) -> UserState:
        """What is known of a user now; an unknown user has no ratings and a vector that says nothing."""
        found = self._overlay.get(user)
        if found is not None:
            return found
        if not 0 <= user < self.data.n_users:
            return UserState(np.empty(0, np.int32), np.empty(0, np.float32), self.bundle.rating.user_vector(-1))
        rows = self.data.by_user.of(user)
        return UserState(self.data.items[rows], self.data.ratings[rows], self.bundle.rating.user_vector(user))

    def update_user_embedding(self, user: int, items: Int32, ratings: Float32) -> UserState:
        """Learn a user from all of the user's ratings: the same ratings in any order of arrival end in the same state.

        Args:
            user: the user's key; may be new.
            items: int32[n], every movie the user has rated, in order of movie key.
            ratings: float32[n], the ratings of them.
        """
        state = UserState(items, ratings, self.bundle.rating.fold_in_user(items, ratings))
        self._overlay[user] = state
        return state

    def rate(self, user: int, movie: int, rating: float) -> UserState:
        """Add or replace one rating of a user and learn from it."""
        before = self.state(user)
        others = before.items != movie
        items = np.append(before.items[others], np.int32(movie))
        ratings = np.append(before.ratings[others], np.float32(rating))
        order = np.argsort(items)
        return self.update_user_embedding(user, items[order], ratings[order])

    @property
    def folded_users(self) -> int:
        """How many users differ from what the version learned."""
        return len(self._overlay)
