"""People are left out entirely, and a missed goal is reported."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import newcomers
from benchmarks.__main__ import BENCHMARKS
from benchmarks.data import interactions, simulate
from benchmarks.newcomers import draw, judge, measure, render
from engine.data.ratings import Interactions
from engine.evaluation.newcomers import STEPS


@pytest.fixture(scope="module")
def data() -> Interactions:
    return interactions(simulate(4000, 60, 90))


def test_people_are_left_out_whole(data: Interactions) -> None:
    train, theirs = draw(data, 1, people=10)
    assert len(train) + len(theirs) == len(data)
    people = np.unique(theirs.users)
    assert len(people) == 10
    assert not np.isin(train.users, people).any()
    assert (theirs.user_counts[people] > STEPS[-1]).all()
    assert set(people) != set(np.unique(draw(data, 2, people=10)[1].users))


def test_the_first_figure_is_that_of_the_movies_means(data: Interactions) -> None:
    train, theirs = draw(data, 1, people=10)
    found = measure("svd", train, theirs)
    assert len(found) == 1 + len(STEPS)
    errors = []
    for user in np.unique(theirs.users).tolist():
        rows = theirs.by_user.of(user)
        assert theirs.timestamps is not None
        for row in rows[np.argsort(theirs.timestamps[rows], kind="stable")][STEPS[-1] :]:
            of_movie = train.ratings[train.items == theirs.items[row]]
            mean = of_movie.mean() if len(of_movie) else train.ratings.mean()
            errors.append((mean - theirs.ratings[row]) ** 2)
    assert found[0] == pytest.approx(np.sqrt(np.mean(errors)), rel=1e-3)  # ratings of one moment are in an order drawn


@pytest.mark.parametrize(
    ("curve", "missed"),
    [
        ([0.99, 0.97, 0.96, 0.95, 0.94, 0.93], []),
        ([1.02, 0.97, 0.96, 0.95, 0.94, 0.93], ["no rating"]),
        ([0.99, 1.01, 0.96, 0.95, 0.94, 0.93], ["from one rating on", "largest step up"]),
        ([0.99, 0.97, 0.96, 0.965, 0.94, 0.93], ["largest step up"]),
        ([0.99, 0.985, 0.983, 0.981, 0.98, 0.979], ["twenty ratings"]),
    ],
)
def test_each_goal_is_judged(curve: list[float], missed: list[str]) -> None:
    lines, met = judge("svd", np.array([1.0, *curve]))
    assert met == (not missed)
    found = [line for line in lines if line.endswith("MISSED")]
    assert [line.removeprefix("svd, ").partition(",")[0].partition(":")[0] for line in found] == missed


def test_the_table_shows_every_draw_and_their_mean() -> None:
    table = render({"svd": [np.full(7, 0.9), np.full(7, 1.0)]})
    assert "| svd | 0 | 0.9000" in table
    assert "| svd | mean | 0.9500" in table
    assert BENCHMARKS["newcomers"] is newcomers.main
