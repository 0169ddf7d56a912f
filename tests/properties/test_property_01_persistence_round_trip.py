"""Property 1: a stored version answers as the trained one does, bit for bit, and an array comes back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from engine.data.history import History
from engine.data.ratings import Interactions
from engine.models.ease import ItemSimilarityConfig, ItemSimilarityRanker
from engine.models.registry import MODELS
from engine.models.version import VersionBundle
from engine.recommending.fold_in import RealtimeLearner
from store import model_arrays
from store.database import Database
from store.versions import MLModelManager
from tests.engine.models.test_version import bundle

N_USERS, N_MOVIES = 60, 80
FAR = st.sampled_from([-(2**31), -1, 2**31 - 1])
USER = st.one_of(st.integers(-1, N_USERS + 5), FAR)
MOVIE = st.one_of(st.integers(-1, N_MOVIES + 5), FAR)
RATING = st.integers(1, 10).map(lambda step: step / 2)
TIME = st.integers(-1, 5)
HISTORY = st.dictionaries(MOVIE, st.tuples(RATING, TIME), max_size=30)
COUNT = st.integers(0, 1000)
EVERYTHING = np.arange(-1, N_MOVIES + 1, dtype=np.int32)
Ratings = dict[int, tuple[float, int]]
DTYPES = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(endianness="?"),
    npst.unsigned_integer_dtypes(endianness="?"),
    npst.floating_dtypes(endianness="?"),
)


@dataclass(frozen=True)
class Pair:
    """A version as it was trained, and as the store gives it back."""

    trained: VersionBundle
    stored: VersionBundle


def save(models: MLModelManager, kind: str, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> int:
    nothing: dict[str, Any] = {"metrics": {}, "protocol": {}, "data": {}}
    return models.save_model(kind=kind, config=config, arrays=arrays, **nothing)


@pytest.fixture(scope="module", params=MODELS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, small: Interactions) -> Pair:
    """Trained once, saved, and read by another opening of the file."""
    config = ItemSimilarityConfig(min_ratings=16, recency=0.3, next_weight=0.2)  # not all movies, not the defaults
    ranker = ItemSimilarityRanker(config).fit(small)
    trained = replace(bundle(request.param, small), ranker=ranker)
    url = f"sqlite:///{tmp_path_factory.mktemp('store')}/test.db"
    database = Database.open(url)
    version = save(MLModelManager(database), request.param, trained.config(), trained.arrays())
    database.close()
    database = Database.open(url)
    found = MLModelManager(database).load_model(version)
    database.close()
    return Pair(trained, VersionBundle.from_arrays(found.record.kind, found.record.config, found.arrays))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MLModelManager]:
    folder: Path = tmp_path_factory.mktemp("arrays")
    database = Database.open(f"sqlite:///{folder}/test.db")
    yield MLModelManager(database)
    database.close()


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    """Type, shape and every bit: neither -0.0 and 0.0 nor two kinds of NaN are the same."""
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert found.tobytes() == expected.tobytes()


def columns(history: Ratings) -> tuple[np.ndarray, np.ndarray]:
    return np.array(list(history), np.int32), np.array([rating for rating, _ in history.values()], np.float32)


@settings(max_examples=100)
@given(pairs=st.lists(st.tuples(USER, MOVIE), max_size=40))
def test_predictions_of_any_pairs(pair: Pair, pairs: list[tuple[int, int]]) -> None:
    users, movies = np.array(pairs, np.int32).reshape(-1, 2).T.copy()
    expected = pair.trained.rating.predict_indices(users, movies)
    assert_same(pair.stored.rating.predict_indices(users, movies), expected)


@settings(max_examples=100)
@given(user=USER)
def test_vectors_of_any_user_and_what_they_predict(pair: Pair, user: int) -> None:
    trained, stored = pair.trained.rating, pair.stored.rating
    assert_same(stored.user_vector(user), trained.user_vector(user))
    expected = trained.predict_vector(trained.user_vector(user), EVERYTHING)
    assert_same(stored.predict_vector(stored.user_vector(user), EVERYTHING), expected)


@settings(max_examples=100)
@given(history=HISTORY)
def test_vectors_folded_in_and_what_they_predict(pair: Pair, history: Ratings) -> None:
    trained, stored = pair.trained.rating, pair.stored.rating
    expected, found = trained.fold_in_user(*columns(history)), stored.fold_in_user(*columns(history))
    assert_same(found, expected)
    assert_same(stored.predict_vector(found, EVERYTHING), trained.predict_vector(expected, EVERYTHING))


@settings(max_examples=100)
@given(history=HISTORY, movie=MOVIE)
def test_scores_of_any_history_and_their_shares(pair: Pair, history: Ratings, movie: int) -> None:
    trained, stored = pair.trained.ranker, pair.stored.ranker
    past = History.of(*columns(history), np.array([time for _, time in history.values()], np.int64))
    assert_same(stored.score_history(past), trained.score_history(past))
    assert_same(stored.shares(past, movie), trained.shares(past, movie))
    assert_same(stored.known(past), trained.known(past))


@settings(max_examples=100)
@given(asked=st.lists(st.tuples(st.floats(0.5, 5, width=32), COUNT, COUNT), max_size=20))
def test_intervals_of_any_predictions(pair: Pair, asked: list[tuple[float, int, int]]) -> None:
    assert pair.trained.calibration is not None
    assert pair.stored.calibration is not None
    predicted = np.array([value for value, _, _ in asked], np.float32)
    counts = np.array([counts for _, *counts in asked], np.int64).reshape(-1, 2).T
    expected = pair.trained.calibration.interval(predicted, *counts)
    for found, end in zip(pair.stored.calibration.interval(predicted, *counts), expected, strict=True):
        assert_same(found, end)


@settings(max_examples=100)
@given(
    updates=st.lists(st.tuples(st.integers(0, N_USERS - 1), st.integers(0, N_MOVIES - 1), RATING, TIME), max_size=10)
)
def test_what_new_ratings_lead_to(pair: Pair, small: Interactions, updates: list[tuple[int, int, float, int]]) -> None:
    """Of users and movies that the version has learned, whose vectors go on from where training left them."""
    trained, stored = (RealtimeLearner(one, small) for one in (pair.trained, pair.stored))
    for update in updates:
        expected, found = trained.rate(*update), stored.rate(*update)
        assert_same(found.vector, expected.vector)
        assert_same(
            pair.stored.ranker.score_history(found.history), pair.trained.ranker.score_history(expected.history)
        )
        assert_same(found.predict(EVERYTHING), expected.predict(EVERYTHING))
        assert_same(found.movies.counts_of(EVERYTHING), expected.movies.counts_of(EVERYTHING))


def test_every_part_is_stored(pair: Pair) -> None:
    """What a version was trained with, none of which may come back as missing."""
    for part in fields(VersionBundle):
        assert getattr(pair.trained, part.name) is not None, part.name
        assert getattr(pair.stored, part.name) is not None, part.name
    for name in ("counts", "offsets"):
        expected, found = getattr(pair.trained, name), getattr(pair.stored, name)
        assert_same(found.users, expected.users)
        assert_same(found.movies, expected.movies)


def test_what_was_learned_is_what_was_stored(pair: Pair) -> None:
    """Saving a version that was loaded would store the same again."""
    expected, found = pair.trained.arrays(), pair.stored.arrays()
    assert found.keys() == expected.keys()
    assert {name.partition("/")[0] for name in found} >= {"rating", "ranker", "popularity", "calibration"}
    for name, array in expected.items():
        assert_same(found[name], array)
    assert pair.stored.config() == pair.trained.config()
    assert pair.stored.rating.config == pair.trained.rating.config
    assert pair.stored.ranker.config == pair.trained.ranker.config
    assert_same(pair.stored.popularity, pair.trained.popularity)
    assert pair.stored.spread == pair.trained.spread > 0


@st.composite
def layouts(draw: st.DrawFn) -> np.ndarray:
    """Any array of numbers or booleans: of no dimension to three, empty ones too, and views that skip and turn."""
    array: np.ndarray = draw(npst.arrays(DTYPES, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)))
    if draw(st.booleans()):
        array = array.T
    if array.ndim and draw(st.booleans()):
        array = array[:: draw(st.sampled_from([-1, 2]))]
    return array


@settings(max_examples=60)
@given(arrays=st.dictionaries(st.text(max_size=8), layouts(), max_size=3), chunk=st.sampled_from([13, 64, 4 * 2**20]))
def test_any_arrays_come_back(models: MLModelManager, arrays: dict[str, np.ndarray], chunk: int) -> None:
    """Bytes are stored in the order of small computers, whatever order they came in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_arrays, "CHUNK_BYTES", chunk)
        version = save(models, "svd", {}, arrays)
    found = models.load_model(version).arrays
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert_same(found[name], array.astype(array.dtype.newbyteorder("<")))
    assert models.differing(version, arrays) == []
    models.delete_version(version)
