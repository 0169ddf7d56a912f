"""Learn factors of users and movies from a table of ratings on Apache Spark.

It stands alone: ``spark-submit cluster/als_job.py --ratings FOLDER --out FOLDER``. Ratings are Parquet with the columns
``user`` and ``movie`` (whole numbers), ``rating``, and perhaps ``part``: rows of the parts ``validation`` and ``test``
are evaluated, all others are learned. The results are Parquet below ``--out``:

* ``epoch=1/users`` and ``epoch=1/movies``: ``id``, ``count``, ``bias`` and ``factors``, which are empty: biases alone;
* ``epoch=2/users`` and ``epoch=2/movies``: the same with factors;
* ``metrics``, if there is a part to evaluate: ``epoch``, ``part``, ``name`` and ``value``;
* ``lists``, with ``--lists`` above 0: ``user``, ``rank`` from 1, ``movie`` and ``score``, for every user of the table:
  the movies with the highest scores, without those that the user rated; ties go to the lower id.

With ``--confidence`` above 0 there are no biases: ``rating`` is the weight of what was rated, beside all that was not.

Each line of the output is a JSON object: ``{"step": words}``, ``{"epoch": number, "mean": ..., "penalty": ...}``, and
at the end ``{"done": true}`` or ``{"failed": reason}``.
"""

from __future__ import annotations

import argparse
import sys
import threading
from dataclasses import dataclass

import jobs
import lists_job
from jobs import tell
from pyspark.ml.recommendation import ALS, ALSModel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812  # as everybody calls it

SWEEPS = 3
"""Turns in which the biases of movies and users settle."""
UNIT = 1e6
"""Sums are of whole millionths, since those are the same in any order."""
DIGITS = 6
"""Digits of the penalty."""
RATINGS_IN_PART = 250_000
"""Ratings that one task works on, at least."""
TURNS_KEPT = 5
"""Turns after which the factors are written down: Spark would otherwise remember how each turn came from the last."""
HELD_OUT = ("validation", "test")


def parser() -> argparse.ArgumentParser:
    """The options."""
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--ratings", required=True, help="Parquet table: user, movie, rating and perhaps part")
    found.add_argument("--out", required=True, help="folder for the results")
    found.add_argument("--factors", type=int, default=20, help="length of each vector (20)")
    found.add_argument("--turns", type=int, default=10, help="turns, each over all movies and all users (10)")
    found.add_argument(
        "--regularization", type=float, default=0.45, help="penalty, as a multiple of what noise would need (0.45)"
    )
    found.add_argument("--damping", type=float, default=5.0, help="ratings at 0 added to each bias (5)")
    found.add_argument("--confidence", type=float, default=0.0, help="above 0: learn who rated what, without biases")
    found.add_argument("--blocks", type=int, default=10, help="parts of users, and of movies (10)")
    found.add_argument("--epochs", type=int, default=2, choices=(1, 2), help="1 learns biases alone (2)")
    found.add_argument("--lists", type=int, default=0, help="length of a list for every user (0: none)")
    found.add_argument("--seed", type=int, default=0, help="of the first factors (0)")
    found.add_argument("--owner", type=int, default=0, help="end once the process of this number has gone")
    return found


class Progress:
    """Tells the turns of ALS while they run: Spark numbers its stages, and a turn takes two, of movies and of users."""

    def __init__(self, spark: SparkSession, turns: int) -> None:
        self._tracker, self._turns, self._over = spark.sparkContext.statusTracker(), turns, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Progress:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        first, told = -1, 0
        while not self._over.wait(jobs.LOOK_S):
            newest = max(self._tracker.getActiveStageIds(), default=-1)
            first = newest if first < 0 else first
            turn = min(1 + (newest - first) // 2, self._turns)
            if newest >= 0 and turn > told:
                told = turn
                tell(step=f"Learning factors on Spark, turn {turn} of {self._turns}")


@dataclass
class Learned:
    """What an epoch learned: ``id``, ``count``, ``bias`` and ``factors`` of users, and of movies."""

    mean: float
    users: DataFrame
    movies: DataFrame

    def expect(self, ratings: DataFrame) -> DataFrame:
        """The ratings with ``expected``; an unknown user or movie has neither bias nor factors."""
        users = self.users.select(F.col("id").alias("user"), F.col("bias").alias("_b"), F.col("factors").alias("_f"))
        movies = self.movies.select(F.col("id").alias("movie"), F.col("bias").alias("_c"), F.col("factors").alias("_g"))
        joined = ratings.join(users, "user", "left").join(movies, "movie", "left")
        product = F.aggregate(F.zip_with("_f", "_g", lambda one, other: one * other), F.lit(0.0), lambda a, b: a + b)
        terms = F.coalesce("_b", F.lit(0.0)) + F.coalesce("_c", F.lit(0.0)) + F.coalesce(product, F.lit(0.0))
        return joined.withColumn("expected", F.lit(self.mean) + terms).drop("_b", "_c", "_f", "_g")


def whole(value: Column) -> Column:
    """The sum, the same whatever the order."""
    return F.sum(F.round(value * UNIT).cast("long")) / UNIT


def learn_biases(train: DataFrame, mean: float, damping: float) -> Learned:
    """Shrunken means of what is left of each movie's ratings, then of each user's, in turn."""
    side = {"user": train.select(F.col("user").alias("id")).distinct().withColumn("bias", F.lit(0.0)), "movie": None}
    for _ in range(SWEEPS):
        for one, other in (("movie", "user"), ("user", "movie")):
            theirs = side[other].select(F.col("id").alias(other), F.col("bias").alias("theirs"))
            left = F.col("rating") - F.lit(mean) - F.col("theirs")
            found = train.join(theirs, other).groupBy(F.col(one).alias("id"))
            mean_left = (whole(left) / (F.count("*") + damping)).alias("bias")
            side[one] = found.agg(F.count("*").alias("count"), mean_left).persist()
    nothing = F.array().cast("array<float>").alias("factors")
    return Learned(mean, *(side[one].select("id", "count", "bias", nothing) for one in ("user", "movie")))


def with_factors(biases: DataFrame, factors: DataFrame) -> DataFrame:
    """The same table with the factors that ALS learned."""
    return biases.drop("factors").join(factors.withColumnRenamed("features", "factors"), "id", "left")


def penalty_of(options: argparse.Namespace, ratings: int, users: int, movies: int, spread: float) -> float:
    """The penalty of each rating.

    Noise of this spread in as many ratings, divided by the roots of the mean numbers of ratings of users and movies,
    has singular values of up to ``spread * (1 / sqrt(ratings of a user) + 1 / sqrt(ratings of a movie))``; a penalty of
    that size removes it. The regularization is a multiple of it, so that one value suits data of any size and scale.
    """
    noise = spread * ((users / ratings) ** 0.5 + (movies / ratings) ** 0.5)
    return float(f"{max(options.regularization * noise, 1e-6):.{DIGITS}g}")


def fit(spark: SparkSession, options: argparse.Namespace, target: DataFrame, penalty: float) -> ALSModel:
    """Factors whose products are near the column ``target`` (or near 1, weighted by it)."""
    als = ALS(
        rank=options.factors,
        maxIter=options.turns,
        regParam=penalty,
        numUserBlocks=options.blocks,
        numItemBlocks=options.blocks,
        implicitPrefs=options.confidence > 0,
        alpha=options.confidence or 1.0,
        userCol="user",
        itemCol="movie",
        ratingCol="target",
        seed=options.seed,
        checkpointInterval=TURNS_KEPT,
    )
    spark.sparkContext.setCheckpointDir(f"{options.out}/checkpoints")
    with Progress(spark, options.turns):
        return als.fit(target)


def learn(spark: SparkSession, options: argparse.Namespace) -> float:
    """Read, learn, evaluate and write; returns the mean rating, 0 where there are no biases."""
    tell(step="Reading ratings on Spark")
    table = spark.read.parquet(options.ratings)
    held_out = table.where(F.col("part").isin(*HELD_OUT)) if "part" in table.columns else None
    train = table if held_out is None else table.where(F.col("part").isNull() | ~F.col("part").isin(*HELD_OUT))
    train = train.select("user", "movie", F.col("rating").cast("double").alias("rating")).persist()
    spark.conf.set("spark.sql.shuffle.partitions", str(spark.sparkContext.defaultParallelism))
    ratings, total = train.agg(F.count("*"), whole(F.col("rating"))).collect()[0]
    if not ratings:
        raise ValueError("the table of ratings is empty")
    parts = max(spark.sparkContext.defaultParallelism, ratings // RATINGS_IN_PART)
    spark.conf.set("spark.sql.shuffle.partitions", str(parts))
    if options.confidence > 0:
        learn_choices(spark, options, train, ratings)
        return 0.0
    tell(step="Learning biases on Spark")
    learned = learn_biases(train, total / ratings, options.damping)
    target = (F.col("rating") - F.col("expected")).cast("float").alias("target")
    learned.expect(train).select("user", "movie", target).write.parquet(f"{options.out}/left")
    left = spark.read.parquet(f"{options.out}/left")  # without the memory of how it came about
    spread = (left.agg(whole(F.pow("target", F.lit(2)))).collect()[0][0] / ratings) ** 0.5
    penalty = penalty_of(options, ratings, learned.users.count(), learned.movies.count(), spread)
    finish(options, 1, learned, penalty, held_out)
    if options.epochs > 1:
        tell(step="Learning factors on Spark")
        model = fit(spark, options, left, penalty)
        learned = Learned(
            learned.mean,
            with_factors(learned.users, model.userFactors),
            with_factors(learned.movies, model.itemFactors),
        )
        finish(options, 2, learned, penalty, held_out)
    if options.lists:
        write_lists(spark, options, learned, train)
    return learned.mean


def learn_choices(spark: SparkSession, options: argparse.Namespace, train: DataFrame, ratings: int) -> None:
    """Factors of who rated what: Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback" (2008)."""
    tell(step="Learning factors on Spark")
    users, movies = (train.select(side).distinct().count() for side in ("user", "movie"))
    penalty = penalty_of(options, ratings, users, movies, options.confidence)
    model = fit(spark, options, train.withColumnRenamed("rating", "target"), penalty)
    sides = (factors.withColumnRenamed("features", "factors") for factors in (model.userFactors, model.itemFactors))
    learned = Learned(0.0, *(side.withColumn("bias", F.lit(0.0)) for side in sides))
    learned.movies.select("id", "factors").write.parquet(f"{options.out}/epoch=1/movies")
    tell(epoch=1, mean=0.0, penalty=penalty)
    if options.lists:
        write_lists(spark, options, learned, train)


def finish(
    options: argparse.Namespace, epoch: int, learned: Learned, penalty: float, held_out: DataFrame | None
) -> None:
    """Write what an epoch learned and how well it predicts the ratings held out, and tell of it."""
    learned.users.write.parquet(f"{options.out}/epoch={epoch}/users")
    learned.movies.write.parquet(f"{options.out}/epoch={epoch}/movies")
    if held_out is not None:
        missed = F.col("rating") - F.col("expected")
        errors = (
            learned.expect(held_out)
            .groupBy("part")
            .agg(
                F.count("*").cast("double").alias("ratings"),
                F.sqrt(whole(missed * missed) / F.count("*")).alias("rmse"),
                (whole(F.abs(missed)) / F.count("*")).alias("mae"),
            )
        )
        rows = errors.select(
            F.lit(epoch).alias("epoch"), "part", F.expr("stack(3, 'ratings', ratings, 'rmse', rmse, 'mae', mae)")
        )
        rows.toDF("epoch", "part", "name", "value").write.mode("append").parquet(f"{options.out}/metrics")
    tell(epoch=epoch, mean=learned.mean, penalty=penalty)


def write_lists(spark: SparkSession, options: argparse.Namespace, learned: Learned, train: DataFrame) -> None:
    """Write everybody's list."""
    for module in (jobs, lists_job):
        spark.sparkContext.addPyFile(str(module.__file__))
    rated = train.groupBy(F.col("user").alias("id")).agg(F.collect_list("movie").alias("rated"))
    users = learned.users.select("id", "bias", "factors").join(rated, "id")
    catalogue = lists_job.Catalogue.of(learned.movies)
    lists_job.make_lists(spark, users, catalogue, learned.mean, options.lists).write.parquet(f"{options.out}/lists")


def main(arguments: list[str]) -> int:
    """Run the job; 1 if it failed, with the reason as the last line of the output."""
    options = parser().parse_args(arguments)
    return jobs.run(options.owner, lambda spark: learn(spark, options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
