from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import numpy as np
import pytest

from engine import parallel
from engine.data.ratings import Interactions
from engine.data.splits import split_random
from engine.errors import Cancelled
from engine.models import ensemble, ncf, variational
from engine.models.epochs import run_epochs, validation_rmse
from engine.models.ncf import NeuralCF, NeuralCFConfig
from engine.models.networks import TrainingRows
from tests.engine.models.contract import RatingModelContract


class TestNeuralCF(RatingModelContract):
    model = NeuralCF
    config = NeuralCFConfig(factors=4, hidden=(16, 8), epochs=8, batch_size=64, parts=3, iterations=8, patience=0)
    rmse_below = 0.8


class TestOneHiddenLayer(RatingModelContract):
    model = NeuralCF
    config = NeuralCFConfig(factors=3, hidden=(12,), networks=3, epochs=4, batch_size=64, parts=2, iterations=4)
    rmse_below = 0.9


SHORT = TestNeuralCF.config


@pytest.fixture(scope="module")
def fitted(small: Interactions) -> NeuralCF:
    return NeuralCF(SHORT).fit(small)


def test_folding_equal_ratings_in_gives_what_was_learned(small: Interactions, fitted: NeuralCF) -> None:
    """So the first new rating moves a prediction by what it says, not by another way of learning."""
    movies = np.arange(small.n_movies, dtype=np.int32)
    for user in range(10):
        rows = small.by_user.of(user)
        folded = fitted.fold_in_user(small.items[rows], small.ratings[rows])
        learned = fitted.predict_vector(fitted.user_vector(user), movies)
        np.testing.assert_allclose(fitted.predict_vector(folded, movies), learned, atol=1e-4)


def test_a_stored_model_folds_in_as_the_learned_one(small: Interactions, fitted: NeuralCF) -> None:
    again = NeuralCF.from_arrays(SHORT, fitted.arrays())
    rows = small.by_user.of(7)
    own, stored = (m.fold_in_user(small.items[rows], small.ratings[rows]) for m in (fitted, again))
    np.testing.assert_allclose(stored, own, atol=1e-4)


def test_unknown_movies_do_not_reach_a_folded_vector(small: Interactions, fitted: NeuralCF) -> None:
    items, ratings = np.array([0, 1, -1, small.n_movies], np.int32), np.array([4, 3, 5, 5], np.float32)
    assert np.array_equal(fitted.fold_in_user(items, ratings), fitted.fold_in_user(items[:2], ratings[:2]))


def test_predictions_are_those_of_scikit_learn(small: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first layer is split and its inputs' normalisation folded in; the networks themselves must agree."""
    networks = []
    build = NeuralCF._network
    monkeypatch.setattr(NeuralCF, "_network", lambda self, *args: networks.append(build(self, *args)) or networks[-1])
    seen: dict[str, np.ndarray] = {}
    moments = TrainingRows.moments

    def remember(self: TrainingRows) -> tuple[np.ndarray, np.ndarray]:
        seen["mean"], seen["spread"] = moments(self)
        return seen["mean"], seen["spread"]

    monkeypatch.setattr(TrainingRows, "moments", remember)
    model = NeuralCF(SHORT).fit(small)
    users, movies = model.embeddings_.users_, model.embeddings_.movies()
    inputs, base = model.embeddings_.pairs_.of(users, movies, small.users, small.items)
    sides = model.taught_.shape[1]
    inputs[:, :sides] = np.clip(inputs[:, :sides], *model.taught_)
    scaled = (inputs - seen["mean"]) / seen["spread"]
    expected = np.clip(base + np.mean([network.predict(scaled) for network in networks], axis=0), *small.scale)
    np.testing.assert_allclose(model.predict_indices(small.users, small.items), expected, atol=1e-4)


def test_embeddings_of_a_part_do_not_know_its_ratings(small: Interactions) -> None:
    """The rows the networks are taught on stay as they are when ratings of other rows of the same part change."""
    taught = _taught(small)
    of_part = taught.table % SHORT.parts == 0
    part = of_part[: len(small)]
    changed = small.ratings.copy()
    changed[part] = changed[part][::-1]
    again = _taught(_with_ratings(small, changed))
    rows = np.flatnonzero(of_part)
    assert len(rows) > part.sum() > 0  # some a second time, as a newcomer's
    assert np.array_equal(taught.rows(rows)[0], again.rows(rows)[0])
    others = np.flatnonzero(~of_part)
    assert not np.array_equal(taught.rows(others)[0], again.rows(others)[0])


def test_networks_correct_the_factorisation(small: Interactions) -> None:
    """On ratings that hang on the product of two genres' presence, which no sum of factors was given time to learn."""
    data = _with_interaction(small)
    split = split_random(data, 0.2, seed=1)
    model = NeuralCF(SHORT.model_copy(update={"factors": 1, "iterations": 1, "epochs": 20})).fit(split.train)
    users, movies = model.embeddings_.users_, model.embeddings_.movies()
    _, base = model.embeddings_.pairs_.of(users, movies, split.test.users, split.test.items)
    alone = float(np.sqrt(np.mean((np.clip(base, *data.scale) - split.test.ratings) ** 2)))
    assert validation_rmse(model, split.test) < 0.95 * alone


def test_large_data_are_sampled(small: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    """1,500 ratings in three parts of 500, of which two have what may be taught; then in eight, of which one has."""
    for limit, parts, of_part in ((1200, 2, 500), (190, 1, 188)):
        monkeypatch.setattr(ncf, "MAX_TAUGHT", limit)
        steps: list[str] = []
        taught = _taught(small, steps)
        assert steps == [f"Learning embeddings {number + 1} of {parts + 1}" for number in range(parts + 1)]
        assert len(taught.tables) == 3 * parts
        own = taught.table < parts
        assert len(np.unique(taught.ratings[own])) == own.sum() <= parts * of_part
        assert set(taught.ratings[~own]) < set(taught.ratings[own])
        assert set(taught.table) == set(range(3 * parts))
    model = NeuralCF(SHORT).fit(small)
    assert validation_rmse(model, small) < 0.9


def test_the_number_of_threads_changes_no_bit(small: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variational, "BLOCK_COST", 100)
    monkeypatch.setattr(ensemble, "ROWS_AT_ONCE", 300)
    learned = []
    for processors in (1, 2):
        monkeypatch.setattr(parallel, "processors", lambda count=processors: count)
        learned.append(NeuralCF(SHORT).fit(small).arrays())
    assert all(np.array_equal(array, learned[1][name]) for name, array in learned[0].items())


def test_steps_before_the_first_epoch_are_told_and_can_be_cancelled(small: Interactions) -> None:
    stop, steps = Event(), []

    def told(step: str) -> None:
        steps.append(step)
        stop.set()

    with pytest.raises(Cancelled, match="epoch 1"):
        run_epochs(NeuralCF(SHORT), small, on_step=told, cancelled=stop)
    assert steps == ["Learning embeddings 1 of 4"]


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_few_ratings_are_learned(small: Interactions, rows: int) -> None:
    model = NeuralCF(SHORT).fit(small.subset(np.arange(rows)))
    assert np.isfinite(model.predict_indices(small.users, small.items)).all()


def test_movies_nobody_rated_are_told_apart_by_what_is_known_of_them(small: Interactions, fitted: NeuralCF) -> None:
    rated = small.subset(small.items >= 10)
    model = NeuralCF(SHORT).fit(rated)
    users, movies = np.zeros(10, np.int32), np.arange(10, dtype=np.int32)
    assert len(np.unique(model.predict_indices(users, movies))) > 1


def test_new_movies_are_taught_as_they_are_folded_in(small: Interactions, fitted: NeuralCF) -> None:
    """The rows of movies nobody has rated are those of folding in no rating, for known and unknown movies."""
    embeddings, nothing = fitted.embeddings_, (np.empty(0, np.int32), np.empty(0, np.float32))
    new = embeddings.new_movies()
    for movie in (0, 7, -1):
        folded = embeddings.fold_in_movie(*nothing, movie)
        np.testing.assert_allclose(folded.inputs[0], new.inputs[movie], atol=1e-4)
        np.testing.assert_allclose(folded.factors[0], new.factors[movie], atol=1e-4)
        np.testing.assert_allclose(folded.base[0], new.base[movie], atol=1e-4)
    taught = _taught(small)
    some = np.flatnonzero(taught.table >= 2 * SHORT.parts)
    assert 0.02 * len(small) < len(some) < 0.1 * len(small)


def test_versions_of_earlier_releases_have_no_audience(small: Interactions) -> None:
    earlier = NeuralCF(SHORT.model_copy(update={"audience": 0})).fit(small)
    arrays = earlier.arrays()
    assert not any(name.startswith("audience/") for name in arrays)
    del arrays["factorization/user_noise"]
    arrays["features/constants"] = arrays["features/constants"][:4]
    again = NeuralCF.from_arrays(SHORT, arrays)
    expected = earlier.predict_indices(small.users, small.items)
    assert np.array_equal(again.predict_indices(small.users, small.items), expected)
    rows, raters = small.by_user.of(7), small.by_movie.of(7)
    for vector in (
        again.fold_in_user(small.items[rows], small.ratings[rows]),
        again.fold_in_movie(small.users[raters], small.ratings[raters], 7),
    ):
        assert np.isfinite(vector).all()


def test_embeddings_by_raw_id(fitted: NeuralCF) -> None:
    assert fitted.get_user_embedding("u1").shape == fitted.get_movie_embedding("m1").shape == (4,)
    assert np.array_equal(fitted.get_user_embedding("nobody"), fitted._factors(fitted.nobody_))
    assert np.isfinite(fitted.get_movie_embedding("nothing")).all()


def _taught(data: Interactions, told: list[str] | None = None) -> TrainingRows:
    steps: Iterator[str] = NeuralCF(SHORT)._teach(data)
    told = [] if told is None else told
    while True:
        try:
            told.append(next(steps))
        except StopIteration as end:
            taught: TrainingRows = end.value
            return taught


def _with_ratings(data: Interactions, ratings: np.ndarray) -> Interactions:
    from dataclasses import replace

    return replace(data, ratings=ratings)


def _with_interaction(data: Interactions) -> Interactions:
    genres = data.movies.genres
    likes = np.random.default_rng(3).random(data.n_users) < 0.5
    has = genres[data.items, 0] & True
    ratings = np.where(likes[data.users] == has, 4.5, 2.0)
    return _with_ratings(data, ratings.astype(np.float32))
