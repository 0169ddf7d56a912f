"""Ratings for benchmarks: the demo data, and simulated ratings with a long tail."""

from __future__ import annotations

import numpy as np
import pandas as pd
from surprise import Dataset, Reader, Trainset

from engine.data.demo import load_demo
from engine.data.ratings import Interactions

SCALE = (0.5, 5.0)
TASTES = 8


def demo_frame() -> pd.DataFrame:
    """100,004 ratings in the order of their source."""
    demo = load_demo()
    columns = {"user_id": demo.user_ids, "movie_id": demo.movie_ids, "rating": demo.ratings, "timestamp": demo.times}
    return pd.DataFrame(columns)


def demo_movies() -> pd.DataFrame:
    """9,066 movies: id, title, year, genres."""
    rows = [(movie.movie_id, movie.title, movie.year, "|".join(movie.genres)) for movie in load_demo().movies]
    return pd.DataFrame(rows, columns=["movie_id", "title", "year", "genres"])


def demo_interactions() -> Interactions:
    """The demo data as arrays in the order of ``demo_frame``, with titles, years and genres."""
    return Interactions.from_frame(demo_frame(), demo_movies(), scale=SCALE)


def simulate(n_ratings: int, n_users: int, n_movies: int, seed: int = 0) -> pd.DataFrame:
    """Ratings in half stars from hidden tastes, movie quality and noise, in order of time.

    Activity of users is log-normal and popularity of movies a power of the rank, as in MovieLens. A pair occurs once.
    """
    rng = np.random.default_rng(seed)
    activity = rng.lognormal(0, 1.3, n_users)
    popularity = (np.arange(n_movies) + 0.02 * n_movies) ** -1.2
    pairs = np.empty(0, np.int64)
    while len(pairs) < n_ratings:
        users = rng.choice(n_users, n_ratings, p=activity / activity.sum())
        movies = rng.choice(n_movies, n_ratings, p=popularity / popularity.sum())
        pairs = np.unique(np.concatenate([pairs, users * n_movies + movies]))
    users, movies = np.divmod(rng.permutation(pairs)[:n_ratings], n_movies)
    taste, trait = rng.normal(0, 0.35, (n_users, TASTES)), rng.normal(0, 0.9, (n_movies, TASTES))
    value = 3.5 + rng.normal(0, 0.4, n_users)[users] + rng.normal(0, 0.5, n_movies)[movies]
    value += np.einsum("nf,nf->n", taste[users], trait[movies]) + rng.normal(0, 0.8, len(users))
    ratings = np.clip(np.round(value * 2) / 2, *SCALE)
    times = np.sort(rng.integers(0, 10**9, len(users)))
    return pd.DataFrame({"user_id": users, "movie_id": movies, "rating": ratings, "timestamp": times})


def interactions(frame: pd.DataFrame) -> Interactions:
    """Ratings as arrays."""
    return Interactions.from_frame(frame, scale=SCALE)


def trainset(frame: pd.DataFrame) -> Trainset:
    """Ratings as Surprise's training set."""
    columns = frame[["user_id", "movie_id", "rating"]]
    return Dataset.load_from_df(columns, Reader(rating_scale=SCALE)).build_full_trainset()
