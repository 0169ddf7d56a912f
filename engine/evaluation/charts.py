"""Tables behind the charts of a report: small, and JSON values only, so that they can be stored and sent."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Bools, Float32, Floats, Ints
from engine.data.ratings import Interactions
from engine.evaluation import metrics
from engine.evaluation.intervals import Columns, MetricValue, estimate_ratings
from engine.evaluation.segments import Segment
from engine.models.intervals import MOVIE_EDGES, USER_EDGES

ChartRow = dict[str, float | int | str | None]
Charts = dict[str, list[ChartRow]]
"""Tables by chart name; the rows of a table have the same keys."""

COUNT_EDGES = (1, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Numbers of ratings at which a bar begins."""
ERROR_BINS = 36  # on each side; an eighth of a star wide on a scale of 0.5 to 5
PREDICTION_BINS = 10
MAX_POINTS = 50  # points of a curve
DRAWS = 300  # bootstrap draws per bar; a chart needs no third digit


@dataclass(frozen=True)
class JudgedRatings:
    """The test ratings and their predictions.

    Attributes:
        train: the training ratings.
        test: the n test ratings.
        predicted: float32[n].
        columns: float64[n] by metric, the value of each rating; squared errors under ``rmse``.
        seed: random seed of the bootstrap.
    """

    train: Interactions
    test: Interactions
    predicted: Float32
    columns: Columns
    seed: int

    def bar(self, place: ChartRow, name: str, values: Floats, rows: Bools) -> ChartRow:
        """A chart row: its place, the mean over some ratings with its 95% interval, and their number."""
        return _row(place, name, estimate_ratings(self.test, {name: values}, rows, self.seed, DRAWS)[name], rows)

    def rmse(self, place: ChartRow, rows: Bools) -> ChartRow:
        """A chart row of RMSE."""
        return self.bar(place, "rmse", self.columns["rmse"], rows)


def chart_ratings(judged: JudgedRatings) -> Charts:
    """Tables on predicted ratings: five, or four without intervals.

    ``rmse_by_user_ratings``, ``rmse_by_movie_ratings``: RMSE by number of training ratings of the user or movie.
    ``errors``: histogram of errors. ``predicted_and_actual``: mean rating by predicted rating.
    ``interval_coverage``: share of ratings inside their interval by group of user and movie.
    """
    train, test = judged.train, judged.test
    charts = {
        "rmse_by_user_ratings": _by_count(judged, train.user_counts[test.users]),
        "rmse_by_movie_ratings": _by_count(judged, train.movie_counts[test.items]),
        "errors": _errors(judged),
        "predicted_and_actual": _predicted_and_actual(judged),
    }
    if "interval_coverage" in judged.columns:
        charts["interval_coverage"] = _coverage_by_group(judged)
    return charts


def chart_segments(segments: dict[str, Segment], measured: dict[str, dict[str, MetricValue]]) -> Charts:
    """Table ``segments``: RMSE and number of test ratings; ``measured``: the metrics by segment."""
    return {
        "segments": [
            _row({"segment": name}, "rmse", measured[name]["rmse"], part.rows) for name, part in segments.items()
        ]
    }


def chart_lists(hits: Bools, relevant: Ints, shown: Floats) -> Charts:
    """Tables on lists: ``precision_and_recall`` by length, and ``exposure``, the Lorenz curve.

    Args:
        hits: bool[n_users, k], as in ``engine.evaluation.metrics``.
        relevant: int[n_users], at least 1.
        shown: float64[n_movies], number of lists with each movie.
    """
    return {"precision_and_recall": _precision_and_recall(hits, relevant), "exposure": _lorenz(shown)}


def _row(place: ChartRow, name: str, value: MetricValue, rows: Bools) -> ChartRow:
    return place | {name: value.value, "low": value.low, "high": value.high, "ratings": int(rows.sum())}


def _by_count(judged: JudgedRatings, counts: NDArray[Any]) -> list[ChartRow]:
    group = np.digitize(counts, COUNT_EDGES)
    starts = (0, *COUNT_EDGES)
    return [
        judged.rmse({"label": _range(place, COUNT_EDGES), "from": starts[place]}, group == place)
        for place in np.unique(group).tolist()
    ]


def _range(place: int, edges: tuple[int, ...]) -> str:
    """A range of whole numbers in words, such as ``10-19``."""
    if place == len(edges):
        return f"{edges[-1]} or more"
    first, last = edges[place - 1] if place else 0, edges[place] - 1
    return str(first) if first == last else f"{first}-{last}"


def _errors(judged: JudgedRatings) -> list[ChartRow]:
    low, high = judged.test.scale
    edges = np.linspace(low - high, high - low, 2 * ERROR_BINS + 1) if high > low else np.array([-0.5, 0.5])
    error = np.clip(judged.predicted.astype(np.float64) - judged.test.ratings, edges[0], edges[-1])
    counts, _ = np.histogram(error, edges)
    return [
        {"from": float(edges[place]), "to": float(edges[place + 1]), "ratings": int(counts[place])}
        for place in np.flatnonzero(counts).tolist()
    ]


def _predicted_and_actual(judged: JudgedRatings) -> list[ChartRow]:
    """Bins of equal size, as far as tied predictions allow."""
    predicted = judged.predicted.astype(np.float64)
    edges = np.unique(np.quantile(predicted, np.linspace(0, 1, PREDICTION_BINS + 1)[1:-1]))
    group = np.digitize(predicted, edges)
    actual = judged.test.ratings.astype(np.float64)
    return [
        judged.bar({"predicted": float(predicted[group == place].mean())}, "actual", actual, group == place)
        for place in np.unique(group).tolist()
    ]


def _coverage_by_group(judged: JudgedRatings) -> list[ChartRow]:
    users = np.digitize(judged.train.user_counts[judged.test.users], USER_EDGES)
    movies = np.digitize(judged.train.movie_counts[judged.test.items], MOVIE_EDGES)
    rows: list[ChartRow] = []
    places = len(MOVIE_EDGES) + 1
    for user, movie in (divmod(pair, places) for pair in np.unique(users * places + movies).tolist()):
        names: ChartRow = {"user_ratings": _range(user, USER_EDGES), "movie_ratings": _range(movie, MOVIE_EDGES)}
        inside = judged.columns["interval_coverage"]
        rows.append(judged.bar(names, "interval_coverage", inside, (users == user) & (movies == movie)))
    return rows


def _precision_and_recall(hits: Bools, relevant: Ints) -> list[ChartRow]:
    k = hits.shape[1]
    lengths = np.unique(np.linspace(1, k, min(k, MAX_POINTS)).round().astype(np.int64)).tolist()
    return [
        {
            "k": length,
            "precision": float(metrics.precision(hits[:, :length]).mean()),
            "recall": float(metrics.recall(hits[:, :length], relevant).mean()),
        }
        for length in lengths
    ]


def _lorenz(shown: Floats) -> list[ChartRow]:
    """Share of all places held by the least shown movies (Lorenz 1905).

    Points are evenly spaced along both axes, since the curve is steep at its end if few movies hold all places.
    """
    places = np.concatenate([[0], np.cumsum(np.sort(shown))]) / max(shown.sum(), 1)
    part = np.linspace(0, 1, MAX_POINTS // 2)
    along = np.concatenate([part * len(shown), np.searchsorted(places, part * places[-1])])
    return [
        {"movies": movies / len(shown), "places": float(places[movies])}
        for movies in np.unique(along.round().astype(np.int64)).tolist()
    ]
