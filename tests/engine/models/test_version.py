"""A version is rebuilt from its config and arrays, those of earlier releases included."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from engine.data.ratings import Interactions
from engine.models.ease import ItemSimilarityConfig, ItemSimilarityRanker
from engine.models.intervals import Calibration
from engine.models.registry import MODELS
from engine.models.version import LearnedCounts, VersionBundle
from engine.recommending.bundling import measure_offsets, measure_spread
from engine.recommending.cold_start import popularity
from tests.engine.models.quick import quick_model


def bundle(kind: str, data: Interactions) -> VersionBundle:
    rating = quick_model(kind).fit(data)
    ranker = ItemSimilarityRanker().fit(data)
    predicted = rating.predict_indices(data.users, data.items)
    counts = data.user_counts[data.users], data.movie_counts[data.items]
    calibration = Calibration.fit(predicted, data.ratings, *counts, data.scale)
    popular = popularity(data, ranker.weigher.like(data.ratings))
    offsets, spread = measure_offsets(rating, data), measure_spread(rating, data, ranker.movies_)
    return VersionBundle(rating, ranker, popular, calibration, LearnedCounts.of(data), offsets, spread)


@pytest.mark.parametrize("kind", MODELS)
def test_a_rebuilt_version_answers_bit_for_bit(small: Interactions, kind: str) -> None:
    version = bundle(kind, small)
    stored: dict[str, Any] = json.loads(json.dumps(version.config()))
    again = VersionBundle.from_arrays(kind, stored, version.arrays())
    pairs = small.users, small.items
    assert np.array_equal(again.rating.predict_indices(*pairs), version.rating.predict_indices(*pairs))
    past = small.history(3)
    assert np.array_equal(again.ranker.score_history(past), version.ranker.score_history(past))
    assert again.spread == version.spread > 0.01
    assert again.config() == version.config()
    assert again.counts is not None
    assert again.counts.users.tolist() == small.user_counts.tolist()
    assert again.counts.movies.tolist() == small.movie_counts.tolist()
    assert again.offsets is not None
    assert version.offsets is not None
    assert np.array_equal(again.offsets.users, version.offsets.users)
    assert np.array_equal(again.offsets.movies, version.offsets.movies)


def test_a_version_of_an_earlier_release_serves(small: Interactions) -> None:
    version = bundle("svd", small)
    config = version.config()
    earlier = {"l2": 100.0, "min_ratings": 4, "max_movies": 12_000, "high_weight": 1.0, "low_weight": 0.1}
    arrays = {name: array for name, array in version.arrays().items() if not name.startswith("spread")}
    again = VersionBundle.from_arrays("svd", config | {"ranker": earlier}, arrays)
    served = again.ranker.config
    assert isinstance(served, ItemSimilarityConfig)
    assert (served.l2, served.next_weight) == (100, 0)
    assert (served.dislike, served.recency, served.rating_weight, again.spread) == (0, 0, 0, 0)
    assert np.isfinite(again.ranker.score_history(small.history(0))).all()


NEWER = ("counts/", "offsets/", "movie_weights", "intercept", "user_means", "user_covariances", "movie_precision")


@pytest.mark.parametrize("kind", MODELS)
def test_a_version_without_what_folding_movies_in_needs_serves(small: Interactions, kind: str) -> None:
    version = bundle(kind, small)
    arrays = {name: array for name, array in version.arrays().items() if not any(part in name for part in NEWER)}
    again = VersionBundle.from_arrays(kind, version.config(), arrays)
    assert again.counts is None
    assert again.offsets is None
    assert again.rating.folds_movies == (kind != "ncf")
    history = small.items[:20], small.ratings[:20]
    assert np.array_equal(again.rating.fold_in_user(*history), version.rating.fold_in_user(*history))
    if not again.rating.folds_movies:
        with pytest.raises(ValueError, match="stored without"):
            again.rating.fold_in_movie(small.users[:5], small.ratings[:5], 3)
