"""The contract of rating models, kept by a real Spark; other tests of it have a stand-in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.models import spark
from engine.models.spark import Cluster
from engine.models.spark_als import SparkALS, SparkALSConfig
from tests.engine.models.contract import RatingModelContract


@pytest.mark.long
class TestOnSpark(RatingModelContract):
    model = SparkALS
    config = SparkALSConfig(factors=8, turns=10)
    rmse_below = 0.9

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _real(cls, submit: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        spark.use(Cluster("local[2]", str(tmp_path_factory.mktemp("jobs")), submit))
        yield
        spark.use(None)
