"""Lists, predictions, explanations and ratings, from the active version and what came after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest

from engine.errors import InvalidRating, NotReady, UnknownMovie, UnknownUser
from engine.runtime import Runtime, build
from engine.services import Services
from engine.services.snapshots import Snapshots
from engine.settings import Settings
from store.ratings import RatingStore
from store.records import MovieRow
from tests.engine.services.conftest import QUICK, fill, finished, wait_for


@pytest.fixture
def services(trained: Runtime) -> Services:
    return trained.services


@pytest.mark.parametrize(("sent", "kept"), [(3.14159265358979, 3.1415927), (4.5, 4.5), (0.7 + 0.1, 0.8)])
def test_the_receipt_says_what_is_kept(services: Services, sent: float, kept: float) -> None:
    assert services.ratings.rate("u1", "m1", sent).rating == kept
    assert services.ratings.rate("u1", "m1", sent).rating == kept  # the same once more changes nothing


def test_a_rating_changes_the_next_list_and_its_prediction(services: Services) -> None:
    before = services.recommendations.recommend("u1")
    movie = before.items[0].movie_id
    receipt = services.ratings.rate("u1", movie, 0.5)
    assert (receipt.previous_rating, receipt.embedding_updated) == (None, True)
    assert receipt.predicted_before == pytest.approx(before.items[0].predicted_rating, abs=1e-5)
    assert receipt.predicted_after is not None
    assert receipt.predicted_after < receipt.predicted_before
    after = services.recommendations.recommend("u1")
    assert movie not in [item.movie_id for item in after.items]
    assert after.ratings_count == before.ratings_count + 1
    again = services.ratings.rate("u1", movie, 0.5)
    assert again.previous_rating == 0.5
    assert services.recommendations.recommend("u1").items == after.items


@pytest.mark.parametrize("rating", [0.0, 5.5, -1, float("nan"), float("inf")])
def test_ratings_outside_the_scale_are_refused(services: Services, rating: float) -> None:
    with pytest.raises(InvalidRating, match=r"0\.5 and 5"):
        services.ratings.rate("u1", "m1", rating)


def test_before_the_first_version_it_says_what_to_do(runtime: Runtime) -> None:
    with pytest.raises(NotReady, match="Import"):
        runtime.services.recommendations.recommend("u1")
    fill(runtime)
    with pytest.raises(NotReady, match="training"):
        runtime.services.recommendations.recommend("u1")
    receipt = runtime.services.ratings.rate("u1", "m1", 4)
    assert (receipt.embedding_updated, receipt.predicted_after) == (False, None)


def test_what_was_rated_since_the_version_is_known_after_a_restart(trained: Runtime, settings: Settings) -> None:
    services = trained.services
    for n in range(5):
        services.ratings.rate("u1", f"m{n}", 5)
        services.ratings.rate("late", f"m{n}", 1)
    expected = {user: services.recommendations.recommend(user) for user in ("u1", "late", "u2")}
    trained.stop()
    again = build(settings)
    try:
        again.start()
        for user, listed in expected.items():
            found = again.services.recommendations.recommend(user)
            assert len(found.items) == 10
            assert (found.status, found.ratings_count) == (listed.status, listed.ratings_count)
            assert [item.movie_id for item in found.items] == [item.movie_id for item in listed.items]
            np.testing.assert_allclose(
                [item.predicted_rating for item in found.items],
                [item.predicted_rating for item in listed.items],
                atol=1e-5,
            )
    finally:
        again.stop()


def test_ratings_from_many_threads_end_in_the_state_of_a_fold_in_from_scratch(trained: Runtime) -> None:
    """Eight threads rate for the same five users while lists are asked for and a version is activated."""
    services = trained.services

    def rate(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(25):
            services.ratings.rate(f"u{rng.integers(5)}", f"m{rng.integers(80)}", float(rng.integers(1, 11)) / 2)
            services.recommendations.recommend(f"u{rng.integers(60)}")

    threads = [Thread(target=rate, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    status = finished(trained, trained.services.training.train_model("svd", QUICK, "always"))
    for thread in threads:
        thread.join()
    assert status.version == services.serving.active_version() == 2
    live = [services.recommendations.recommend(f"u{n}", 30) for n in range(5)]
    services.serving.load_active()
    for n, expected in enumerate(live):
        found = services.recommendations.recommend(f"u{n}", 30)
        assert (
            found.ratings_count
            == expected.ratings_count
            == len(RatingStore(trained.database).user_ratings(int(n)).movies)
        )
        assert len(found.items) > 10
        assert found.items == expected.items


@contextmanager
def making_a_state(services: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is done inside comes after the ratings were read for the next state, and before that one serves."""
    read, release = Event(), Event()
    load = Snapshots.load

    def held(self: Snapshots) -> Any:
        snapshot = load(self)
        read.set()
        assert release.wait(30)
        return snapshot

    before = services.serving._state
    monkeypatch.setattr(Snapshots, "load", held)
    refresh = Thread(target=services.serving.refresh)
    refresh.start()
    assert read.wait(30)
    monkeypatch.setattr(Snapshots, "load", load)
    try:
        yield
    finally:
        release.set()
        refresh.join()
    assert services.serving._state is not before


def test_what_is_rated_while_a_state_is_made_is_in_it(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """New ratings and changed ones, one given twice, one taken away, a new user."""
    users = ["u1", "meanwhile", "u2"]
    services.ratings.rate("u1", "m0", 5)
    with making_a_state(services, monkeypatch):
        for n in range(8):
            services.ratings.rate("u1", f"m{n}", 1 + n % 4)
            services.ratings.rate("meanwhile", f"m{n}", 2)
        services.ratings.rate("meanwhile", "m0", 2)
        services.ratings.unrate("u1", "m1")
        live = [services.recommendations.recommend(user, 30).items for user in users]
    assert [services.recommendations.recommend(user, 30).items for user in users] == live
    services.serving.load_active()
    assert [services.recommendations.recommend(user, 30).items for user in users] == live


def test_who_is_forgotten_while_a_state_is_made_is_nobody_in_it(
    trained: Runtime, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    with making_a_state(services, monkeypatch):
        forget = Thread(target=services.ratings.forget, args=("u3",))
        forget.start()
        wait_for(lambda: "u3" not in services.serving._state.users)  # type: ignore[union-attr]
    assert services.recommendations.recommend("u3").status == "unknown_user"
    forget.join()
    assert services.recommendations.recommend("u3").status == "unknown_user"
    assert RatingStore(trained.database).user_key("u3") is None


def test_switching_versions(trained: Runtime) -> None:
    services, versions = trained.services, trained.services.versions
    second = finished(trained, trained.services.training.train_model("svd", QUICK | {"seed": 5}, "always")).version
    assert services.serving.active_version() == second == 2
    assert versions.rollback(reason="worse lists") == 1
    assert services.recommendations.recommend("u1").model_version == 1
    versions.activate(2, actor="ann", reason="on purpose")
    active = versions.active()
    assert active is not None
    assert (active.version, active.activated_by) == (2, "ann")
    assert [line.version for line in versions.ledger()] == [2, 1, 2, 1]


def test_an_import_that_ends_during_a_switch_does_not_bring_the_old_version_back(
    trained: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refresh that read version 1 is held while version 2 is activated; version 2 must serve in the end."""
    services, training = trained.services, trained.services.training
    second = finished(trained, training.train_model("svd", QUICK | {"seed": 3}, "never")).version
    assert second == 2
    reading, release = Event(), Event()
    load = Snapshots.load

    def held(self: Snapshots) -> Any:
        reading.set()
        assert release.wait(30)
        return load(self)

    monkeypatch.setattr(Snapshots, "load", held)
    refresh = Thread(target=services.serving.refresh)
    refresh.start()
    assert reading.wait(30)
    switch = Thread(target=trained.services.versions.activate, args=(2,))
    switch.start()
    release.set()
    for thread in (refresh, switch):
        thread.join()
    assert services.serving.active_version() == 2


def test_a_version_that_was_replaced_while_it_was_saved_does_not_serve(trained: Runtime) -> None:
    services = trained.services
    finished(trained, trained.services.training.train_model("svd", QUICK, "always"))
    trained.services.versions.activate(1)
    bundle = services.serving._state.bundle  # type: ignore[union-attr]
    services.serving.serve(2, bundle, 0)
    assert services.serving.active_version() == 1


def test_a_movie_that_an_import_has_just_brought_can_be_rated(trained: Runtime) -> None:
    services = trained.services
    RatingStore(trained.database).add_movies([MovieRow("brand new", "Brand new", 2026, ("War",))])
    receipt = services.ratings.rate("u1", "brand new", 5)
    assert receipt.embedding_updated
    assert "brand new" not in [item.movie_id for item in services.recommendations.recommend("u1", 100).items]
    assert "brand new" in [item.movie_id for item in services.recommendations.recommend("u2", 100).items]
    assert services.recommendations.explain("u2", "brand new").text


def answers_of(services: Services) -> list[Any]:
    """Everything that users are told, by every way."""
    users = ["u0", "u1", "u7", "late", "nobody"]
    movies = [f"m{n}" for n in range(0, 80, 7)] + ["brand new", "nothing"]
    lists = [
        services.recommendations.recommend(user, 30, rank_by=by).items for user in users for by in ("ranker", "rating")
    ]
    return [*lists, services.recommendations.predict([(user, movie) for user in users for movie in movies]).predictions]


def test_a_rating_taken_away_leaves_no_trace(trained: Runtime, services: Services) -> None:
    """Where user and movie had changed before, so that both were folded in already."""
    store = RatingStore(trained.database)
    rated = set(store.user_ratings(7).movies.tolist())
    unseen = [f"m{n}" for n in range(80) if n not in rated]
    services.ratings.rate("u7", unseen[0], 2.5)
    services.ratings.rate("late", unseen[1], 4)
    kept = answers_of(services)
    services.ratings.rate("u7", unseen[1], 5)
    assert answers_of(services) != kept
    gone = services.ratings.unrate("u7", unseen[1])
    assert (gone.previous_rating, gone.embedding_updated) == (5, True)
    assert answers_of(services) == kept
    again = services.ratings.unrate("u7", unseen[1])
    assert (again.previous_rating, again.predicted_after, again.embedding_updated) == (None, None, False)
    assert unseen[1] in [item.movie_id for item in services.recommendations.recommend("u7", 100).items]


def test_only_what_is_known_can_be_taken_away(services: Services) -> None:
    with pytest.raises(UnknownUser):
        services.ratings.unrate("nobody", "m1")
    with pytest.raises(UnknownMovie):
        services.ratings.unrate("u1", "nothing")


def test_a_rating_given_again_changes_nothing(services: Services) -> None:
    services.ratings.rate("u1", "m0", 4.5)
    before = answers_of(services)
    receipt = services.ratings.rate("u1", "m0", 4.5)
    assert receipt.predicted_before == receipt.predicted_after
    assert answers_of(services) == before


def test_a_movie_that_came_after_the_training_is_known_by_its_ratings(trained: Runtime, services: Services) -> None:
    RatingStore(trained.database).add_movies([MovieRow("brand new", "Brand new", 2026, ("War",))])
    services.ratings.rate("u50", "brand new", 5)
    services.ratings.unrate("u50", "brand new")
    (unknown,) = services.recommendations.predict([("u1", "brand new")]).predictions
    assert "movie has no ratings" in str(unknown.fallback)
    for n in range(40, 52):
        services.ratings.rate(f"u{n}", "brand new", 5)
    (good,) = services.recommendations.predict([("u1", "brand new")]).predictions
    assert good.fallback is None
    assert good.predicted_rating > unknown.predicted_rating
    listed = services.recommendations.recommend("u1", 100, rank_by="rating").items
    (item,) = [item for item in listed if item.movie_id == "brand new"]
    assert item.predicted_rating == good.predicted_rating
    assert item.interval == good.interval
    assert services.recommendations.explain("u1", "brand new").predicted_rating == pytest.approx(
        good.predicted_rating, abs=1e-6
    )
    for n in range(40, 52):
        services.ratings.rate(f"u{n}", "brand new", 0.5)
    (bad,) = services.recommendations.predict([("u1", "brand new")]).predictions
    assert bad.predicted_rating < unknown.predicted_rating


def test_both_sides_of_what_came_after_the_version_are_rebuilt(trained: Runtime, services: Services) -> None:
    """By a restart, by an import, and by going back to the version."""
    store = RatingStore(trained.database)
    store.add_movies([MovieRow("brand new", "Brand new", 2026, ("War",))])
    for n in range(20):
        services.ratings.rate(f"u{n}", "brand new", 4.5)
        services.ratings.rate("late", f"m{3 * n}", 1 + n % 5)
        services.ratings.unrate("u1", f"m{n}")
    expected = answers_of(services)
    services.serving.load_active()
    assert answers_of(services) == expected
    services.serving.refresh()
    assert answers_of(services) == expected
    state = services.serving._state
    assert state is not None
    assert state.learner.folded_users == 21
    assert state.learner.folded_movies > 20


def test_intervals_and_fallbacks_go_by_what_the_vectors_were_made_of(trained: Runtime, services: Services) -> None:
    """Not by ratings that an import brought, which the version has not learned until they are folded in."""
    state = services.serving._state
    assert state is not None
    counts = state.learner.state(-1).movies.counts_of(np.arange(-1, 81, dtype=np.int32))
    assert counts[1:-1].tolist() == state.data.movie_counts.tolist()
    assert (counts[0], counts[-1]) == (0, 0)
    services.ratings.rate("late", "m3", 4)
    after = state.learner.state(-1).movies.counts_of(np.array([3, 4], np.int32))
    assert after.tolist() == [state.data.movie_counts[3] + 1, state.data.movie_counts[4]]


def test_health_tells_what_was_folded_in_and_measures_it_once(
    trained: Runtime, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = services.serving.health()
    assert (fresh.model_version, fresh.folded_users, fresh.folded_movies, fresh.ratings_since) == (1, 0, 0, 0)
    assert (fresh.rmse_gap, fresh.top10_overlap, fresh.sampled_users, fresh.advice) == (None, None, 0, "fine")
    seen = {n: RatingStore(trained.database).user_ratings(n).movies.tolist() for n in range(10)}
    for n, rated in seen.items():
        for movie in [movie for movie in range(80) if movie not in rated][:4]:
            services.ratings.rate(f"u{n}", f"m{movie}", 4)
    found = services.serving.health()
    assert (found.folded_users, found.ratings_since, found.sampled_users, found.held_out_ratings) == (10, 40, 10, 20)
    assert found.folded_movies > 4
    assert found.rmse_gap is not None
    assert found.top10_overlap is not None
    monkeypatch.setattr("engine.services.serving.measure_drift", None)
    assert services.serving.health() == found
    state = services.serving._state
    assert state is not None
    monkeypatch.setattr(services.serving, "_state", replace(state, bundle=replace(state.bundle, counts=None)))
    assert (services.serving.health().ratings_since, services.serving.health().rmse_gap) == (None, None)
