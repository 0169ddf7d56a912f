"""Stands in for spark-submit where a test is not about Spark: does the same job on one machine.

It takes the command line of ``spark-submit ... als_job.py``, and reads and writes the same files. With ``HERE`` among
the words, tests run it in their own process (``tests/conftest.py``), since a process takes seconds to start.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[2]))

from engine.data.catalogue import MovieTable
from engine.data.ratings import IdIndex, Interactions
from engine.models.alternating import learn_biases, learn_factors

HERE = "--here"
COMMAND = f"{sys.executable} {Path(__file__)}"


def read(folder: str) -> Interactions:
    table = ds.dataset(folder).to_table()
    users, movies, ratings = (table[name].to_numpy() for name in ("user", "movie", "rating"))
    user_ids, movie_ids = (IdIndex(pd.RangeIndex(column.max() + 1)) for column in (users, movies))
    nothing = [None] * len(movie_ids)
    catalogue, scale = MovieTable.build([""] * len(movie_ids), nothing, nothing), (ratings.min(), ratings.max())
    return Interactions(users, movies, ratings, None, user_ids, movie_ids, catalogue, scale)


def write(folder: str, counts: np.ndarray, bias: np.ndarray, factors: np.ndarray) -> None:
    ids = np.flatnonzero(counts)
    columns = {
        "id": pa.array(ids, pa.int64()),
        "bias": bias[ids],
        "factors": pa.array(list(factors[ids].astype(np.float32)), pa.list_(pa.float32())),
    }
    Path(folder).mkdir(parents=True)
    pq.write_table(pa.table(columns), f"{folder}/0.parquet")


def learn_choices(data: Interactions, options: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Factors of who rated what, as Spark learns them, with all pairs in memory."""
    confidence, sizes = float(options["confidence"]), (data.n_users, data.n_movies)
    noise = sum(np.sqrt(size / len(data)) for size in sizes)
    penalty = float(options["regularization"]) * confidence * noise
    weights = np.zeros(sizes)
    weights[data.users, data.items] = confidence * data.ratings
    movies = np.abs(np.random.default_rng(int(options["seed"])).normal(0, 0.1, (sizes[1], int(options["factors"]))))
    for _ in range(int(options["turns"])):
        users = solve(weights, movies, penalty)
        movies = solve(weights.T, users, penalty)
    write(f"{options['out']}/epoch=1/movies", data.movie_counts, np.zeros(sizes[1]), movies)
    yield {"epoch": 1, "mean": 0.0, "penalty": penalty}


def solve(weights: np.ndarray, fixed: np.ndarray, penalty: float) -> np.ndarray:
    """One side's factors, each by its own equations."""
    counts = np.count_nonzero(weights, axis=1)
    grams = fixed.T @ fixed + np.einsum("om,mk,ml->okl", weights, fixed, fixed)
    grams += (penalty * np.maximum(counts, 1))[:, None, None] * np.eye(fixed.shape[1])
    return np.linalg.solve(grams, (((weights > 0) + weights) @ fixed)[:, :, None])[:, :, 0]


def run(arguments: list[str]) -> Iterator[dict[str, Any]]:
    """What the job says, as it says it."""
    place = next(place for place, word in enumerate(arguments) if word.endswith("_job.py"))
    words = iter(arguments[place + 1 :])
    options = {name.removeprefix("--"): value for name, value in zip(words, words, strict=True)}
    if arguments[place].endswith("table_job.py"):
        from tests.cluster.stand_in_table import learn_table

        yield from learn_table(options)
        return
    if arguments[place].endswith("lists_job.py"):
        yield {"step": "Making everybody's list on Spark"}
        yield from write_lists(options)
        return
    data = read(options["ratings"])
    yield from learn_choices(data, options) if "confidence" in options else learn_ratings(data, options)


def learn_ratings(data: Interactions, options: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Biases, then factors of what they leave."""
    factors, turns, seed = (int(options[name]) for name in ("factors", "turns", "seed"))
    yield {"step": "Learning biases on Spark"}
    users, movies = np.count_nonzero(data.user_counts), np.count_nonzero(data.movie_counts)
    biases = learn_biases(data, float(options["damping"]))
    left = biases.residuals(data)
    noise = float(left.std()) * (np.sqrt(users / len(data)) + np.sqrt(movies / len(data)))
    penalty = max(float(options["regularization"]) * noise, 1e-6)
    for epoch in range(1, int(options["epochs"]) + 1):
        learned = np.zeros((data.n_users, 0)), np.zeros((data.n_movies, 0))
        if epoch > 1:
            yield {"step": f"Learning factors on Spark, turn 1 of {turns}"}
            learned = learn_factors(data, left, factors, turns, penalty, seed)
        write(f"{options['out']}/epoch={epoch}/users", data.user_counts, biases.users, learned[0])
        write(f"{options['out']}/epoch={epoch}/movies", data.movie_counts, biases.movies, learned[1])
        yield {"epoch": epoch, "mean": biases.mean, "penalty": penalty}


def write_lists(options: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Everybody's list from what was learned before."""
    from engine.services.exports import LISTS

    movies = ds.dataset(f"{options['learned']}/movies").to_table().to_pandas()
    if "table" in options:
        from tests.cluster.stand_in_table import fold_in

        users, rated = fold_in(options, movies)
        yield {"users": len(users)}
    else:
        rated = ds.dataset(options["ratings"]).to_table().to_pandas().groupby("user").movie.apply(list)
        users = ds.dataset(f"{options['learned']}/users").to_table().to_pandas()
    vectors, ends, found = np.stack(movies.factors), (float(options["low"]), float(options["high"])), []
    for user in users[users.id.isin(rated.index)].itertuples():
        scores = np.clip(float(options["mean"]) + user.bias + movies.bias + vectors @ user.factors, *ends)
        left = scores[~movies.id.isin(rated[user.id])].sort_values(ascending=False, kind="stable")
        for rank, (place, score) in enumerate(left[: int(options["lists"])].items(), start=1):
            found.append((user.name, rank, movies.name[place], movies.title[place], score, score))
    Path(options["lists-out"]).mkdir(parents=True)
    columns = dict(zip(LISTS.names, zip(*found, strict=True), strict=True))
    pq.write_table(pa.table(columns, schema=LISTS), f"{options['lists-out']}/0.parquet")


if __name__ == "__main__":
    for said in chain(run(sys.argv[1:]), [{"done": True}]):
        print(json.dumps(said), flush=True)  # noqa: T201  # as the job does
