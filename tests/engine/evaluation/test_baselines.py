"""Reports store what popularity and random lists score, and say where a model is worse than popularity."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from engine.data.ratings import Interactions
from engine.data.splits import Split, split_random
from engine.evaluation.baselines import ALL, Baseline, shortfalls, standing, stored
from engine.evaluation.intervals import MIN_USERS
from engine.evaluation.lists import ScoreUser, draw_lists, list_popular, list_random
from engine.evaluation.metrics import METRICS
from engine.evaluation.report import EvaluationReport, EvaluationService
from engine.models.svd import MatrixFactorizationConfig, MatrixFactorizationModel


@pytest.fixture(scope="module")
def split(small: Interactions) -> Split:
    return split_random(small, 0.3)


@pytest.fixture(scope="module")
def model(split: Split) -> MatrixFactorizationModel:
    return MatrixFactorizationModel(MatrixFactorizationConfig(factors=2, epochs=3, regularization=0.1)).fit(split.train)


def report(model: MatrixFactorizationModel, split: Split, scores: ScoreUser | None = None) -> EvaluationReport:
    return EvaluationService().generate_report(model, split.train, split.test, 5, score_user=scores)


def by_popularity(split: Split) -> ScoreUser:
    return lambda _: split.train.movie_counts.astype(np.float32)


def knowing(split: Split) -> ScoreUser:
    """The test ratings of each user."""

    def scores(user: int) -> np.ndarray:
        rows = split.test.by_user.of(user)
        found = np.zeros(split.test.n_movies, np.float32)
        found[split.test.items[rows]] = split.test.ratings[rows]
        return found

    return scores


def test_popular_lists_are_those_of_scores_by_number_of_ratings(split: Split) -> None:
    found, wanted = (
        list_popular(split.train, split.test, 5),
        draw_lists(by_popularity(split), split.train, split.test, 5),
    )
    for name in ("users", "movies", "hits", "relevant"):
        assert np.array_equal(getattr(found, name), getattr(wanted, name))


def test_random_lists_are_new_to_the_user_and_repeat_by_seed(split: Split) -> None:
    found = list_random(split.train, split.test, 5, seed=1)
    assert np.array_equal(found.movies, list_random(split.train, split.test, 5, seed=1).movies)
    assert not np.array_equal(found.movies, list_random(split.train, split.test, 5, seed=2).movies)
    for user, listed in zip(found.users, found.movies, strict=True):
        assert len(set(listed.tolist())) == 5
        assert not np.isin(listed, split.train.items[split.train.by_user.of(user)]).any()
    whole = list_random(split.train, split.test, split.train.n_movies, seed=1)
    counts = split.train.n_movies - split.train.user_counts[whole.users]
    assert np.array_equal((whole.movies >= 0).sum(axis=1), counts)


def test_every_list_metric_has_its_baselines(model: MatrixFactorizationModel, split: Split) -> None:
    found = report(model, split)
    listed = found.metrics.keys() - {"rmse", "mae", "interval_coverage"}
    of_all = {one.metric: one for one in found.baselines if one.segment == ALL}
    assert sorted(of_all) == sorted(listed)
    for name, one in of_all.items():
        assert one.value == pytest.approx(found.metrics[name].value, rel=1e-8)
        assert one.difference == pytest.approx(one.value - one.popularity, abs=1e-8)
        assert one.random is not None
    for segment, values in found.segments.items():
        theirs = {one.metric: one.value for one in found.baselines if one.segment == segment}
        expected = {name: one.value for name, one in values.items() if METRICS[name].of_hits}
        assert theirs == pytest.approx(expected, rel=1e-8)


def test_popularity_is_level_with_itself(model: MatrixFactorizationModel, split: Split) -> None:
    found = report(model, split, by_popularity(split))
    assert {one.difference for one in found.baselines} == {0.0}
    assert {one.verdict for one in found.baselines} == {"no difference shown"}
    assert shortfalls(found.baselines) == []
    assert standing(found.baselines).startswith("Lists are not shown to be better than the most popular movies: NDCG")


def test_better_lists_are_shown_to_be(model: MatrixFactorizationModel, split: Split) -> None:
    found = report(model, split, knowing(split))
    ndcg = next(one for one in found.baselines if one.metric == "ndcg_at_k")
    assert (ndcg.value, ndcg.verdict) == (1.0, "better")
    assert ndcg.low is not None
    assert 0 < ndcg.low <= ndcg.difference
    assert ndcg.users >= MIN_USERS
    assert shortfalls(found.baselines) == []
    told = f"NDCG@10 1.0000 against {ndcg.popularity:.4f}, {ndcg.users} people."
    assert standing(found.baselines) == f"Lists are better than the most popular movies: {told}"
    assert standing([]) == ""


def test_worse_lists_are_told(model: MatrixFactorizationModel, split: Split) -> None:
    worst = knowing(split)
    found = report(model, split, lambda user: -worst(user))
    told = shortfalls(found.baselines)
    assert told[0].startswith("Lists for everybody are worse than the most popular movies: NDCG@10 0.0000 against ")
    assert standing(found.baselines) == told[0]
    assert any("Lists for people with some ratings" in sentence for sentence in told)
    unsure = replace(found.baselines[0], segment="new_users", verdict="no difference shown")
    assert shortfalls([unsure])[0].startswith(
        "Lists for people with few ratings are below the most popular movies, which may be chance"
    )


def test_they_are_restored_and_missing_in_earlier_releases(model: MatrixFactorizationModel, split: Split) -> None:
    found = report(model, split)
    again = EvaluationReport.restore({}, {}, {}, found.charts, found.arrays())
    assert again.baselines == found.baselines
    assert all(isinstance(one, Baseline) for one in again.baselines)
    for odd in ({}, {"baselines": "none"}, {"baselines": [{"segment": "all"}]}, {"baselines": [None]}):
        assert stored(odd) == ()
    assert stored({"baselines": [asdict(one) for one in found.baselines]}) == found.baselines
