"""What people rated next: a regression of the ratings that followed on those before, to go with what goes together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from engine.data.arrays import Float32, Int32
from engine.data.history import rank_from_newest
from engine.data.ratings import Interactions
from engine.data.splits import draw_users
from engine.errors import NotSolvable
from engine.models.lapack import solve
from engine.models.mixing import Part

CUTS = 8
"""Moments at which each history is parted into before and after; what follows is a ninth of it."""
RECENCY = 0.3
"""Power of a rating's rank before the moment: how fast older ones lose weight, as in ``weigh_by_recency``."""
MAX_RATINGS = 1_000_000
"""Maximum ratings, in whole users, that take part."""
MAX_MOVIES = 5000
"""Only the most rated movies take part: the time grows with their cube."""


def learn_following(
    data: Interactions, columns: Int32, m: int, like: Callable[[Float32], Float32], l2: float, seed: int = 0
) -> Part:
    """Row j is what a rating of movie j adds to every movie's score as the next to be rated.

    Each history is parted at eight moments. With X the weighted ratings before each, by height and recency, and Y those
    of the next ninth of the history, by height, the weights are the ridge regression ``(X'X + l2 I)^-1 X'Y`` (Hoerl and
    Kennard 1970, "Ridge regression"), with 0 on the diagonal.

    Args:
        data: n ratings with times.
        columns: int32[n], the movie of each rating, in 0..m-1; those of movies at -1 are left out.
        m: number of movies.
        like: the weights of ratings by their height.
        l2: the penalty.
        seed: random seed of the users that take part where there are more than ``MAX_RATINGS`` ratings.

    Raises:
        NotSolvable: the penalty is too low.
    """
    movies = _most_rated(columns, m)
    place = np.full(m + 1, -1, np.int32)  # the last one is found by -1
    place[movies] = np.arange(len(movies), dtype=np.int32)
    rows = np.flatnonzero(draw_users(data, MAX_RATINGS, seed)[data.users])
    rows = rows[place[columns[rows]] >= 0]
    before, after = _part(data.subset(rows), place[columns[rows]], len(movies), like(data.ratings[rows]))
    gram = (before.T @ before).toarray("C")
    gram[np.diag_indices_from(gram)] += np.float32(l2)
    found = (after.T @ before).toarray("C")
    try:
        solve(gram, found)
    except np.linalg.LinAlgError as error:
        raise NotSolvable(f"What people rate next can't be learned with l2 = {l2:g}. Raise l2.") from error
    np.fill_diagonal(found, 0)
    return Part(movies, found.T)


def _most_rated(columns: Int32, m: int) -> NDArray[np.int64]:
    counts = np.bincount(columns + 1, minlength=m + 1)[1:]
    return np.sort(np.argsort(-counts, kind="stable")[:MAX_MOVIES])


def _part(data: Interactions, columns: Int32, m: int, likes: Float32) -> tuple[sp.csr_array, sp.csr_array]:
    """Histories before and after each moment: float32[moments * users, m] twice."""
    assert data.timestamps is not None
    count = data.user_counts[data.users]
    age = (rank_from_newest(data.users, data.timestamps) + 0.5) / np.maximum(count, 1)  # 0 is the end of the history
    sides: tuple[list[sp.csr_array], list[sp.csr_array]] = ([], [])
    for cut in np.arange(1, CUTS + 1) / (CUTS + 1):
        rank = np.maximum((age - cut) * count - 0.5, 0)
        weights = likes * (1 + rank) ** -RECENCY, likes
        chosen = age > cut, (age <= cut) & (age > cut - 1 / (CUTS + 1))
        for side, weight, rows in zip(sides, weights, chosen, strict=True):
            entries = weight[rows].astype(np.float32), (data.users[rows], columns[rows])
            side.append(sp.csr_array(entries, (data.n_users, m)))
    before, after = (sp.vstack(side, "csr") for side in sides)
    return before, after
