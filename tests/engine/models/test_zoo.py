"""Every rating model and the ranker on small and odd ratings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from engine.data.history import History
from engine.data.ratings import Interactions
from engine.errors import TrainingDiverged
from engine.evaluation import metrics
from engine.evaluation.newcomers import movie_means
from engine.models.base import RatingModel
from engine.models.ease import ItemSimilarityRanker
from engine.models.intervals import Calibration
from engine.models.registry import MODELS, build, configure
from engine.models.svd import MatrixFactorizationConfig, MatrixFactorizationModel
from tests.zoo import GENRES, ZOO, grid, interactions

SIDE = pytest.mark.parametrize("name", list(ZOO))
KIND = pytest.mark.parametrize("kind", list(MODELS))


Fit = Callable[..., RatingModel]


@pytest.fixture(scope="module")
def fit() -> Fit:
    """A model of one of the zoo, or of a part of its users; each is fitted once."""

    def of(kind: str, name: str, *, whole: bool = True) -> RatingModel:
        data = ZOO[name]()
        return build(configure(kind, {})).fit(data if whole else part(data)[0])

    return cache(of)


@SIDE
@KIND
def test_predictions_are_numbers_inside_the_scale(kind: str, name: str, fit: Fit) -> None:
    data, model = ZOO[name](), fit(kind, name)
    users, movies = np.meshgrid(np.arange(-1, min(data.n_users, 40)), np.arange(-1, min(data.n_movies, 100)))
    predicted = model.predict_indices(users.ravel().astype(np.int32), movies.ravel().astype(np.int32))
    assert len(predicted)
    assert ((predicted >= data.scale[0]) & (predicted <= data.scale[1])).all()  # not a number is neither
    for rating in data.scale:  # whoever says the most of a movie
        vector = model.fold_in_user(np.zeros(1, np.int32), np.array([rating], np.float32))
        assert np.isfinite(vector).all()
        told = model.predict_vector(vector, np.arange(min(data.n_movies, 100), dtype=np.int32))
        assert ((told >= data.scale[0]) & (told <= data.scale[1])).all()


def part(data: Interactions) -> tuple[Interactions, Interactions]:
    """Three quarters of the users, and the others; one user alone is both."""
    others = data.users >= np.ceil(0.75 * data.n_users)
    return (data.subset(~others), data.subset(others)) if others.any() else (data, data)


@SIDE
@KIND
def test_a_stranger_is_predicted_what_was_given(kind: str, name: str, fit: Fit) -> None:
    train, test = part(ZOO[name]())
    found = fit(kind, name, whole=False).predict_indices(np.full(len(test), -1, np.int32), test.items)
    assert len(found)
    assert found.min() >= train.ratings.min()
    assert found.max() <= train.ratings.max()


@KIND
def test_strangers_are_predicted_no_worse_than_by_the_movies_means(kind: str, fit: Fit) -> None:
    """On average over the zoo, as a part of the scale; and nowhere by more than what a penalty costs."""
    worse = []
    for name, make in ZOO.items():
        data = make()
        if data.n_users == 1:
            continue
        train, test = part(data)
        found = fit(kind, name, whole=False).predict_indices(np.full(len(test), -1, np.int32), test.items)
        errors = [float(np.sqrt(np.mean((one - test.ratings) ** 2))) for one in (found, movie_means(train)[test.items])]
        worse.append((errors[0] - errors[1]) / (data.scale[1] - data.scale[0]))
        assert worse[-1] < 0.1, name
    assert np.mean(worse) <= 0.005


@pytest.mark.parametrize(
    "name", ["one rating", "all five", "all one", "likes", "constant by user", "constant by movie"]
)
@KIND
def test_what_never_varies_is_learned(kind: str, name: str, fit: Fit) -> None:
    """Everything, or each user, or each movie has one rating."""
    data = ZOO[name]()
    error = fit(kind, name).predict_indices(data.users, data.items) - data.ratings
    assert np.sqrt(np.mean(error**2)) < (0.1 if "constant" in name else 0.03) * (data.scale[1] - data.scale[0])


@SIDE
def test_lists_of_the_ranker_are_full_and_distinct(name: str) -> None:
    data = ZOO[name]()
    ranker = ItemSimilarityRanker().fit(data)
    for user in data.user_ids.ids[:5].tolist():
        unseen = data.n_movies - int(data.user_counts[data.user_ids.index(user)])
        listed = ranker.recommend(user, 10)
        assert len(set(listed)) == len(listed) == min(10, unseen)
    assert np.isfinite(ranker.weights_).all()
    given = np.unique(data.ratings)
    likes, tastes = ranker.weigher.like(given), ranker.weigher.taste(given)
    assert likes.min() >= 0
    for weights in (likes, tastes):
        assert weights.max() > 0
        assert (np.diff(weights) >= 0).all()


@pytest.mark.parametrize(
    ("value", "scale"), [(1.0, (0.5, 5.0)), (1.0, (1.0, 5.0)), (0.0, (0.0, 1.0)), (5.0, (0.5, 5.0))]
)
def test_ratings_that_are_all_alike_count_as_likes(value: float, scale: tuple[float, float]) -> None:
    """Two kinds of people who have movies of their own, all rated the same: what each kind has is listed for it."""
    rows = [
        (f"u{user}", f"m{2 * movie + user % 2}", value)
        for user in range(40)
        for movie in range(20)
        if movie != user // 2
    ]
    ranker = ItemSimilarityRanker().fit(interactions(rows, scale))
    assert ranker.recommend("u6", 1) == ["m6"]
    assert ranker.recommend("u7", 1) == ["m7"]


def test_an_end_of_the_scale_that_hardly_anybody_uses_moves_no_weight() -> None:
    rows = grid(lambda user, movie: 1.0)
    odd = [(*rows[0][:2], 5.0), *rows[1:]]
    weigher = ItemSimilarityRanker().fit(interactions(odd)).weigher
    for weigh in (weigher.like, weigher.taste):
        assert weigh(np.array([1, 5], np.float32)).tolist() == [1, 1]


@pytest.mark.parametrize("scale", [(0.0, 1.0), (1.0, 10.0), (0.0, 100.0), (-10.0, 10.0)])
def test_float32_learns_alike_on_every_scale(scale: tuple[float, float]) -> None:
    """Ratings stretched to another scale give the predictions, and those of people folded in, stretched as well."""
    data = ZOO["two camps"]()
    factor = (scale[1] - scale[0]) / 4.5
    rows = [
        (data.user_ids.raw(int(user)), data.movie_ids.raw(int(movie)), float(scale[0] + factor * (rating - 0.5)))
        for user, movie, rating in zip(data.users, data.items, data.ratings, strict=True)
    ]
    other = interactions(rows, scale)
    first, second = MatrixFactorizationModel().fit(data), MatrixFactorizationModel().fit(other)
    expected = scale[0] + factor * (first.predict_indices(data.users, data.items) - 0.5)
    found = second.predict_indices(other.users, other.items)
    np.testing.assert_allclose(found, expected, atol=1e-3 * factor)
    movies = np.arange(data.n_movies, dtype=np.int32)
    given = np.array([5, 0.5, 4], np.float32)
    one = first.predict_vector(first.fold_in_user(movies[:3], given), movies)
    two = second.predict_vector(second.fold_in_user(movies[:3], scale[0] + np.float32(factor) * (given - 0.5)), movies)
    np.testing.assert_allclose(two, scale[0] + factor * (one - 0.5), atol=1e-2 * factor)


def test_float64_keeps_a_wide_scale_and_says_that_it_diverges(small: Interactions) -> None:
    wide = replace(small, ratings=((small.ratings - 0.5) / 0.045).astype(np.float32), scale=(0.0, 100.0))
    MatrixFactorizationModel().fit(wide)
    with pytest.raises(TrainingDiverged, match=r"The loss .* the model diverged\. A lower learning rate"):
        MatrixFactorizationModel(MatrixFactorizationConfig(precision="float64", learning_rate=0.05)).fit(wide)


def test_a_loss_far_above_that_of_the_mean_is_no_learning(small: Interactions) -> None:
    class Lost(MatrixFactorizationModel):
        def epochs(self, data: Interactions) -> Iterator[float]:  # type: ignore[override]
            yield from (0.9, 6e21)

    with pytest.raises(TrainingDiverged, match=r"6e\+21, above the limit of .* in epoch 2"):
        Lost().fit(small)


def test_the_zoo_has_genres() -> None:
    assert ZOO["full grid"]().movies.genre_names == tuple(sorted(GENRES))


def test_other_methods_that_take_columns_refuse_unequal_lengths(small: Interactions) -> None:
    three, rating = np.arange(3, dtype=np.int32), np.ones(1, np.float32)
    predicted = np.full(60, 3, np.float32)
    calibration = Calibration.fit(predicted, predicted, predicted, predicted, small.scale)
    assert calibration is not None
    for ask in (
        lambda: History.of(three, rating),
        lambda: History.of(three, np.ones(3, np.float32), np.zeros(2, np.int64)),
        lambda: metrics.squared_errors(predicted, rating),
        lambda: metrics.absolute_errors(predicted, rating),
        lambda: Calibration.fit(predicted, rating, predicted, predicted, small.scale),
        lambda: calibration.interval(predicted, rating, predicted),
    ):
        with pytest.raises(ValueError, match="Columns must have the same length"):
            ask()
