"""All users and movies as they are served at one moment, for lists that are made outside this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from engine.background import give_way
from engine.data.arrays import Float32, Int32
from engine.models.spark import Job
from engine.recommending.state import ServingState

USERS_AT_ONCE = 500


@dataclass(frozen=True)
class Side:
    """Users, or movies.

    Attributes:
        keys: int32[n], their indices.
        names: their n ids.
        vectors: float32[n, 1 + factors], bias and factors of each.
        titles: of movies.
    """

    keys: Int32
    names: Sequence[str]
    vectors: Float32
    titles: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def table(self) -> pa.Table:
        """The columns ``id``, ``name``, ``bias``, ``factors``, and of movies ``title``."""
        width = self.vectors.shape[1] - 1
        ends = pa.array(np.arange(len(self.keys) + 1, dtype=np.int32) * width, pa.int32())
        columns = {
            "id": pa.array(self.keys, pa.int64()),
            "name": pa.array(self.names, pa.string()),
            "bias": pa.array(self.vectors[:, 0], pa.float32()),
            "factors": pa.ListArray.from_arrays(ends, pa.array(self.vectors[:, 1:].ravel(), pa.float32())),
        }
        return pa.table(columns if self.titles is None else columns | {"title": pa.array(self.titles, pa.string())})


@dataclass(frozen=True)
class Vectors:
    """Users who have rated, all movies, and who rated what: int32[ratings] each."""

    users: Side
    movies: Side
    raters: Int32
    rated: Int32

    def write(self, job: Job) -> None:
        """Write them as tables for a job: ``ratings``, ``learned/users`` and ``learned/movies``."""
        job.write_ratings(self.raters, self.rated, np.ones(len(self.rated), np.float32))
        job.write("learned/users", self.users.table())
        job.write("learned/movies", self.movies.table())


def collect(state: ServingState, report: Callable[[float], None]) -> Vectors:
    """Collect them from a version whose vectors are bias and factors.

    Args:
        state: of the version.
        report: called with the share that is done, 0 to 1.
    """
    everybody = list(state.users.items())
    keys, names, vectors, items = [], [], [], []
    for place, (name, key) in enumerate(everybody):
        if place % USERS_AT_ONCE == 0:
            give_way()
            report(place / len(everybody))
        user = state.learner.state(key)
        if len(user.items):
            keys.append(key)
            names.append(name)
            vectors.append(user.vector)
            items.append(user.items)
    users = Side(np.array(keys, np.int32), names, np.array(vectors, np.float32))
    raters = np.repeat(users.keys, [len(one) for one in items])
    return Vectors(users, collect_movies(state), raters, np.concatenate(items))


def collect_movies(state: ServingState) -> Side:
    """Collect the movies alone, without removed ones."""
    folded = state.learner.state(-1).movies
    keys = np.array(sorted(state.movies.values()), np.int32)
    listed = [state.movie(key) for key in keys.tolist()]
    vectors = np.array([folded.vector(key) for key in keys.tolist()], np.float32)
    return Side(keys, [movie.movie_id for movie in listed], vectors, [movie.title for movie in listed])
