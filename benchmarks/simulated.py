"""Simulated ratings with the long tail of MovieLens 25M, in any number.

``python -m benchmarks.simulated ratings.csv [ratings [users [movies [seed]]]]`` writes them as MovieLens does.

The shape follows what https://codex.lenskit.org/movielens/ML25M/description.html says of MovieLens 25M: a user rates at
least 20 movies, and log-normally many more; the Gini coefficient of the movies' numbers of ratings is 0.942. The
curve of the movies' popularity was fitted so that drawing without repetition gives this coefficient and MovieLens 25M's
most rated movie (81,491 of 25,000,095 ratings). Where movies are few for the ratings asked for, the popular ones fill
up and the tail is shorter. Who rates what does not depend on tastes, how a movie is rated does.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow
from numpy.typing import NDArray

MOVIELENS_25M = 25_000_095, 162_541, 59_047
MIN_RATINGS, SPREAD = 20, 1.59  # of a user's ratings: minimum, and deviation of the logarithm of the rest
MIN_SHARE = 0.5  # for users with fewer ratings than MovieLens's, the minimum as a share of their mean
STEEPNESS, BEND = 15.429, 0.31365  # popularity at the share x of the ranks: exp(-STEEPNESS * x ** BEND)
ROUNDS = 12
TASTES = 8
ROWS = 1_000_000  # rated at a time, to bound memory
YEAR = 365 * 86_400


def simulate(n_ratings: int, n_users: int, n_movies: int, seed: int = 0) -> pd.DataFrame:
    """Ratings in half stars from hidden tastes, biases of users and movies, and noise.

    Args:
        n_ratings: the exact number; pairs are distinct.
        n_users: every one of them rates if there are ratings enough; their ids are 1 to ``n_users``.
        n_movies: ids are 1 to ``n_movies``, without relation to popularity; not every movie is rated.
        seed: equal seeds give equal ratings.

    Returns:
        ``user_id`` and ``movie_id`` (int32), ``rating`` (float32), ``timestamp`` (int64, Unix seconds), sorted by user
        and movie as MovieLens's files are.

    Raises:
        ValueError: there are fewer pairs.
    """
    if not 0 < n_ratings <= n_users * n_movies:
        raise ValueError(f"{n_users:,} users and {n_movies:,} movies have no {n_ratings:,} different pairs.")
    rng = np.random.default_rng(seed)
    weights = rng.permutation(np.exp(-STEEPNESS * ((np.arange(n_movies) + 0.5) / n_movies) ** BEND))
    users, movies = np.divmod(_pairs(rng, _quotas(rng, n_ratings, n_users, n_movies), weights), n_movies)
    begun = rng.integers(26 * YEAR, 50 * YEAR, n_users)
    columns = {
        "user_id": (users + 1).astype(np.int32),
        "movie_id": (movies + 1).astype(np.int32),
        "rating": _ratings(rng, users, movies, n_users, n_movies),
        "timestamp": begun[users] + rng.integers(0, YEAR, n_ratings),
    }
    return pd.DataFrame(columns, copy=False)


def _quotas(rng: np.random.Generator, n_ratings: int, n_users: int, n_movies: int) -> NDArray[np.int64]:
    """int64[n_users]: number of ratings of each user, ``n_ratings`` in total and at most ``n_movies`` each."""
    least = int(min(MIN_RATINGS, MIN_SHARE * n_ratings / n_users, n_movies))
    beyond = rng.lognormal(0, SPREAD, n_users)
    wanted = least + beyond / beyond.sum() * (n_ratings - least * n_users)
    quotas: NDArray[np.int64] = np.minimum(wanted, n_movies).astype(np.int64)
    while (left := n_ratings - int(quotas.sum())) > 0:
        quotas[rng.permutation(np.flatnonzero(quotas < n_movies))[:left]] += 1
    return quotas


def _pairs(rng: np.random.Generator, quotas: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Sorted ``user * n_movies + movie``: each user's movies, drawn by weight without replacement."""
    n_movies = len(weights)
    edges = np.cumsum(weights / weights.sum())
    edges[-1] = 1.0
    found, missing = np.empty(0, np.int64), quotas
    for _ in range(ROUNDS):
        users = np.repeat(np.arange(len(quotas)), missing)
        drawn = users * n_movies + np.searchsorted(edges, rng.random(len(users)), side="right")
        found = np.union1d(found, drawn)
        missing = quotas - np.bincount(found // n_movies, minlength=len(quotas))
        if not missing.any():
            return found
    more = [_unseen(rng, found, int(user), int(missing[user]), weights) for user in np.flatnonzero(missing)]
    return np.sort(np.concatenate([found, *more]))


def _unseen(
    rng: np.random.Generator, found: NDArray[np.int64], user: int, count: int, weights: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Pairs of a user with too many ratings for redrawing: a race among all other movies."""
    n_movies = len(weights)
    start, end = np.searchsorted(found, [user * n_movies, (user + 1) * n_movies])
    arrival = rng.exponential(1 / weights)  # sampling without replacement: Efraimidis and Spirakis 2006
    arrival[found[start:end] - user * n_movies] = np.inf
    pairs: NDArray[np.int64] = user * n_movies + np.argpartition(arrival, count - 1)[:count]
    return pairs


def _ratings(
    rng: np.random.Generator, users: NDArray[np.int64], movies: NDArray[np.int64], n_users: int, n_movies: int
) -> NDArray[np.float32]:
    """float32[n] in half stars from 0.5 to 5, with about MovieLens's mean and deviation (3.5 and 1.06)."""
    taste = rng.normal(0, 0.3, (n_users, TASTES)).astype(np.float32)
    trait = rng.normal(0, 0.6, (n_movies, TASTES)).astype(np.float32)
    user_level, movie_level = rng.normal(3.55, 0.43, n_users), rng.normal(0, 0.45, n_movies)
    ratings = np.empty(len(users), np.float32)
    for start in range(0, len(users), ROWS):
        part = slice(start, start + ROWS)
        user, movie = users[part], movies[part]
        value = user_level[user] + movie_level[movie] + np.einsum("nf,nf->n", taste[user], trait[movie])
        ratings[part] = np.clip(np.round((value + rng.normal(0, 0.75, len(user))) * 2) / 2, 0.5, 5.0)
    return ratings


def main(arguments: list[str]) -> None:
    """Write a ratings file with MovieLens's columns; as large as MovieLens 25M by default."""
    path, *given = arguments
    sizes = [int(number) for number in given]
    n_ratings, n_users, n_movies = [*sizes[:3], *MOVIELENS_25M[len(sizes) :]]
    frame = simulate(n_ratings, n_users, n_movies, *sizes[3:])
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with Path(path).open("wb") as stream:
        stream.write(b"userId,movieId,rating,timestamp\n")
        arrow.write_csv(table, stream, arrow.WriteOptions(include_header=False))


if __name__ == "__main__":
    main(sys.argv[1:])
