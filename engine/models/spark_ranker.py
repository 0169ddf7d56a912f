"""The ranker of implicit factors, learned on Apache Spark."""

from __future__ import annotations

from collections.abc import Generator
from typing import ClassVar, Self

import numpy as np

from engine.data.arrays import Float32, Floats, Int32
from engine.data.ratings import Interactions, check_interactions
from engine.models import spark
from engine.models.als import ImplicitALSConfig, ImplicitALSRanker, Penalty, gram


class SparkImplicitConfig(ImplicitALSConfig):
    """Hyperparameters of implicit-feedback ALS on Spark."""

    kind: ClassVar[str] = "spark_als"


class SparkImplicitRanker(ImplicitALSRanker):
    """Factors of movies from Spark's ALS with ``implicitPrefs``; lists are made as by ``ImplicitALSRanker``.

    With w the weight of each rating and c the confidence, Spark's factors minimise ``(1 + c w) (1 - x . y) ** 2`` over
    what was rated and ``(x . y) ** 2`` over the rest (Hu, Koren and Volinsky, ICDM 2008), with a penalty that grows
    with the number of ratings alone. A history is folded in with that penalty and the constant of
    ``ImplicitALSRanker``, as for all movies that nobody rated: on the demo data that gives better lists than either
    alone. Settings are chosen on a sample, on this machine.
    """

    config: SparkImplicitConfig
    config_type = SparkImplicitConfig

    def __init__(self, config: SparkImplicitConfig | None = None) -> None:
        self.config = config or SparkImplicitConfig()

    def fit(self, data: Interactions) -> Self:
        """Learn on Spark.

        Raises:
            InvalidInput: the data are no ``Interactions``.
            ClusterFailed: no job can run, or it ended without a result; the message has the reason.
        """
        for _ in self.steps(data):
            pass
        return self

    def steps(self, data: Interactions) -> Generator[str, None, None]:
        """As ``fit``, yielding what the job does, again in each second."""
        check_interactions(data)
        config = self.config
        self._keep(data, config.max_movies)
        rows = self.position_[data.items]
        kept = np.flatnonzero(rows >= 0)
        weights, n_movies = self.weigher.like(data.ratings[kept]), len(self.movies_)
        self._raise_rare(np.bincount(rows[kept], weights.astype(np.float64) ** 2, n_movies).astype(np.float64))
        self.bind(data)
        self.factors_, self.penalty_ = np.zeros((n_movies, config.factors), np.float32), Penalty(1.0, 1.0)
        if len(kept):
            yield from self._learn(data.users[kept], rows[kept], weights)
        self.gram_ = gram(self.factors_)

    def adopt(
        self, factors: Float32, counts: Int32, squared: Floats, used: tuple[float, float], penalty: Penalty
    ) -> None:
        """Take what was learned of movies elsewhere.

        Args:
            factors: float32[n_movies, k], of all movies.
            counts: int32[n_movies], number of ratings of each.
            squared: float64[n_movies], sum of the squared weights of each.
            used: lowest and highest rating that are not rare.
            penalty: of users' vectors.
        """
        self.range_, self.penalty_ = used, penalty
        kept = np.flatnonzero(counts >= min(self.config.min_ratings, max(int(counts.max(initial=0)), 1)))
        self._place(kept.astype(np.int32), len(counts))
        self._raise_rare(squared[kept])
        self.factors_ = np.ascontiguousarray(factors[kept])
        self.gram_ = gram(self.factors_)

    def _learn(self, users: np.ndarray, rows: np.ndarray, weights: np.ndarray) -> Generator[str, None, None]:
        config, doing = self.config, "Starting Spark"
        yield doing
        with spark.job_on(spark.current()) as job:
            job.write_ratings(users, rows, weights)
            for said in job.run(
                factors=config.factors,
                turns=config.epochs,
                regularization=config.regularization,
                confidence=config.confidence,
                seed=config.seed,
            ):
                doing = said.get("step", doing)
                yield doing
                if "epoch" in said:
                    _, self.factors_ = job.read_side(said["epoch"], "movies", len(self.movies_))
                    active = len(np.unique(users)), len(np.unique(rows))
                    least = Penalty.of(config, len(rows), *active)[0].least
                    self.penalty_ = Penalty(said["penalty"], least)
