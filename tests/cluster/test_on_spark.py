"""``als`` on a real Spark: in one process, and on two workers of which one is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from engine.data.ratings import Interactions
from engine.data.splits import split_random
from engine.models import spark
from engine.models.epochs import validation_rmse
from engine.models.rankers import build_ranker, configure_ranker
from engine.models.registry import build, configure
from engine.models.spark import Cluster
from engine.models.spark_als import SparkALS, SparkALSConfig
from engine.runtime import Runtime
from engine.settings import Settings
from tests.cluster.conftest import Workers, wait_for
from tests.conftest import planted
from tests.engine.services.conftest import finished, opened

CONFIG = SparkALSConfig(factors=4, turns=8)
CORNAC_RANK_10 = {"demo": 0.8920, "1m": 0.7514}
"""Test RMSE of Cornac's MF of ten factors, by ``python -m benchmarks peers``: docs/models.md. It is not installed."""
LIMIT_S = 300
CANCEL_S = 15
"""Seconds within which a cancelled job has to be gone: a second to notice, five to end by itself."""


@pytest.fixture(autouse=True)
def _own_cluster() -> Iterator[None]:
    yield
    spark.use(None)


@pytest.fixture(scope="module")
def ratings() -> Interactions:
    return Interactions.from_frame(*planted(n_users=150, per_user=30), scale=(0.5, 5.0))


@pytest.fixture(scope="module")
def here(ratings: Interactions) -> SparkALS:
    """Learned by the stand-in."""
    return SparkALS(CONFIG).fit(ratings)


def is_alike(found: SparkALS, here: SparkALS, ratings: Interactions) -> bool:
    """The first factors differ, so only biases are the same; both end near the same optimum."""
    one, other = (validation_rmse(model, ratings) for model in (found, here))
    return (
        np.allclose(found.user_bias_, here.user_bias_, atol=1e-4)
        and np.allclose(found.movie_bias_, here.movie_bias_, atol=1e-4)
        and abs(one - other) < 0.02
    )


@pytest.mark.long
def test_two_workers_learn_what_one_machine_does_and_one_may_die(
    two_workers: Workers, submit: str, ratings: Interactions, here: SparkALS, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    two_workers.revive()
    spark.use(two_workers.cluster(submit, tmp_path))
    first, second = two_workers.processes
    model, said = SparkALS(CONFIG), []
    for item in model.epochs(ratings):
        said.append(item)
        if item == "Learning biases on Spark" and first.poll() is None:
            executors = [each for each in psutil.Process(first.pid).children() if each.is_running()]
            assert executors, "the worker has no part in it"
            Workers.kill(first)
    assert sum(isinstance(item, float) for item in said) == 2
    assert first.returncode == -signal.SIGKILL
    assert second.poll() is None
    assert is_alike(model, here, ratings)
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_implicit_factors_are_those_of_the_definition(submit: str, ratings: Interactions, tmp_path: Path) -> None:
    config = configure_ranker({"method": "spark_als", "factors": 4, "epochs": 20, "min_ratings": 1})
    here = build_ranker(config).fit(ratings)
    spark.use(Cluster("local[2]", str(tmp_path), submit))
    found = build_ranker(config).fit(ratings)
    scores = [np.array([ranker.score_user(user) for user in range(30)]) for ranker in (found, here)]
    assert np.corrcoef(scores[0].ravel(), scores[1].ravel())[0, 1] > 0.98
    assert np.abs(scores[0]).mean() == pytest.approx(np.abs(scores[1]).mean(), rel=0.1)


@pytest.fixture
def demo(submit: str, tmp_path: Path) -> Iterator[Runtime]:
    """The demo and its first version, with Spark on two cores."""
    url = f"sqlite:///{tmp_path}/marquee.db"
    settings = Settings(database_url=url, demo=False, spark_master="local[2]", spark_submit=submit)
    with opened(settings) as runtime:
        runtime.services.imports.import_demo()
        wait_for(lambda: runtime.services.versions.active() is not None, LIMIT_S)
        yield runtime


def ended(runtime: Runtime, run_id: int) -> Any:
    wait_for(lambda: runtime.services.training.status(run_id).state.is_finished, LIMIT_S)
    return finished(runtime, run_id)


@pytest.mark.long
def test_a_version_of_the_demo_is_judged_promoted_and_serves(demo: Runtime) -> None:
    services, said = demo.services, set()
    run_id = services.training.train_model("als", {}, "if_better")
    wait_for(
        lambda: said.add(services.training.status(run_id).stage) or services.training.status(run_id).state.is_finished,
        LIMIT_S,
    )
    run = ended(demo, run_id)
    assert run.state == "succeeded", run.error
    assert {"Starting Spark", "Learning biases on Spark"} <= said
    assert run.judgement is not None
    assert run.verdict
    assert not list(Path(spark.current().path).iterdir())
    assert abs(run.metrics["rmse"].value - run.before["rmse"].value) < 0.02, "svd of 128 factors is as good"
    services.versions.activate(run.version, reason="A test.")
    listed = services.recommendations.recommend("1").items
    assert len(listed) == 10
    found = services.recommendations.explain("1", listed[0].movie_id)
    parts = found.baseline + sum(one.share for one in found.contributions) + found.residual
    assert parts == pytest.approx(found.score, abs=1e-4)
    rating = found.rating
    parts = rating.baseline + sum(one.share for one in rating.contributions) + rating.residual
    assert parts == pytest.approx(rating.predicted_rating, abs=1e-4)
    assert rating.method == "exact"
    before = services.recommendations.predict([("somebody new", listed[1].movie_id)]).predictions[0]
    for movie in listed[2:6]:
        services.ratings.rate("somebody new", movie.movie_id, 5.0)
    after = services.recommendations.predict([("somebody new", listed[1].movie_id)]).predictions[0]
    assert after.predicted_rating > before.predicted_rating


@pytest.mark.slow
def test_a_killed_driver_fails_the_run_and_the_active_version_serves_on(
    submit: str, ratings: Interactions, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from tests.engine.services.conftest import trained_store

    url = f"sqlite:///{tmp_path}/marquee.db"
    settings = Settings(database_url=url, demo=False, spark_master="local[2]", spark_submit=submit)
    with opened(settings, trained_store(tmp_path_factory)) as runtime:
        training = runtime.services.training
        run_id = training.train_model("als", {"turns": 50})
        wait_for(lambda: "biases" in training.status(run_id).stage, LIMIT_S)
        drivers = [each for each in psutil.Process(os.getpid()).children() if "SparkSubmit" in " ".join(each.cmdline())]
        assert len(drivers) == 1
        drivers[0].kill()
        run = ended(runtime, run_id)
        assert (run.state, run.version) == ("failed", None)
        assert run.error == "The job on Spark failed: its driver was killed by signal SIGKILL."
        assert len(runtime.services.recommendations.recommend("u1").items) == 10
        assert runtime.services.versions.active().version == 1
        assert not list(Path(spark.current().path).iterdir())


@pytest.mark.long
def test_on_the_demo_it_is_no_worse_than_cornac_and_the_same_each_time(submit: str, tmp_path: Path) -> None:
    from benchmarks.data import demo_interactions

    spark.use(Cluster("local[2]", str(tmp_path), submit))
    split = split_random(demo_interactions(), 0.2, 0)
    first, second = (build(configure("als", {"factors": 10})).fit(split.train) for _ in range(2))
    assert validation_rmse(first, split.test) < CORNAC_RANK_10["demo"] + 0.01
    again = second.arrays()
    assert all(np.array_equal(array, again[name]) for name, array in first.arrays().items())


@pytest.mark.long
def test_spark_writes_the_lists_of_requests_and_cancelling_ends_all_of_its_processes(
    submit: str, tmp_path: Path
) -> None:
    from tests.engine.services.conftest import train_first
    from tests.engine.services.test_spark_lists import assert_same_as_requests, written
    from tests.engine.services.test_spark_lists import ended as job_ended

    stand_in = Settings(database_url=f"sqlite:///{tmp_path}/marquee.db", demo=False)
    with opened(stand_in) as runtime:
        train_first(runtime)
        assert ended(runtime, runtime.services.training.train_model("als", {"factors": 4}, "always")).version == 2
        spark.use(Cluster("local[2]", spark.current().path, submit))
        lists = runtime.services.spark_lists
        job = job_ended(runtime, lists.write(5))
        assert_same_as_requests(runtime, written(job), 5)

        job_id = lists.write(5)
        wait_for(drivers, LIMIT_S)
        running = drivers()
        lists.cancel(job_id)
        assert job_ended(runtime, job_id).state == "cancelled"
        assert not any(is_alive(each) for each in running)
        assert [str(one) for one in Path(spark.current().path).iterdir()] == [job.lists.path]


def drivers() -> list[psutil.Process]:
    """The processes of jobs that this one started, with all that they started."""
    mine = psutil.Process(os.getpid()).children()
    found = [each for each in mine if "SparkSubmit" in " ".join(each.cmdline())]
    return found + [child for each in found for child in each.children(recursive=True)]


def is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@pytest.mark.long
@pytest.mark.parametrize(("model", "ranker"), [("als", {}), ("svd", {"method": "spark_als", "epochs": 100})])
def test_cancelling_a_training_ends_all_processes_of_its_job(
    submit: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, model: str, ranker: dict[str, Any]
) -> None:
    from tests.engine.services.conftest import trained_store

    url = f"sqlite:///{tmp_path}/marquee.db"
    settings = Settings(database_url=url, demo=False, spark_master="local[2]", spark_submit=submit)
    with opened(settings, trained_store(tmp_path_factory)) as runtime:
        training = runtime.services.training
        run_id = training.train_model(model, {"turns": 100} if model == "als" else {"epochs": 3}, ranker=ranker)
        wait_for(lambda: "Learning factors on Spark, turn" in training.status(run_id).stage, LIMIT_S)
        running = drivers()
        assert len(running) > 1, "Spark's Java, and the job's Python"
        training.cancel(run_id)
        wait_for(lambda: training.status(run_id).state.is_finished, CANCEL_S)
        assert finished(runtime, run_id).state == "cancelled"
        assert not any(is_alive(each) for each in running)
        assert not drivers()
        assert not list(Path(spark.current().path).iterdir())
        assert runtime.services.versions.active().version == 1


@pytest.mark.long
@pytest.mark.parametrize("size", CORNAC_RANK_10)
def test_two_workers_are_within_a_hundredth_of_cornac_at_equal_rank(
    two_workers: Workers, submit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    from benchmarks.peers.problems import pose

    two_workers.revive()
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    spark.use(two_workers.cluster(submit, tmp_path))
    problem = pose(size, n_users=1)
    model = build(configure("als", {"factors": 10})).fit(problem.train)
    assert validation_rmse(model, problem.test) < CORNAC_RANK_10[size] + 0.01


@pytest.mark.long
def test_a_version_of_a_table_serves_the_store_and_everybody_in_the_table(
    submit: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from tests.engine.services.conftest import trained_store
    from tests.engine.services.test_outside import FROM_TABLE, STRANGERS, assert_folded, write_table
    from tests.engine.services.test_spark_lists import ended as job_ended
    from tests.engine.services.test_spark_lists import written

    write_table(tmp_path / "outside.parquet")
    (tmp_path / "store").mkdir()
    url, table = f"sqlite:///{tmp_path}/store/marquee.db", str(tmp_path / "outside.parquet")
    interpreted = " ".join(f"--conf {name}={value}" for name, value in spark.INTERPRETED.items())
    command = f"{submit} {interpreted}"  # compiling takes minutes where the size of the table is not known
    settings = Settings(
        database_url=url, demo=False, spark_master="local[2]", spark_submit=command, spark_ratings=table
    )
    with opened(settings, trained_store(tmp_path_factory)) as runtime:
        services = runtime.services
        run = ended(runtime, services.training.train_model("als", FROM_TABLE, "never"))
        assert run.state == "succeeded", run.error
        found = services.versions.get(run.version)
        assert (found.users, found.movies) == (STRANGERS, 90)
        assert 0 < found.metrics["mae"].value < found.metrics["rmse"].value < 1.5
        services.versions.activate(run.version)
        assert len(services.recommendations.recommend("u1").items) == 10
        lists = written(job_ended(runtime, services.spark_lists.write(5)))
        assert lists.user_id.nunique() == STRANGERS
        frame, _ = planted(n_users=STRANGERS, n_movies=90)
        for user in ("u0", "u7", "u39"):
            assert_folded(runtime, frame, lists, user)
