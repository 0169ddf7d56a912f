from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.data.arrays import Float32
from engine.data.features import FeatureEngineer
from engine.data.ratings import Interactions
from engine.errors import InvalidInput

DAY = 86_400
RATINGS = pd.DataFrame(
    [
        ("a", "m0", 5.0, 10 * DAY),
        ("a", "m1", 3.0, 9 * DAY),
        ("b", "m0", 4.0, 1 * DAY),
        ("b", "m2", 2.0, 2 * DAY),
    ],
    columns=["user_id", "movie_id", "rating", "timestamp"],
)
MOVIES = pd.DataFrame(
    {
        "movie_id": ["m0", "m1", "m2", "m3"],
        "year": [1960, None, 1964, 1990],
        "genres": ["Drama|War", "Drama", None, "War"],
    }
)


@pytest.fixture(scope="module")
def data() -> Interactions:
    return Interactions.from_frame(RATINGS, MOVIES, scale=(0.5, 5.0))


@pytest.fixture(scope="module")
def fitted(data: Interactions) -> FeatureEngineer:
    return FeatureEngineer().fit(data)


def movie_column(engineer: FeatureEngineer, name: str) -> Float32:
    """In the feature's own unit."""
    n, feature = next((n, one) for n, one in enumerate(engineer.movie_features_) if one.name == name)
    return engineer.movies_[:, n] * feature.scale + feature.mean


def users_of(engineer: FeatureEngineer, data: Interactions) -> Float32:
    return engineer.users(data.users, data.items, data.ratings, data.timestamps, data.n_users)[0]


def user_column(engineer: FeatureEngineer, data: Interactions, name: str) -> Float32:
    n, feature = next((n, one) for n, one in enumerate(engineer.user_features_) if one.name == name)
    return users_of(engineer, data)[:, n] * feature.scale + feature.mean


def test_movies_by_hand(fitted: FeatureEngineer) -> None:
    np.testing.assert_allclose(movie_column(fitted, "genre:Drama"), [np.sqrt(0.5), 1, 0, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(movie_column(fitted, "popularity")[:4], np.log([3, 2, 2, 1]), atol=1e-6)
    # The mean rating is 3.5; five ratings at it pull m0's 4.5, m1's 3 and m2's 2 towards it. m3 has none.
    np.testing.assert_allclose(movie_column(fitted, "mean"), [2 / 7, -0.5 / 6, -1.5 / 6, 0, 0], atol=1e-6)
    seen_in = 1970 + 5.5 / 365.2425
    np.testing.assert_allclose(movie_column(fitted, "age")[0], seen_in - 1960, atol=1e-3)


def test_a_missing_year_is_that_of_the_median_rated_movie(fitted: FeatureEngineer) -> None:
    np.testing.assert_allclose(movie_column(fitted, "year"), [1960, 1962, 1964, 1990, 1962], rtol=1e-6)
    year = next(one for one in fitted.movie_features_ if one.name == "year")
    assert (year.strategy, year.fill) == ("median", 1962)


def test_users_by_hand(fitted: FeatureEngineer, data: Interactions) -> None:
    np.testing.assert_allclose(user_column(fitted, data, "count"), np.log([3, 3]), atol=1e-6)
    above = (5 - 3.5 - 2 / 7) + (3 - 3.5 + 0.5 / 6)
    assert user_column(fitted, data, "mean")[0] == pytest.approx(above / 7, abs=1e-6)
    np.testing.assert_allclose(user_column(fitted, data, "recency"), [0, np.log(9)], atol=1e-6)


def test_choices_are_shrunk_by_as_many_ratings_as_users_differ_little(
    fitted: FeatureEngineer, data: Interactions
) -> None:
    """Two users of two movies each, whose Drama is the root of a half and 1, and the root of a half and 0."""
    first, second = np.array([np.sqrt(0.5), 1]), np.array([np.sqrt(0.5), 0])
    within = (2 * first.var() + 2 * second.var()) / 2
    between = (2 * (first.mean() - second.mean()) ** 2 / 2 - within) / 2
    prior, mean = within / between, (first.mean() + second.mean()) / 2
    expected = [(2 * one.mean() + prior * mean) / (2 + prior) for one in (first, second)]
    np.testing.assert_allclose(user_column(fitted, data, "chosen:Drama"), expected, rtol=1e-5)


def test_one_choice_says_next_to_nothing(small: Interactions) -> None:
    """What a single movie is says little of what its user chooses, so nobody starts at an end of what was seen."""
    engineer = FeatureEngineer().fit(small)
    everybody, _ = engineer.users(small.users, small.items, small.ratings, None, small.n_users)
    known = engineer.user_choices(everybody)
    for movie in range(10):
        one = np.array([movie], np.int32)
        alone, _ = engineer.users(np.zeros(1, np.int32), one, np.array([5], np.float32), None, 1)
        choices = engineer.user_choices(alone)
        assert (choices >= known.min(axis=0)).all()
        assert (choices <= known.max(axis=0)).all()
        assert np.abs(choices[:, 1:] - known[:, 1:].mean(axis=0)).max() < 2 * known[:, 1:].std(axis=0).max()


def test_a_taste_is_a_shrunk_mean_of_residuals() -> None:
    frame = pd.DataFrame([("a", f"m{n}", 4.0 + n % 2) for n in range(20)], columns=["user_id", "movie_id", "rating"])
    movies = pd.DataFrame(
        {"movie_id": [f"m{n}" for n in range(20)], "genres": ["War" if n % 2 else "Drama" for n in range(20)]}
    )
    data = Interactions.from_frame(frame, movies, scale=(0.5, 5.0))
    engineer = FeatureEngineer().fit(data)
    _, tastes = engineer.users(data.users, data.items, data.ratings, None, 1)
    # Each movie's mean is half a star off, shrunk to a sixth of it: five sixths of half a star are the user's.
    np.testing.assert_allclose(tastes[0, :2], [-0.5 * 5 / 6 * 10 / 15, 0.5 * 5 / 6 * 10 / 15], rtol=1e-5)


def test_normalised_columns_of_rated_movies_have_mean_0_and_spread_1(small: Interactions) -> None:
    engineer = FeatureEngineer().fit(small)
    rated = engineer.movies_[:-1][small.movie_counts > 0]
    columns = [n for n, one in enumerate(engineer.movie_features_) if not one.name.startswith("genre:")]
    assert len(columns) == len(engineer.movie_features_) - 4
    assert len(columns) >= 3
    assert rated[:, columns].mean(axis=0) == pytest.approx(0, abs=1e-4)
    assert rated[:, columns].std(axis=0) == pytest.approx(1, abs=1e-4)


def test_noise_is_the_variance_of_what_is_left_shrunk_to_the_average(small: Interactions) -> None:
    engineer = FeatureEngineer().fit(small)
    mean = np.bincount(small.items, small.ratings - small.mean, small.n_movies) / (small.movie_counts + 5)
    above = small.ratings - small.mean - mean[small.items]
    level = np.bincount(small.users, above, small.n_users) / (small.user_counts + 5)
    left = (above - level[small.users]) ** 2
    expected = (np.bincount(small.users, left) + 20 * left.mean()) / (small.user_counts + 20) / left.mean()
    noise = engineer.user_noise(small.users, small.items, small.ratings, small.n_users)
    np.testing.assert_allclose(noise, np.clip(expected, 0.25, 4), rtol=1e-5)
    assert noise.std() > 0.01
    again = FeatureEngineer.from_arrays(engineer.arrays())
    assert np.array_equal(again.user_noise(small.users, small.items, small.ratings, small.n_users), noise)
    nothing = np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32)
    assert engineer.user_noise(*nothing, 1).tolist() == [1]


def test_noise_is_the_same_for_everybody_where_nothing_scatters_and_in_earlier_releases(small: Interactions) -> None:
    engineer = FeatureEngineer().fit(replace(small, ratings=np.full(len(small), 4, np.float32)))
    assert (engineer.user_noise(small.users, small.items, small.ratings, small.n_users) == 1).all()
    arrays = FeatureEngineer().fit(small).arrays()
    earlier = FeatureEngineer.from_arrays(arrays | {"constants": arrays["constants"][:4]})
    assert (earlier.user_noise(small.users, small.items, small.ratings, small.n_users) == 1).all()
    assert earlier.scale_ == small.scale


def test_without_times_recency_and_age_are_filled(data: Interactions) -> None:
    timeless = replace(data, timestamps=None)
    engineer = FeatureEngineer().fit(timeless)
    assert np.isfinite(users_of(engineer, timeless)).all()
    assert np.isfinite(engineer.movies_).all()
    assert len(np.unique(movie_column(engineer, "age"))) == 1


def test_a_user_without_ratings_gets_a_row(fitted: FeatureEngineer) -> None:
    nothing = np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32)
    features, tastes = fitted.users(*nothing, None, 1)
    assert np.isfinite(features).all()
    assert not tastes.any()


def test_strategies_can_be_chosen_and_are_recorded(data: Interactions) -> None:
    engineer = FeatureEngineer({"year": "mean"}).fit(data)
    year = next(one for one in engineer.movie_features_ if one.name == "year")
    assert (year.strategy, year.fill) == ("mean", 1962)
    assert movie_column(FeatureEngineer({"year": "zero"}).fit(data), "year")[1] == pytest.approx(0, abs=1e-3)
    with pytest.raises(InvalidInput, match=r"no imputation strategy 'mode'. Choose from: median, mean, zero\."):
        FeatureEngineer({"year": "mode"})  # type: ignore[dict-item]
    with pytest.raises(InvalidInput, match="no feature 'colour'"):
        FeatureEngineer({"colour": "mean"})


def test_a_stored_engineer_repeats_the_learned_one(small: Interactions) -> None:
    learned = FeatureEngineer({"recency": "zero"}).fit(small)
    again = FeatureEngineer.from_arrays(learned.arrays())
    assert np.array_equal(users_of(again, small), users_of(learned, small))
    assert np.array_equal(again.movie_content(), learned.movie_content())
    assert again.movie_features_ == learned.movie_features_
    assert again.imputation == learned.imputation


def test_metadata_names_every_column(small: Interactions) -> None:
    engineer = FeatureEngineer().fit(small)
    metadata: dict[str, Any] = json.loads(engineer.arrays()["metadata"].tobytes())
    assert metadata["vocabulary"] == ["Comedy", "Drama", "Sci-Fi", "War"]
    names = [one["name"] for one in metadata["features"] if one["of"] == "movie"]
    assert len(names) == len(set(names)) == engineer.movies_.shape[1]
    assert all(one["strategy"] in ("median", "mean", "zero") for one in metadata["features"])


def test_only_what_was_fitted_on_counts(small: Interactions) -> None:
    """Ratings given to ``users`` later change nothing that was learned."""
    engineer = FeatureEngineer().fit(small)
    before = {name: array.copy() for name, array in engineer.arrays().items()}
    engineer.users(small.users, small.items, np.full(len(small), 0.5, np.float32), None, small.n_users)
    after = engineer.arrays()
    assert after.keys() == before.keys() >= {"metadata"}
    assert all(np.array_equal(array, before[name]) for name, array in after.items())
