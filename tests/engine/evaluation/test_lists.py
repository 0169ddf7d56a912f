"""Of many users, the lists of a sample are evaluated: the same in every evaluation, and by any number of threads."""

from __future__ import annotations

import numpy as np
import pytest

from engine import parallel
from engine.data.ratings import Interactions
from engine.data.splits import Split, split_by_user_time
from engine.evaluation import lists
from engine.evaluation.lists import draw_lists, list_popular, list_random, sample
from engine.evaluation.report import EvaluationService
from engine.models.ease import ItemSimilarityRanker
from engine.models.svd import MatrixFactorizationConfig, MatrixFactorizationModel


@pytest.fixture(scope="module")
def split(small: Interactions) -> Split:
    return split_by_user_time(small)


@pytest.fixture(scope="module")
def ranker(split: Split) -> ItemSimilarityRanker:
    return ItemSimilarityRanker().fit(split.train)


def test_the_lists_of_a_sample_are_those_of_everybody(
    split: Split, ranker: ItemSimilarityRanker, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = draw_lists(ranker.score_user, split.train, split.test, 5)
    assert whole.drawn_from == len(whole.users) > 20
    monkeypatch.setattr(lists, "MAX_LISTS", 20)
    some = draw_lists(ranker.score_user, split.train, split.test, 5)
    assert (len(some.users), some.drawn_from) == (20, len(whole.users))
    rows = np.searchsorted(whole.users, some.users)
    for name in ("users", "movies", "hits", "relevant"):
        assert np.array_equal(getattr(some, name), getattr(whole, name)[rows])
    for others in (list_popular(split.train, split.test, 5), list_random(split.train, split.test, 5, 0)):
        assert np.array_equal(others.users, some.users)


def test_a_report_says_of_how_many_users_the_sample_is(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    model = MatrixFactorizationModel(MatrixFactorizationConfig(factors=4, epochs=2, regularization=0.1))
    model.fit(split.train)
    protocol = EvaluationService().generate_report(model, split.train, split.test).protocol
    assert "users_drawn_from" not in protocol
    everybody = protocol["users_with_lists"]
    monkeypatch.setattr(lists, "MAX_LISTS", 15)
    report = EvaluationService().generate_report(model, split.train, split.test)
    assert (report.protocol["users_with_lists"], report.protocol["users_drawn_from"]) == (15, everybody)
    assert len(report.users) == len(report.per_user["ndcg_at_k"]) == 15
    assert report.metrics["ndcg_at_k"].low is not None


def test_a_sample_changes_little_when_users_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MAX_LISTS", 100)
    before, after = sample(np.arange(1000)), sample(np.arange(1100))
    assert len(before) == len(after) == 100
    assert len(np.intersect1d(before, after)) > 80
    assert np.array_equal(before, np.sort(before))
    assert abs(before.mean() - 500) < 100


def test_threads_change_nothing(split: Split, ranker: ItemSimilarityRanker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "USERS_AT_ONCE", 7)
    found = []
    for threads in (1, 4):
        monkeypatch.setattr(parallel, "processors", lambda threads=threads: threads)
        found.append(draw_lists(ranker.score_user, split.train, split.test, 5))
    assert np.array_equal(found[0].movies, found[1].movies)
    assert np.array_equal(found[0].hits, found[1].hits)
