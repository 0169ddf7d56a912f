"""What another version changes in the lists of everybody: who keeps how much, and which movies rise and fall."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.data.catalogue import Movie
from engine.recommending.reach import LISTED, some_people
from engine.recommending.state import ServingState

MAX_PEOPLE = 2_000
SHOWN = 10


@dataclass(frozen=True, slots=True)
class MovieChange:
    """Number of lists that have a movie among the first ten, before and after."""

    movie: Movie
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class PersonChange:
    """How many of the first ten movies of a person's list stay."""

    user_id: str
    kept: int


@dataclass(frozen=True, slots=True)
class ListChanges:
    """The first ten of people's lists under two versions, from the same ratings.

    Attributes:
        version: the version.
        baseline: the version it is compared with.
        people: number of people whose lists were made.
        out_of: number of people with ratings; beyond ``people`` a random sample stands for them.
        kept: number of people with 0, 1, ... 10 movies in both lists.
        risen: movies that are in more lists than before, those that gain most first.
        fallen: movies that are in fewer lists, those that lose most first.
        most_changed: people who keep the least, if not their whole list.
    """

    version: int
    baseline: int
    people: int
    out_of: int
    kept: tuple[int, ...]
    risen: tuple[MovieChange, ...]
    fallen: tuple[MovieChange, ...]
    most_changed: tuple[PersonChange, ...]


def measure_changes(
    new: ServingState, old: ServingState, pause: Callable[[float], object], most: int = MAX_PEOPLE
) -> ListChanges:
    """Compare the lists of two versions.

    Args:
        new: a version, from the same ratings as the other.
        old: the baseline.
        pause: called before each person with the share of the work done; an error that it raises ends the comparison.
        most: number of people, at most.
    """
    people, out_of = some_people(new, most)
    before, after = (np.zeros(new.data.n_movies, np.int64) for _ in range(2))
    kept = np.zeros(len(people), np.int64)
    for place, key in enumerate(people.tolist()):
        pause(place / len(people))
        theirs, ours = old.first_places(key, LISTED), new.first_places(key, LISTED)
        before[theirs] += 1
        after[ours] += 1
        kept[place] = len(np.intersect1d(theirs, ours))
    gain = after - before
    order = np.argsort(-gain, kind="stable")
    changed = np.argsort(kept, kind="stable")[:SHOWN]

    def movie(key: int) -> MovieChange:
        return MovieChange(new.movie(key), int(before[key]), int(after[key]))

    return ListChanges(
        new.version,
        old.version,
        len(people),
        out_of,
        tuple(np.bincount(kept, minlength=LISTED + 1).tolist()),
        tuple(movie(key) for key in order[:SHOWN].tolist() if gain[key] > 0),
        tuple(movie(key) for key in order[::-1][:SHOWN].tolist() if gain[key] < 0),
        tuple(
            PersonChange(str(new.data.user_ids.raw(int(people[place]))), int(kept[place]))
            for place in changed.tolist()
            if kept[place] < LISTED
        ),
    )
