"""Newcomers: the status, the blend, and the order without taste."""

from __future__ import annotations

import numpy as np
import pytest

from engine.data.ratings import Interactions
from engine.recommending.cold_start import blend, popularity


@pytest.mark.parametrize(
    ("count", "informative", "known", "status"),
    [(0, 0, False, "unknown_user"), (0, 0, True, "cold_start"), (4, 0, True, "cold_start"), (3, 3, True, "blended"),
     (12, 9, True, "blended"), (10, 10, True, "personal"), (500, 400, True, "personal")],
)  # fmt: skip
def test_the_status_follows_from_the_ratings(count: int, informative: int, known: bool, status: str) -> None:
    found = blend(count, informative, known=known, personal_from=10)
    assert found.status == status
    assert len(found.reason) > 20


@pytest.mark.parametrize("count", [0, 4])
def test_liked_genres_are_said_to_be_favoured(count: int) -> None:
    told = blend(count, count, known=True, personal_from=10, liked=("Documentary", "War")).reason
    assert "what most people like, favouring Documentary and War." in told
    assert "favouring" not in blend(count, count, known=True, personal_from=10).reason


def test_each_rating_moves_an_equal_part_to_the_ranker() -> None:
    steps = [blend(n, n, known=True, personal_from=10) for n in range(1, 11)]
    assert np.diff([step.personal for step in steps]) == pytest.approx(0.1)
    assert all(step.personal + step.popular == pytest.approx(1, abs=0.001) for step in steps)


def test_popularity_counts_weighted_ratings_per_user(small: Interactions) -> None:
    scores = popularity(small, np.ones(len(small), np.float32))
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, small.movie_counts / small.n_users, rtol=1e-6)
