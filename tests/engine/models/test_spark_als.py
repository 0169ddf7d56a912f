"""The model that is learned on Spark keeps the contract; here a stand-in on one machine runs its job."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.data.ratings import Interactions
from engine.models import spark
from engine.models.spark import Cluster
from engine.models.spark_als import SparkALS, SparkALSConfig
from tests.cluster import stand_in
from tests.engine.models.contract import RatingModelContract


class TestSparkALS(RatingModelContract):
    model = SparkALS
    config = SparkALSConfig(factors=8, turns=10)
    rmse_below = 0.9


def test_a_job_in_a_process_of_its_own_gives_the_same(small: Interactions, tmp_path: Path) -> None:
    here = SparkALS(SparkALSConfig(factors=2, turns=3)).fit(small).arrays()
    spark.use(Cluster("local[1]", str(tmp_path), stand_in.COMMAND))
    try:
        there = SparkALS(SparkALSConfig(factors=2, turns=3)).fit(small).arrays()
    finally:
        spark.use(None)
    assert all(np.array_equal(array, there[name]) for name, array in here.items())
    assert not list(tmp_path.iterdir())
