"""Make everybody's list on Apache Spark, from what was learned before.

``spark-submit cluster/lists_job.py --learned FOLDER --ratings FOLDER --lists-out FOLDER``. In ``--learned`` are
Parquet tables ``users`` and ``movies`` with ``id`` (a whole number), ``name``, ``bias`` and ``factors``, and of movies
``title``; ``--ratings`` has ``user`` and ``movie``, their numbers. With ``--table PATH`` in place of ``--ratings``
there are no users: ``--table`` has ``user`` and ``movie`` (the names), ``rating`` and perhaps ``time``, and everybody
in it is folded in by ridge regression, with ``--fold`` as its penalties. Movies that are not in ``movies`` may be
rated.

The lists are Parquet with ``user_id``, ``rank`` from 1, ``movie_id``, ``title``, ``score`` and ``predicted_rating``,
the last two of which are the same: the movies with the highest predicted ratings, without those that the user rated.
Ties go to the lower number.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jobs import run as run_job
from jobs import tell
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F  # noqa: N812  # as everybody calls it

UNBOUNDED = float("-inf"), float("inf")


def parser() -> argparse.ArgumentParser:
    """The options."""
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--learned", required=True, help="folder with users and movies as learned before")
    found.add_argument("--lists-out", required=True, help="folder for the lists")
    found.add_argument("--lists", type=int, default=10, help="maximum length of a list (10)")
    whose = found.add_mutually_exclusive_group(required=True)
    whose.add_argument("--ratings", help="Parquet table: user and movie, as numbers")
    whose.add_argument("--table", help="Parquet table: user and movie, as names, rating and perhaps time")
    found.add_argument("--fold", default="8,8,0,0", help="penalty of a bias, a factor, and of each by rating (8,8,0,0)")
    found.add_argument("--mean", type=float, default=0.0, help="mean rating of what was learned (0)")
    found.add_argument("--low", type=float, default=UNBOUNDED[0], help="lowest rating of the scale (none)")
    found.add_argument("--high", type=float, default=UNBOUNDED[1], help="highest rating of the scale (none)")
    found.add_argument("--out", help="not used")
    found.add_argument("--owner", type=int, default=0, help="end once the process of this number has gone")
    return found


@dataclass(frozen=True)
class Catalogue:
    """All movies, on every worker: int64[m], their numbers in order; float32[m, 1 + factors], bias and factors."""

    ids: NDArray[np.int64]
    vectors: NDArray[np.float32]

    @classmethod
    def of(cls, movies: DataFrame) -> Catalogue:
        """From ``id``, ``bias`` and ``factors``."""
        rows = movies.select("id", "bias", "factors").orderBy("id").collect()
        return cls(np.array([row.id for row in rows]), np.array([[row.bias, *row.factors] for row in rows], np.float32))


def make_lists(
    spark: SparkSession,
    users: DataFrame,
    catalogue: Catalogue,
    mean: float,
    length: int,
    ends: tuple[float, float] = UNBOUNDED,
) -> DataFrame:
    """``user``, ``rank``, ``movie`` and ``score``, made where the users are.

    Args:
        spark: the session.
        users: ``id``, ``bias``, ``factors`` and ``rated``.
        catalogue: all movies.
        mean: of all ratings.
        length: at most, of a list.
        ends: lowest and highest score.
    """
    tell(step="Making everybody's list on Spark")
    shared = spark.sparkContext.broadcast((catalogue.ids, catalogue.vectors))
    lists = users.rdd.mapPartitions(lambda part: best_of(part, *shared.value, mean, length, ends))
    return spark.createDataFrame(lists, "user long, rank int, movie long, score double")


def write_named_lists(spark: SparkSession, options: argparse.Namespace) -> None:
    """Write everybody's list from what was learned of them, by names."""
    users, movies = (spark.read.parquet(f"{options.learned}/{side}") for side in ("users", "movies"))
    listed = F.broadcast(movies.select(F.col("id").alias("movie")))
    ratings = spark.read.parquet(options.ratings).join(listed, "movie", "left_semi")
    rated = ratings.groupBy(F.col("user").alias("id")).agg(F.collect_list("movie").alias("rated"))
    users = users.repartition(spark.sparkContext.defaultParallelism)
    theirs = users.select("id", "bias", "factors").join(rated, "id")
    ends = options.low, options.high
    lists = make_lists(spark, theirs, Catalogue.of(movies), options.mean, options.lists, ends)
    people = users.select(F.col("id").alias("user"), F.col("name").alias("user_id"))
    write_by_name(options, lists.join(people, "user"), movies)


def write_by_name(options: argparse.Namespace, lists: DataFrame, movies: DataFrame) -> None:
    """Write lists that have ``user_id`` with the ids and titles of movies."""
    named = F.broadcast(movies.select(F.col("id").alias("movie"), F.col("name").alias("movie_id"), "title"))
    found = lists.join(named, "movie").withColumn("score", F.col("score").cast("float"))
    found = found.withColumn("predicted_rating", F.col("score"))
    columns = "user_id", "rank", "movie_id", "title", "score", "predicted_rating"
    found.select(*columns).sortWithinPartitions("user_id", "rank").write.parquet(options.lists_out)


def write_folded_lists(spark: SparkSession, options: argparse.Namespace) -> None:
    """Write the list of everybody in a table, folded in where their ratings are."""
    movies = spark.read.parquet(f"{options.learned}/movies")
    catalogue = Catalogue.of(movies)
    shared = spark.sparkContext.broadcast((catalogue.ids, catalogue.vectors))
    mean, length, ends = options.mean, options.lists, (options.low, options.high)
    penalties = tuple(float(one) for one in options.fold.split(","))
    rated = named_ratings(spark.read.parquet(options.table)).withColumnRenamed("movie", "name")
    known = rated.join(F.broadcast(movies.select(F.col("id").alias("movie"), "name")), "name")
    users = known.groupBy(F.col("user").alias("id")).agg(F.collect_list(F.struct("movie", "rating")).alias("rated"))
    users = users.persist()
    tell(users=users.count())
    tell(step="Making everybody's list on Spark")
    lists = users.rdd.mapPartitions(
        lambda part: best_of(
            (fold_in(row, *shared.value, mean, penalties) for row in part), *shared.value, mean, length, ends
        )
    )
    write_by_name(options, spark.createDataFrame(lists, "user_id string, rank int, movie long, score double"), movies)


def named_ratings(table: DataFrame) -> DataFrame:
    """``user`` and ``movie`` as text, ``rating`` and ``time`` (null where unknown): of each pair the latest."""
    time = F.col("time").cast("long") if "time" in table.columns else F.lit(None).cast("long")
    ids = (F.col(side).cast("string").alias(side) for side in ("user", "movie"))
    rows = table.select(*ids, F.col("rating").cast("double").alias("rating"), time.alias("time"))
    rows = rows.where(~F.isnan("rating")).dropna(subset=["user", "movie", "rating"])
    newest = F.max(F.struct("time", "rating")).alias("newest")
    return rows.groupBy("user", "movie").agg(newest).select("user", "movie", "newest.rating", "newest.time")


def fold_in(
    user: Row, ids: NDArray[np.int64], movies: NDArray[np.float32], mean: float, penalties: tuple[float, ...]
) -> Row:
    """A user's ridge regression on biases and factors of movies: ``id``, ``bias``, ``factors`` and ``rated``."""
    rated = np.array([one.movie for one in user.rated])
    theirs = movies[np.searchsorted(ids, rated)].astype(np.float64)
    wanted = np.array([one.rating for one in user.rated]) - mean - theirs[:, 0]
    theirs[:, 0] = 1
    bias, factor, bias_each, factor_each = penalties
    diagonal = np.full(theirs.shape[1], max(factor + factor_each * len(rated), 1e-6))
    diagonal[0] = max(bias + bias_each * len(rated), 1e-6)
    solved = np.linalg.solve(theirs.T @ theirs + np.diag(diagonal), theirs.T @ wanted)
    return Row(id=user.id, bias=float(solved[0]), factors=solved[1:], rated=rated)


def best_of(
    users: Iterable[Row],
    ids: NDArray[np.int64],
    movies: NDArray[np.float32],
    mean: float,
    length: int,
    ends: tuple[float, float],
) -> Iterator[tuple[Any, int, int, float]]:
    """User, rank, movie and score of the places of each user's list.

    Args:
        users: with ``id``, ``bias``, ``factors`` and ``rated``, the ids of what they rated.
        ids: int64[m] in order, the ids of the movies.
        movies: float32[m, 1 + factors].
        mean: of all ratings.
        length: at most, of a list.
        ends: lowest and highest score.
    """
    length = min(length, len(ids))
    for user in users:
        vector = np.array([1.0, *user.factors], np.float32)
        scores = np.clip(mean + user.bias + (movies @ vector).astype(np.float64), *ends)
        scores[np.searchsorted(ids, user.rated)] = -np.inf
        enough = np.flatnonzero(scores >= -np.partition(-scores, length - 1)[length - 1])
        order = enough[np.argsort(-scores[enough], kind="stable")][:length]
        for rank, place in enumerate(order[np.isfinite(scores[order])].tolist(), start=1):
            yield user.id, rank, int(ids[place]), float(scores[place])


def main(arguments: list[str]) -> int:
    """Run the job; 1 if it failed, with the reason as the last line of the output."""
    options = parser().parse_args(arguments)
    work = write_folded_lists if options.table else write_named_lists
    return run_job(options.owner, lambda spark: work(spark, options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
