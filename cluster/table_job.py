"""Learn a version of Marquee from a table of ratings that it does not hold, on Apache Spark.

``spark-submit cluster/table_job.py --table PATH --out FOLDER --low LOWEST --high HIGHEST``. The table is Parquet with
the columns ``user``, ``movie`` (any ids), ``rating`` and perhaps ``time`` (Unix seconds, or a timestamp). Of a pair
that occurs twice the latest rating counts. The results are Parquet below ``--out``:

* ``ratings``: ``user`` and ``movie`` as whole numbers in the order of their ids, ``rating``, ``time``, and ``part``:
  each user's last fifth by time is ``test``, the last tenth of the others is ``validation``;
* ``movies``: ``id`` (that number), ``name``, ``count``, and ``weight`` and ``squared``, sums of the weights of ratings;
* ``judged``: as ``als_job.py`` writes, from what is held out neither to test nor to validate;
* ``calibration``: ``predicted``, ``actual``, ``user_count`` and ``movie_count`` of some ratings to validate;
* ``final`` and ``ranker``: as ``als_job.py`` writes, from all ratings: of ratings, and of who rated what;
* ``sample``: all ratings of some users.

Lines of the output are those of ``als_job.py``, and with ``part`` (``judged``, ``final`` or ``ranker``) what follows is
of it; ``chosen`` is the epoch that predicts the ratings to validate best. ``table`` has the numbers of ratings, users
and movies, the lowest and highest rating in it, and the ``range`` of those that are not rare.
"""

from __future__ import annotations

import argparse
import sys
from argparse import Namespace

import als_job
from jobs import run, tell
from lists_job import named_ratings
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F  # noqa: N812  # as everybody calls it

TEST_PART, VALIDATION_PART = 0.2, 0.1
ORDERED = 0.5
"""Share of the ratings from which known times tell what came when."""
UNKNOWN = -(2**63)
"""Time of a rating without one: before all others."""
RARE = 0.005
"""Share of the ratings beyond which the lowest and the highest count as rare."""
ACCURACY = 1_000_000
"""Ratings out of which one may be misplaced where the range in use is found."""
FULL = 0.75
"""Place in the range of ratings that are used from which a rating has a weight of 1 and more."""
IN_SAMPLE = 300_000
IN_CALIBRATION = 100_000
"""Ratings in these tables, about."""


def parser() -> argparse.ArgumentParser:
    """The options; others are those of ``als_job.py``."""
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--table", required=True, help="Parquet table: user, movie, rating and perhaps time")
    found.add_argument("--out", required=True, help="folder for the results")
    found.add_argument("--low", type=float, required=True, help="lowest rating of the scale")
    found.add_argument("--high", type=float, required=True, help="highest rating of the scale")
    found.add_argument("--power", type=float, default=2.0, help="weight of high ratings over low ones (2)")
    found.add_argument("--ranker-factors", type=int, default=64, help="length of the ranker's vectors (64)")
    found.add_argument("--ranker-turns", type=int, default=10, help="turns of the ranker (10)")
    found.add_argument("--ranker-regularization", type=float, default=0.45, help="of the ranker, as of als_job.py")
    found.add_argument("--confidence", type=float, default=3.0, help="weight of a rated movie (3)")
    found.add_argument("--owner", type=int, default=0, help="end once the process of this number has gone")
    return found


def mix(bits: Column) -> Column:
    """Numbers as good as random, each from its own bits alone: SplitMix64, as in Marquee; products overflow."""
    bits = bits + F.lit(0x9E3779B97F4A7C15 - 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        bits = bits.bitwiseXOR(F.shiftrightunsigned(bits, shift)) * F.lit(factor - 2**64)
    return bits.bitwiseXOR(F.shiftrightunsigned(bits, 31))


def hash_pairs(user: Column, movie: Column) -> Column:
    """A number of each pair, the same as that by which Marquee orders ratings of equal times."""
    pair = F.shiftleft(user.cast("long"), 32).bitwiseOR(movie.cast("long"))
    return mix(pair + mix(F.lit(0).cast("long")))


def split(ratings: DataFrame) -> DataFrame:
    """The ratings with ``part``: None, ``validation`` or ``test``, by the rule of Marquee's own trainings.

    Times count only if at least half are known and not all are the same. Each user's last fifth (rounded down) is for
    the test, of the rest the last tenth for validation; ratings of equal times are in the order of ``hash_pairs``.
    """
    ends = F.min("time").alias("first"), F.max("time").alias("last"), F.count("time").alias("known")
    found = ratings.agg(*ends, F.count("*").alias("all")).collect()[0]
    tells = found["known"] >= ORDERED * found["all"] and found["known"] and found["first"] < found["last"]
    time = F.coalesce("time", F.lit(UNKNOWN)) if tells else F.lit(0)
    order = Window.partitionBy("user").orderBy(time, hash_pairs(F.col("user"), F.col("movie")))
    placed = ratings.withColumn("_place", F.row_number().over(order) - 1)
    placed = placed.withColumn("_all", F.count("*").over(Window.partitionBy("user")))
    kept = placed.withColumn("_kept", F.col("_all") - F.floor(F.col("_all") * F.lit(TEST_PART)))
    fitted = F.col("_kept") - F.floor(F.col("_kept") * F.lit(VALIDATION_PART))
    part = F.when(F.col("_place") >= F.col("_kept"), "test").when(F.col("_place") >= fitted, "validation")
    return kept.withColumn("part", part).drop("_place", "_all", "_kept")


def read(spark: SparkSession, options: Namespace) -> DataFrame:
    """``user`` and ``movie`` as text, ``rating`` and ``time``, each pair once.

    Raises:
        ValueError: a column is missing, there are no ratings, or one is outside the scale.
    """
    table = spark.read.parquet(options.table)
    missing = [name for name in ("user", "movie", "rating") if name not in table.columns]
    if missing:
        raise ValueError(f"the table {options.table} has no column {', '.join(missing)}")
    found = named_ratings(table)
    low, high = found.agg(F.min("rating"), F.max("rating")).collect()[0]
    if low is None:
        raise ValueError(f"the table {options.table} has no ratings")
    if not options.low <= low <= high <= options.high:
        scale = f"{options.low:g} to {options.high:g}"
        raise ValueError(f"the table has ratings from {low:g} to {high:g}, but the scale of the store is {scale}")
    return found


def number(spark: SparkSession, names: DataFrame) -> DataFrame:
    """The distinct names with ``id``: whole numbers in the order of the names, from 0."""
    ordered = names.distinct().orderBy("name").rdd.map(lambda row: row[0]).zipWithIndex()
    return spark.createDataFrame(ordered, "name string, id long")


def weigh(ratings: DataFrame, power: float, low: float, high: float) -> DataFrame:
    """The ratings with ``weight``: how far each shows that the user likes such movies, by the range in use."""
    if low == high:
        return ratings.withColumn("weight", F.lit(1.0))
    inside = F.greatest(F.least(F.col("rating"), F.lit(high)), F.lit(low))
    return ratings.withColumn("weight", F.pow((inside - low) / ((high - low) * FULL), F.lit(power)))


def sample(ratings: DataFrame, total: int, wanted: int, by: Column) -> DataFrame:
    """Ratings whose hash of ``by`` is small, about as many as wanted."""
    share = min(wanted / total, 1.0)
    return ratings.where(F.pmod(mix(by.cast("long")), F.lit(1_000_000)) < F.lit(int(share * 1_000_000)))


def calibrate(spark: SparkSession, options: Namespace, ratings: DataFrame, mean: float, total: int) -> None:
    """Write some ratings to validate beside what was predicted of them without having learned them."""
    epoch = f"{options.out}/judged/epoch={options.epochs}"
    learned = als_job.Learned(mean, *(spark.read.parquet(f"{epoch}/{side}") for side in ("users", "movies")))
    rows = ratings.where(F.col("part") == "validation")
    few = sample(rows, max(int(total * (1 - TEST_PART) * VALIDATION_PART), 1), IN_CALIBRATION, F.col("user"))
    counts = [side.select(F.col("id").alias(name), F.col("count").alias(f"{name}_count"))
              for name, side in (("user", learned.users), ("movie", learned.movies))]  # fmt: skip
    found = learned.expect(few).join(counts[0], "user", "left").join(counts[1], "movie", "left")
    predicted = F.greatest(F.least(F.col("expected"), F.lit(options.high)), F.lit(options.low))
    found.select(
        predicted.cast("float").alias("predicted"),
        F.col("rating").cast("float").alias("actual"),
        F.coalesce("user_count", F.lit(0)).alias("user_count"),
        F.coalesce("movie_count", F.lit(0)).alias("movie_count"),
    ).write.parquet(f"{options.out}/calibration")


def choose(spark: SparkSession, judged: Namespace) -> int:
    """The epoch with the lowest error on the ratings to validate; the last one where there are none."""
    metrics = spark.read.parquet(f"{judged.out}/metrics").where("part = 'validation' and name = 'rmse'")
    found = metrics.orderBy("value", "epoch").select("epoch").first()
    return judged.epochs if found is None else int(found[0])


def prepare(spark: SparkSession, options: Namespace) -> tuple[DataFrame, int]:
    """Number users and movies, hold ratings out, and write that; returns the ratings and their number."""
    tell(step="Reading the table on Spark")
    named = read(spark, options).persist()
    sides = {side: number(spark, named.select(F.col(side).alias("name"))).persist() for side in ("user", "movie")}
    for side, numbers in sides.items():
        renamed = numbers.select(F.col("name").alias(side), F.col("id").alias(f"{side}_id"))
        named = named.join(renamed, side)
    columns = F.col("user_id").alias("user"), F.col("movie_id").alias("movie"), "rating", "time"
    split(named.select(*columns)).write.parquet(f"{options.out}/ratings")
    written = spark.read.parquet(f"{options.out}/ratings")
    total, lowest, highest = written.agg(F.count("*"), F.min("rating"), F.max("rating")).collect()[0]
    used = written.select(F.percentile_approx("rating", [RARE, 1 - RARE], ACCURACY)).collect()[0][0]
    ratings = weigh(written, options.power, *used)
    counts = ratings.groupBy(F.col("movie").alias("id")).agg(
        F.count("*").alias("count"), F.sum("weight").alias("weight"), F.sum(F.pow("weight", F.lit(2))).alias("squared")
    )
    sides["movie"].join(counts, "id").write.parquet(f"{options.out}/movies")
    sizes = {"ratings": total, "users": sides["user"].count(), "movies": sides["movie"].count()}
    tell(table=sizes | {"lowest": lowest, "highest": highest, "range": used})
    return ratings, total


def learn(spark: SparkSession, options: Namespace, rest: list[str]) -> None:
    """Hold out, learn and evaluate, then learn all."""
    spark.conf.set("spark.sql.ansi.enabled", "false")  # the products of a hash overflow
    ratings, total = prepare(spark, options)

    def job(folder: str, table: DataFrame | None, **changed: float) -> Namespace:
        where = f"{options.out}/ratings"
        if table is not None:
            where = f"{options.out}/{folder}-ratings"
            table.write.parquet(where)
        found = als_job.parser().parse_args([*rest, "--ratings", where, "--out", f"{options.out}/{folder}"])
        return Namespace(**vars(found) | changed)

    tell(part="judged")
    judged = job("judged", None)
    mean = als_job.learn(spark, judged)
    tell(step="Evaluating on Spark")
    options.epochs = choose(spark, judged)
    tell(chosen=options.epochs)
    calibrate(spark, options, ratings, mean, total)
    sample(ratings, total, IN_SAMPLE, F.col("user")).select("user", "movie", "rating", "time").write.parquet(
        f"{options.out}/sample"
    )
    tell(part="final")
    als_job.learn(spark, job("final", ratings.select("user", "movie", "rating")))
    ranker = {
        "factors": options.ranker_factors,
        "turns": options.ranker_turns,
        "regularization": options.ranker_regularization,
        "confidence": options.confidence,
    }
    weights = ratings.select("user", "movie", F.col("weight").alias("rating"))
    tell(part="ranker")
    als_job.learn(spark, job("ranker", weights, **ranker))


def main(arguments: list[str]) -> int:
    """Run the job; 1 if it failed, with the reason as the last line of the output."""
    options, rest = parser().parse_known_args(arguments)
    return run(options.owner, lambda spark: learn(spark, options, rest))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
