from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from engine import parallel
from engine.data.arrays import Float32
from engine.data.ratings import Interactions, group
from engine.data.splits import split_random
from engine.models import variational
from engine.models.variational import Side, VariationalFactorization, _moments
from engine.models.variational_kernels import _invert, fill_posteriors


def no_features(n: int) -> Float32:
    return np.zeros((n, 0), np.float32)


def learn(data: Interactions, factors: int = 3, iterations: int = 15, **features: Float32) -> VariationalFactorization:
    users = features.get("users", no_features(data.n_users))
    movies = features.get("movies", no_features(data.n_movies))
    return VariationalFactorization(factors, iterations, seed=0).fit(data, users, movies)


def side(means: np.ndarray, covariances: np.ndarray, noise: np.ndarray | None = None) -> Side:
    nothing = np.empty((0, means.shape[1]))
    return Side(means, covariances, nothing, nothing, np.ones(len(means)) if noise is None else noise)


def error(model: VariationalFactorization, part: Interactions) -> float:
    users, movies = model.users_.means[part.users], model.movies_.means[part.items]
    predicted = model.mean_ + users[:, 0] + movies[:, 0] + (users[:, 1:] * movies[:, 1:]).sum(axis=1)
    return float(np.sqrt(np.mean((predicted - part.ratings) ** 2)))


def test_a_posterior_is_that_of_linear_regression() -> None:
    """One owner, the other side known for certain: the textbook formula of Bayesian linear regression."""
    _check_regression(np.ones(7))


def test_noisy_ratings_count_for_less() -> None:
    """The same with a variance for each rating: weighted least squares."""
    _check_regression(np.array([0.3, 1.0, 4.0, 0.5, 2.0, 1.5, 0.8]))


def _check_regression(noisy: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    other, targets = rng.normal(size=(7, 4)), rng.normal(size=7).astype(np.float32)
    precision, prior, noise = np.diag([2.0, 1.0, 3.0, 0.5]), rng.normal(size=(1, 4)), 0.3
    means, covariances = np.empty((1, 4)), np.empty((1, 4, 4))
    rows, errors = np.arange(7, dtype=np.int32), np.empty(1)
    moments = _moments(side(other, np.zeros((7, 4, 4)), noisy))
    known = np.array([0, 7]), rows, targets, *moments, prior, precision, np.array([noise])
    fill_posteriors(0, 1, *known, means, covariances, errors)
    design = np.column_stack([np.ones(7), other[:, 1:]])
    weighted = design / noisy[:, None]
    expected = np.linalg.inv(weighted.T @ design / noise + precision)
    np.testing.assert_allclose(covariances[0], expected, rtol=1e-4, atol=1e-5)
    mean = expected @ (weighted.T @ (targets - other[:, 0]) / noise + precision @ prior[0])
    np.testing.assert_allclose(means[0], mean, rtol=1e-4, atol=1e-4)
    left = targets - other[:, 0] - design @ mean
    if (noisy == 1).all():
        assert errors[0] == pytest.approx(left @ left + np.trace(design @ expected @ design.T), rel=1e-3)


def test_uncertainty_of_the_other_side_is_counted() -> None:
    """The expected error over draws of the other side equals what the moments give."""
    rng = np.random.default_rng(1)
    half = rng.normal(size=(3, 3)) * 0.4
    means, covariances = rng.normal(size=(1, 3)), (half @ half.T)[None]
    first, second, mixed = _moments(side(means, covariances))
    drawn = rng.multivariate_normal(means[0], covariances[0], 200_000)
    design = np.column_stack([np.ones(len(drawn)), drawn[:, 1:]])
    np.testing.assert_allclose(first[0], design.mean(axis=0), atol=0.02)
    lower = np.tril_indices(3)
    np.testing.assert_allclose(second[0], (design.T @ design / len(drawn))[lower], atol=0.03)
    np.testing.assert_allclose(mixed[0, :3], (drawn[:, :1] * design).mean(axis=0), atol=0.03)
    assert mixed[0, 3] == pytest.approx((drawn[:, 0] ** 2).mean(), abs=0.03)


@pytest.mark.parametrize("size", [1, 2, 9, 17])
def test_inverse(size: int) -> None:
    half = np.random.default_rng(size).normal(size=(size, size))
    matrix = half @ half.T + np.eye(size)
    out = np.empty_like(matrix)
    _invert(matrix, out, np.empty(size))
    np.testing.assert_allclose(out @ matrix, np.eye(size), atol=1e-9)


def test_planted_factors_are_found(small: Interactions) -> None:
    split = split_random(small, 0.2, seed=0)
    spread = float(np.std(split.test.ratings))
    assert error(learn(split.train, iterations=30), split.test) < 0.5 * spread


def test_a_folded_user_is_the_learned_one(small: Interactions) -> None:
    model = learn(small)
    for user in range(10):
        rows = small.by_user.of(user)
        folded = model.fold_in(np.zeros(len(rows), np.int32), small.items[rows], small.ratings[rows], no_features(1))[0]
        np.testing.assert_allclose(folded, model.users_.means[user], atol=1e-9)


def test_more_ratings_make_more_certain(small: Interactions) -> None:
    model = learn(small)
    counts = small.movie_counts
    variances = model.movies_.covariances[:, 0, 0]
    assert np.corrcoef(counts, variances)[0, 1] < -0.5
    assert (np.linalg.eigvalsh(model.movies_.covariances) > 0).all()


def test_features_tell_of_movies_nobody_rated(small: Interactions) -> None:
    """Quality is planted into a feature; movies without ratings take their bias from it."""
    told = np.zeros((small.n_movies, 1), np.float32)
    sums = np.bincount(small.items, small.ratings - small.mean, small.n_movies)
    told[:, 0] = sums / np.maximum(small.movie_counts, 1)
    unseen = np.arange(0, small.n_movies, 4)
    model = learn(small.subset(~np.isin(small.items, unseen)), movies=told)
    expected = model.prior_of_movie(told)[unseen, 0]
    assert np.corrcoef(expected, told[unseen, 0])[0, 1] > 0.9
    np.testing.assert_allclose(model.movies_.means[unseen, 0], expected, atol=0.05)


def test_aligning_turns_factors_but_no_prediction(small: Interactions) -> None:
    rng = np.random.default_rng(2)
    keep = rng.random(len(small)) < 0.9
    reference, model = learn(small, iterations=40), learn(small.subset(keep), iterations=40)
    turned = learn(small.subset(keep), iterations=40)
    turned.align(reference)
    assert error(turned, small) == pytest.approx(error(model, small), abs=1e-9)
    distance = np.linalg.norm(turned.movies_.means - reference.movies_.means)
    assert distance <= np.linalg.norm(model.movies_.means - reference.movies_.means) + 1e-9
    rows = small.subset(keep).by_user.of(3)
    part = small.subset(keep)
    folded = turned.fold_in(np.zeros(len(rows), np.int32), part.items[rows], part.ratings[rows], no_features(1))[0]
    np.testing.assert_allclose(folded, turned.users_.means[3], atol=1e-5)  # moments are float32


def test_a_stored_factorisation_folds_in_alike(small: Interactions) -> None:
    model = learn(small)
    again = VariationalFactorization.from_arrays(3, 15, 0, model.arrays())
    rows = small.by_user.of(5)
    history = np.zeros(len(rows), np.int32), small.items[rows], small.ratings[rows], no_features(1)
    np.testing.assert_allclose(again.fold_in(*history), model.fold_in(*history), atol=1e-4)


def test_the_number_of_threads_changes_no_bit(small: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variational, "BLOCK_COST", 50)
    told = np.random.default_rng(0).normal(size=(small.n_movies, 2)).astype(np.float32)
    learned = []
    for processors in (1, 2, 3):
        monkeypatch.setattr(parallel, "processors", lambda count=processors: count)
        learned.append(learn(small, iterations=6, movies=told))
    monkeypatch.setattr(variational, "BLOCK_COST", 10**9)
    learned.append(learn(small, iterations=6, movies=told))
    for model in learned[1:]:
        for ours, first in ((model.users_, learned[0].users_), (model.movies_, learned[0].movies_)):
            assert np.array_equal(ours.means, first.means)
            assert np.array_equal(ours.covariances, first.covariances)
        assert model.noise_ == learned[0].noise_


def test_pieces_take_about_equally_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first owner has most of the ratings: it is alone, and the others are shared out."""
    monkeypatch.setattr(variational, "BLOCK_COST", 100)
    keys = np.concatenate([np.zeros(1000, np.int32), np.arange(100, dtype=np.int32)])
    grouped = variational.Grouped.by(group(keys, 100), keys, keys.astype(np.float32))
    pieces = list(grouped.blocks())
    assert pieces[0] == (0, 1)
    assert pieces[-1][1] == 100
    assert all(end == begin for (_, end), (begin, _) in pairwise(pieces))
    assert max(end - begin for begin, end in pieces[1:]) <= 4


def test_longer_steps_come_to_the_same_end_sooner(small: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    def biases(iterations: int) -> np.ndarray:
        return learn(small, factors=1, iterations=iterations).movies_.means[:, 0]

    end, early = biases(200), biases(10)
    monkeypatch.setattr(variational, "STRIDE", 1.0)
    np.testing.assert_allclose(biases(200), end, atol=1e-4)
    assert np.abs(early - end).mean() < 0.8 * np.abs(biases(10) - end).mean()


def test_a_noisy_user_tells_less_of_a_movie(small: Interactions) -> None:
    noise = np.ones(small.n_users)
    noise[3] = 100.0
    features = no_features(small.n_users), no_features(small.n_movies)
    plain, told = (VariationalFactorization(1, 8, seed=0).fit(small, *features, one) for one in (None, noise))
    nobody = no_features(1)
    for model in (plain, told):
        model.remember_raters(nobody)
    moved = []
    for model in (plain, told):
        low, high = (
            model.fold_in_movie(np.array([3], np.int32), np.array([rating], np.float32), nobody)[0] for rating in (1, 5)
        )
        moved.append(high - low)
    assert 0 < moved[1] < 0.2 * moved[0]
    rows = small.by_user.of(3)
    history = np.zeros(len(rows), np.int32), small.items[rows], small.ratings[rows], nobody
    np.testing.assert_allclose(told.fold_in(*history, noise[[3]])[0], told.users_.means[3], atol=1e-9)
    again = VariationalFactorization.from_arrays(1, 8, 0, told.arrays())
    assert again.raters_ is not None
    assert again.raters_[2][3] == 100


def test_versions_of_earlier_releases_have_equally_noisy_users(small: Interactions) -> None:
    model = learn(small)
    model.remember_raters(no_features(1))
    arrays = model.arrays()
    del arrays["user_noise"]
    again = VariationalFactorization.from_arrays(3, 15, 0, arrays)
    rows = small.by_movie.of(3)
    given = small.users[rows], small.ratings[rows], no_features(1)
    assert np.array_equal(again.fold_in_movie(*given), model.fold_in_movie(*given))
