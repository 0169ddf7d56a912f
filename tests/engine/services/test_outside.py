"""A version of a table outside Marquee: it serves the store's people, is activated by hand, and says what it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.errors import Conflict, InvalidHyperparameter, InvalidInput, VersionUnavailable
from engine.models import spark
from engine.models.spark import Cluster
from engine.runtime import Runtime
from engine.settings import Settings
from tests.conftest import planted
from tests.engine.services.conftest import finished, opened, trained_store
from tests.engine.services.test_spark_lists import ended, written

FROM_TABLE = {"factors": 4, "turns": 5, "source": "table"}
STRANGERS = 40


def write_table(path: Path) -> None:
    """Ratings by people whom the store does not know, also of ten movies that it lacks."""
    frame, _ = planted(n_users=STRANGERS, n_movies=90)
    named = frame.rename(columns={"user_id": "user", "movie_id": "movie", "timestamp": "time"})
    named.assign(user="stranger " + named.user).to_parquet(path, index=False)


@pytest.fixture
def beside(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """A store with a version that serves, and a table outside it."""
    table = tmp_path / "outside.parquet"
    write_table(table)
    folder = tmp_path / "store"
    folder.mkdir()
    settings = Settings(database_url=f"sqlite:///{folder}/marquee.db", demo=False, spark_ratings=str(table))
    with opened(settings, trained_store(tmp_path_factory)) as runtime:
        yield runtime


def train(runtime: Runtime) -> int:
    """The number of a version of the table."""
    run = finished(runtime, runtime.services.training.train_model("als", FROM_TABLE, "never"))
    assert run.version is not None, run.error
    return run.version


def test_it_is_saved_with_what_it_learned_and_served_by_hand_alone(beside: Runtime, tmp_path: Path) -> None:
    services = beside.services
    version = train(beside)
    verdict = services.training.status().verdict
    assert "activate it by hand" in verdict
    assert str(tmp_path / "outside.parquet") in verdict
    assert services.versions.active().version == 1
    found = services.versions.get(version)
    assert (found.users, found.movies, found.ratings) == (STRANGERS, 90, STRANGERS * 25)
    assert found.metrics["rmse"].value == 0.9
    assert found.protocol["table"] == str(tmp_path / "outside.parquet")
    assert version not in beside.services.versions._models.by_merit(1), "no rule activates it"
    services.versions.activate(version)
    assert services.versions.active().version == version


def test_people_of_the_store_are_folded_in_from_their_ratings(beside: Runtime) -> None:
    services = beside.services
    services.versions.activate(train(beside))
    assert services.serving.health().ratings_since is None, "it has learned none of the store's people"
    state = services.serving.ready()
    model = state.bundle.rating
    assert len(model.user_vector(0)) == 5
    mine = state.state_of("u1")
    assert mine.vector.tolist() == pytest.approx(model.fold_in_user(mine.items, mine.ratings).tolist(), abs=1e-6)
    assert abs(mine.vector).max() > 0
    listed = services.recommendations.recommend("u1", 80).items
    assert {item.movie_id for item in listed} & {f"m{n}" for n in range(80, 90)}, "movies that only the table has"
    found = services.recommendations.explain("u1", listed[0].movie_id)
    parts = found.baseline + sum(one.share for one in found.contributions) + found.residual
    assert parts == pytest.approx(found.score, abs=1e-4)
    before = state.state_of("u1").movies.vector(3).tolist()
    services.ratings.rate("somebody new", listed[1].movie_id, 5.0)
    services.ratings.rate("somebody new", "m3", 0.5)
    after = services.serving.ready().state_of("somebody new")
    assert len(after.items) == 2
    assert after.movies.vector(3).tolist() == before, "what the table says of a movie stays"
    assert len(services.recommendations.recommend("somebody new").items) == 10


def test_it_is_refused_where_a_rule_would_activate_it(beside: Runtime) -> None:
    with pytest.raises(InvalidInput, match="by hand only") as refused:
        beside.services.training.train_model("als", FROM_TABLE, "if_better")
    assert refused.value.field == "activate"
    with pytest.raises(InvalidHyperparameter, match=r"made by spark_als"):
        beside.services.training.train_model("als", FROM_TABLE, "never", ranker={"method": "ease"})


def test_without_a_table_it_says_which_setting_names_one(trained: Runtime) -> None:
    with pytest.raises(InvalidHyperparameter, match="MARQUEE_SPARK_RATINGS names no table"):
        trained.services.training.train_model("als", FROM_TABLE, "never")


def test_it_is_not_trained_again_exactly_but_with_its_settings(beside: Runtime) -> None:
    training = beside.services.training
    version = train(beside)
    with pytest.raises(VersionUnavailable, match="it learned from a table outside Marquee"):
        training.train_again(version)
    again = finished(beside, training.retrain(version, "always"))
    assert (again.state, beside.services.versions.active().version) == ("succeeded", 1), again.error


def test_the_receipt_of_forgetting_names_the_table(beside: Runtime, tmp_path: Path) -> None:
    ratings = beside.services.ratings
    assert "outside" not in ratings.forget("u1").text
    train(beside)
    told = ratings.forget("u2").text
    assert f"Marquee can't erase from the table outside it, {tmp_path / 'outside.parquet'}: erase there" in told


def test_an_empty_store_learns_a_table_and_serves_whoever_rates(tmp_path: Path) -> None:
    write_table(tmp_path / "outside.parquet")
    url = f"sqlite:///{tmp_path}/marquee.db"
    with opened(Settings(database_url=url, demo=False, spark_ratings=str(tmp_path / "outside.parquet"))) as runtime:
        version = train(runtime)
        runtime.services.versions.activate(version)
        runtime.services.ratings.rate("first", "m1", 4.0)
        assert len(runtime.services.recommendations.recommend("first").items) == 10
    with opened(Settings(database_url=url, demo=False)) as runtime:
        assert runtime.services.serving.active_version() == version
        assert len(runtime.services.recommendations.recommend("nobody").items) == 10


def test_spark_writes_the_lists_of_everybody_in_the_table(beside: Runtime, tmp_path: Path) -> None:
    services = beside.services
    services.versions.activate(train(beside))
    job = ended(beside, services.spark_lists.write(4))
    lists, frame = written(job), planted(n_users=STRANGERS, n_movies=90)[0]
    assert job.lists.users == lists.user_id.nunique() == STRANGERS
    assert_folded(beside, frame, lists, "u7")
    spark.use(Cluster("local[1]", spark.current().path, spark.current().submit))
    with pytest.raises(Conflict, match="MARQUEE_SPARK_RATINGS names no table"):
        services.spark_lists.write(4)


def assert_folded(runtime: Runtime, frame: pd.DataFrame, lists: pd.DataFrame, user: str) -> None:
    """Somebody in the table has the list that Marquee would give for the same ratings."""
    state = runtime.services.serving.ready()
    mine = frame[frame.user_id == user]
    movies = np.array([state.movies[movie] for movie in mine.movie_id], np.int32)
    there = state.bundle.rating.fold_in_user(movies, mine.rating.to_numpy(np.float32))
    keys = np.array(sorted(set(state.movies.values()) - set(movies.tolist())), np.int32)
    best = np.sort(state.bundle.rating.predict_vector(there, keys))[::-1]
    made = lists[lists.user_id == f"stranger {user}"].sort_values("rank")
    assert made.predicted_rating.tolist() == pytest.approx(best[: len(made)].tolist(), abs=1e-3)
    assert not set(made.movie_id) & set(mine.movie_id)


def test_a_table_that_is_gone_fails_the_run_and_the_version_serves_on(beside: Runtime, tmp_path: Path) -> None:
    (tmp_path / "outside.parquet").unlink()
    run = finished(beside, beside.services.training.train_model("als", FROM_TABLE, "never"))
    assert run.state == "failed"
    assert beside.services.versions.active().version == 1


def test_a_version_of_a_table_goes_through_a_file(beside: Runtime) -> None:
    version = train(beside)
    files = beside.services.version_files
    with files.export(version).stream as stream:
        assert files.import_file(stream) == version + 1
    assert version + 1 not in beside.services.versions._models.by_merit(1)
    beside.services.versions.activate(version + 1)
    assert len(beside.services.recommendations.recommend("u1").items) == 10
