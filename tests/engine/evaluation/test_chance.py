"""Expectations of random lists equal the mean over every list there is."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from engine.data.ratings import Interactions
from engine.evaluation import chance
from engine.evaluation.metrics import METRICS, exposure, novelty

CASES = [(1, 1, 3), (1, 4, 3), (2, 5, 3), (3, 5, 2), (5, 5, 3), (2, 2, 3), (1, 6, 1), (4, 6, 4)]


def test_every_metric_of_hits_has_an_expectation() -> None:
    assert set(chance.OF_HITS) == {name for name, metric in METRICS.items() if metric.of_hits}


@pytest.mark.parametrize("name", chance.OF_HITS)
@pytest.mark.parametrize(("relevant", "candidates", "k"), CASES)
def test_it_is_the_mean_over_all_lists(name: str, relevant: int, candidates: int, k: int) -> None:
    lists = np.array(list(permutations(range(candidates), min(k, candidates))))
    hits = np.zeros((len(lists), k), bool)
    hits[:, : lists.shape[1]] = lists < relevant
    formula = METRICS[name].of_hits
    assert formula is not None
    every = formula(hits, np.full(len(lists), relevant))
    found = chance.OF_HITS[name](np.array([relevant]), np.array([candidates]), k)
    assert found == pytest.approx([every.mean()], abs=1e-12)


def test_coverage_and_novelty_are_those_of_many_random_lists() -> None:
    rng, k = np.random.default_rng(0), 3
    rows = [(user, movie, 4.0) for user in range(6) for movie in rng.choice(9, 1 + user, replace=False).tolist()]
    frame = pd.DataFrame([*rows, *((6, movie, 4.0) for movie in range(9))], columns=["user_id", "movie_id", "rating"])
    data = Interactions.from_frame(frame, scale=(0.5, 5.0))
    users = np.arange(1, 6)  # one without a list, and one who knows all movies
    covered, surprising = [], []
    for _ in range(3000):
        lists = np.full((len(users), k), -1)
        for row, user in enumerate(users.tolist()):
            lists[row] = rng.permutation(np.setdiff1d(np.arange(9), data.items[data.by_user.of(user)]))[:k]
        covered.append((exposure(lists, 9) > 0).mean())
        surprising.append(novelty(lists, data.movie_counts, data.n_users).mean())
    assert chance.coverage(data, users, k) == pytest.approx(np.mean(covered), abs=0.01)
    assert chance.novelty(data, users) == pytest.approx(np.mean(surprising), abs=0.01)
