"""How good a model is on ratings it has not seen, with intervals, for all users and for some."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import metrics
from engine.calibration import USER_EDGES, Calibration
from engine.dataset.interactions import Float32, Interactions
from engine.errors import InvalidInput
from engine.models.base import RatingModel
from engine.ranking import top
from engine.types import MetricValue

RELEVANT_FROM = 0.75  # part of the way from the lowest to the highest rating: 4 and up on a scale of 0.5 to 5
HEAD = 0.2  # the most rated fifth of the movies
CATALOGUE_DRAWS = 200  # each costs a pass over all lists

ScoreUser = Callable[[int], Float32]


@dataclass(frozen=True)
class EvaluationReport:
    """What a model achieved on one test part.

    Attributes:
        metrics: value and 95% interval by name.
        segments: the same for a part of the users or movies, by name of the part.
        protocol: how it was measured, as JSON values.
        users: int64[n], the users whose lists were judged.
        per_user: float64[n] by name of a list metric, in the order of ``users``, for paired comparisons.
    """

    metrics: dict[str, MetricValue]
    segments: dict[str, dict[str, MetricValue]]
    protocol: dict[str, Any]
    users: NDArray[np.int64]
    per_user: dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class _Lists:
    """The lists of the users who have a relevant test movie."""

    users: NDArray[np.int64]
    movies: NDArray[np.int64]
    hits: NDArray[np.bool_]
    relevant: NDArray[np.int64]

    def per_user(self) -> dict[str, NDArray[np.float64]]:
        return {
            "precision_at_k": metrics.precision(self.hits),
            "recall_at_k": metrics.recall(self.hits, self.relevant),
            "ndcg_at_k": metrics.ndcg(self.hits, self.relevant),
            "map_at_k": metrics.average_precision(self.hits, self.relevant),
            "mrr": metrics.reciprocal_rank(self.hits),
            "hit_rate_at_k": metrics.hit_rate(self.hits),
        }


class EvaluationService:
    """Judges models. Lists are drawn from the whole catalogue, without what the user rated in training."""

    def calculate_rmse(self, model: RatingModel, test: Interactions) -> float:
        """Root mean squared error of the predicted ratings, in rating units.

        Raises:
            InvalidInput: the test part is empty.
        """
        _check(test, 1)
        predicted = model.predict_indices(test.users, test.items)
        return float(np.sqrt(metrics.squared_errors(predicted, test.ratings).mean()))

    def calculate_precision_at_k(
        self, model: RatingModel, train: Interactions, test: Interactions, k: int = 10
    ) -> float:
        """Mean over users of the part of a list of k that is relevant.

        Raises:
            InvalidInput: k is not positive, or no test rating is relevant.
        """
        return float(metrics.precision(_some_lists(model, train, test, k).hits).mean())

    def calculate_recall_at_k(self, model: RatingModel, train: Interactions, test: Interactions, k: int = 10) -> float:
        """Mean over users of the part of the relevant movies that a list of k holds.

        Raises:
            InvalidInput: k is not positive, or no test rating is relevant.
        """
        lists = _some_lists(model, train, test, k)
        return float(metrics.recall(lists.hits, lists.relevant).mean())

    def calculate_coverage(self, model: RatingModel, train: Interactions, test: Interactions, k: int = 10) -> float:
        """The part of the catalogue that occurs in any list of k.

        Raises:
            InvalidInput: k is not positive, or no test rating is relevant.
        """
        return metrics.coverage(metrics.exposure(_some_lists(model, train, test, k).movies, train.n_movies))

    def generate_report(
        self,
        model: RatingModel,
        train: Interactions,
        test: Interactions,
        k: int = 10,
        *,
        score_user: ScoreUser | None = None,
        calibration: Calibration | None = None,
        seed: int = 0,
        split: str | None = None,
    ) -> EvaluationReport:
        """Everything at once. Without a relevant test rating there are no list metrics.

        Args:
            model: predicts ratings.
            train: what the model learned; its movies are dropped from the lists.
            test: what it is judged on; the same users and movies.
            k: the length of the lists.
            score_user: the scores that order a user's list; by default the model's predicted ratings.
            calibration: adds ``interval_coverage``, the part of test ratings inside their 90% interval.
            seed: start of the bootstrap's random numbers.
            split: how the test part was chosen, in words; the protocol says so where it is given.

        Raises:
            InvalidInput: the test part is empty, or k is not positive.
        """
        _check(test, k)
        lists = _lists(score_user or score_by(model, train), train, test, k)
        per_rating = _per_rating(model, train, test, calibration)
        found = _rating_metrics(test, per_rating, np.ones(len(test), bool), seed)
        per_user = lists.per_user()
        if len(lists.users):
            found |= _means(per_user, seed)
            found |= _catalogue_metrics(lists, train, seed)
        protocol = ({} if split is None else {"split": split}) | {
            "k": k,
            "relevant_from": _relevant_from(test),
            "train_ratings": len(train),
            "test_ratings": len(test),
            "users_with_lists": len(lists.users),
            "catalogue": train.n_movies,
            "interval": "95% bootstrap over users",
            "seed": seed,
        }
        segments = _segments(train, test, per_rating, lists, per_user, seed)
        return EvaluationReport(found, segments, protocol, lists.users, per_user)


def score_by(model: RatingModel, data: Interactions) -> ScoreUser:
    """Orders lists by predicted rating."""
    movies = np.arange(data.n_movies, dtype=np.int32)
    return lambda user: model.predict_indices(np.full(len(movies), user, np.int32), movies)


def _check(test: Interactions, k: int) -> None:
    if k < 1:
        raise InvalidInput(f"k is {k}, but lists need at least 1 place.", field="k")
    if not len(test):
        raise InvalidInput("There is nothing to evaluate on: the test part is empty.", field="test")


def _some_lists(model: RatingModel, train: Interactions, test: Interactions, k: int) -> _Lists:
    """The lists of predicted ratings, at least one of them."""
    _check(test, k)
    lists = _lists(score_by(model, train), train, test, k)
    if not len(lists.users):
        raise InvalidInput(
            f"There are no lists to judge: no test rating is {_relevant_from(test):g} or higher.", field="test"
        )
    return lists


def _relevant_from(data: Interactions) -> float:
    low, high = data.scale
    return low + RELEVANT_FROM * (high - low)


def _lists(score_user: ScoreUser, train: Interactions, test: Interactions, k: int) -> _Lists:
    liked = test.ratings >= _relevant_from(test)
    relevant = np.bincount(test.users[liked], minlength=test.n_users)
    users = np.flatnonzero(relevant)
    movies = np.full((len(users), k), -1, np.int64)
    hits = np.zeros((len(users), k), bool)
    wanted = np.zeros(train.n_movies, bool)  # by this user; one array for all of them
    for row, user in enumerate(users.tolist()):
        listed = top(score_user(user), k, drop=train.items[train.by_user.of(user)])
        rows = test.by_user.of(user)
        wanted[test.items[rows]] = liked[rows]
        movies[row, : len(listed)] = listed
        hits[row, : len(listed)] = wanted[listed]
        wanted[test.items[rows]] = False
    return _Lists(users, movies, hits, relevant[users])


def _per_rating(
    model: RatingModel, train: Interactions, test: Interactions, calibration: Calibration | None
) -> dict[str, NDArray[np.float64]]:
    """float64[len(test)] by metric: the value of each test rating, squared errors under ``rmse``."""
    predicted = model.predict_indices(test.users, test.items)
    values = {
        "rmse": metrics.squared_errors(predicted, test.ratings),
        "mae": metrics.absolute_errors(predicted, test.ratings),
    }
    if calibration is not None:
        low, high = calibration.interval(predicted, train.user_counts[test.users], train.movie_counts[test.items])
        values["interval_coverage"] = ((test.ratings >= low) & (test.ratings <= high)).astype(np.float64)
    return values


def _rating_metrics(
    test: Interactions, columns: dict[str, NDArray[np.float64]], rows: NDArray[np.bool_], seed: int
) -> dict[str, MetricValue]:
    """RMSE, MAE and the coverage of intervals over some rows of the test part; nothing without a row."""
    if not rows.any():
        return {}
    users = test.users[rows]
    counts = np.bincount(users, minlength=test.n_users).astype(np.float64)
    present = counts > 0
    sums = [np.bincount(users, weights=values[rows], minlength=test.n_users)[present] for values in columns.values()]
    shared = np.repeat(counts[present, None], len(columns), axis=1)
    lows, highs = metrics.bootstrap(np.column_stack(sums), shared, seed=seed)
    found = {
        name: MetricValue(float(values[rows].mean()), float(low), float(high))
        for (name, values), low, high in zip(columns.items(), lows, highs, strict=True)
    }
    mse = found["rmse"]
    return found | {"rmse": MetricValue(math.sqrt(mse.value), math.sqrt(mse.low), math.sqrt(mse.high))}


def _means(per_user: dict[str, NDArray[np.float64]], seed: int) -> dict[str, MetricValue]:
    table = np.column_stack(list(per_user.values()))
    lows, highs = metrics.bootstrap(table, np.ones_like(table), seed=seed)
    return {
        name: MetricValue(float(values.mean()), float(low), float(high))
        for (name, values), low, high in zip(per_user.items(), lows, highs, strict=True)
    }


def _catalogue_metrics(lists: _Lists, train: Interactions, seed: int) -> dict[str, MetricValue]:
    """Measures of the lists as a whole. Coverage and Gini are of all lists together, so draws count lists anew."""
    per_user = {"novelty": metrics.novelty(lists.movies, train.movie_counts, train.n_users)}
    if train.movies.genre_names:  # without any genre, lists would seem to be all alike
        per_user["diversity"] = metrics.diversity(lists.movies, train.movies.genres)
    found = _means(per_user, seed)
    rng, users = np.random.default_rng(seed), len(lists.movies)
    shown = metrics.exposure(lists.movies, train.n_movies)
    draws = np.empty((CATALOGUE_DRAWS, 2))
    for draw in draws:  # one at a time: all of them would be as many copies of the lists
        times = np.bincount(rng.integers(0, users, users), minlength=users)
        drawn = metrics.exposure(lists.movies, train.n_movies, times)
        draw[:] = metrics.coverage(drawn), metrics.gini(drawn)
    values = {"coverage": metrics.coverage(shown), "gini": metrics.gini(shown)}
    for (name, value), spread in zip(values.items(), draws.T, strict=True):
        # Drawing with replacement repeats lists, which shifts these two; the spread around its own mean is kept.
        low, high = np.clip(value + np.quantile(spread - spread.mean(), [0.025, 0.975]), 0, 1)
        found[name] = MetricValue(value, float(low), float(high))
    return found


def _segments(
    train: Interactions,
    test: Interactions,
    per_rating: dict[str, NDArray[np.float64]],
    lists: _Lists,
    per_user: dict[str, NDArray[np.float64]],
    seed: int,
) -> dict[str, dict[str, MetricValue]]:
    """The same measures for users by how much they had rated, and ratings by how much their movie had been rated."""
    found = {}
    group = np.digitize(train.user_counts, USER_EDGES)
    for place, name in enumerate(("new_users", "light_users", "heavy_users")):
        found[name] = _rating_metrics(test, per_rating, group[test.users] == place, seed)
        chosen = group[lists.users] == place
        if chosen.any():
            found[name] |= _means({metric: values[chosen] for metric, values in per_user.items()}, seed)
    order = np.argsort(-train.movie_counts, kind="stable")
    head = np.zeros(train.n_movies, bool)
    head[order[: int(np.ceil(HEAD * train.n_movies))]] = True
    for name, rows in (("head_movies", head[test.items]), ("tail_movies", ~head[test.items])):
        found[name] = _rating_metrics(test, per_rating, rows, seed)
    return {name: values for name, values in found.items() if values}
