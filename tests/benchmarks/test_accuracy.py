"""The folds are Surprise's own, and errors, intervals and goals are what they say."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from surprise import Dataset, Reader
from surprise.model_selection import KFold

from benchmarks import accuracy
from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.accuracy import Measured, folds, judge, measure, render
from benchmarks.data import SCALE, demo_frame, demo_interactions, interactions, simulate
from benchmarks.peers.models import MarqueeRater, Rater


class Threes(Rater):
    """Everybody rates 3."""

    def fit(self) -> None: ...

    def predict(self, users: np.ndarray, movies: np.ndarray) -> np.ndarray:
        return np.full(len(users), 3.0, np.float32)

    def score(self, user: int) -> np.ndarray:
        return np.zeros(self.train.n_movies)


def test_folds_are_those_of_surprise() -> None:
    frame = simulate(503, 30, 40)
    dataset = Dataset.load_from_df(frame[["user_id", "movie_id", "rating"]], Reader(rating_scale=SCALE))
    rows = frame[["user_id", "movie_id", "rating"]].to_numpy()
    theirs = list(KFold(5, random_state=0).split(dataset))
    ours = list(folds(503))
    assert len(ours) == len(theirs) == 5
    for (learned, judged), (trainset, testset) in zip(ours, theirs, strict=True):
        assert [tuple(row) for row in rows[judged]] == [tuple(row) for row in testset]
        assert len(learned) == trainset.n_ratings
        assert set(learned.tolist()) | set(judged.tolist()) == set(range(503))


def test_the_demo_keeps_the_order_of_its_source() -> None:
    frame, data = demo_frame(), demo_interactions()
    assert data.user_ids.ids.take(data.users).tolist() == frame["user_id"].tolist()
    assert data.movie_ids.ids.take(data.items).tolist() == frame["movie_id"].tolist()
    assert np.array_equal(data.ratings, frame["rating"])
    assert data.movies.genres.any()


def test_errors_are_of_the_judged_part_of_each_fold() -> None:
    data = interactions(simulate(400, 20, 40))
    found = measure(data, {"threes": Threes, "svd": lambda: MarqueeRater("svd")}, k=4)
    expected = [np.sqrt(((data.ratings[judged] - 3.0) ** 2).mean()) for _, judged in folds(400, 4)]
    assert found["threes"].rmse == pytest.approx(expected)
    assert [len(found[name].seconds) for name in found] == [4, 4]
    assert (len(found["threes"].list_ms), len(found["svd"].list_ms)) == (0, data.n_users)


def test_the_interval_is_students() -> None:
    rmse = [0.87, 0.88, 0.89, 0.90, 0.86]
    expected = scipy.stats.t.interval(0.95, 4, loc=0.88, scale=np.std(rmse, ddof=1) / np.sqrt(5))
    assert Measured(rmse=rmse).interval() == pytest.approx(expected)


@pytest.mark.parametrize(("ncf", "svd", "met"), [(0.822, 0.8758, True), (0.823, 0.87, False), (0.82, 0.876, False)])
def test_a_missed_goal_is_reported(ncf: float, svd: float, met: bool) -> None:
    found = {"ncf": Measured([ncf], [99.0], [1.0]), "svd": Measured([svd], [1.0], [1.0])}
    lines, accurate = judge(found)
    assert accurate is met
    assert "ncf, slowest fit in s: 99.0, goal at most 40, MISSED" in lines  # reported, but without effect


def test_a_model_that_is_not_there_misses_its_goal() -> None:
    assert judge({"svd": Measured([0.8], [1.0])})[1] is False


def test_the_table_shows_every_fold() -> None:
    lines = render({"svd": Measured([0.87, 0.89], [1.0, 3.0], [2.0, 2.0])}).splitlines()
    assert lines[0] == "| model | fold 1 | fold 2 | RMSE | 95% interval | fit, s | a list, ms |"
    assert lines[2] == "| svd | 0.8700 | 0.8900 | 0.8800 | 0.7529 to 1.0071 | 2.00 | 2.00, p99 2.00 |"


def test_the_exit_code_says_whether_goals_are_met(monkeypatch: pytest.MonkeyPatch) -> None:
    data = interactions(simulate(400, 20, 40))
    monkeypatch.setattr(accuracy, "demo_interactions", lambda: data)
    monkeypatch.setattr(accuracy, "builds", lambda: {"svd": Threes})
    for goal, code in ((9.0, 0), (0.1, 1)):
        monkeypatch.setattr(accuracy, "GOALS", {"svd": goal})
        assert main(["accuracy"]) == code


@pytest.mark.parametrize("arguments", [["nothing"], ["accuracy", "peers", "--size", "demo"], ["--size", "demo"]])
def test_what_makes_no_sense_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert f"There are: {', '.join(BENCHMARKS)}." in capsys.readouterr().out
