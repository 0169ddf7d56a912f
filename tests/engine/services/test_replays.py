"""A list that was shown is made again as it was, whatever happened since, or it is said why not."""

from __future__ import annotations

import io

import pytest

from engine.data.plan import ImportOptions
from engine.errors import NotReplayable, UnknownAnswer
from engine.runtime import Runtime
from engine.services.uploads import UploadedFile
from engine.settings import Settings
from store.answers import AnswerStore
from store.ratings import RatingStore
from tests.engine.services.conftest import QUICK, finished, opened, trained_store, wait_for
from tests.store.conftest import Clock

WEEK = 7 * 86_400


def ended(runtime: Runtime, job_id: int) -> None:
    imports = runtime.services.imports
    wait_for(lambda: imports.job(job_id).state.is_finished)
    assert imports.job(job_id).state == "succeeded", imports.job(job_id)


def bring(runtime: Runtime, text: str) -> int:
    """Import ratings; returns the import's number."""
    imports = runtime.services.imports
    upload = UploadedFile("more.csv", io.BytesIO(f"user_id,movie_id,rating,timestamp\n{text}".encode()))
    ended(runtime, imports.import_files([upload], ImportOptions(scale=[0.5, 5.0])))
    return imports.batches()[0].import_id


def train(runtime: Runtime, kind: str = "svd", **settings: object) -> None:
    status = finished(runtime, runtime.services.training.train_model(kind, QUICK | settings, "always"))
    assert status.state == "succeeded", status.error


def test_a_list_of_last_week_is_made_again_after_trainings_imports_and_a_restart(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory, clock: Clock
) -> None:
    with opened(settings, trained_store(tmp_path_factory), clock) as runtime:
        services = runtime.services
        plain = services.recommendations.recommend("u1")
        services.ratings.rate("u1", plain.items[0].movie_id, 0.5)
        services.ratings.rate("u2", plain.items[1].movie_id, 5.0)
        services.ratings.rate("u1", plain.items[2].movie_id, 4.0)
        given = services.recommendations.recommend(
            "u1", 7, exclude=[plain.items[4].movie_id], diversity=0.3, genres_liked=["Drama"], include_rated=True
        )
        first = bring(runtime, "".join(f"u1,m{n},1,{1_600_000_000 + n}\nnew{n},m1,5,\n" for n in range(20)))
        between = services.recommendations.recommend("u1")
        clock.now += WEEK
        train(runtime)
        services.ratings.unrate("u1", plain.items[0].movie_id)
        services.ratings.rate("u1", plain.items[2].movie_id, 1.0)
        bring(runtime, "".join(f"u{n},m2,2,{1_690_000_000}\n" for n in range(30)))
        train(runtime, seed=5)
        ended(runtime, services.imports.undo(first))
        train(runtime, seed=6)
    with opened(settings, clock=clock) as again:
        newest, older, oldest = again.services.answers.shown("u1")
        for shown, told in ((oldest, plain), (older, given), (newest, between)):
            replay = again.services.replays.replay(shown.answer_id)
            assert replay.is_exact
            assert (replay.user_id, replay.shown) == ("u1", shown)
            assert [(item.movie_id, item.title) for item in replay.items] == [
                (item.movie_id, item.title) for item in told.items
            ]
            assert [item.score for item in replay.items] == pytest.approx([item.score for item in told.items], abs=1e-5)
            assert [item.shown_score for item in replay.items] == [item.score for item in shown.items]
            assert all(item.reason for item in replay.items)
            assert len(replay.ratings) == shown.ratings_count
        values = {one.movie_id: one.rating for one in again.services.replays.replay(older.answer_id).ratings}
        assert [values[plain.items[place].movie_id] for place in (0, 2)] == [0.5, 4.0]


def test_what_can_not_be_made_again_says_why(logged: Runtime, clock: Clock) -> None:
    services = logged.services
    replays = services.replays
    services.recommendations.recommend("u1")
    (shown,) = services.answers.shown("u1")
    with pytest.raises(UnknownAnswer, match="no list 99"):
        replays.replay(99)
    train(logged)
    services.recommendations.recommend("u1", 9)
    services.versions.delete(1)
    with pytest.raises(NotReplayable, match=r"can't be made again\. Version 1 "):
        replays.replay(shown.answer_id)
    newer = services.answers.shown("u1")[0]
    assert replays.replay(newer.answer_id).is_exact
    services.ratings.rate("somebody new", "m1", 4.0)
    services.ratings.forget("somebody new")  # who had rated nothing when the list was made
    assert replays.replay(newer.answer_id).is_exact
    services.ratings.forget("u9")
    with pytest.raises(NotReplayable, match="a person was deleted since"):
        replays.replay(newer.answer_id)


def test_a_list_that_knew_a_part_of_an_import_is_not_made_again(logged: Runtime) -> None:
    services = logged.services
    RatingStore(logged.database).put_rating("u5", "m3", 1.0, 5)  # the state does not know it, as amid an import
    services.ratings.rate("u2", "m1", 1.5)
    services.recommendations.recommend("u1")
    (shown,) = services.answers.shown("u1")
    with pytest.raises(NotReplayable, match="an import was being written then"):
        services.replays.replay(shown.answer_id)
    services.serving.refresh()
    services.recommendations.recommend("u1", 9)
    assert services.replays.replay(services.answers.shown("u1")[0].answer_id).is_exact


def test_what_ratings_were_is_kept_as_long_as_a_version_or_a_list_needs_it(logged: Runtime) -> None:
    services = logged.services
    services.recommendations.recommend("u1")
    (shown,) = services.answers.shown("u1")
    services.ratings.rate("u1", "m1", 1.0)
    services.ratings.rate("u1", "m1", 2.0)
    train(logged)
    assert services.replays.replay(shown.answer_id).is_exact
    services.versions.delete(1)
    AnswerStore(logged.database).prune(1)
    train(logged)
    with logged.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM rating_history").scalar() == 0


def test_a_list_by_the_process_that_trained_is_made_again_from_the_store(logged: Runtime) -> None:
    services = logged.services
    quick = {"epochs": 2, "factors": 4, "iterations": 2, "parts": 2, "networks": 1}
    status = finished(logged, services.training.train_model("ncf", quick, "always"))
    assert status.state == "succeeded", status.error
    services.ratings.rate("u1", "m3", 0.5)
    given = [
        services.recommendations.recommend("u1", n, rank_by=how).items for n in (20, 40) for how in ("ranker", "rating")
    ]
    services.serving.load_active()
    again = [
        services.recommendations.recommend("u1", n, rank_by=how).items for n in (20, 40) for how in ("ranker", "rating")
    ]
    assert given == again
    for shown in services.answers.shown("u1"):
        replay = services.replays.replay(shown.answer_id)
        assert [item.score for item in replay.items] == [item.score for item in shown.items]
        assert replay.is_exact
