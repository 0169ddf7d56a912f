"""The scale belongs to the store: settings may state it, the first import may set it, and nothing else changes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.data.scale import STARS, RatingScale
from engine.errors import Conflict, InvalidRating, InvalidSettings
from engine.runtime import Runtime, build, check_start
from engine.services.snapshots import Outdated
from engine.settings import Settings
from store.database import Database
from store.ratings import RatingStore
from store.records import MovieRow
from store.values import ValueStore
from store.versions import MLModelManager


def settings(folder: Path, **changes: Any) -> Settings:
    return Settings(database_url=f"sqlite:///{folder}/m.db", demo=False, **changes)


def opened(folder: Path, **changes: Any) -> Runtime:
    return build(settings(folder, **changes))


def put(runtime: Runtime | Database, *values: float) -> None:
    """A rating of each value."""
    ratings = RatingStore(runtime.database if isinstance(runtime, Runtime) else runtime)
    ratings.add_movies([MovieRow(f"m{n}", f"Movie {n}", None, ()) for n in range(len(values))])
    for n, value in enumerate(values):
        ratings.put_rating("ann", f"m{n}", value, 100)


@pytest.fixture
def hundred(tmp_path: Path) -> Path:
    """A store of 1 to 100, closed again."""
    runtime = opened(tmp_path, rating_min=1, rating_max=100)
    put(runtime, 1, 90)
    runtime.database.close()
    return tmp_path


@pytest.fixture
def unrecorded(tmp_path: Path) -> Path:
    """A store of an earlier release, with ratings from 1 to 100 and no record of their scale."""
    database = Database.open(f"sqlite:///{tmp_path}/m.db")
    put(database, 1, 40.5, 100)
    database.close()
    return tmp_path


def test_variables_that_are_not_set_contradict_nothing(hundred: Path) -> None:
    check_start(settings(hundred))
    runtime = opened(hundred)
    try:
        assert runtime.services.scale.current == RatingScale(1, 100, 1)
        data = runtime.services.serving._snapshots.load().data
        assert data.scale == (1, 100)
        assert runtime.services.imports._stores.scale.current.ends == (1, 100)
        assert runtime.services.ratings.rate("ann", "m0", 90).rating == 90
        with pytest.raises(InvalidRating, match="between 1 and 100"):
            runtime.services.ratings.rate("ann", "m0", 0.5)
    finally:
        runtime.database.close()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"rating_max": 5}, "MARQUEE_RATING_MAX is 5, but"),
        ({"rating_max": 101}, "MARQUEE_RATING_MAX is 101, but"),
        ({"rating_min": 0.5}, "MARQUEE_RATING_MIN is 0.5, but"),
        ({"rating_min": 0, "rating_max": 100}, "MARQUEE_RATING_MIN is 0, but"),
    ],
)
def test_a_setting_that_contradicts_the_record_stops_the_start(
    hundred: Path, changes: dict[str, float], named: str
) -> None:
    for start in (check_start, build):
        with pytest.raises(InvalidSettings) as refused:
            start(settings(hundred, **changes))
        assert str(refused.value) == (
            f"{named} the ratings of this store are on a scale of 1 to 100. Leave it unset to keep that scale, "
            "or set MARQUEE_DATABASE_URL to another store."
        )
    opened(hundred).database.close()  # nothing holds the store, and nothing of it has changed


@pytest.mark.parametrize("changes", [{"rating_min": 1}, {"rating_max": 100}, {"rating_min": 1, "rating_max": 100}])
def test_settings_that_say_the_same_are_no_contradiction(hundred: Path, changes: dict[str, float]) -> None:
    runtime = opened(hundred, **changes)
    assert runtime.services.scale.current.ends == (1, 100)
    runtime.database.close()


def test_one_bound_alone_may_lie_beyond_the_other_ones_default(tmp_path: Path) -> None:
    runtime = opened(tmp_path, rating_min=10, rating_max=100)
    put(runtime, 10, 100)
    runtime.database.close()
    runtime = opened(tmp_path, rating_min=10)
    assert runtime.services.scale.current.ends == (10, 100)
    runtime.database.close()


def test_a_store_without_a_record_takes_the_settings_where_all_its_ratings_fit(unrecorded: Path) -> None:
    opened(unrecorded, rating_min=0, rating_max=100).database.close()
    runtime = opened(unrecorded)
    assert runtime.services.scale.current.ends == (0, 100)
    assert ValueStore(runtime.database, "scale").read() == {"rating_min": 0, "rating_max": 100, "step": 1}
    runtime.database.close()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "is 0.5 to 5, as neither MARQUEE_RATING_MIN nor MARQUEE_RATING_MAX is set."),
        ({"rating_max": 99}, "is 0.5 to 99 by MARQUEE_RATING_MAX."),
        ({"rating_min": 2, "rating_max": 100}, "is 2 to 100 by MARQUEE_RATING_MIN and MARQUEE_RATING_MAX."),
    ],
)
def test_a_store_without_a_record_names_range_and_settings_where_they_do_not_fit(
    unrecorded: Path, changes: dict[str, float], told: str
) -> None:
    with pytest.raises(InvalidSettings) as refused:
        check_start(settings(unrecorded, **changes))
    said = str(refused.value)
    assert said.startswith(f"The store holds ratings from 1 to 100, but the scale {told}")
    assert "such as MARQUEE_RATING_MIN=1 MARQUEE_RATING_MAX=100" in said
    opened(unrecorded, rating_min=1, rating_max=100).database.close()


def test_a_store_that_nobody_rated_in_takes_any_scale_and_one_whose_raters_were_forgotten_keeps_its_own(
    tmp_path: Path,
) -> None:
    opened(tmp_path).database.close()
    runtime = opened(tmp_path, rating_max=10)
    assert runtime.services.scale.current.ends == (0.5, 10)
    put(runtime, 9)
    RatingStore(runtime.database).forget_user("ann")
    runtime.database.close()
    runtime = opened(tmp_path)
    assert runtime.services.scale.current.ends == (0.5, 10)
    runtime.database.close()


def test_bounds_in_the_wrong_order_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"MARQUEE_RATING_MIN \(6.0\) must be below MARQUEE_RATING_MAX \(5.0\)"):
        settings(tmp_path, rating_min=6, rating_max=5)
    with pytest.raises(InvalidSettings, match=r"MARQUEE_RATING_MIN \(6.0\) must be below MARQUEE_RATING_MAX \(5.0\)"):
        check_start(settings(tmp_path, rating_min=6))
    with pytest.raises(ValueError, match="finite"):
        settings(tmp_path, rating_max="inf")


def test_a_first_import_sets_the_scale_and_everything_follows_without_a_restart(tmp_path: Path) -> None:
    runtime = opened(tmp_path)
    services, scale = runtime.services, runtime.services.scale
    RatingStore(runtime.database).add_movies([MovieRow("m0", "Movie 0", None, ())])
    before = services.serving._snapshots.load()
    assert (scale.current, before.data.scale, scale.is_free()) == (STARS, (0.5, 5.0), True)
    scale.take(RatingScale(-10, 10, 0.25))
    assert scale.is_free()  # as long as no rating is stored
    assert services.serving._snapshots.load().data.scale == (-10, 10)
    with pytest.raises(Outdated, match="scale"):
        services.serving._snapshots.check(before)
    assert services.ratings.rate("ann", "m0", -9.75).rating == -9.75
    assert services.library.statistics().scale == scale.current
    with pytest.raises(InvalidRating, match="between -10 and 10"):
        services.ratings.rate("ann", "m0", 11)
    assert not scale.is_free()
    with pytest.raises(Conflict, match="are on a scale of -10 to 10"):
        scale.take(STARS)
    runtime.database.close()
    runtime = opened(tmp_path)
    assert runtime.services.scale.current == RatingScale(-10, 10, 0.25)
    runtime.database.close()


@pytest.mark.parametrize("changes", [{"rating_min": 0.5}, {"rating_max": 5}])
def test_a_scale_that_settings_declare_is_not_free(tmp_path: Path, changes: dict[str, float]) -> None:
    runtime = opened(tmp_path, **changes)
    assert not runtime.services.scale.is_free()
    with pytest.raises(Conflict, match=r"of 0\.5 to 5, which"):
        runtime.services.scale.take(RatingScale(1, 10, 1))
    runtime.database.close()


def test_a_version_keeps_the_scale_until_its_arrays_are_deleted(tmp_path: Path) -> None:
    runtime = opened(tmp_path)
    versions = MLModelManager(runtime.database)
    number = versions.save_model(kind="svd", config={}, arrays={"a": np.zeros(2)}, metrics={}, protocol={}, data={})
    assert not runtime.services.scale.is_free()
    versions.delete_version(number)
    assert runtime.services.scale.is_free()
    runtime.database.close()


@pytest.mark.parametrize(("ends", "step"), [((0.5, 5.0), 0.5), ((1.0, 10.0), 1.0)])
def test_a_record_of_an_earlier_release_gets_a_step(tmp_path: Path, ends: tuple[float, float], step: float) -> None:
    database = Database.open(f"sqlite:///{tmp_path}/m.db")
    ValueStore(database, "scale").write({"rating_min": ends[0], "rating_max": ends[1]})
    put(database, 3)
    database.close()
    runtime = opened(tmp_path)
    assert runtime.services.scale.current == RatingScale(*ends, step)
    runtime.database.close()
