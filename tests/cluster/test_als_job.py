"""The job stands alone: on a table with parts it evaluates what was held out, and makes everybody's list."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from engine.data.ratings import Interactions
from engine.data.splits import split_random
from engine.models.spark import JOB, Cluster
from tests.conftest import planted

LENGTH = 5


def side(folder: Path, name: str) -> tuple[pd.Series, np.ndarray]:
    """Biases by id, and factors in the order of ids."""
    table = ds.dataset(folder / "epoch=2" / name).to_table().to_pandas().set_index("id").sort_index()
    return table.bias, np.array(table.factors.tolist())


@pytest.mark.slow
def test_it_evaluates_held_out_ratings_and_lists_what_each_user_has_not_rated(submit: str, tmp_path: Path) -> None:
    split = split_random(Interactions.from_frame(*planted(), scale=(0.5, 5.0)), 0.2, 0)
    parts = [(split.train, None), (split.test, "test")]
    columns = [{"user": d.users, "movie": d.items, "rating": d.ratings, "part": [part] * len(d)} for d, part in parts]
    schema = pa.schema([("user", pa.int64()), ("movie", pa.int64()), ("rating", pa.float32()), ("part", pa.string())])
    table = pa.concat_tables([pa.table(one, schema=schema) for one in columns])
    ds.write_dataset(table, tmp_path / "ratings", format="parquet")
    where, out = Cluster("local[2]", "", submit), tmp_path / "out"
    words = [*where.words(brief=True), str(JOB), "--ratings", str(tmp_path / "ratings"), "--out", str(out)]
    words += ["--factors", "4", "--lists", str(LENGTH)]
    run = subprocess.run(words, env=where.environment(str(tmp_path)), capture_output=True, text=True, check=True)
    said = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    assert said[-1] == {"done": True}

    (user_bias, user_factors), (movie_bias, movie_factors) = (side(out, name) for name in ("users", "movies"))
    assert user_bias.index.tolist() == np.unique(split.train.users).tolist()
    mean = next(one["mean"] for one in said if "epoch" in one)
    assert mean == pytest.approx(split.train.mean, abs=1e-5)
    scores = mean + user_bias.to_numpy()[:, None] + movie_bias.to_numpy() + user_factors @ movie_factors.T
    known = np.isin(split.test.items, movie_bias.index)
    pairs = (user_bias.index, split.test.users[known]), (movie_bias.index, split.test.items[known])
    rows = tuple(ids.get_indexer(pd.Index(wanted)) for ids, wanted in pairs)
    expected = mean + user_bias.reindex(split.test.users).to_numpy()
    expected[known] = scores[rows]
    missed = expected - split.test.ratings
    metrics = ds.dataset(out / "metrics").to_table().to_pandas().set_index(["epoch", "part", "name"]).value
    assert metrics[2, "test", "rmse"] == pytest.approx(np.sqrt(np.mean(missed**2)), abs=1e-4)
    assert metrics[2, "test", "mae"] == pytest.approx(np.mean(np.abs(missed)), abs=1e-4)
    assert metrics[2, "test", "ratings"] == len(split.test)
    assert metrics[2, "test", "rmse"] < metrics[1, "test", "rmse"]

    lists = ds.dataset(out / "lists").to_table().to_pandas().sort_values(["user", "rank"])
    assert len(lists) == LENGTH * split.train.n_users
    for place, user in enumerate(user_bias.index):
        mine = lists[lists.user == user]
        seen = split.train.items[split.train.by_user.of(user)]
        left = np.where(np.isin(movie_bias.index, seen), -np.inf, scores[place])
        assert mine["rank"].tolist() == [1, 2, 3, 4, 5]
        assert not set(mine.movie) & set(seen.tolist())
        np.testing.assert_allclose(mine.score, np.sort(left)[::-1][:LENGTH], atol=1e-4)
