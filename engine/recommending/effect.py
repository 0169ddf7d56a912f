"""What another version changes for people: places of their lists, and the ratings expected there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.models.base import NOTHING
from engine.recommending.lists import ListOptions
from engine.recommending.state import ServingState
from engine.rounding import settle
from engine.words import counted

SAMPLED_USERS, LIST_LENGTH = 200, 10
NO_CHANGE = 0.005
"""Mean change of the expected rating below which no card shows another number, on a scale of a few points."""


@dataclass(frozen=True, slots=True)
class ListEffect:
    """Lists of a version beside those of a baseline, for a sample of users.

    Attributes:
        baseline: version that the lists are compared with.
        users: users in the sample.
        length: places of a list.
        replaced: median number of places that go to another movie.
        unchanged: share of the users whose list has the same movies in the same order.
        ratings: mean absolute change of the expected rating of the listed movies; None for preferences.
    """

    baseline: int
    users: int
    length: int
    replaced: float
    unchanged: float
    ratings: float | None

    @property
    def text(self) -> str:
        """What people notice, as a sentence."""
        stars = self.ratings is not None and settle(self.ratings, 1) >= NO_CHANGE
        if self.unchanged == 1:
            return "Only the expected ratings change; lists stay." if stars else "People see the same lists."
        places = f"{self.replaced:g} of {counted(self.length, 'place')}"
        verb = "changes" if self.replaced == 1 else "change"
        first = (
            f"For the median person {places} {verb}"
            if self.replaced
            else "The median person keeps the same movies, perhaps in another order"
        )
        same = f"; {self.unchanged:.0%} of people keep their list" if self.unchanged >= 0.005 else ""
        moved = f" Expected ratings move by {self.ratings:.2f} on average." if stars else ""
        return f"{first}{same}.{moved}"


def measure_effect(new: ServingState, old: ServingState, length: int = LIST_LENGTH) -> ListEffect | None:
    """Compare the lists of two versions for the same people; None without any.

    The sample is a fixed part of the users, so that it is the same for any two versions.

    Args:
        new: a version.
        old: the baseline; its number is kept.
        length: places of a list.
    """
    users = _sample(sorted(old.users.keys() & new.users.keys()))
    compared = [_compare(new, old, user, length) for user in users]
    if not compared:
        return None
    replaced, same, moved = (np.array(column) for column in zip(*compared, strict=True))
    ratings = None if old.has_preferences else float(moved.mean())
    return ListEffect(old.version, len(users), length, float(np.median(replaced)), float(same.mean()), ratings)


def _sample(users: Sequence[str]) -> list[str]:
    """At most ``SAMPLED_USERS``, at equal distances."""
    places = np.linspace(0, max(len(users) - 1, 0), min(SAMPLED_USERS, len(users)))
    return [users[place] for place in np.unique(places.astype(int)).tolist()]


def _compare(new: ServingState, old: ServingState, user_id: str, length: int) -> tuple[int, bool, float]:
    """Places that go to another movie, whether the list stays, and the mean change of expected ratings."""
    ours, theirs = new.listen(user_id), old.listen(user_id)
    wanted, drop = ListOptions(length), np.union1d(ours.state.items, theirs.state.items).astype(np.int32)
    lists = [
        [state.movie(movie).movie_id for movie in state.make_list(user, wanted, drop).movies.tolist()]
        for state, user in ((new, ours), (old, theirs))
    ]
    columns = np.array([old.movies[movie] for movie in lists[1] if movie in new.movies], np.int32)
    here = np.array([new.movies[old.movie(column).movie_id] for column in columns.tolist()], np.int32)
    moved = np.abs(ours.state.predict(here) - theirs.state.predict(columns)) if len(columns) else NOTHING
    return len(set(lists[1]) - set(lists[0])), lists[0] == lists[1], float(moved.mean()) if len(moved) else 0.0
