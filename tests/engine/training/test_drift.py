"""Folding in is compared with learning again, on newer ratings that neither of the two knows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.data.ratings import Interactions
from engine.models.svd import MatrixFactorizationConfig, MatrixFactorizationModel
from engine.models.version import LearnedCounts
from engine.training import drift
from engine.training.drift import Drift, measure_drift

CONFIG = MatrixFactorizationConfig(factors=8, epochs=30, learning_rate=0.02, regularization=0.05)


def learned_less(data: Interactions, users: list[int], ratings: int) -> LearnedCounts:
    """Counts of a version that has not learned the last ratings of some users."""
    counts = LearnedCounts.of(data)
    fewer = counts.users.copy()
    fewer[users] -= ratings
    return LearnedCounts(fewer, counts.movies)


def test_without_newer_ratings_there_is_no_drift(small: Interactions) -> None:
    assert measure_drift(small, LearnedCounts.of(small), CONFIG) == Drift(0, len(small))
    assert Drift(0, len(small)).advice == "fine"


def test_a_version_that_has_learned_nothing_can_not_be_measured(small: Interactions) -> None:
    nothing = LearnedCounts(np.zeros(5, np.int32), np.zeros(0, np.int32))
    found = measure_drift(small, nothing, CONFIG)
    assert (found.since, found.gap, found.advice) == (len(small), None, "retrain soon")


def test_both_are_judged_on_the_later_half_of_what_is_newer(small: Interactions) -> None:
    users = list(range(20))
    found = measure_drift(small, learned_less(small, users, 9), CONFIG)
    assert (found.since, found.learned, found.users, found.held_out) == (180, 1320, 20, 100)
    assert found.refitted is not None
    assert 0 < found.refitted < 1.3
    assert found.gap is not None
    assert abs(found.gap) < 0.4
    assert 0 < float(found.overlap or 0) <= 1
    assert found == measure_drift(small, learned_less(small, users, 9), CONFIG)


def test_neither_knows_what_it_is_judged_on(small: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ratings that are held out may be anything: what is learned and folded in stays the same."""
    learned: list[Interactions] = []
    fit = drift._fit

    def watched(data: Interactions, config: Any) -> MatrixFactorizationModel:
        learned.append(data)
        return fit(data, config)

    monkeypatch.setattr(drift, "_fit", watched)
    counts = learned_less(small, [3, 4], 6)
    measure_drift(small, counts, CONFIG)
    last = np.concatenate([small.by_user.of(user)[-3:] for user in (3, 4)])
    other = replace(small, ratings=small.ratings.copy())
    other.ratings[last] = 0.5
    measure_drift(other, counts, CONFIG)
    assert [len(one) for one in learned] == [len(small) - 12, len(small) - 6] * 2
    for first, second in zip(learned[:2], learned[2:], strict=True):
        assert first.fingerprint == second.fingerprint


def test_large_data_are_sampled_by_whole_users(small: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "MAX_RATINGS", 500)
    monkeypatch.setattr(drift, "SAMPLED_USERS", 5)
    found = measure_drift(small, learned_less(small, list(range(30)), 8), CONFIG)
    assert (found.users, found.held_out, found.since) == (5, 20, 240)
    kept = drift._affordable(small, np.array([1, 2], np.int32), np.random.default_rng(0))
    assert kept[[1, 2]].all()
    assert kept.sum() == 20


@pytest.mark.parametrize(
    ("found", "advice"),
    [
        (Drift(10, 1000, 9, 400, 0.900, 0.899), "fine"),
        (Drift(10, 1000, 9, 400, 0.910, 0.900), "retrain soon"),
        (Drift(10, 1000, 9, 400, 0.930, 0.900), "retrain"),
        (Drift(10, 1000, 9, 99, 0.930, 0.900), "fine"),
        (Drift(200, 1000, 9, 400, 0.890, 0.900), "retrain soon"),
        (Drift(10, 1000, 9, 400, 0.824, 0.8), "retrain"),  # three hundredths, and a hair less in floating point
    ],
)
def test_the_advice(found: Drift, advice: str) -> None:
    assert found.advice == advice
