"""Evaluation of a model on held-out ratings: metrics with intervals, overall and by segment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Arrays, Float32, Floats, Int32
from engine.data.ratings import Interactions, check_interactions
from engine.errors import InvalidInput
from engine.evaluation import baselines, metrics
from engine.evaluation.baselines import Baseline
from engine.evaluation.charts import ChartRow, Charts, JudgedRatings, chart_lists, chart_ratings, chart_segments
from engine.evaluation.intervals import Columns, MetricValue, estimate_catalogue, estimate_lists, estimate_ratings
from engine.evaluation.lists import Lists, ScoreUser, draw_lists
from engine.evaluation.newcomers import Newcomers, movie_means
from engine.evaluation.segments import Segment, find_segments
from engine.models.base import RatingModel
from engine.models.intervals import Calibration
from engine.models.ranker import Ranker
from engine.rounding import significant


@dataclass(frozen=True)
class UserErrors:
    """Errors summed by user, for paired comparisons.

    Attributes:
        users: int64[m], the users with a test rating.
        ratings: int64[m], number of test ratings of each.
        marks: uint64[m], fingerprint of these ratings; two reports are comparable for a user where it is the same.
        sums: float64[m] by metric: squared errors under ``rmse``, absolute errors under ``mae``, and ratings inside
            their interval under ``interval_coverage`` if there are intervals.
    """

    users: NDArray[np.int64]
    ratings: NDArray[np.int64]
    marks: NDArray[np.uint64]
    sums: Columns

    def keep(self, chosen: NDArray[Any]) -> UserErrors:
        """Some of the users, by position or mask."""
        sums = {name: values[chosen] for name, values in self.sums.items()}
        return UserErrors(self.users[chosen], self.ratings[chosen], self.marks[chosen], sums)


@dataclass(frozen=True)
class JudgedRows:
    """Single test ratings, for comparisons on those that two versions share.

    Attributes:
        users: int32[n].
        items: int32[n].
        ratings: float32[n].
        squared: float32[n], the squared errors.
        segments: uint64[n], a bit for each segment of a rating, in the order of the report's sorted segment names (at
            most 45).
    """

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    ratings: NDArray[np.float32]
    squared: NDArray[np.float32]
    segments: NDArray[np.uint64]

    @property
    def pairs(self) -> NDArray[np.int64]:
        """int64[n]: a unique number for each user-movie pair."""
        return self.users.astype(np.int64) << 32 | self.items

    def arrays(self) -> Arrays:
        """The columns by name."""
        return {name: getattr(self, name) for name in ("users", "items", "ratings", "squared", "segments")}


@dataclass(frozen=True)
class EvaluationReport:
    """Evaluation of a model on one test part.

    Attributes:
        metrics: value and 95% interval by name.
        segments: metrics of parts of the users, movies or genres, by segment.
        protocol: how it was measured, as JSON values.
        users: int64[n], the users with evaluated lists.
        per_user: float64[n] by list metric, in the order of ``users``, for paired comparisons.
        errors: rating errors by user.
        charts: tables for charts, as JSON values; see ``engine.evaluation.charts``.
        rows: single test ratings; None in reports of earlier releases.
        newcomers: people kept out of training; None if too few, and in reports of earlier releases.
    """

    metrics: dict[str, MetricValue]
    segments: dict[str, dict[str, MetricValue]]
    protocol: dict[str, Any]
    users: NDArray[np.int64]
    per_user: Columns
    errors: UserErrors
    charts: Charts
    rows: JudgedRows | None = None
    newcomers: Newcomers | None = None

    @property
    def scale(self) -> tuple[float, ...]:
        """The lowest and the highest possible rating; empty in reports of earlier releases."""
        return tuple(self.protocol[name] for name in ("lowest", "highest") if name in self.protocol)

    @property
    def baselines(self) -> tuple[Baseline, ...]:
        """What popularity and a random list get beside each list metric; empty in reports of earlier releases."""
        return baselines.stored(self.charts)

    def arrays(self) -> Arrays:
        """Arrays by name; with the JSON parts they rebuild the report."""
        errors = self.errors
        rows = {} if self.rows is None else self.rows.arrays()
        newcomers = {} if self.newcomers is None else self.newcomers.arrays()
        return (
            {"users": self.users, "error_users": errors.users}
            | {"error_ratings": errors.ratings, "error_marks": errors.marks}
            | {f"list/{name}": values for name, values in self.per_user.items()}
            | {f"error/{name}": values for name, values in errors.sums.items()}
            | {f"row/{name}": values for name, values in rows.items()}
            | {f"newcomer/{name}": values for name, values in newcomers.items()}
        )

    def with_charts(self, **tables: list[ChartRow]) -> EvaluationReport:
        """The report with further tables for charts; empty ones are left out."""
        return replace(self, charts=self.charts | {name: rows for name, rows in tables.items() if rows})

    def with_protocol(self, **values: Any) -> EvaluationReport:
        """The report with further entries of its protocol, as JSON values; None is left out."""
        known = {name: value for name, value in values.items() if value is not None}
        return replace(self, protocol=self.protocol | known)

    def with_newcomers(self, newcomers: Newcomers | None) -> EvaluationReport:
        """The report with the evaluation of newcomers and its chart."""
        if newcomers is None:
            return self
        charts = self.charts | {"newcomers": newcomers.chart(self.protocol["seed"])}
        protocol = self.protocol | {"newcomers": len(newcomers.users)}
        return replace(self, newcomers=newcomers, charts=charts, protocol=protocol)

    @classmethod
    def restore(
        cls,
        metrics: dict[str, MetricValue],
        segments: dict[str, dict[str, MetricValue]],
        protocol: dict[str, Any],
        charts: Charts,
        arrays: Mapping[str, NDArray[Any]],
    ) -> Self:
        """Rebuild a report from its JSON parts and ``arrays()``."""
        per_user, sums, rows, people = (
            {name.removeprefix(start): values for name, values in arrays.items() if name.startswith(start)}
            for start in ("list/", "error/", "row/", "newcomer/")
        )
        errors = UserErrors(arrays["error_users"], arrays["error_ratings"], arrays["error_marks"], sums)
        judged, newcomers = JudgedRows(**rows) if rows else None, Newcomers.restore(people) if people else None
        return cls(metrics, segments, protocol, arrays["users"], per_user, errors, charts, judged, newcomers)


class Predictor(Protocol):
    """Predicts ratings by index: a rating model, or a wrapper around another library's."""

    def predict_indices(self, users: Int32, movies: Int32) -> Float32:
        """float32[n]: the rating of each pair of indices."""


class EvaluationService:
    """Evaluates models. Lists are drawn from the whole catalogue, without what the user rated in training.

    Every method raises ``InvalidInput`` where something can't be evaluated: a model that predicts nothing, parts that
    are no ``Interactions`` or have other users and movies, an empty test part; ``NotReady`` for an unfitted model.
    """

    def calculate_rmse(self, model: Predictor, test: Interactions) -> float:
        """Root mean squared error of the predicted ratings, in rating units.

        Raises:
            InvalidInput: see the class.
            NotReady: the model is not fitted.
        """
        _check_predictor(model)
        _check(model, test, test)
        predicted = model.predict_indices(test.users, test.items)
        return float(np.sqrt(metrics.squared_errors(predicted, test.ratings).mean()))

    def calculate_precision_at_k(
        self, model: Predictor | Ranker, train: Interactions, test: Interactions, k: int = 10
    ) -> float:
        """Mean over users of the share of a list of k that is relevant.

        Raises:
            InvalidInput: k is not positive, no test rating is relevant, or see the class.
            NotReady: the model is not fitted.
        """
        return float(metrics.precision(_some_lists(model, train, test, k).hits).mean())

    def calculate_recall_at_k(
        self, model: Predictor | Ranker, train: Interactions, test: Interactions, k: int = 10
    ) -> float:
        """Mean over users of the share of the relevant movies that a list of k holds.

        Raises:
            InvalidInput: as of ``calculate_precision_at_k``.
            NotReady: the model is not fitted.
        """
        lists = _some_lists(model, train, test, k)
        return float(metrics.recall(lists.hits, lists.relevant).mean())

    def calculate_coverage(
        self, model: Predictor | Ranker, train: Interactions, test: Interactions, k: int = 10
    ) -> float:
        """Share of the catalogue that is in any list of k.

        Raises:
            InvalidInput: as of ``calculate_precision_at_k``.
            NotReady: the model is not fitted.
        """
        return metrics.coverage(metrics.exposure(_some_lists(model, train, test, k).movies, train.n_movies))

    def generate_report(
        self,
        model: Predictor,
        train: Interactions,
        test: Interactions,
        k: int = 10,
        *,
        score_user: ScoreUser | None = None,
        calibration: Calibration | None = None,
        seed: int = 0,
        split: str | None = None,
    ) -> EvaluationReport:
        """All metrics, segments and charts. Without a relevant test rating there are no list metrics.

        Args:
            model: predicts ratings.
            train: the training part; its movies are dropped from the lists.
            test: the test part, of the same users and movies.
            k: length of the lists.
            score_user: the scores that order a user's list, such as a ranker's; predicted ratings by default.
            calibration: adds ``interval_coverage``, the share of test ratings inside their 90% interval.
            seed: random seed of the bootstrap.
            split: how the test part was chosen, for the protocol.

        Raises:
            InvalidInput: k is not positive, or see the class.
            NotReady: the model is not fitted.
        """
        _check_predictor(model)
        _check(model, train, test, k)
        lists = draw_lists(score_user or score_by(model, train), train, test, k)
        predicted = model.predict_indices(test.users, test.items)
        judged = JudgedRatings(train, test, predicted, _per_rating(predicted, train, test, calibration), seed)
        per_user = lists.per_user()
        segments = find_segments(train, test)
        found = estimate_ratings(test, judged.columns, np.ones(len(test), bool), seed)
        measured = {name: _measure(segment, judged, lists.users, per_user) for name, segment in segments.items()}
        charts = chart_ratings(judged) | chart_segments(segments, measured)
        if len(lists.users):
            found |= estimate_lists(per_user, seed) | estimate_catalogue(lists.movies, train, seed)
            charts |= chart_lists(lists.hits, lists.relevant, metrics.exposure(lists.movies, train.n_movies))
            of_users = {name: segment.users for name, segment in segments.items() if segment.users is not None}
            charts |= baselines.chart_baselines(lists, train, test, of_users, seed)
        return EvaluationReport(
            metrics=found,
            segments=measured,
            protocol=({} if split is None else {"split": split}) | _protocol(train, test, lists, seed),
            users=lists.users,
            per_user=per_user,
            errors=sum_errors(test, judged.columns),
            charts=charts,
            rows=list_rows(test, judged.columns["rmse"], segments),
        )


def score_by(model: Predictor | Ranker, data: Interactions) -> ScoreUser:
    """Orders lists by a ranker's scores, or by predicted rating."""
    if isinstance(model, Ranker):
        return model.score_user
    movies = np.arange(data.n_movies, dtype=np.int32)
    return lambda user: model.predict_indices(np.full(len(movies), user, np.int32), movies)


def _check_predictor(model: Predictor) -> None:
    if not hasattr(model, "predict_indices"):
        text = f"{type(model).__name__} has no predict_indices(users, movies), so its predictions can't be evaluated."
        raise InvalidInput(text, field="model")


def _check(model: Predictor | Ranker, train: Interactions, test: Interactions, k: int = 1) -> None:
    check_interactions(train, field="train")
    check_interactions(test, field="test")
    if k < 1:
        raise InvalidInput(f"k is {k}, but lists need at least 1 place.", field="k")
    if not len(test):
        raise InvalidInput("The test part is empty, so there is nothing to evaluate.", field="test")
    if not train.same_ids(test.user_ids, test.movie_ids):
        raise InvalidInput("Training and test part have different users or movies: split one table.", field="test")
    if not isinstance(model, RatingModel | Ranker) or not hasattr(model, "seen_"):
        return  # it knows no raw ids
    if not test.same_ids(model.user_ids_, model.movie_ids_):
        raise InvalidInput("The model was fitted on other users or movies than the test part has.", field="test")


def _some_lists(model: Predictor | Ranker, train: Interactions, test: Interactions, k: int) -> Lists:
    """The lists of a model, at least one."""
    if not isinstance(model, Ranker):
        _check_predictor(model)
    _check(model, train, test, k)
    lists = draw_lists(score_by(model, train), train, test, k)
    if not len(lists.users):
        raise InvalidInput(
            f"There are no lists to evaluate: no test rating is {metrics.relevant_from(test.scale):g} or higher.",
            field="test",
        )
    return lists


def _per_rating(
    predicted: Float32, train: Interactions, test: Interactions, calibration: Calibration | None
) -> Columns:
    """float64[len(test)] by metric: the value of each test rating; squared errors under ``rmse``."""
    values = {name: one.of_ratings(predicted, test.ratings) for name, one in metrics.METRICS.items() if one.of_ratings}
    if calibration is not None:
        low, high = calibration.interval(predicted, train.user_counts[test.users], train.movie_counts[test.items])
        values["interval_coverage"] = ((test.ratings >= low) & (test.ratings <= high)).astype(np.float64)
    return values


def _measure(
    segment: Segment, judged: JudgedRatings, list_users: NDArray[np.int64], per_user: Columns
) -> dict[str, MetricValue]:
    found = estimate_ratings(judged.test, judged.columns, segment.rows, judged.seed)
    if segment.users is not None:
        chosen = segment.users[list_users]
        if chosen.any():
            found |= estimate_lists({name: values[chosen] for name, values in per_user.items()}, judged.seed)
    return found


def sum_errors(test: Interactions, columns: Columns) -> UserErrors:
    """Errors summed by user; ``columns``: float64[len(test)] by metric, the value of each test rating."""
    users = np.flatnonzero(test.user_counts)
    sums = {
        name: np.asarray(np.bincount(test.users, values, test.n_users)[users], np.float64)
        for name, values in columns.items()
    }
    return UserErrors(users, test.user_counts[users], test.user_marks[users], sums)


def list_rows(test: Interactions, squared: Floats, segments: Mapping[str, Segment]) -> JudgedRows:
    """Single test ratings; ``squared``: float64[len(test)], their squared errors."""
    bits = np.zeros(len(test), np.uint64)
    for place, name in enumerate(sorted(segments)):
        bits[segments[name].rows] |= np.uint64(1 << place)
    return JudgedRows(test.users, test.items, test.ratings, squared.astype(np.float32), bits)


def _mean_rmse(train: Interactions, test: Interactions) -> float:
    """RMSE of each movie's mean training rating on the test part, in rating units."""
    return significant(float(np.sqrt(metrics.squared_errors(movie_means(train)[test.items], test.ratings).mean())))


def _protocol(train: Interactions, test: Interactions, lists: Lists, seed: int) -> dict[str, Any]:
    return {
        "k": lists.movies.shape[1],
        "lowest": test.scale[0],
        "highest": test.scale[1],
        "relevant_from": metrics.relevant_from(test.scale),
        "movie_mean_rmse": _mean_rmse(train, test),
        "train_ratings": len(train),
        "test_ratings": len(test),
        "test_fingerprint": test.fingerprint,
        "users_with_lists": len(lists.users),
        **({"users_drawn_from": lists.drawn_from} if lists.drawn_from > len(lists.users) else {}),
        "catalogue": train.n_movies,
        "interval": "95% bootstrap over users",
        "seed": seed,
    }
