"""People who are kept out of training, and what is measured on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from engine.data.arrays import Float32, Int32
from engine.data.history import History
from engine.data.ratings import Interactions
from engine.evaluation import metrics
from engine.evaluation.newcomers import (
    MIN_PEOPLE,
    STEPS,
    Newcomers,
    choose_newcomers,
    judge_newcomers,
    part_newcomers,
)
from engine.evaluation.report import EvaluationReport
from engine.models.base import top
from engine.models.svd import MatrixFactorizationModel
from engine.recommending.scoring import Predict
from engine.training.pipeline import Learned, Listener, learn
from tests.conftest import planted
from tests.engine.models.quick import quick_config, quick_model

PEOPLE = 200


def ratings(n_users: int = PEOPLE, per_user: int = 30, seed: int = 0) -> Interactions:
    return Interactions.from_frame(*planted(n_users=n_users, per_user=per_user, seed=seed), scale=(0.5, 5.0))


def ids(data: Interactions) -> set[str]:
    return {data.user_ids.raw(user) for user in choose_newcomers(data).tolist()}


@pytest.fixture(scope="module")
def data() -> Interactions:
    return ratings()


@pytest.fixture(scope="module")
def learned(data: Interactions) -> Learned:
    return learn(quick_config("svd"), data, 10, Listener.silent())


def test_the_same_people_are_kept_out_whatever_else_comes(data: Interactions) -> None:
    """More users, other ratings and another order of rows: nearly all of them stay newcomers."""
    kept = ids(data)
    assert len(kept) == MIN_PEOPLE
    shuffled = data.subset(np.random.default_rng(0).permutation(len(data)))
    assert ids(shuffled) == kept
    more = ratings(PEOPLE + 20, seed=1)
    assert len(ids(more) & kept) > 0.75 * MIN_PEOPLE


def test_newcomers_have_ratings_to_be_judged_on(data: Interactions) -> None:
    few = data.subset(data.by_user.order[: 15 * 30])  # of fifteen people, who have to be enough for nobody
    assert not len(choose_newcomers(few))
    assert (data.user_counts[choose_newcomers(data)] > STEPS[-1]).all()
    assert not len(choose_newcomers(ratings(PEOPLE, per_user=STEPS[-1])))


def test_of_few_people_nobody_is_kept_out() -> None:
    assert not len(choose_newcomers(ratings(4 * MIN_PEOPLE - 1)))
    assert len(choose_newcomers(ratings(4 * MIN_PEOPLE))) == MIN_PEOPLE


def test_parts_are_disjoint_and_whole(data: Interactions) -> None:
    known, theirs = part_newcomers(data)
    assert len(known) + len(theirs) == len(data)
    assert set(np.unique(theirs.users)) == set(choose_newcomers(data))
    assert not set(np.unique(known.users)) & set(np.unique(theirs.users))


def test_nothing_of_newcomers_reaches_what_they_are_judged_by(data: Interactions, learned: Learned) -> None:
    """Their ratings turned upside down change no other figure, no interval and no penalty; only their own curve."""
    theirs = np.isin(data.users, choose_newcomers(data))
    turned = replace(data, ratings=np.where(theirs, 5.5 - data.ratings, data.ratings).astype(np.float32))
    again = learn(quick_config("svd"), turned, 10, Listener.silent())
    first, second = learned.report, again.report
    assert first is not None
    assert second is not None
    assert second.metrics == first.metrics
    assert second.segments == first.segments
    assert again.epochs == learned.epochs
    assert again.bundle.calibration is not None
    assert learned.bundle.calibration is not None
    assert np.array_equal(again.bundle.calibration.widths, learned.bundle.calibration.widths)
    assert again.bundle.ranker.config == learned.bundle.ranker.config
    assert second.charts["newcomers"] != first.charts["newcomers"]


def test_what_serves_has_learned_newcomers_too(data: Interactions, learned: Learned) -> None:
    assert learned.bundle.counts is not None
    assert (learned.bundle.counts.users == data.user_counts).all()


class ByFirst(MatrixFactorizationModel):
    """Predicts the mean of the ratings given so far, 3 without any; so what is judged can be worked out by hand."""

    given_ = (0.5, 5.0)

    def fold_in_user(self, movies: Int32, ratings: Float32) -> np.ndarray:
        assert (np.diff(movies) > 0).all()
        return np.array([ratings.mean() if len(ratings) else 3.0])

    def predict_vector(self, vector: np.ndarray, movies: Int32) -> Float32:
        return np.full(len(movies), vector[0], np.float32)


def by_hand() -> tuple[Interactions, Interactions]:
    """One person known, who gave three movies 2 and 4; one new, whose first twenty are 1 and whose last are 5 and 2."""
    rows = [("known", "m20", 2.0, 0), ("known", "m21", 4.0, 1), ("known", "m99", 5.0, 2)]
    rows += [("new", f"m{n}", 1.0, 100 - n) for n in range(20)][::-1]
    rows += [("new", "m20", 5.0, 200), ("new", "m21", 2.0, 201)]
    frame = pd.DataFrame(rows, columns=["user_id", "movie_id", "rating", "timestamp"])
    data = Interactions.from_frame(frame, scale=(0.5, 5.0))
    new = data.users == data.user_ids.index("new")
    return data.subset(~new), data.subset(new)


def test_a_newcomer_by_hand() -> None:
    train, theirs = by_hand()
    seen: list[History] = []

    def draw(history: History, predict: Predict, drop: Int32) -> NDArray[np.int64]:
        seen.append(history)
        first = np.float32(3 if not len(history) else history.ratings[0])
        assert predict(np.array([-1, 20], np.int32)).tolist() == [first, first]
        scores = np.zeros(train.n_movies, np.float32)
        scores[train.movie_ids.indices(["m20", "m21", "m99"])] = [1, 2, 3]
        return top(scores, 10, drop=drop)

    popularity = np.zeros(train.n_movies, np.float32)
    popularity[train.movie_ids.index("m20")] = 1
    found = judge_newcomers(ByFirst(), draw, popularity, train, theirs)
    assert found is not None
    assert [len(history) for history in seen] == list(STEPS)
    newest_first = np.argsort(-seen[-1].times)
    assert train.movie_ids.ids[seen[-1].items[newest_first]].tolist() == [f"m{n}" for n in range(20)]
    for step, history in zip(STEPS, seen, strict=True):  # the first ratings by time, in order of key, with their times
        assert sorted(history.times.tolist()) == list(range(81, 81 + step))
        assert (np.diff(history.items) > 0).all()
    assert found.users.tolist() == [theirs.user_ids.index("new")]
    assert (found.ratings.tolist(), found.relevant.tolist()) == ([2], [1])
    assert found.squared[0].tolist() == [2**2 + 1]  # 3 for 5 and for 2
    assert all(found.squared[step].tolist() == [4**2 + 1] for step in STEPS[1:])
    assert found.by_mean.tolist() == [3**2 + 2**2]  # the known person's 2 and 4
    assert found.by_popularity.tolist() == [1.0]
    assert all(found.ndcg[step][0] == pytest.approx(1 / np.log2(4)) for step in STEPS)  # third place


def test_a_chart_has_a_row_for_each_number_of_ratings(learned: Learned) -> None:
    report = learned.report
    assert report is not None
    assert report.newcomers is not None
    rows = report.charts["newcomers"]
    assert [row["known"] for row in rows] == list(STEPS)
    assert report.protocol["newcomers"] == len(report.newcomers.users) == MIN_PEOPLE
    for row in rows:
        assert row["people"] == MIN_PEOPLE
        assert row["low"] <= row["rmse"] <= row["high"]
        assert row["ndcg_low"] <= row["ndcg"] <= row["ndcg_high"]
        people = report.newcomers
        assert row["rmse"] ** 2 == pytest.approx(people.squared[int(str(row["known"]))].sum() / people.ratings.sum())
    # The planted tastes are learned fast: twenty ratings say much, and the movie's mean knows nobody.
    assert rows[-1]["rmse"] < 0.9 * rows[0]["rmse"]
    assert rows[-1]["rmse"] < 0.9 * rows[-1]["movie_mean"]


def test_a_report_with_newcomers_is_restored_from_its_arrays(learned: Learned) -> None:
    report = learned.report
    assert report is not None
    again = EvaluationReport.restore(report.metrics, report.segments, report.protocol, report.charts, report.arrays())
    assert again.newcomers is not None
    assert report.newcomers is not None
    expected = report.newcomers.arrays()
    assert expected.keys() == again.newcomers.arrays().keys()
    assert all(np.array_equal(again.newcomers.arrays()[name], values) for name, values in expected.items())


def test_nobody_to_judge_is_no_report(data: Interactions) -> None:
    model = quick_model("svd").fit(data)
    assert (
        judge_newcomers(
            model, lambda *_: np.zeros(1, np.float32), np.zeros(1, np.float32), data, data.subset(np.empty(0, int))
        )
        is None
    )


def test_lists_without_a_relevant_movie_are_not_in_the_curve() -> None:
    zeros = {step: np.zeros(2) for step in STEPS}
    ones = {step: np.array([1.0, 0.0]) for step in STEPS}
    users, counts = np.array([0, 1]), np.array([1, 1])
    people = Newcomers(users, users.astype(np.uint64), counts, np.array([1, 0]), zeros, ones, np.zeros(2), np.zeros(2))
    assert [row["ndcg"] for row in people.chart(0)] == [1.0] * len(STEPS)
    assert metrics.relevant_from((0.5, 5.0)) == 3.875
