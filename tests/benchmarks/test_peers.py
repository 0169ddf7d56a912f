"""The comparison with peers measures what it says, and a model that did not get through is shown with the reason."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from benchmarks.data import interactions, simulate
from benchmarks.peers import command, worker
from benchmarks.peers.chart import PANELS, draw, positions
from benchmarks.peers.models import ENTRIES, OUR_LISTS, Entry, Model, Popularity, Rater
from benchmarks.peers.problems import LIST_LENGTH, Problem, part, tiny
from benchmarks.peers.running import Limits, Outcome, read, run, run_one
from benchmarks.peers.table import leads, number, ratios, render

ON_LINUX = pytest.mark.skipif(not worker.STATUS.exists(), reason="peaks of memory are read from Linux's /proc")
LIMITS = Limits(budget=60, memory=8, threads=1)
FIT = {"load_s": 1.0, "fit_s": 2.0, "peak_mib": 30.0}
LISTS = {"ndcg": 0.25, "ndcg_half": 0.01, "list_ms": 4.0}


@pytest.fixture(scope="module")
def problem() -> Problem:
    return part(interactions(simulate(2000, 60, 80)), 20, seed=1)


def shell(script: str, budget: float = 30) -> Outcome:
    return run_one("popularity", ["sh", "-c", script], Limits(budget, 8, 1))


def test_a_fifth_is_held_out_and_every_listed_user_likes_something_of_it(problem: Problem) -> None:
    assert (len(problem.train), len(problem.test)) == (1600, 400)
    assert len(set(problem.users.tolist())) == 20
    for user in problem.users.tolist():
        assert problem.test.ratings[problem.test.by_user.of(user)].max() >= 4


@pytest.mark.parametrize("name", ENTRIES)
def test_a_model_answers_for_the_whole_catalogue_and_inside_the_scale(name: str, problem: Problem) -> None:
    for library in ("implicit", "cornac"):
        if library in name.lower():
            pytest.importorskip(library)
    model = ENTRIES[name].build()
    model.load(problem.train)
    model.fit()
    scores = model.score(3)
    assert scores.shape == (problem.train.n_movies,)
    least = len(scores) if name != OUR_LISTS else LIST_LENGTH
    assert np.isfinite(scores).sum() >= least  # those that a list may hold
    if isinstance(model, Rater):
        users, movies = problem.test.users, problem.test.items
        predicted = model.predict(users, movies)
        assert ((predicted >= 0.5) & (predicted <= 5)).all()
        of_user = users == 3
        assert np.clip(scores[movies[of_user]], 0.5, 5) == pytest.approx(predicted[of_user], abs=1e-3)


def test_lists_drop_what_was_seen_and_ndcg_is_that_of_its_definition() -> None:
    class Fixed(Model):
        def fit(self) -> None: ...

        def score(self, user: int) -> np.ndarray:
            return np.array([9.0, 8.0, 7.0, 6.0])

    rows = [("a", 0, 5.0), ("a", 1, 2.0), ("a", 2, 4.0), ("a", 3, 4.5), ("b", 1, 4.0)]
    data = interactions(pd.DataFrame(rows, columns=["user_id", "movie_id", "rating"]))
    one = Problem(data.subset(np.array([0])), data.subset(np.array([1, 2, 3, 4])), np.array([0, 1]))
    # User a has seen movie 0, so the list is 1, 2, 3 with hits in places 2 and 3; b's is 0, 1, 2, 3 with a hit in 2.
    a = (1 / math.log2(3) + 1 / math.log2(4)) / (1 + 1 / math.log2(3))
    b = 1 / math.log2(3)
    assert worker.judge_lists(Fixed(), one)["ndcg"] == pytest.approx((a + b) / 2)


@ON_LINUX
def test_the_peak_is_what_loading_and_fitting_held(problem: Problem) -> None:
    class Hungry(Popularity):
        def fit(self) -> None:
            held = np.ones(50 << 20, np.uint8)
            super().fit()
            del held

    figures = next(worker.measure(Hungry(), problem))
    assert 49 <= figures["peak_mib"] < 60  # the system counts pages in batches


@ON_LINUX
def test_a_process_of_its_own_measures_the_same(problem: Problem) -> None:
    lines: list[str] = []
    (outcome,) = run(["popularity"], problem, LIMITS, lines.append)
    model = Popularity()
    model.load(problem.train)
    model.fit()
    assert outcome.status == "done", outcome
    assert outcome.figures["ndcg"] == worker.judge_lists(model, problem)["ndcg"]
    assert lines[0].startswith("popularity: done")


def test_over_the_budget_keeps_what_was_measured_before() -> None:
    outcome = shell(f"echo '{json.dumps(FIT)}'; exec sleep 60", budget=1)
    assert outcome == Outcome("popularity", "over the budget of 1 s", FIT)


@ON_LINUX
def test_a_failed_model_differs_from_one_over_its_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert shell("exit 3").status == "over the memory of 8 GiB"
    broken = shell("echo 'Traceback' >&2; echo 'ValueError: no' >&2; exit 1")
    assert (broken.status, broken.failed) == ("failed with code 1: ValueError: no", True)

    class Greedy(Popularity):
        def fit(self) -> None:
            raise MemoryError

    monkeypatch.setattr("resource.setrlimit", lambda *_: None)  # it would hold for this process too
    monkeypatch.setitem(ENTRIES, "greedy", Entry(Greedy, "", None))
    (tmp_path / worker.PROBLEM).write_bytes(pickle.dumps(tiny()))
    assert worker.main("greedy", tmp_path, 8) == worker.OUT_OF_MEMORY


def test_a_line_cut_short_is_no_figure() -> None:
    assert read(b'{"fit_s": 1}\n{"rmse": 0.9}\n{"nd') == {"fit_s": 1, "rmse": 0.9}
    assert read(None) == {}


def test_ratios_are_to_the_counterpart_and_only_of_what_both_have() -> None:
    outcomes = [Outcome("ours", "done", FIT | LISTS), Outcome("theirs", "done", {"fit_s": 5.0, "list_ms": 1.0})]
    found = ratios(outcomes, {"ours": None, "theirs": "ours"})
    assert found == {"ours": {}, "theirs": {"fit_s": 2.5, "list_ms": 0.25}}
    assert ratios(outcomes[1:], {"theirs": "ours"}) == {"theirs": {}}


def test_a_peer_that_is_better_misses_the_goal() -> None:
    beside = {"Marquee svd": None, "Marquee lists": None, "Cornac MF": "Marquee svd", "popularity": "Marquee lists"}
    figures = {
        "Marquee svd": {"rmse": 0.74, "ndcg": 0.01},
        "Marquee lists": {"ndcg": 0.4},
        "Cornac MF": {"rmse": 0.75, "ndcg": 0.03},
        "popularity": {"ndcg": 0.37},
    }
    outcomes = [Outcome(name, "done", FIT | own) for name, own in figures.items()]
    lines, ahead = leads(outcomes, beside)
    assert ahead
    assert lines[0] == "RMSE: Marquee's best 0.7400 (Marquee svd), best peer 0.7500 (Cornac MF), met"
    better = [*outcomes[:3], Outcome("popularity", "done", FIT | {"ndcg": 0.41})]
    lines, ahead = leads(better, beside)
    assert not ahead
    assert lines[1].endswith("best peer 0.410 (popularity), MISSED")
    assert leads(outcomes[:2], beside) == ([], True)


def test_the_table_leaves_no_model_out() -> None:
    outcomes = [
        Outcome("Marquee svd", "done", FIT | {"rmse": 0.85} | LISTS),
        Outcome("Surprise SVD", "over the budget of 9 s", {**FIT, "fit_s": 7.0, "rmse": 0.9}),
        Outcome("Surprise SVD++", "over the budget of 9 s"),
    ]
    assert render(outcomes).splitlines()[2:] == [
        "| Marquee svd |  | 1.00 | 2.00 | 30.0 | 0.8500 | 0.250 ± 0.010 | 4.00 |",
        "| Surprise SVD | Marquee svd | 1.00 | 7.00 (×3.50) | 30.0 (×1.00) | 0.9000 | over the budget of 9 s |  |",
        "| Surprise SVD++ | Marquee svd | over the budget of 9 s |  |  |  |  |  |",
    ]


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0001, "<0.001"), (0.01234, "0.0123"), (1.0, "1.00"), (99.94, "99.9"), (12345.6, "12,346")]
)
def test_numbers_have_three_digits(value: float, shown: str) -> None:
    assert number(value) == shown


def test_the_chart_is_an_svg_with_a_dot_for_each_figure() -> None:
    outcomes = [
        Outcome("Marquee svd", "done", FIT | {"rmse": 0.85} | LISTS),
        Outcome("slow & <odd>", "over the budget of 9 s", FIT),
    ]
    picture = ElementTree.fromstring(draw("title", outcomes))
    texts = [element.text for element in picture.iter() if element.tag.endswith("text")]
    circles = [element for element in picture.iter() if element.tag.endswith("circle")]
    assert len(circles) == len(PANELS) + 2
    assert {"Marquee svd", "slow & <odd>", "0.850"} <= set(texts)
    assert texts.count("over the budget of 9 s") == 2  # instead of NDCG and the time of a list


def test_dots_lie_between_the_least_and_the_greatest() -> None:
    assert list(positions([1.0, 10.0, 100.0], logarithmic=True)) == pytest.approx([0, 0.5, 1])
    assert list(positions([1.0, 10.0, 100.0], logarithmic=False)) == pytest.approx([0, 1 / 11, 1])
    assert list(positions([3.0], logarithmic=True)) == [0]


@ON_LINUX
def test_the_command_writes_figures_and_chart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, problem: Problem, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "pose", lambda size, n_users: problem)
    arguments = ["--size", "demo", "--models", "popularity", "--out", str(tmp_path), "--budget", "60"]
    assert command.main(arguments) == 0
    written = json.loads((tmp_path / "peers-demo.json").read_text())
    assert written["command"].startswith("python -m benchmarks peers --size demo")
    assert written["problem"]["train_ratings"] == 1600
    assert [model["model"] for model in written["models"]] == ["popularity"]
    said = capsys.readouterr().out
    assert "| popularity | Marquee lists |" in said
    assert "Not run: Marquee svd" in said
    assert (tmp_path / "peers-demo.svg").read_text().startswith("<svg")
