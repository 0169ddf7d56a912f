"""Evaluation on newcomers: people a version has never seen, after their first few ratings."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Arrays, Float32, Floats, Int32
from engine.data.history import History
from engine.data.ratings import Interactions
from engine.data.splits import place_in_history
from engine.evaluation import metrics
from engine.evaluation.charts import ChartRow
from engine.evaluation.intervals import MetricValue, estimate_lists, estimate_ratio
from engine.models.base import RatingModel, Vector, top
from engine.rounding import significant

STEPS = (0, 1, 3, 5, 10, 20)
"""Numbers of first ratings after which newcomers are evaluated."""
LAST = STEPS[-1]
MIN_PEOPLE, SHARE, MAX_PEOPLE = 40, 0.05, 500
"""People to keep out: this share of those with more than 20 ratings, within these bounds."""
MAX_SHARE = 0.25
"""Nobody is kept out where ``MIN_PEOPLE`` would be a larger share: too few would be left to train on."""

DrawList = Callable[[History, Callable[[Int32], Float32], Int32], NDArray[np.int64]]
"""int64[n]: a list for a history; takes the person's predicted ratings of movies, and the movies to leave out."""


@dataclass(frozen=True, slots=True)
class NewcomerPoint:
    """Accuracy for newcomers after a number of their ratings.

    Attributes:
        known: number of known ratings of each.
        people: number of people kept out of training.
        rmse: on each one's ratings after the twentieth.
        movie_mean: RMSE of each movie's mean on the same ratings.
        ndcg: NDCG@10 of their lists; None if nobody liked any of those movies.
        popularity: NDCG@10 of the most popular movies; None in the same case.
    """

    known: int
    people: int
    rmse: MetricValue
    movie_mean: float
    ndcg: MetricValue | None
    popularity: float | None


@dataclass(frozen=True)
class Newcomers:
    """Errors and lists of m people kept out of training, by number of first ratings.

    All steps use the same test ratings, at least one for each person: those after the twentieth by time.

    Attributes:
        users: int64[m], their keys.
        marks: uint64[m], fingerprint of each one's ratings; two reports are comparable where it is the same.
        ratings: int64[m], number of test ratings of each.
        relevant: int64[m], number of relevant ones; lists are evaluated where there is one.
        squared: float64[m] by step, sums of squared errors.
        ndcg: float64[m] by step, of the list of ten; 0 without a relevant movie.
        by_mean: float64[m], sums of squared errors of the movies' means.
        by_popularity: float64[m], NDCG of the most popular movies.
    """

    users: NDArray[np.int64]
    marks: NDArray[np.uint64]
    ratings: NDArray[np.int64]
    relevant: NDArray[np.int64]
    squared: dict[int, Floats]
    ndcg: dict[int, Floats]
    by_mean: Floats
    by_popularity: Floats

    def arrays(self) -> Arrays:
        """The columns by name."""
        whole = {name: getattr(self, name) for name in ("users", "marks", "ratings", "relevant")}
        steps = {
            f"{name}_{step}": values for name in ("squared", "ndcg") for step, values in getattr(self, name).items()
        }
        return whole | steps | {"by_mean": self.by_mean, "by_popularity": self.by_popularity}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild from ``arrays()``."""
        once = ("users", "marks", "ratings", "relevant", "by_mean", "by_popularity")
        steps = {name: {step: arrays[f"{name}_{step}"] for step in STEPS} for name in ("squared", "ndcg")}
        columns: dict[str, Any] = {name: arrays[name] for name in once} | steps
        return cls(**columns)

    def chart(self, seed: int) -> list[ChartRow]:
        """A row for each number of first ratings: RMSE and NDCG with 95% intervals, and the baselines.

        Args:
            seed: random seed of the bootstrap.
        """
        mean = np.sqrt(self.by_mean.sum() / self.ratings.sum())
        common: ChartRow = {"people": len(self.users), "movie_mean": significant(float(mean))}
        return [{"known": step, **common} | self._errors(step, seed) | self._lists(step, seed) for step in STEPS]

    def _errors(self, step: int, seed: int) -> ChartRow:
        found = estimate_ratio("rmse", self.squared[step], self.ratings.astype(np.float64), seed)
        return {"rmse": found.value, "low": found.low, "high": found.high}

    def _lists(self, step: int, seed: int) -> ChartRow:
        listed = self.relevant > 0
        if not listed.any():
            return dict.fromkeys(("ndcg", "ndcg_low", "ndcg_high", "popularity"))
        found = estimate_lists({"ndcg": self.ndcg[step][listed]}, seed)["ndcg"]
        popularity = significant(float(self.by_popularity[listed].mean()))
        return {"ndcg": found.value, "ndcg_low": found.low, "ndcg_high": found.high, "popularity": popularity}


def choose_newcomers(data: Interactions) -> NDArray[np.int64]:
    """int64[m]: the users to keep out of training; none if they would be too few.

    The first in the order of a hash of their ids, so that another training, on more ratings and users, keeps nearly the
    same ones out and two versions can be compared on them.
    """
    eligible = np.flatnonzero(data.user_counts > STEPS[-1])
    count = int(np.clip(SHARE * len(eligible), MIN_PEOPLE, MAX_PEOPLE))
    if count > MAX_SHARE * len(eligible):
        return np.empty(0, np.int64)
    digests = [
        hashlib.blake2b(str(data.user_ids.raw(user)).encode(), digest_size=8).digest() for user in eligible.tolist()
    ]
    return np.sort(eligible[np.argsort(np.array(digests, "S8"), kind="stable")[:count]])


def part_newcomers(data: Interactions) -> tuple[Interactions, Interactions]:
    """The ratings of everyone but newcomers, and those of newcomers."""
    theirs = np.isin(data.users, choose_newcomers(data))
    return data.subset(~theirs), data.subset(theirs)


def judge_newcomers(
    model: RatingModel,
    draw: DrawList,
    popularity: Float32,
    train: Interactions,
    theirs: Interactions,
    length: int = 10,
    check: Callable[[], object] = lambda: None,
) -> Newcomers | None:
    """Evaluate a version on people it has never seen; None without any.

    Their ratings are folded in in the order of time (ties are broken at random). After each step the ratings after the
    twentieth are predicted, and a list is drawn from the whole catalogue without the first twenty movies, so that all
    steps have the same candidates and the same relevant movies.

    Args:
        model: fitted on ``train``.
        draw: makes their lists.
        popularity: float32[n_movies], orders the baseline's list.
        train: training ratings; the other baseline is their movie means.
        theirs: the ratings of newcomers only.
        length: of the lists.
        check: called for each person; may raise to stop.
    """
    users = np.flatnonzero(theirs.user_counts)
    if not len(users):
        return None
    place, means, liked_from = place_in_history(theirs), movie_means(train), metrics.relevant_from(theirs.scale)
    columns: dict[str, list[float]] = {}
    for user in users.tolist():
        check()
        rows = theirs.by_user.of(user)
        rows = rows[np.argsort(place[rows])]
        first, later, given = theirs.items[rows[:LAST]], theirs.items[rows[LAST:]], theirs.ratings[rows[LAST:]]
        wanted = later[given >= liked_from]
        found = {"ratings": float(len(later)), "relevant": float(len(wanted)), "by_mean": _squared(means[later], given)}
        found["by_popularity"] = _ndcg(top(popularity, length, drop=first), wanted, length)
        for step in STEPS:
            known = theirs.subset(rows[:step]).history(user)
            predict = partial(_predict, model, model.fold_in_user(known.items, known.ratings), is_new=not step)
            found[f"squared_{step}"] = _squared(predict(later), given)
            found[f"ndcg_{step}"] = _ndcg(draw(known, predict, first)[:length], wanted, length)
        for name, value in found.items():
            columns.setdefault(name, []).append(value)
    floats = {name: np.array(values, np.float64) for name, values in columns.items()}
    whole = {name: floats[name].astype(np.int64) for name in ("ratings", "relevant")}
    return Newcomers.restore({**floats, **whole, "users": users, "marks": theirs.user_marks[users]})


def movie_means(train: Interactions) -> Float32:
    """float32[n_movies]: each movie's mean rating; the overall mean for one without ratings."""
    sums = np.bincount(train.items, train.ratings, train.n_movies)
    return np.where(train.movie_counts > 0, sums / np.maximum(train.movie_counts, 1), train.mean).astype(np.float32)


def _predict(model: RatingModel, vector: Vector, movies: Int32, *, is_new: bool) -> Float32:
    """float32[n]: predicted ratings of a person; without any rating of theirs inside the range of the learned ones."""
    predicted = model.predict_vector(vector, movies)
    return np.clip(predicted, *model.given_) if is_new else predicted


def _squared(predicted: Float32, given: Float32) -> float:
    return float(metrics.squared_errors(predicted, given).sum())


def _ndcg(listed: NDArray[np.int64], wanted: Int32, length: int) -> float:
    """0 without a relevant movie."""
    if not len(wanted):
        return 0.0
    hits = np.zeros((1, length), bool)
    hits[0, : len(listed)] = np.isin(listed, wanted)
    return float(metrics.ndcg(hits, np.array([len(wanted)]))[0])
