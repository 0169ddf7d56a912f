"""The plan rates nothing twice, lost ratings are counted, and a missed goal is reported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import BENCHMARKS
from benchmarks.data import interactions, simulate
from benchmarks.live import Measured, judge
from benchmarks.server import lost, plan
from store.database import Database
from store.ratings import RatingStore
from store.records import MovieRow


def test_a_plan_holds_new_pairs_once_each() -> None:
    data = interactions(simulate(400, 20, 60))
    planned = plan(data, 200)
    known = {
        (str(data.user_ids.raw(u)), str(data.movie_ids.raw(m))) for u, m in zip(data.users, data.items, strict=True)
    }
    pairs = [(user, movie) for user, movie, _ in planned]
    assert len(set(pairs)) == 200
    assert not set(pairs) & known
    assert {rating for _, _, rating in planned} <= set(np.arange(1, 11) / 2)
    assert planned == plan(data, 200) != plan(data, 200, seed=1)


def test_what_is_lost_is_counted(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path}/marquee.db")
    store = RatingStore(database)
    store.add_movies([MovieRow("1", "One", None, ()), MovieRow("2", "Two", None, ())])
    store.put_rating("ann", "1", 4.5, 0)
    store.put_rating("bob", "2", 3, 0)
    database.close()
    assert lost(tmp_path, [("ann", "1", 4.5), ("bob", "2", 3.0)]) == 0
    assert lost(tmp_path, [("ann", "1", 4.0), ("bob", "1", 3.0), ("bob", "2", 3.0)]) == 2


@pytest.mark.parametrize(
    ("found", "missing", "differing", "good"),
    [
        (Measured([5.0] * 100, [6.0] * 100, 0, [1.0] * 5), 0, 0, True),
        (Measured([5.0] * 90 + [20.0] * 10, [6.0] * 100, 0, [1.0] * 5), 0, 0, False),
        (Measured([5.0] * 100, [6.0] * 100, 1, [1.0] * 5), 0, 0, False),
        (Measured([5.0] * 100, [6.0] * 100, 0, [1.0] * 5), 1, 0, False),
        (Measured([5.0] * 100, [6.0] * 100, 0, [1.0] * 5), 0, 1, False),
    ],
)
def test_the_goals(found: Measured, missing: int, differing: int, good: bool) -> None:
    lines, met = judge(found, missing, differing)
    assert met is good
    assert ("MISSED" in "\n".join(lines)) == (max(found.both_ms) > 25)
    assert "both: median 11.0 ms" in lines[2]


def test_it_is_one_of_the_benchmarks() -> None:
    assert "live" in BENCHMARKS
