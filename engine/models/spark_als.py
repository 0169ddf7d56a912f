"""Alternating least squares on Apache Spark, for ratings that one machine can't learn."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import ClassVar, Literal

import numpy as np

from engine.data.arrays import Float32
from engine.data.ratings import Interactions
from engine.models import spark
from engine.models.alternating import learn_biases, learn_factors
from engine.models.base import ModelConfig
from engine.models.factorization import Factorization
from engine.models.hyperparameters import Patience, Seed, default
from engine.models.shrinkage import FACTORS, KeptOut, Penalty, Side, learn_prior
from engine.models.svd_kernels import predict_pairs

BIASES = 1
"""The epoch that learns the biases; factors follow."""
USUAL_WIDTH = 4.5
"""Width of a scale of half stars, on which the first penalty for folding in is meant."""
AT_ONCE = 2**22

field = partial(default, "als")


class SparkALSConfig(ModelConfig):
    """Hyperparameters of alternating least squares, with defaults from ``hyperparameters.toml``."""

    kind: ClassVar[str] = "als"

    factors: int = field("factors", ge=1, le=500, description="Length of each person's and movie's vector.")
    turns: int = field("turns", ge=1, le=100, description="Number of turns, each over all movies and all people.")
    regularization: float = field(
        "regularization", gt=0, le=100, description="Penalty, as a multiple of what noise alone would need."
    )
    damping: float = field("damping", ge=0, le=1000, description="Ratings at the mean that are added to each bias.")
    epochs: int = field("epochs", ge=1, le=2, description="1 learns biases alone, 2 factors as well.")
    source: Literal["store", "table"] = field(
        "source", description="Ratings to learn: the store's, or the table outside Marquee of MARQUEE_SPARK_RATINGS."
    )
    patience: Patience = field("patience")
    seed: Seed = field("seed")


class SparkALS(Factorization):
    """A factorisation learned by Spark's ALS on what mean and biases leave of the ratings.

    The first epoch learns biases, as shrunken means. The second learns factors on the rest by alternating ridge
    regressions whose penalty grows with the number of ratings: Zhou, Wilkinson, Schreiber and Pan, "Large-scale
    parallel collaborative filtering for the Netflix Prize" (AAIM 2008). If it predicts the validation part worse, the
    version has biases alone. The job is ``cluster/als_job.py``; it runs outside this process.
    """

    config: SparkALSConfig
    config_type = SparkALSConfig

    def __init__(self, config: SparkALSConfig | None = None) -> None:
        self.config = config or SparkALSConfig()

    def epochs(self, data: Interactions) -> Generator[float | str, None, None]:
        """Train on Spark.

        Raises:
            ClusterFailed: no job can run, or it ended without a result; the message has the reason.
        """
        self.begin(data)
        config, doing = self.config, "Starting Spark"
        yield doing
        with spark.job_on(spark.current()) as job:
            job.write_ratings(data.users, data.items, data.ratings)
            for said in job.run(
                factors=config.factors,
                turns=config.turns,
                regularization=config.regularization,
                damping=config.damping,
                epochs=config.epochs,
                seed=config.seed,
            ):
                if "epoch" not in said:
                    doing = said.get("step", doing)
                    yield doing
                    continue
                self._read(job, said["epoch"], said["mean"], data)
                if said["epoch"] == BIASES:
                    self.penalties_ = self.learn_penalties(data, said["penalty"])
                yield self._loss(data)

    def _read(self, job: spark.Job, epoch: int, mean: float, data: Interactions) -> None:
        """Take what an epoch learned."""
        self.mean_ = mean
        self.user_bias_, users = job.read_side(epoch, "users", data.n_users)
        self.movie_bias_, movies = job.read_side(epoch, "movies", data.n_movies)
        if epoch == BIASES:
            users, movies = (np.zeros((n, self.config.factors), np.float32) for n in (data.n_users, data.n_movies))
        self.user_factors_, self.movie_factors_ = users, movies

    def _loss(self, data: Interactions) -> float:
        """Mean squared training error."""
        learned = self.user_bias_, self.movie_bias_, self.user_factors_, self.movie_factors_
        total = 0.0
        for start in range(0, len(data), AT_ONCE):
            rows = slice(start, start + AT_ONCE)
            found = predict_pairs(data.users[rows], data.items[rows], self.mean_, *learned, -np.inf, np.inf)
            total += float(np.sum((found - data.ratings[rows]).astype(np.float64) ** 2))
        return total / max(len(data), 1)

    def adopt_movies(
        self,
        mean: float,
        movies: tuple[Float32, Float32],
        sample: Interactions,
        given: tuple[float, float],
        each: float,
    ) -> None:
        """Take what was learned of movies elsewhere; no user is known.

        Args:
            mean: of all ratings.
            movies: float32[n_movies] and float32[n_movies, factors], biases and factors.
            sample: all ratings of some users, from which folding in learns its priors.
            given: lowest and highest rating that was learned.
            each: penalty of a rating.
        """
        self.begin(sample)
        self.mean_, self.given_ = mean, given
        self.movie_bias_, self.movie_factors_ = movies
        self.user_bias_, self.user_factors_ = np.zeros(0, np.float32), np.zeros((0, movies[1].shape[1]), np.float32)
        self.penalties_ = self.learn_penalties(sample, each)

    def learn_penalties(self, data: Interactions, each: float) -> tuple[Penalty, Penalty]:
        """Penalties for folding in users, and movies, from users and movies kept out of a small factorisation."""
        config, (low, high) = self.config, data.scale
        width = (high - low) / USUAL_WIDTH if high > low else 1.0
        start, kept_out = Penalty(config.damping, FACTORS * width, 0.0, each), KeptOut.draw(data, config.seed)
        if not len(kept_out.learned):
            return start, start
        biases = learn_biases(kept_out.learned, config.damping)
        left = biases.residuals(kept_out.learned)
        users, movies = learn_factors(kept_out.learned, left, config.factors, config.turns, each, config.seed)
        sides = Side(biases.movies, movies), Side(biases.users, users)
        return (
            learn_prior(kept_out.of_users, sides[0], biases.mean, start, movies=False),
            learn_prior(kept_out.of_movies, sides[1], biases.mean, start, movies=True),
        )
