"""Property 8: every metric equals an independent definition, scikit-learn's where there is one."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import ndcg_score

from engine import metrics


@st.composite
def lists(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Hits of a few users' lists, and how many relevant movies each has: at least one, and no fewer than were hit."""
    k = draw(st.integers(1, 8))
    hits = draw(hnp.arrays(bool, st.tuples(st.integers(1, 5), st.just(k))))
    more = draw(hnp.arrays(np.int64, len(hits), elements=st.integers(0, 6)))
    return hits, np.maximum(hits.sum(axis=1) + more, 1)


@given(lists())
def test_list_metrics_equal_their_definitions(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    hits, relevant = drawn
    k = hits.shape[1]
    found = {
        "precision": metrics.precision(hits),
        "recall": metrics.recall(hits, relevant),
        "hit": metrics.hit_rate(hits),
        "mrr": metrics.reciprocal_rank(hits),
        "map": metrics.average_precision(hits, relevant),
        "ndcg": metrics.ndcg(hits, relevant),
    }
    for user, row in enumerate(hits):
        places = [place for place in range(1, k + 1) if row[place - 1]]
        ideal = sum(1 / math.log2(place + 1) for place in range(1, min(relevant[user], k) + 1))
        expected = {
            "precision": len(places) / k,
            "recall": len(places) / relevant[user],
            "hit": float(bool(places)),
            "mrr": 1 / places[0] if places else 0.0,
            "map": sum((n + 1) / place for n, place in enumerate(places)) / min(relevant[user], k),
            "ndcg": sum(1 / math.log2(place + 1) for place in places) / ideal,
        }
        for name, value in expected.items():
            assert found[name][user] == pytest.approx(value), name


@given(hnp.arrays(bool, st.integers(2, 30)), st.integers(1, 10))
def test_ndcg_equals_scikit_learns(relevant: np.ndarray, k: int) -> None:
    """Movies stand in the order of their index; k is at most their number."""
    assume(relevant.any())
    k = min(k, len(relevant))
    scores = -np.arange(len(relevant), dtype=float)
    expected = ndcg_score(relevant[None, :].astype(float), scores[None, :], k=k)
    assert metrics.ndcg(relevant[None, :k], np.array([relevant.sum()]))[0] == pytest.approx(expected)


@given(hnp.arrays(np.int64, st.tuples(st.integers(1, 5), st.integers(1, 6)), elements=st.integers(-1, 9)))
def test_catalogue_metrics_equal_their_definitions(listed: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    counts, genres = rng.integers(0, 20, 10), rng.random((10, 4)) < 0.5
    shown = [int(movie) for movie in listed.ravel() if movie >= 0]
    assert metrics.coverage(listed, 10) == len(set(shown)) / 10

    novelty, diversity = metrics.novelty(listed, counts, 20), metrics.diversity(listed, genres)
    for user, row in enumerate(listed):
        movies = [int(movie) for movie in row if movie >= 0]
        bits = [-math.log2(max(counts[movie], 1) / 20) for movie in movies]
        assert novelty[user] == pytest.approx(np.mean(bits) if bits else 0.0)
        unlike = []
        for one, other in itertools.combinations(movies, 2):
            union = (genres[one] | genres[other]).sum()
            unlike.append(1 - (genres[one] & genres[other]).sum() / union if union else 0.0)
        assert diversity[user] == pytest.approx(np.mean(unlike) if unlike else 0.0, abs=1e-6)

    exposure = np.bincount(shown, minlength=10)
    difference = sum(abs(int(a) - int(b)) for a in exposure for b in exposure)
    expected = difference / (2 * 10 * exposure.sum()) if shown else 0.0
    assert metrics.gini(listed, 10) == pytest.approx(expected)
