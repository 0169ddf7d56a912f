"""Plain means: the formula by hand, and each rating learned as if all were counted again."""

from __future__ import annotations

import numpy as np
import pytest

from engine.data.history import NOBODY, History
from engine.data.ratings import Interactions
from engine.evaluation.means import MeanRatings


def test_it_is_the_formula(small: Interactions) -> None:
    means, user, movie = MeanRatings.of(small), 3, 7
    ratings = small.ratings.astype(np.float64)
    mean = ratings.mean()

    def offset(one: int) -> float:
        rows = small.items == one
        return float((ratings[rows] - mean).sum() / (25 + rows.sum()))

    mine = small.history(user)
    level = sum(r - mean - offset(m) for m, r in zip(mine.items.tolist(), mine.ratings.tolist(), strict=True))
    expected = mean + offset(movie) + level / (10 + len(mine))
    assert means.predict(mine, movie) == pytest.approx(float(np.clip(expected, 0.5, 5)))
    assert means.predict(NOBODY, 10_000) == pytest.approx(mean)


def test_learning_one_by_one_is_counting_again(small: Interactions) -> None:
    rng, kept = np.random.default_rng(0), np.arange(len(small)) < 1000
    means = MeanRatings.of(small.subset(kept))
    for row in np.flatnonzero(~kept).tolist():
        first = float(rng.choice([1.0, 5.0]))
        means.learn(int(small.items[row]), first, None)
        means.learn(int(small.items[row]), float(small.ratings[row]), first)
        means.learn(3, 2.0, None)
        means.learn(3, None, 2.0)
    again = MeanRatings.of(small)
    np.testing.assert_allclose(means.sums, again.sums)
    np.testing.assert_allclose(means.counts, again.counts)
    assert (means.number, means.total) == (again.number, pytest.approx(again.total))


def test_without_ratings_it_is_the_middle_and_later_movies_change_nothing(small: Interactions) -> None:
    means = MeanRatings.of(small.subset(np.zeros(len(small), bool)))
    assert means.predict(NOBODY, 1) == 2.75
    means.learn(999, 5.0, None)
    assert means.number == 0
    late = History.of(np.array([999], np.int32), np.array([5.0], np.float32))
    assert MeanRatings.of(small).predict(late, 1) == MeanRatings.of(small).predict(NOBODY, 1)
