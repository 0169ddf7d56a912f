"""Ratings in blocks that share neither users nor movies, so that two processors learn from them at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Float32, Int32

MANY_RATINGS = 500_000
"""With fewer ratings an epoch takes less than a tenth of a second, and all are one block."""


@dataclass(frozen=True)
class Block:
    """n ratings: int32[n] users, int32[n] movies and float32[n] ratings, in the order of learning."""

    users: Int32
    movies: Int32
    ratings: Float32


def in_blocks(users: Int32, movies: Int32, ratings: Float32) -> list[list[Block]]:
    """The ratings in rounds of blocks: within a round no two blocks have a user or a movie in common.

    So what is learned does not depend on the number of threads, of which two are of use. Users and movies are each
    parted in two with about half of the ratings, in order of their keys (Gemulla et al., "Large-scale matrix
    factorization with distributed stochastic gradient descent", KDD 2011). Within a block the order stays.

    Args:
        users: int32[n], indices.
        movies: int32[n], indices.
        ratings: float32[n].
    """
    if len(ratings) < MANY_RATINGS:
        return [[Block(users, movies, ratings)]]
    first_users, first_movies = _first_half(users), _first_half(movies)
    same = first_users == first_movies
    rounds = (first_users & same, ~first_users & same), (first_users & ~same, ~first_users & ~same)
    return [[Block(users[rows], movies[rows], ratings[rows]) for rows in blocks if rows.any()] for blocks in rounds]


def _first_half(keys: Int32) -> NDArray[np.bool_]:
    """bool[n]: whether a rating's key is among the first, which together have at most half of the ratings."""
    reached = np.cumsum(np.bincount(keys))
    return np.asarray(2 * reached <= len(keys))[keys]
