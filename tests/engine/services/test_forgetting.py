"""Users who are deleted: from the store, the state that serves, and memory."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import UnknownUser
from engine.runtime import Runtime, build
from engine.services import Services
from engine.services.exams import ExamService
from engine.settings import Settings
from store.ratings import RatingStore
from tests.engine.services.conftest import opened, trained_store


@pytest.fixture
def services(trained: Runtime) -> Services:
    return trained.services


def test_a_forgotten_user_is_nobody_and_the_others_stay(trained: Runtime, services: Services) -> None:
    library = trained.services.library
    before = library.statistics()
    others = {user: services.serving.ready().listen(user).scores.linear.copy() for user in ("u2", "u3")}
    services.ratings.rate("u1", "m0", 5)
    rated = [one.movie.movie_id for one in library.user_ratings("u1")]
    receipt = services.ratings.forget("u1")
    assert (receipt.user_id, receipt.ratings_removed, receipt.versions) == ("u1", len(rated), (1,))
    assert "Version 1 learned from them before" in receipt.text
    told = services.inbox.notices()[0]
    assert (told.level, told.text) == (
        "warning",
        "A person was deleted. Version 1 learned from them before: retrain, then delete what is named here.",
    )
    answer = services.recommendations.recommend("u1")
    assert (answer.status, answer.ratings_count) == ("unknown_user", 0)
    assert library.statistics().users == before.users - 1
    assert "u1" not in [one.user_id for one in library.search_users("u1", 100)]
    with pytest.raises(UnknownUser):
        library.user_ratings("u1")
    influences = [
        one.user_id
        for user in ("u2", "u3")
        for movie in rated
        for one in services.recommendations.explain(user, movie).similar_users
    ]
    assert "u1" not in influences
    for user, scores in others.items():  # what the ranker says; the ratings to expect may move, as its movies lost one
        assert np.array_equal(services.serving.ready().listen(user).scores.linear, scores)
        assert len(services.recommendations.recommend(user).items) == 10
    with pytest.raises(UnknownUser):
        services.ratings.forget("u1")
    services.ratings.rate("u1", "m0", 4)  # the same id now belongs to a new person
    again = services.recommendations.recommend("u1")
    assert (again.status, again.ratings_count) == ("blended", 1)


def test_forgetting_says_which_versions_have_learned(trained: Runtime, services: Services) -> None:
    services.ratings.rate("late", "m0", 5)
    receipt = services.ratings.forget("late")
    assert (receipt.ratings_removed, receipt.versions) == (1, ())
    assert receipt.text == "1 rating and the id were erased. No stored version has learned from them."


def test_what_was_trained_keeps_no_id_of_who_was_forgotten_in_memory(just_trained: Runtime) -> None:
    """A model that serves since its training was bound to the ratings it learned."""
    services = just_trained.services
    bundle = services.serving._state.bundle  # type: ignore[union-attr]
    assert "u1" in bundle.rating.user_ids_.ids
    services.ratings.forget("u1")
    bundle = services.serving._state.bundle  # type: ignore[union-attr]
    key = 1
    for model in (bundle.rating, bundle.ranker):
        assert "u1" not in model.user_ids_.ids
        assert not len(model.seen_[0].of(key))


def test_forgetting_reaches_exams_in_memory(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that wait, and the shadows, which have learned from the person."""
    told: list[int] = []
    monkeypatch.setattr(ExamService, "forget", lambda self, user_key: told.append(user_key))
    with opened(settings, trained_store(tmp_path_factory)) as runtime:
        key = RatingStore(runtime.database).user_key("u1")
        runtime.services.ratings.forget("u1")
    assert key is not None
    assert told == [key]


def test_forgetting_holds_after_a_restart(trained: Runtime, settings: Settings) -> None:
    trained.services.ratings.forget("u1")
    expected = {user: trained.services.recommendations.recommend(user).items for user in ("u1", "u2")}
    trained.stop()
    again = build(settings)
    again.start()
    try:
        assert {user: again.services.recommendations.recommend(user).items for user in expected} == expected
    finally:
        again.stop()
