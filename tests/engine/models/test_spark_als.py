"""The model that is learned on Spark keeps the contract; here a stand-in on one machine runs its job."""

from __future__ import annotations

from engine.models.spark_als import SparkALS, SparkALSConfig
from tests.engine.models.contract import RatingModelContract


class TestSparkALS(RatingModelContract):
    model = SparkALS
    config = SparkALSConfig(factors=8, turns=10)
    rmse_below = 0.9
