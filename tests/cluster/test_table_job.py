"""The job on a table that Marquee does not hold: it splits as Marquee does, and learns what was not held out."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pytest

from engine.data.ratings import Interactions
from engine.data.splits import hold_out, with_order
from engine.models.ranker import range_in_use
from engine.models.spark import TABLE_JOB, Cluster
from tests.conftest import planted


def run(submit: str, folder: Path, frame: pd.DataFrame, *more: str) -> list[dict[str, object]]:
    """What the job says of a table."""
    frame.to_parquet(folder / "table.parquet", index=False)
    where = Cluster("local[2]", "", submit)
    words = [*where.words(brief=True), str(TABLE_JOB), "--table", str(folder / "table.parquet")]
    words += ["--out", str(folder / "out"), "--low", "0.5", "--high", "5", *more]
    done = subprocess.run(words, env=where.environment(str(folder)), capture_output=True, text=True, check=False)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def table(folder: Path, name: str) -> pd.DataFrame:
    return ds.dataset(folder / "out" / name).to_table().to_pandas()


@pytest.mark.long
def test_it_holds_out_what_marquee_would_and_learns_the_rest(submit: str, tmp_path: Path) -> None:
    frame, _ = planted(n_users=40)
    frame["timestamp"] //= 2  # ties
    renamed = frame.rename(columns={"user_id": "user", "movie_id": "movie", "timestamp": "time"})
    twice = pd.concat([renamed, renamed[:5].assign(rating=0.5, time=0)])
    small = ("--factors", "3", "--turns", "3", "--ranker-factors", "3", "--ranker-turns", "3")
    said = run(submit, tmp_path, twice, *small)
    assert said[-1] == {"done": True}, said
    ordered = frame.sort_values(["user_id", "movie_id"])
    data = Interactions.from_frame(ordered, scale=(0.5, 5.0))
    sizes = {"ratings": 1000, "users": 40, "movies": 80}
    ends = {"lowest": frame.rating.min(), "highest": frame.rating.max(), "range": list(range_in_use(data))}
    assert next(one["table"] for one in said if "table" in one) == sizes | ends
    keys = (sorted(frame.user_id.unique()), sorted(frame.movie_id.unique()))
    assert [list(data.user_ids.ids), sorted(data.movie_ids.ids)] == [keys[0], keys[1]]
    movie_of = np.array([keys[1].index(one) for one in data.movie_ids.ids], np.int32)
    parts = hold_out(with_order(replace(data, items=movie_of[data.items])))
    assert parts.test is not None
    assert parts.validation is not None
    found = table(tmp_path, "ratings")
    for name, part in (("test", parts.test), ("validation", parts.validation), (None, parts.fit)):
        mine = found[found.part.isna() if name is None else found.part == name]
        assert sorted(zip(mine.user, mine.movie, strict=True)) == sorted(
            zip(part.users.tolist(), part.items.tolist(), strict=True)
        )
    movies = table(tmp_path, "movies").set_index("id").sort_index()
    assert movies.name.tolist() == keys[1]
    assert movies["count"].sum() == 1000
    counts = table(tmp_path, "judged/epoch=2/movies").set_index("id")["count"]
    assert counts.to_dict() == pd.Series(parts.fit.items).value_counts().to_dict()
    assert table(tmp_path, "final/epoch=2/movies")["count"].sum() == 1000
    assert len(table(tmp_path, "calibration")) == len(parts.validation)
    assert len(table(tmp_path, "sample")) == 1000
    metrics = table(tmp_path, "judged/metrics").set_index(["epoch", "part", "name"]).value
    assert metrics[2, "test", "ratings"] == len(parts.test)
    assert len(table(tmp_path, "ranker/epoch=1/movies")) == 80


@pytest.mark.long
@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (pd.DataFrame({"user": ["a"], "film": ["b"], "rating": [1.0]}), "has no column movie"),
        (pd.DataFrame({"user": ["a"], "movie": ["b"], "rating": [9.0]}), "the scale of the store is 0.5 to 5"),
        (pd.DataFrame({"user": ["a"], "movie": ["b"], "rating": [np.nan]}), "has no ratings"),
    ],
    ids=["column", "scale", "empty"],
)
def test_a_table_that_can_not_be_learned_is_refused(
    submit: str, tmp_path: Path, frame: pd.DataFrame, reason: str
) -> None:
    assert reason in str(run(submit, tmp_path, frame)[-1]["failed"])
