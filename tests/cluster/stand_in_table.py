"""The part of the stand-in that learns a table outside Marquee."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.dataset as ds

from engine.data.catalogue import MovieTable
from engine.data.ratings import IdIndex, Interactions
from engine.data.splits import hold_out, with_order
from engine.models.ranker import RatingWeigher, range_in_use
from engine.models.shrinkage import Penalty
from tests.cluster import stand_in


def write(out: str, name: str, frame: pd.DataFrame) -> None:
    Path(out, name).mkdir(parents=True)
    frame.to_parquet(f"{out}/{name}/0.parquet", index=False)


def with_ratings(data: Interactions, ratings: np.ndarray) -> Interactions:
    about = data.user_ids, data.movie_ids, data.movies, data.scale
    return Interactions(data.users, data.items, ratings.astype(np.float32), data.timestamps, *about)


def read(options: dict[str, str]) -> tuple[Interactions, np.ndarray]:
    """The ratings by number, and the names of movies."""
    table = ds.dataset(options["table"]).to_table().to_pandas()
    users, movies = np.unique(table.user.astype(str)), np.unique(table.movie.astype(str))
    nothing = [None] * len(movies)
    catalogue = MovieTable.build([""] * len(movies), nothing, nothing)
    data = Interactions(
        np.searchsorted(users, table.user.astype(str)).astype(np.int32),
        np.searchsorted(movies, table.movie.astype(str)).astype(np.int32),
        table.rating.to_numpy(np.float32),
        table.time.to_numpy(np.int64) if "time" in table else None,
        IdIndex(pd.RangeIndex(len(users))),
        IdIndex(pd.RangeIndex(len(movies))),
        catalogue,
        (float(options["low"]), float(options["high"])),
    )
    return data, movies


def learn_table(options: dict[str, str]) -> Iterator[dict[str, Any]]:
    yield {"step": "Reading the table on Spark"}
    out, (data, movies) = options["out"], read(options)
    used = range_in_use(data)
    weights = RatingWeigher(*used, float(options["power"]), 0.0, 0.0).like(data.ratings).astype(np.float64)
    squared = np.bincount(data.items, weights**2, len(movies))
    columns = {"count": data.movie_counts, "weight": np.bincount(data.items, weights, len(movies)), "squared": squared}
    write(out, "movies", pd.DataFrame({"id": np.arange(len(movies)), "name": movies} | columns))
    sizes = {"ratings": len(data), "users": data.n_users, "movies": len(movies)}
    yield {
        "table": sizes | {"lowest": float(min(data.ratings)), "highest": float(max(data.ratings)), "range": list(used)}
    }
    parts = hold_out(with_order(data))
    assert parts.test is not None
    assert parts.validation is not None
    yield {"part": "judged"}
    yield from stand_in.learn_ratings(parts.fit, options | {"out": f"{out}/judged"})
    rows = [{"epoch": epoch, "part": "test", "name": name, "value": value} for epoch in (1, 2)
            for name, value in (("rmse", 0.9), ("mae", 0.7), ("ratings", len(parts.test)))]  # fmt: skip
    write(out, "judged/metrics", pd.DataFrame(rows))
    yield {"chosen": int(options["epochs"])}
    held = parts.validation
    found = {"predicted": np.full(len(held), data.mean), "actual": held.ratings}
    known = parts.fit.user_counts[held.users], parts.fit.movie_counts[held.items]
    write(out, "calibration", pd.DataFrame(found | {"user_count": known[0], "movie_count": known[1]}))
    times = None if data.timestamps is None else data.timestamps
    rated = {"user": data.users, "movie": data.items, "rating": data.ratings.astype(float), "time": times}
    write(out, "sample", pd.DataFrame(rated))
    yield {"part": "final"}
    yield from stand_in.learn_ratings(data, options | {"out": f"{out}/final"})
    yield {"part": "ranker"}
    own = {name: options[f"ranker-{name}"] for name in ("factors", "turns", "regularization")}
    yield from stand_in.learn_choices(with_ratings(data, weights), options | own | {"out": f"{out}/ranker"})


def fold_in(options: dict[str, str], movies: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Everybody in the table with bias and factors, and the numbers of the movies that they rated."""
    by_name = movies.set_index("name")
    table = ds.dataset(options["table"]).to_table().to_pandas()
    penalty, users, rated = Penalty(*map(float, options["fold"].split(","))), [], {}
    for number, (name, mine) in enumerate(table[table.movie.isin(by_name.index)].groupby("user")):
        theirs = by_name.loc[mine.movie]
        design = np.column_stack([np.ones(len(mine)), np.stack(theirs.factors)])
        wanted = mine.rating.to_numpy() - float(options["mean"]) - theirs.bias.to_numpy()
        diagonal = np.diag(penalty.diagonal(design.shape[1], len(mine)))
        solved = np.linalg.solve(design.T @ design + diagonal, design.T @ wanted)
        users.append({"id": number, "name": name, "bias": solved[0], "factors": solved[1:]})
        rated[number] = theirs.id.tolist()
    return pd.DataFrame(users), pd.Series(rated)
