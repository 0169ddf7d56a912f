"""Runs on Spark are refused where it is missing, and cancelled with their job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.errors import InvalidInput
from engine.models import spark
from engine.models.spark import Cluster
from engine.runtime import Runtime
from tests.engine.models.test_spark import NONE, cluster, says
from tests.engine.services.conftest import finished, wait_for


@pytest.fixture(autouse=True)
def _own_cluster() -> Iterator[None]:
    yield
    spark.use(None)


def test_no_run_is_ordered_where_spark_is_missing(trained: Runtime, tmp_path: Path) -> None:
    training, tuning = trained.services.training, trained.services.tuning
    spark.use(Cluster("local[*]", str(tmp_path), NONE))
    runs = len(training.runs())
    orders: list[Callable[[], object]] = [
        lambda: training.train_model("als"),
        lambda: training.train_model("svd", ranker={"method": "spark_als"}),
        lambda: tuning.start("als", trials=2),
    ]
    for order in orders:
        with pytest.raises(InvalidInput, match="Run `make spark`"):
            order()
    assert len(training.runs()) == runs


@pytest.mark.parametrize(("model", "ranker"), [("als", {}), ("svd", {"method": "spark_als"})])
def test_a_run_follows_the_job_and_is_cancelled_with_it(
    trained: Runtime, tmp_path: Path, model: str, ranker: dict[str, str]
) -> None:
    training = trained.services.training
    spark.use(cluster(tmp_path, says(step="Learning on Spark") + "\ntime.sleep(600)"))
    run_id = training.train_model(model, {"epochs": 2}, ranker=ranker)
    wait_for(lambda: training.status(run_id).stage == "Learning on Spark")
    training.cancel(run_id)
    assert finished(trained, run_id).state == "cancelled"
    assert trained.services.versions.active().version == 1
    assert not list((tmp_path / "jobs").iterdir())
