"""Everybody's list from Spark is what one request gives each of them, and goes with whoever is erased."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow.dataset as ds
import pytest

from engine.errors import ClusterFailed, Conflict, InvalidInput, NotReady
from engine.models import spark
from engine.models.spark import Cluster
from engine.runtime import Runtime
from engine.services.exports import LISTS
from engine.services.jobs import Job
from store.records import JobState
from tests.engine.models.test_spark import NONE, cluster, says
from tests.engine.services.conftest import finished, opened, store_in, train_first, wait_for


@pytest.fixture(scope="module")
def of_spark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed store whose active version was learned on Spark."""
    folder = tmp_path_factory.mktemp("of_spark")
    with opened(store_in(folder)) as runtime:
        train_first(runtime)
        run = finished(runtime, runtime.services.training.train_model("als", {"factors": 4}, "always"))
        assert run.state == "succeeded", run.error
    return folder


@pytest.fixture
def served(of_spark: Path, tmp_path: Path) -> Iterator[Runtime]:
    with opened(store_in(tmp_path), of_spark) as runtime:
        yield runtime


def ended(runtime: Runtime, job_id: int) -> Job:
    wait_for(lambda: runtime.services.imports.job(job_id).state.is_finished)
    return runtime.services.imports.job(job_id)


def written(job: Job) -> pd.DataFrame:
    assert job.state == "succeeded", job.error
    table = ds.dataset(job.lists.path).to_table()
    assert table.schema.names == LISTS.names
    return table.to_pandas()


def assert_same_as_requests(runtime: Runtime, lists: pd.DataFrame, n: int) -> None:
    """Ratings are the same, and so are movies but for those that are as good."""
    users = {str(user): made for user, made in lists.groupby("user_id")}
    assert set(users) == {user for user in runtime.services.serving.ready().users if has_rated(runtime, user)}
    for user, made in users.items():
        asked = runtime.services.recommendations.recommend(user, n, rank_by="rating").items
        assert made["rank"].tolist() == [item.rank for item in asked]
        assert made.predicted_rating.tolist() == pytest.approx([item.predicted_rating for item in asked], abs=1e-4)
        predicted = {item.movie_id: item.predicted_rating for item in asked}
        for row in made.itertuples():
            worst = asked[-1].predicted_rating
            assert row.predicted_rating == pytest.approx(predicted.get(str(row.movie_id), worst), abs=1e-4)
            assert row.score == row.predicted_rating


def has_rated(runtime: Runtime, user: str) -> bool:
    return bool(len(runtime.services.serving.ready().state_of(user).items))


def test_lists_are_those_of_requests_with_what_was_rated_since(served: Runtime) -> None:
    services = served.services
    for movie in ("m1", "m2", "m3"):
        services.ratings.rate("newcomer", movie, 5.0)
    services.ratings.rate("u1", "m4", 0.5)
    job = ended(served, services.spark_lists.write(7))
    lists = written(job)
    assert (job.kind, job.lists.version, job.lists.n) == ("lists", services.serving.active_version(), 7)
    assert job.lists.users == lists.user_id.nunique() == 61
    assert_same_as_requests(served, lists, 7)
    assert services.imports.jobs() == [], "they are no import"
    folder = Path(spark.current().path)
    assert [str(one) for one in folder.iterdir()] == [job.lists.path], "nothing else is left"


def test_new_lists_replace_the_ones_before(served: Runtime) -> None:
    lists = served.services.spark_lists
    first, second = (ended(served, lists.write(3)) for _ in range(2))
    assert written(second).groupby("user_id").size().max() == 3
    assert lists.newest() == second
    wait_for(lambda: served.services.imports.job(first.job_id).lists.path == "")
    assert not Path(first.lists.path).exists()


def test_whoever_is_erased_is_in_no_lists(served: Runtime) -> None:
    services = served.services
    job = ended(served, services.spark_lists.write(3))
    told = services.ratings.forget("u1").text
    assert "The lists that Spark wrote for everybody were deleted." in told
    assert not Path(job.lists.path).exists()
    found = services.spark_lists.newest()
    assert (found.lists.path, "Write the lists again" in found.message) == ("", True)
    assert "Spark" not in services.ratings.forget("u2").text
    assert "u1" not in set(written(ended(served, services.spark_lists.write(3))).user_id)


def waiting(folder: Path) -> Cluster:
    """A job that writes a part of its lists and ends only when it is told to."""
    part = "os.makedirs(sys.argv[sys.argv.index('--lists-out') + 1])"
    return cluster(folder, f"{part}\n{says(step='Reading ratings on Spark')}\ntime.sleep(600)")


def started(runtime: Runtime, folder: Path) -> Job:
    spark.use(waiting(folder))
    lists = runtime.services.spark_lists
    job_id = lists.write()
    wait_for(lambda: runtime.services.imports.job(job_id).message == "Reading ratings on Spark")
    return runtime.services.imports.job(job_id)


def test_cancelling_ends_the_job_and_keeps_nothing(served: Runtime, tmp_path: Path) -> None:
    job = started(served, tmp_path)
    assert Path(job.lists.path).exists()
    with pytest.raises(Conflict, match=f"Job {job.job_id} is writing lists"):
        served.services.spark_lists.write()
    served.services.spark_lists.cancel(job.job_id + 1)
    served.services.spark_lists.cancel(job.job_id)
    found = ended(served, job.job_id)
    assert (found.state, found.error, found.lists.path) == ("cancelled", "Cancelled; nothing was kept.", "")
    assert not list((tmp_path / "jobs").iterdir())


def test_erasing_somebody_cancels_lists_in_progress(served: Runtime, tmp_path: Path) -> None:
    job = started(served, tmp_path)
    served.services.ratings.forget("u1")
    found = ended(served, job.job_id)
    assert (found.state, "a person was erased" in found.error) == ("cancelled", True)
    assert not list((tmp_path / "jobs").iterdir())


def test_a_failed_job_has_the_reason_and_the_next_one_can_start(served: Runtime, tmp_path: Path) -> None:
    spark.use(cluster(tmp_path, says(failed="no route to the master")))
    for _ in range(2):
        found = ended(served, served.services.spark_lists.write())
        assert (found.state, found.error) == ("failed", "The job on Spark failed: no route to the master.")


def test_a_job_that_a_stop_cut_short_has_failed_at_the_next_start(of_spark: Path, tmp_path: Path) -> None:
    settings = store_in(tmp_path)
    left = tmp_path / "left"
    left.mkdir()
    with opened(settings, of_spark) as runtime:
        jobs = runtime.services.spark_lists._jobs
        job_id = jobs.create("lists", "Waiting")
        jobs.update(job_id, 0.4, "Writing", {"version": 2, "n": 10, "users": 0, "path": str(left)})
    with opened(settings) as runtime:
        found = runtime.services.imports.job(job_id)
        assert (found.state, found.lists.path) == (JobState.FAILED, "")
        assert "Marquee was stopped while Spark wrote the lists" in found.error
        assert not left.exists()


def test_lists_that_can_not_be_written_are_refused_with_what_to_do(served: Runtime, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        served.services.spark_lists.write(0)
    spark.use(Cluster("local[*]", str(tmp_path), NONE))
    with pytest.raises(Conflict, match=r"Run `make spark`.*exported as a file"):
        served.services.spark_lists.write()
    served.services.versions.activate(1, reason="A test.")
    with pytest.raises(Conflict, match=r"not learned on Spark: its rating model is svd.*exported as a file.*train als"):
        served.services.spark_lists.write()
    assert served.services.spark_lists.newest() is None


def test_nothing_is_written_before_the_first_training(runtime: Runtime) -> None:
    with pytest.raises(NotReady):
        runtime.services.spark_lists.write()


def test_lists_that_can_not_be_deleted_are_named_to_whoever_erases(
    served: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ended(served, served.services.spark_lists.write(3))

    def broken(path: str) -> None:
        raise ClusterFailed(f"The folder {path} can't be deleted: no route to host.")

    monkeypatch.setattr(spark, "remove", broken)
    told = served.services.ratings.forget("u1").text
    assert f"may still name them: The folder {job.lists.path} can't be deleted: no route to host." in told
    assert served.services.spark_lists.newest().lists.path == job.lists.path, "it is still shown where they are"
