"""The quality of lists is measured on the same users for all models, and a missed goal is said and returned."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import ranking_quality
from benchmarks.__main__ import BENCHMARKS
from benchmarks.data import interactions, simulate
from benchmarks.peers.models import OUR_LISTS, MarqueeLists, Model, Popularity
from benchmarks.ranking_quality import AT_RANDOM, BY_TIME, Measured, judge, measure, render, splits
from engine.data.ratings import Interactions


class Fixed(Model):
    """Likes what has a high index."""

    def fit(self) -> None: ...

    def score(self, user: int) -> np.ndarray:
        return np.arange(self.train.n_movies, dtype=np.float32)


@pytest.fixture(scope="module")
def data() -> Interactions:
    return interactions(simulate(4000, 80, 100))


def measured(ndcg: list[float]) -> Measured:
    return Measured(np.array(ndcg), np.ones(len(ndcg)), [0.1], [2.0])


def test_random_splits_have_no_times_and_the_other_is_by_time(data: Interactions) -> None:
    found = splits(data)
    assert [len(found[name]) for name in (BY_TIME, AT_RANDOM)] == [5, 3]
    for split in found[AT_RANDOM]:
        assert split.train.timestamps is split.test.timestamps is None
    by_time = found[BY_TIME][0]
    assert by_time.train.timestamps is not None
    assert by_time.test.timestamps is not None
    user = int(by_time.test.users[0])
    last = by_time.train.timestamps[by_time.train.by_user.of(user)].max()
    assert (by_time.test.timestamps[by_time.test.by_user.of(user)] >= last).all()


def test_a_users_splits_stay_together(data: Interactions) -> None:
    found = measure({"popularity": Popularity, OUR_LISTS: Fixed}, splits(data)[AT_RANDOM])
    one = found["popularity"]
    assert (len(one.coverage), len(one.seconds)) == (3, 3)
    assert one.lists.max() == 3
    assert np.array_equal(one.lists, found[OUR_LISTS].lists)
    gain = found[OUR_LISTS].beside(one)
    assert gain.users == (one.lists > 0).sum()
    assert gain.difference == pytest.approx(found[OUR_LISTS].ndcg - one.ndcg, abs=1e-8)
    assert "popularity" in render(found)


def test_marquee_by_default_is_trained_and_served_as_a_version(data: Interactions) -> None:
    split = splits(data)[BY_TIME][0]
    model = MarqueeLists()
    model.load(split.train)
    model.fit()
    scores = model.score(3)
    assert scores.shape == (data.n_movies,)
    assert np.isfinite(scores).sum() >= 10


def test_each_goal_is_told_and_all_have_to_be_met() -> None:
    better, worse = [0.5] * 30, [0.1, 0.2, 0.3] * 10
    lines, met = judge(BY_TIME, {"popularity": measured(worse), OUR_LISTS: measured(better)})
    assert met
    assert lines[0] == "NDCG@10 0.5000, goal at least 0.146, met"
    assert lines[1].startswith("above popularity: +0.2")
    lines, met = judge(BY_TIME, {"popularity": measured(better), OUR_LISTS: measured(worse)})
    assert not met
    assert lines[1].endswith("MISSED")
    low = [0.01 * (1 + user % 3) for user in range(30)]
    lines, met = judge(AT_RANDOM, {"popularity": measured([0.0] * 30), OUR_LISTS: measured(low)})
    assert not met
    assert lines[0].endswith("goal at least 0.322, MISSED")
    assert lines[1].endswith("met")


def test_the_exit_code_says_whether_the_goals_are_met(
    data: Interactions, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ranking_quality, "demo_interactions", lambda: data)
    monkeypatch.setattr(ranking_quality, "builds", lambda _: {"popularity": Popularity, OUR_LISTS: Fixed})
    assert BENCHMARKS["ranking"](["--only", "time"]) == 1
    said = capsys.readouterr().out
    assert BY_TIME in said
    assert AT_RANDOM not in said
    assert "MISSED" in said
