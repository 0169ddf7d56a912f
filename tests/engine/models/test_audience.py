from __future__ import annotations

import numpy as np
import pytest

from engine.data.ratings import Interactions
from engine.models.audience import SMOOTHING, Audience, _right_vectors
from tests.zoo import grid, interactions


def content(data: Interactions) -> np.ndarray:
    return data.movies.genres.astype(np.float32)


def weights(data: Interactions) -> np.ndarray:
    dense = np.zeros((data.n_movies, data.n_users))
    dense[data.items, data.users] = 1
    return dense / np.sqrt(np.outer(data.movie_counts + SMOOTHING, data.user_counts + SMOOTHING))


def test_features_are_singular_vectors_of_who_rated_what(small: Interactions) -> None:
    size = 4
    found = Audience.learn(small, content(small), size, seed=0).movies(small, content(small))
    left, values, _ = np.linalg.svd(weights(small), full_matrices=False)
    for feature in range(size):
        if min(values[feature - 1] / values[feature] if feature else 2, values[feature] / values[feature + 1]) > 1.05:
            expected = left[:, feature] * np.sqrt(small.n_movies)
            assert abs(expected @ found[:, feature]) / small.n_movies == pytest.approx(1, abs=0.02)
    np.testing.assert_allclose(np.mean(found**2, axis=0), 1, atol=0.02)


def test_the_search_finds_the_largest_singular_values() -> None:
    import scipy.sparse as sp

    rng = np.random.default_rng(3)
    dense = (rng.normal(size=(60, 10)) * 0.7 ** np.arange(10)) @ rng.normal(size=(10, 40))
    matrix = sp.csr_array(dense.astype(np.float32))
    vectors, values = _right_vectors(matrix, 6, np.random.default_rng(0))
    np.testing.assert_allclose(values, np.linalg.svd(dense, compute_uv=False)[:6], rtol=1e-3)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(6), atol=1e-5)


def test_a_movie_is_described_by_its_raters(small: Interactions) -> None:
    audience = Audience.learn(small, content(small), 6, seed=0)
    known = content(small)
    table = audience.movies(small, known)
    for movie in range(10):
        raters = small.users[small.by_movie.of(movie)]
        np.testing.assert_allclose(audience.movie(raters, known[[movie]])[0], table[movie], atol=1e-5)


def test_a_movie_that_nobody_rated_has_the_features_that_its_content_lets_expect(small: Interactions) -> None:
    part = small.subset(small.items >= 10)
    known = content(part)
    audience = Audience.learn(part, known, 3, seed=0)
    design = np.hstack([np.ones((part.n_movies, 1)), known])
    rated = part.movie_counts > 0
    table = audience.movies(part, known)
    gram = design[rated].T @ design[rated] + 10 * np.eye(design.shape[1])
    expected = design @ np.linalg.solve(gram, design[rated].T @ table[rated])
    np.testing.assert_allclose(table[:10], expected[:10], atol=1e-3)
    np.testing.assert_allclose(audience.movie(np.empty(0, np.int32), known[[4]])[0], table[4], atol=1e-6)


def test_ratings_do_not_matter_and_an_unknown_rater_is_an_average_one(small: Interactions) -> None:
    from dataclasses import replace

    audience = Audience.learn(small, content(small), 6, seed=0)
    turned = Audience.learn(replace(small, ratings=small.ratings[::-1].copy()), content(small), 6, seed=0)
    assert np.array_equal(turned.raters_, audience.raters_)
    unknown = audience.movie(np.array([-1, small.n_users, 10**6], np.int32), content(small)[:1])
    average = audience.raters_[small.users].mean(axis=0)
    np.testing.assert_allclose(unknown[0], 3 * average / np.sqrt(3 + SMOOTHING), atol=1e-5)


def test_round_trip_and_versions_of_earlier_releases(small: Interactions) -> None:
    audience = Audience.learn(small, content(small), 6, seed=0)
    again = Audience.from_arrays(audience.arrays())
    assert again is not None
    assert np.array_equal(again.raters_, audience.raters_)
    assert np.array_equal(again.expected_, audience.expected_)
    assert Audience.from_arrays({}) is None


@pytest.mark.parametrize(("users", "movies"), [(1, 1), (1, 5), (5, 1), (3, 2)])
def test_small_data_have_fewer_features(users: int, movies: int) -> None:
    """Where everybody rated everything there is one feature only; the others fade instead of blowing up."""
    data = interactions(grid(lambda user, movie: 3.0, users, movies, part=1.0))
    audience = Audience.learn(data, content(data), 16, seed=0)
    table = audience.movies(data, content(data))
    assert table.shape == (movies, min(users, movies))
    np.testing.assert_allclose(np.abs(table[:, 0]), 1, atol=1e-3)
    assert np.abs(table[:, 1:]).max(initial=0) < 0.1
