"""From a table of ratings outside Marquee to a version that holds movies alone, learned on Apache Spark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from engine.data.arrays import Float32, Int32
from engine.data.ratings import IdIndex, Interactions
from engine.errors import InvalidHyperparameter, InvalidInput
from engine.evaluation.intervals import MetricValue
from engine.models import spark
from engine.models.als import Penalty
from engine.models.base import ModelConfig
from engine.models.hyperparameters import AUTO
from engine.models.intervals import Calibration
from engine.models.list_settings import RankingConfig
from engine.models.spark_als import SparkALS, SparkALSConfig
from engine.models.spark_ranker import SparkImplicitConfig, SparkImplicitRanker
from engine.models.version import LearnedCounts, VersionBundle
from engine.training.pipeline import Listener
from engine.training.ranking import START
from engine.training.steps import Step

METHOD = "spark_als"
TABLE = "table"
"""Under this name the protocol of a version has the table outside Marquee that it learned from."""
SPLIT = "each user's last 20% by time, on Spark"
IN_SPREAD = 200
"""Users of the sample from whom the spread of predicted ratings is measured."""

NO_TABLE = "MARQUEE_SPARK_RATINGS names no table outside Marquee. Set it, and start Marquee again."

AddMovies = Callable[[Sequence[str]], Interactions]
"""Adds movies with these ids to the catalogue, and returns the store's ratings with it."""


@dataclass(frozen=True)
class Outside:
    """What was learned outside.

    Attributes:
        bundle: of movies alone.
        metrics: errors on the ratings held out; no interval, as single errors stay on Spark.
        protocol: how they were measured, as JSON values.
        table: the table, and its numbers of ratings, users and movies.
        epochs: 1 for biases alone, or 2.
    """

    bundle: VersionBundle
    metrics: dict[str, MetricValue]
    protocol: dict[str, Any]
    table: dict[str, Any]
    epochs: int


def learns_outside(config: ModelConfig) -> bool:
    """Whether a model learns from the table outside Marquee."""
    return isinstance(config, SparkALSConfig) and config.source == "table"


def check_outside(ranking: RankingConfig, activate: str) -> None:
    """Refuse a training from the table that can't be, or that would activate its version.

    Raises:
        InvalidHyperparameter: there is no table, or another ranker was asked for.
        InvalidInput: the version would be activated by a rule.
    """
    if not spark.current().ratings:
        raise InvalidHyperparameter({"source": NO_TABLE})
    ranker_config(ranking)
    if activate != "never":
        told = "A version of a table outside Marquee is activated by hand only. Train it with activate set to never."
        raise InvalidInput(told, field="activate")


def ranker_config(ranking: RankingConfig) -> SparkImplicitConfig:
    """The settings of the lists: those that were given, and usual values of others, as nothing is chosen.

    Raises:
        InvalidHyperparameter: another ranker was asked for.
    """
    if ranking.method not in (AUTO, METHOD):
        told = f"Lists of a table outside Marquee are made by {METHOD}. Set ranker.method to it, or to auto."
        raise InvalidHyperparameter({"ranker.method": told})
    found = ranking.config(METHOD, START)
    assert isinstance(found, SparkImplicitConfig)
    return found


def learn_outside(
    config: SparkALSConfig, ranking: RankingConfig, scale: tuple[float, float], listener: Listener, add: AddMovies
) -> Outside:
    """Learn a version from the table of ``MARQUEE_SPARK_RATINGS``.

    Args:
        config: the rating model's hyperparameters.
        ranking: settings of the lists.
        scale: lowest and highest rating of the store.
        listener: follows the progress.
        add: adds the table's movies to the catalogue.

    Raises:
        Cancelled: the run was cancelled.
        ClusterFailed: the job ended without a result.
    """
    ranker, cluster = ranker_config(ranking), spark.current()
    listener.enter(Step.FITTING)
    with spark.job_on(cluster) as job:
        said = _follow(job, cluster.ratings, config, ranker, scale, listener)
        listener.enter(Step.FOLDING)
        movies = job.read("movies")
        data = add(movies["name"].to_pylist())
        return _Results(job, said, movies, data).version(config, ranker)


def _follow(
    job: spark.Job,
    table: str,
    config: SparkALSConfig,
    ranker: SparkImplicitConfig,
    scale: tuple[float, float],
    listener: Listener,
) -> dict[str, Any]:
    """Run the job; returns what it said of the table, the chosen epoch, and by part means and penalties."""
    found: dict[str, Any] = {}
    part, doing = "", "Starting Spark"
    listener.begin(doing)
    running = job.run(
        spark.TABLE_JOB,
        table=table,
        low=scale[0],
        high=scale[1],
        factors=config.factors,
        turns=config.turns,
        regularization=config.regularization,
        damping=config.damping,
        epochs=config.epochs,
        seed=config.seed,
        power=ranker.rating_power,
        ranker_factors=ranker.factors,
        ranker_turns=ranker.epochs,
        ranker_regularization=ranker.regularization,
        confidence=ranker.confidence,
    )
    try:
        for said in running:
            listener.check()
            if said.get("step", doing) != doing:
                doing = said["step"]
                listener.begin(doing)
            part = said.get("part", part)
            if "epoch" in said:
                found[part] = said
            found |= {name: said[name] for name in ("table", "chosen") if name in said}
    finally:
        running.close()
    return found


@dataclass(frozen=True)
class _Results:
    """What a job wrote, by the catalogue's indices.

    Attributes:
        job: the job.
        said: what it said.
        movies: the table of movies.
        data: the store's ratings, with all movies of the table in the catalogue.
    """

    job: spark.Job
    said: dict[str, Any]
    movies: pa.Table
    data: Interactions

    def version(self, config: SparkALSConfig, ranker: SparkImplicitConfig) -> Outside:
        table, chosen = self.said["table"], self.said["chosen"]
        counts = self._by_key("count", np.int32)
        model = self._model(config.model_copy(update={"epochs": chosen}))
        lists = self._ranker(ranker, counts)
        model.bind(self.data)
        lists.bind(self.data)
        popularity = (self._by_key("weight", np.float64) / max(table["users"], 1)).astype(np.float32)
        learned = LearnedCounts(np.zeros(0, np.int32), counts)
        spread = _spread(model, self.sample, lists.movies_)
        bundle = VersionBundle(model, lists, popularity, self._calibration(), learned, None, spread)
        metrics, held_out = self._metrics(chosen)
        protocol = {"split": SPLIT, "test_ratings": held_out, TABLE: self.job.cluster.ratings}
        about = {name: table[name] for name in ("ratings", "users", "movies")}
        return Outside(bundle, metrics, protocol, {"path": self.job.cluster.ratings, **about}, chosen)

    @cached_property
    def keys(self) -> Int32:
        """int32[n]: the catalogue's index of each of the table's movies, in the order of their numbers."""
        names = pd.Series(self.movies["name"].to_pylist(), self.movies["id"].to_numpy()).sort_index()
        return np.array([self.data.movie_ids.index(name) for name in names], np.int32)

    def _by_key(self, column: str, kind: type[np.number[Any]]) -> Any:
        found = np.zeros(self.data.n_movies, kind)
        found[self.keys[self.movies["id"].to_numpy()]] = self.movies[column].to_numpy()
        return found

    def _side(self, part: str, epoch: int) -> tuple[Float32, Float32]:
        bias, factors = self.job.read_side(epoch, "movies", len(self.movies), part)
        out = np.zeros(self.data.n_movies, np.float32), np.zeros((self.data.n_movies, factors.shape[1]), np.float32)
        out[0][self.keys], out[1][self.keys] = bias, factors
        return out

    def _model(self, config: SparkALSConfig) -> SparkALS:
        said, table = self.said["final"], self.said["table"]
        bias, factors = self._side("final", config.epochs)
        if not factors.shape[1]:
            factors = np.zeros((self.data.n_movies, config.factors), np.float32)
        model = SparkALS(config)
        given = table["lowest"], table["highest"]
        model.adopt_movies(said["mean"], (bias, factors), self.sample, given, said["penalty"])
        return model

    def _ranker(self, config: SparkImplicitConfig, counts: Int32) -> SparkImplicitRanker:
        table = self.said["table"]
        least = Penalty.of(config, table["ratings"], table["users"], table["movies"])[0].least
        found = SparkImplicitRanker(config)
        penalty = Penalty(self.said["ranker"]["penalty"], least)
        factors = self._side("ranker", 1)[1]
        found.adopt(factors, counts, self._by_key("squared", np.float64), tuple(table["range"]), penalty)
        return found

    @cached_property
    def sample(self) -> Interactions:
        """All ratings of some users, who get numbers of their own."""
        rows = self.job.read("sample")
        users, numbers = np.unique(rows["user"].to_numpy(), return_inverse=True)
        times = rows["time"].to_pandas()
        stamps = None if times.isna().any() else times.to_numpy(np.int64)
        return Interactions(
            numbers.astype(np.int32),
            self.keys[rows["movie"].to_numpy()],
            rows["rating"].to_numpy().astype(np.float32),
            stamps,
            IdIndex(pd.RangeIndex(len(users))),
            self.data.movie_ids,
            self.data.movies,
            self.data.scale,
        )

    def _calibration(self) -> Calibration | None:
        rows = self.job.read("calibration")
        predicted, actual, users, movies = (
            rows[name].to_numpy() for name in ("predicted", "actual", "user_count", "movie_count")
        )
        return Calibration.fit(predicted, actual, users, movies, self.data.scale)

    def _metrics(self, epoch: int) -> tuple[dict[str, MetricValue], int]:
        """RMSE and MAE of the test part, and its number of ratings."""
        rows = self.job.read("judged/metrics").to_pandas()
        found = rows[(rows.epoch == epoch) & (rows.part == "test")].set_index("name").value.to_dict()
        metrics = {name: MetricValue(found[name], None, None) for name in ("rmse", "mae") if name in found}
        return metrics, int(found.get("ratings", 0))


def _spread(model: SparkALS, sample: Interactions, movies: Int32) -> float:
    """Standard deviation of a user's predicted ratings over movies, averaged over some users of the sample."""
    some = movies[:: max(len(movies) // IN_SPREAD, 1)]
    if not len(some) or not len(sample):
        return 0.0
    found = []
    for user in range(min(sample.n_users, IN_SPREAD)):
        rows = sample.by_user.of(user)
        vector = model.fold_in_user(sample.items[rows], sample.ratings[rows])
        found.append(float(model.predict_vector(vector, some).std(dtype=np.float64)))
    return float(np.mean(found))
