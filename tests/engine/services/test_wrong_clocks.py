"""Times that can't be true, and clocks that are wrong: no rating is lost and nothing fails."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from engine.data.plan import ImportOptions
from engine.runtime import Runtime, build
from engine.services.imports import ImportService
from engine.services.jobs import Job
from engine.services.uploads import UploadedFile
from engine.settings import Settings
from store import revisions
from store.versions import MLModelManager
from tests.engine.services.conftest import QUICK, fill, finished, wait_for
from tests.store.conftest import Clock

MILLISECONDS = 1_048_576_000_000
HOUR, DAY = 3600, 86_400
NOW = int(Clock().now)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def dated(settings: Settings, clock: Clock) -> Iterator[Runtime]:
    """Started by this clock, with ratings and a first version."""
    built = build(settings, clock)
    built.start()
    fill(built)
    assert finished(built, built.services.training.train_model("svd", QUICK)).state == "succeeded"
    yield built
    built.stop()


def put_times(runtime: Runtime, rated_at: int, where: str = "true") -> None:
    """Store times as an earlier release let them in."""

    def put(connection: Connection) -> None:
        connection.exec_driver_sql(f"UPDATE ratings SET rated_at = {rated_at} WHERE {where}")
        everybody = connection.exec_driver_sql("SELECT id FROM users").scalars().all()
        revisions.advance(connection, everybody, [], 0)  # or the copy beside the store would still be the newest

    runtime.database.write(put)


def bring(imports: ImportService, text: str) -> Job:
    order = ImportOptions(scale=[0.5, 5.0])
    job_id = imports.import_files([UploadedFile("ratings.csv", io.BytesIO(text.encode()))], order)
    wait_for(lambda: imports.job(job_id).state.is_finished)
    return imports.job(job_id)


def rating_of(runtime: Runtime, user_id: str, movie_id: str) -> tuple[float, int | None]:
    rated = runtime.services.library.user_ratings(user_id)
    return next((one.rating, one.rated_at) for one in rated if one.movie.movie_id == movie_id)


@pytest.mark.parametrize("ahead", [2 * HOUR, 14 * HOUR, 400 * DAY, MILLISECONDS - NOW])
def test_a_rating_over_one_ahead_of_the_clock_is_in_memory_and_in_the_file(
    dated: Runtime, settings: Settings, clock: Clock, ahead: int
) -> None:
    put_times(dated, NOW + ahead)
    movie = dated.services.library.user_ratings("u1")[0].movie.movie_id
    first = dated.services.ratings.rate("u1", movie, 1.0)
    second = dated.services.ratings.rate("u1", movie, 5.0)
    assert (first.rating, second.previous_rating, second.rating) == (1.0, 1.0, 5.0)
    expected = dated.services.recommendations.predict([("u1", movie)]).predictions[0].predicted_rating
    assert expected == pytest.approx(second.predicted_after, abs=1e-5)
    dated.stop()
    again = build(settings, clock)
    try:
        again.start()
        assert rating_of(again, "u1", movie)[0] == 5.0
        after = again.services.recommendations.predict([("u1", movie)]).predictions[0].predicted_rating
        assert after == pytest.approx(expected, abs=1e-3)
    finally:
        again.stop()


def test_an_import_of_local_times_does_not_undo_what_was_rated_since(dated: Runtime) -> None:
    """An hour or two ahead of the clock, being of a place further east; imported again after the rating."""
    rows = f"user,movie,rating,time\nnew,m1,4.0,{NOW + 2 * HOUR}\n"
    assert bring(dated.services.imports, rows).state == "succeeded"
    assert rating_of(dated, "new", "m1") == (4.0, NOW + 2 * HOUR)
    dated.services.ratings.rate("new", "m1", 1.0)
    job = bring(dated.services.imports, rows)
    assert job.result is not None
    assert (job.result.ratings_updated, job.result.ratings_unchanged) == (0, 1)
    assert rating_of(dated, "new", "m1")[0] == 1.0


def test_times_after_tomorrow_are_unknown(dated: Runtime) -> None:
    rows = f"new,m1,4,{NOW + DAY}\nnew,m2,4,{NOW + DAY + 1}\nnew,m3,4,{MILLISECONDS}\nnew,m4,4,9999-12-31\n"
    job = bring(dated.services.imports, f"user,movie,rating,time\n{rows}")
    assert job.result is not None
    assert (job.state, job.result.ratings_added, job.result.times_unknown) == ("succeeded", 4, 3)
    assert [rating_of(dated, "new", f"m{n}")[1] for n in range(1, 5)] == [NOW + DAY, None, None, None]


@pytest.mark.parametrize("wrong", [MILLISECONDS, NOW + 30 * DAY, 2**62, -(2**62)])
def test_a_store_with_a_time_that_can_not_be_true_shows_it_as_unknown(
    dated: Runtime, settings: Settings, clock: Clock, wrong: int
) -> None:
    """Everywhere: statistics, histories, the age of lists, and what a training learns and is judged on."""
    library = dated.services.library
    one = "user_id = 1 AND movie_id = (SELECT max(movie_id) FROM ratings WHERE user_id = 1)"
    before, count = library.statistics(), len(library.user_ratings("u1"))
    put_times(dated, wrong, one)
    dated.stop()
    again = build(settings, clock)
    try:
        again.start()
        statistics = again.services.library.statistics()
        assert (statistics.first_rated_at, statistics.last_rated_at) == (before.first_rated_at, before.last_rated_at)
        rated = again.services.library.user_ratings("u1")
        assert [rating.rated_at is None for rating in rated] == [False] * (count - 1) + [True]  # the last of the list
        assert again.services.recommendations.recommend("u1").data_age_s == NOW - before.last_rated_at
        status = finished(again, again.services.training.train_model("svd", QUICK))
        assert (status.state, status.error) == ("succeeded", None)
        again.services.serving.health()
    finally:
        again.stop()


def test_a_store_whose_times_are_all_wrong_has_none(dated: Runtime) -> None:
    put_times(dated, MILLISECONDS)
    dated.services.serving.refresh()
    statistics = dated.services.library.statistics()
    assert (statistics.first_rated_at, statistics.last_rated_at) == (None, None)
    assert dated.services.recommendations.recommend("u1").data_age_s is None
    status = finished(dated, dated.services.training.train_model("svd", QUICK))
    assert status.state == "succeeded"
    assert status.version is not None
    protocol = MLModelManager(dated.database).get_version(status.version).protocol
    assert "as few times are known" in protocol["split"]
    dated.services.ratings.rate("u1", "m1", 4.0)
    assert dated.services.recommendations.recommend("u1").data_age_s == 0.0


def test_a_clock_that_is_years_behind_loses_no_rating_and_no_time(dated: Runtime, clock: Clock) -> None:
    """A computer without a battery starts in 1970, and is told the time a minute later."""
    before = dated.services.library.statistics()
    clock.now = 1000.0
    dated.services.ratings.rate("u1", "m1", 2.0)
    dated.services.ratings.rate("u1", "m1", 3.5)
    assert rating_of(dated, "u1", "m1")[0] == 3.5
    assert dated.services.recommendations.recommend("u1").data_age_s == 0.0
    clock.now = float(NOW)
    assert rating_of(dated, "u1", "m1")[0] == 3.5
    assert dated.services.library.statistics().last_rated_at == before.last_rated_at
