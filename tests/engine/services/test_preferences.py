"""Plays become preferences, from which versions learn lists, and no verdict rests on errors of predicted ratings."""

from __future__ import annotations

import io

import pytest

from engine.data.plan import ImportOptions
from engine.data.scale import PREFERENCES
from engine.errors import InvalidRating
from engine.runtime import Runtime
from engine.services.uploads import UploadedFile
from tests.conftest import planted
from tests.engine.services.conftest import finished, wait_for


def plays(n_users: int = 60) -> bytes:
    """A table of plays: what people of planted tastes rated high, with a count."""
    frame, _ = planted(n_users=n_users)
    liked = frame[frame.rating >= 3]
    return liked[["user_id", "movie_id"]].assign(plays=liked.index + 1).to_csv(index=False).encode()


@pytest.fixture
def played(runtime: Runtime) -> Runtime:
    """A store of plays, with the version that is trained after the first import."""
    imports = runtime.services.imports
    job = imports.import_files([UploadedFile("plays.csv", io.BytesIO(plays()))], ImportOptions(preferences=True))
    wait_for(lambda: imports.job(job).state.is_finished)
    assert imports.job(job).state == "succeeded", imports.job(job).error
    wait_for(lambda: runtime.services.versions.active() is not None)  # the first import trains by itself
    return runtime


def test_lists_similar_movies_and_their_metrics_work(played: Runtime) -> None:
    services = played.services
    assert services.scale.current == PREFERENCES
    answer = services.recommendations.recommend("u1", 5)
    assert (answer.status, len(answer.items)) == ("personal", 5)
    assert len({item.score for item in answer.items}) > 1
    assert services.recommendations.similar("m1").items
    active = services.versions.active()
    assert active is not None
    assert active.metrics["ndcg_at_k"].value > 0
    told = services.recommendations.explain("u1", answer.items[0].movie_id).text
    assert "like" in told
    assert "rating" not in told
    assert all(0 <= item.predicted_rating <= 1 for item in answer.items)


def test_a_thumb_down_changes_the_list(played: Runtime) -> None:
    services = played.services
    before = services.recommendations.recommend("u1", 10)
    services.ratings.rate("u1", before.items[0].movie_id, 0.0)
    after = services.recommendations.recommend("u1", 10)
    assert before.items[0].movie_id not in [item.movie_id for item in after.items]
    assert {item.movie_id: item.score for item in after.items} != {item.movie_id: item.score for item in before.items}


def test_a_preference_is_a_like_or_a_dislike(played: Runtime) -> None:
    with pytest.raises(InvalidRating, match="1 for a like or 0 for a dislike"):
        played.services.ratings.rate("u1", "m1", 0.5)


def test_another_version_is_judged_by_its_lists(played: Runtime) -> None:
    worse = {"epochs": 1, "factors": 8, "learning_rate": 0.02, "patience": 0}
    status = finished(played, played.services.training.train_model("svd", worse, "never"))
    assert status.judgement is not None
    assert status.judgement.verdict == "HOLD"
