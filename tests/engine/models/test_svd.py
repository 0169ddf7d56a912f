"""The factorisation keeps the contract and is Surprise's SVD, digit by digit, in float64."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from surprise import SVD, Dataset, Reader

from engine.data.ratings import Interactions
from engine.errors import TrainingDiverged
from engine.models.epochs import best_epoch, run_epochs
from engine.models.svd import MatrixFactorizationConfig, MatrixFactorizationModel
from tests.conftest import planted
from tests.engine.models.contract import RatingModelContract


class TestFloat32(RatingModelContract):
    model = MatrixFactorizationModel
    config = MatrixFactorizationConfig(factors=8, epochs=60, learning_rate=0.02, regularization=0.05)
    rmse_below = 0.9


class TestFloat64(RatingModelContract):
    model = MatrixFactorizationModel
    config = MatrixFactorizationConfig(
        factors=8, epochs=60, learning_rate=0.02, regularization=0.05, precision="float64"
    )
    rmse_below = 0.9


@pytest.mark.parametrize("seed", [0, 7])
def test_float64_equals_surprise(seed: int) -> None:
    frame, _ = planted(seed=3)
    trainset = Dataset.load_from_df(
        frame[["user_id", "movie_id", "rating"]], Reader(rating_scale=(0.5, 5))
    ).build_full_trainset()
    reference = SVD(n_factors=20, n_epochs=15, lr_all=0.01, reg_all=0.05, random_state=seed).fit(trainset)
    config = MatrixFactorizationConfig(
        factors=20, epochs=15, learning_rate=0.01, regularization=0.05, seed=seed, precision="float64"
    )
    ours = MatrixFactorizationModel(config).fit(Interactions.from_frame(frame, scale=(0.5, 5.0)))
    for mine, theirs in (
        (ours.user_bias_, reference.bu),
        (ours.movie_bias_, reference.bi),
        (ours.user_factors_, reference.pu),
        (ours.movie_factors_, reference.qi),
    ):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-9)
    pairs = frame[["user_id", "movie_id"]].head(200)
    expected = [reference.predict(user, movie).est for user, movie in pairs.itertuples(index=False)]
    np.testing.assert_allclose(
        ours.predict(pairs.user_id, pairs.movie_id), expected, rtol=0, atol=1e-6
    )  # float32 output


def test_surprise_can_train_it_on_its_own_training_set() -> None:
    frame, _ = planted(seed=4)
    trainset = Dataset.load_from_df(
        frame[["user_id", "movie_id", "rating"]], Reader(rating_scale=(0.5, 5))
    ).build_full_trainset()
    config = MatrixFactorizationConfig(factors=6, epochs=5, learning_rate=0.01, regularization=0.1, precision="float64")
    model = MatrixFactorizationModel(config)
    SVD.fit(model, trainset)
    reference = SVD(n_factors=6, n_epochs=5, lr_all=0.01, reg_all=0.1, random_state=0).fit(trainset)
    assert model.estimate(3, 5) == pytest.approx(reference.estimate(3, 5), abs=1e-9)


def test_float32_agrees_with_float64_in_quality(small: Interactions) -> None:
    """Other random numbers and rounding, the same model: equal training error within 5%."""
    losses = [
        list(
            MatrixFactorizationModel(
                MatrixFactorizationConfig(factors=10, epochs=40, regularization=0.1, decay=1, precision=precision)
            ).epochs(small)
        )[-1]
        for precision in ("float32", "float64")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def test_embeddings_have_the_length_of_the_config(small: Interactions) -> None:
    model = MatrixFactorizationModel(MatrixFactorizationConfig(factors=7, epochs=2)).fit(small)
    assert model.get_user_embedding("u3").shape == (7,)
    assert model.get_movie_embedding("m3").shape == (7,)
    assert not model.get_user_embedding("nobody").any()


def test_users_and_movies_without_ratings_say_nothing(small: Interactions) -> None:
    part = small.subset((small.users != 0) & (small.items != 1))
    model = MatrixFactorizationModel(MatrixFactorizationConfig(factors=5, epochs=3)).fit(part)
    assert not model.user_factors_[0].any()
    assert not model.movie_factors_[1].any()
    both = model.predict_indices(np.array([0], np.int32), np.array([1], np.int32))
    assert both[0] == pytest.approx(part.mean, abs=1e-5)


def test_divergence_is_noticed_and_says_what_helps(small: Interactions) -> None:
    model = MatrixFactorizationModel(
        MatrixFactorizationConfig(factors=50, epochs=50, learning_rate=1, regularization=0)
    )
    with pytest.raises(TrainingDiverged, match="lower learning rate"):
        model.fit(small)


def test_patience_goes_back_to_the_best_epoch(small: Interactions) -> None:
    rng = np.random.default_rng(0)
    mask = rng.random(len(small)) < 0.2
    train, validation = small.subset(~mask), small.subset(mask)
    config = MatrixFactorizationConfig(factors=50, epochs=400, learning_rate=0.05, regularization=0, patience=4)
    model = MatrixFactorizationModel(config)
    history = run_epochs(model, train, validation=validation, patience=4)
    best = best_epoch(history)
    assert len(history) == best + 4 < 400
    error = model.predict_indices(validation.users, validation.items) - validation.ratings
    assert float(np.sqrt(np.mean(error.astype(np.float64) ** 2))) == history[best - 1].validation_rmse


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("factors", 0),
        ("epochs", 1001),
        ("learning_rate", 0),
        ("regularization", -1),
        ("precision", "float16"),
        ("layers", 3),
    ],
)
def test_hyperparameters_outside_their_range_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        MatrixFactorizationConfig.model_validate({name: value})


def test_what_surprise_has_fitted_predicts_strangers_and_folds_in(small: Interactions) -> None:
    frame = pd.DataFrame({"user_id": small.users, "movie_id": small.items, "rating": small.ratings})
    trainset = Dataset.load_from_df(frame, Reader(rating_scale=small.scale)).build_full_trainset()
    model = MatrixFactorizationModel(MatrixFactorizationConfig(factors=4, epochs=3))
    SVD.fit(model, trainset)
    stranger = model.predict_indices(np.array([-1], np.int32), np.array([0], np.int32))
    assert small.scale[0] <= stranger[0] <= small.scale[1]
    vector = model.fold_in_user(np.zeros(1, np.int32), np.array([5], np.float32))
    assert vector[0] > 0
