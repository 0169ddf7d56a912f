"""Lists, predictions, explanations and ratings, from the active version and what came after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest

from engine.errors import InvalidInput, InvalidRating, NotReady, UnknownMovie, UnknownUser
from engine.recommending.lists import ListOptions
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


def test_a_list_is_distinct_unseen_sorted_and_annotated(trained: Runtime, services: Services) -> None:
    for n in range(60):
        listed = services.recommendations.recommend(f"u{n}", 20)
        movies = [item.movie_id for item in listed.items]
        seen = {rated.movie.movie_id for rated in trained.services.library.user_ratings(f"u{n}")}
        assert (listed.status, listed.ratings_count, listed.model_version) == ("personal", 25, 1)
        assert len(set(movies)) == 20
        assert not seen & set(movies)
        assert [item.rank for item in listed.items] == list(range(1, 21))
        scores = [item.score for item in listed.items]
        assert scores == sorted(scores, reverse=True)
        for item in listed.items:
            assert item.interval is not None
            assert item.confidence is not None
            assert 0.5 <= item.interval[0] <= item.predicted_rating <= item.interval[1] <= 5
            assert 0 <= item.confidence <= 1


def test_explanations_add_up_for_every_recommended_movie_of_50_users(services: Services) -> None:
    for n in range(50):
        listed = services.recommendations.recommend(f"u{n}").items
        assert len(listed) == 10
        for item in listed:
            why = services.recommendations.explain(f"u{n}", item.movie_id)
            total = why.baseline + sum(one.share for one in why.contributions) + why.residual
            assert total == pytest.approx(why.score, abs=1e-9)
            assert abs(why.residual) < 1e-4
            assert why.score == pytest.approx(item.score, abs=1e-6)
            assert why.predicted_rating == item.predicted_rating
            assert len(why.contributions) == 25
            assert why.text


def test_anyone_gets_a_list_and_is_told_how_it_was_made(trained: Runtime, services: Services) -> None:
    assert services.recommendations.recommend("nobody").status == "unknown_user"
    statuses = []
    for n in range(12):
        services.ratings.rate("newcomer", f"m{n}", 4)
        listed = services.recommendations.recommend("newcomer")
        assert len(listed.items) == 10
        assert listed.ratings_count == n + 1
        statuses.append(listed.status)
    assert statuses == ["blended"] * 9 + ["personal"] * 3
    assert trained.services.library.user_ratings("newcomer")


def test_whoever_has_rated_everything_is_told_so(services: Services) -> None:
    for n in range(80):
        services.ratings.rate("completist", f"m{n}", 3)
    listed = services.recommendations.recommend("completist")
    assert listed.items == ()
    assert listed.reason == "Every movie has been rated already."
    answers = services.recommendations
    filtered = answers.recommend("completist", genre="War")
    assert (filtered.items, filtered.reason) == ((), "No unrated movie matches the filters.")
    nothing = answers.recommend("u1", year_from=3000, include_rated=True)
    assert (nothing.items, nothing.reason) == ((), "No movie matches the filters.")


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


def test_unknown_movies(services: Services) -> None:
    with pytest.raises(UnknownMovie):
        services.ratings.rate("u1", "nothing", 4)
    with pytest.raises(UnknownMovie):
        services.recommendations.explain("u1", "nothing")


def test_filters_exclusions_and_orders(services: Services) -> None:
    first = services.recommendations.recommend("u2").items[0].movie_id
    assert first not in [
        item.movie_id for item in services.recommendations.recommend("u2", exclude=[first, "nothing"]).items
    ]
    war = services.recommendations.recommend("u2", genre="War").items
    assert war
    assert all("War" in item.genres for item in war)
    recent = services.recommendations.recommend("u2", year_from=2000).items
    assert len(recent) == 10
    assert all(item.year is not None and item.year >= 2000 for item in recent)
    rated = services.recommendations.recommend("u2", rank_by="rating").items
    assert [item.predicted_rating for item in rated] == sorted((item.predicted_rating for item in rated), reverse=True)
    various = services.recommendations.recommend("u2", diversity=0.9)
    plain = services.recommendations.recommend("u2")
    assert plain.price is None
    assert various.price is not None
    assert various.price.variety >= various.price.variety_before
    assert various.price.score_kept == pytest.approx(
        sum(item.score for item in various.items) / sum(item.score for item in plain.items), rel=1e-4
    )
    means = [sum(item.predicted_rating for item in one.items) / 10 for one in (various, plain)]
    assert [various.price.predicted_rating, various.price.predicted_before] == pytest.approx(means, rel=1e-5)
    assert len({item.movie_id for item in various.items}) == 10
    for wrong in ({"n": 0}, {"n": 1001}, {"diversity": 1.5}, {"genre": "Opera"}):
        with pytest.raises(InvalidInput):
            services.recommendations.recommend("u2", **wrong)  # type: ignore[arg-type]


def test_predictions_say_what_they_could_not_know(services: Services) -> None:
    answer = services.recommendations.predict(
        [("u1", "m1"), ("nobody", "m1"), ("u1", "nothing"), ("nobody", "nothing")]
    )
    fallbacks = [one.fallback for one in answer.predictions]
    assert fallbacks[0] is None
    assert "user has no ratings" in str(fallbacks[1])
    assert "movie has no ratings" in str(fallbacks[2])
    assert "Neither" in str(fallbacks[3])
    assert all(0.5 <= one.predicted_rating <= 5 for one in answer.predictions)
    assert services.recommendations.predict([]).predictions == ()


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


def test_a_list_may_hold_what_the_user_has_rated(trained: Runtime, services: Services) -> None:
    rated = {one.movie.movie_id: one.rating for one in trained.services.library.user_ratings("u2")}
    listed = services.recommendations.recommend("u2", 100, include_rated=True).items
    assert len(listed) == 80
    assert {item.movie_id: item.rated for item in listed if item.rated is not None} == rated
    unseen = services.recommendations.recommend("u2", 100).items
    assert len(unseen) == 80 - len(rated) == 55
    assert all(item.rated is None for item in unseen)


def test_stated_genres_lead_a_newcomers_list_and_give_way_to_ratings(services: Services) -> None:
    def wars(user: str, liked: tuple[str, ...]) -> int:
        return sum(
            "War" in item.genres for item in services.recommendations.recommend(user, 20, genres_liked=liked).items
        )

    assert wars("nobody", ("war",)) > wars("nobody", ())
    assert wars("u3", ("war",)) == wars("u3", ())
    assert (
        "what most people like, favouring War."
        in services.recommendations.recommend("nobody", genres_liked=["war"]).reason
    )
    with pytest.raises(InvalidInput, match="no genre 'Polka'") as error:
        services.recommendations.recommend("u3", genres_liked=["Polka"])
    assert error.value.field == "genres_liked"
    item = services.recommendations.recommend("nobody", genres_liked=["War"]).items[0]
    assert services.recommendations.explain("nobody", item.movie_id, ["War"]).score == pytest.approx(
        item.score, abs=1e-6
    )


def test_somebody_who_is_not_stored_gets_the_list_that_a_user_with_their_ratings_gets(
    trained: Runtime, services: Services
) -> None:
    users = trained.services.library.statistics().users
    rated = {one.movie.movie_id: one.rating for one in trained.services.library.user_ratings("u2")}
    services.ratings.rate("u2", *next(iter(rated.items())))  # no news, so nothing changes
    answer = services.recommendations.recommend_to(rated, ListOptions(20))
    expected = services.recommendations.recommend("u2", 20)
    assert (answer.user_id, answer.status, answer.ratings_count) == ("", "personal", 25)
    assert [item.movie_id for item in answer.items] == [item.movie_id for item in expected.items]
    assert [item.score for item in answer.items] == [item.score for item in expected.items]
    assert trained.services.library.statistics().users == users
    with pytest.raises(UnknownMovie):
        services.recommendations.recommend_to({"nothing": 3}, ListOptions())
    with pytest.raises(InvalidRating):
        services.recommendations.recommend_to({"m1": 9}, ListOptions())


def test_what_if_is_what_rating_so_would_give(trained: Runtime, services: Services) -> None:
    """The list is that of a user who really has these ratings, but for movies that were really rated."""
    rated = [one.movie.movie_id for one in trained.services.library.user_ratings("u4")]
    unseen = next(f"m{n}" for n in range(80) if f"m{n}" not in rated)
    changes = {rated[0]: None, rated[1]: 0.5, unseen: 5.0}
    kept = answers_of(services)
    before = [item.movie_id for item in services.recommendations.recommend("u4", 20, exclude=[unseen]).items]
    told = services.recommendations.what_if("u4", changes, ListOptions(20))
    assert answers_of(services) == kept  # nothing was kept
    assert told.ratings_count == 25
    assert len(told.items) == 20
    for movie, rating in changes.items():
        if rating is None:
            services.ratings.unrate("u4", movie)
        else:
            services.ratings.rate("u4", movie, rating)
    listed = services.recommendations.recommend("u4", 20, exclude=[rated[0]]).items
    assert [one.movie.movie_id for one in told.items] == [one.movie_id for one in listed]
    for one, item in zip(told.items, listed, strict=True):
        assert one.predicted_rating == pytest.approx(item.predicted_rating, abs=0.05)  # the movies were folded in too
        expected = before.index(item.movie_id) + 1 - item.rank if item.movie_id in before else None
        assert (one.rank, one.change) == (item.rank, expected)
    assert {one.movie_id for one in told.left} == set(before) - {one.movie_id for one in listed}
    assert any(one.change for one in told.items)


def test_no_change_is_told_as_none(services: Services) -> None:
    told = services.recommendations.what_if("u4", {}, ListOptions(10))
    assert [one.movie.movie_id for one in told.items] == [
        one.movie_id for one in services.recommendations.recommend("u4").items
    ]
    assert {one.change for one in told.items} == {0}
    assert told.left == ()
    nobody = services.recommendations.what_if("nobody", {"m1": 5.0}, ListOptions(5))
    assert (nobody.status, nobody.ratings_count, len(nobody.items)) == ("blended", 1, 5)
    for wrong, error in (({"nothing": 3.0}, UnknownMovie), ({"m1": 7.0}, InvalidRating)):
        with pytest.raises(error):
            services.recommendations.what_if("u4", wrong, ListOptions())


def test_the_rating_is_explained_as_it_is_predicted(services: Services) -> None:
    for user in ("u1", "nobody"):
        listed = services.recommendations.recommend(user).items
        assert len(listed) == 10
        for item in listed:
            why = services.recommendations.explain(user, item.movie_id).rating
            assert why.predicted_rating == item.predicted_rating
            assert why.method == "exact"
            total = why.baseline + sum(one.share for one in why.contributions) + why.residual
            assert total == pytest.approx(item.predicted_rating, abs=1e-6)
            assert len(why.contributions) == (25 if user == "u1" else 0)


def test_an_interview_goes_from_nothing_to_a_personal_list(trained: Runtime, services: Services) -> None:
    """Answered as a user of the data would; what that user never rated they do not know."""
    taste = {one.movie.movie_id: one.rating for one in trained.services.library.user_ratings("u9")}
    skipped: list[str] = []
    confidence, answers = [services.recommendations.interview("guest").confidence], 0
    while (now := services.recommendations.interview("guest", skipped=skipped)).questions:
        movie = now.questions[0].movie.movie_id
        assert movie not in skipped
        if movie not in taste:
            skipped.append(movie)
            continue
        expected = now.confidence + now.questions[0].teaches
        services.ratings.rate("guest", movie, taste[movie])
        answers += 1
        confidence.append(services.recommendations.interview("guest", skipped=skipped).confidence)
        assert confidence[-1] == pytest.approx(expected, abs=1e-6)
    assert now.finished
    assert confidence[0] == 0
    assert confidence == sorted(confidence)
    assert answers == now.ratings_count
    assert services.recommendations.recommend("guest").ratings_count == answers


def test_questions_asked_together_are_distinct_and_unrated(services: Services) -> None:
    asked = services.recommendations.interview("guest", 20)
    movies = [one.movie.movie_id for one in asked.questions]
    assert len(set(movies)) == len(movies) > 5
    assert all(0 < one.chance <= 1 and 0 < one.teaches <= 1 for one in asked.questions)
    assert (asked.status, asked.finished, asked.ratings_count) == ("unknown_user", None, 0)
    services.ratings.rate("guest", movies[0], 4.0)
    assert movies[0] not in [one.movie.movie_id for one in services.recommendations.interview("guest", 20).questions]
    for wrong in (0, 101):
        with pytest.raises(InvalidInput, match="from 1 to 100"):
            services.recommendations.interview("guest", wrong)


def test_similar_movies_are_by_ratings_and_without_any_by_content(trained: Runtime, services: Services) -> None:
    found = services.recommendations.similar("m7", 20)
    assert (found.movie.movie_id, found.basis, len(found.items)) == ("m7", "ratings", 20)
    alike = [one.similarity for one in found.items]
    assert alike == sorted(alike, reverse=True)
    assert all(0 < one <= 1 for one in alike)
    assert "m7" not in [one.movie.movie_id for one in found.items]
    back = next(
        one
        for one in services.recommendations.similar(found.items[0].movie.movie_id, 80).items
        if one.movie.movie_id == "m7"
    )
    assert back.similarity == pytest.approx(alike[0], abs=1e-6)
    RatingStore(trained.database).add_movies([MovieRow("brand new", "Brand new", 2019, ("Comedy", "War"))])
    services.serving.refresh()
    new = services.recommendations.similar("brand new", 3)
    assert new.basis == "content"
    assert set(new.items[0].movie.genres) == {"Comedy", "War"}
    with pytest.raises(UnknownMovie):
        services.recommendations.similar("nothing")
    with pytest.raises(InvalidInput):
        services.recommendations.similar("m7", 0)


def test_a_forgotten_user_is_nobody_and_the_others_stay(trained: Runtime, services: Services) -> None:
    library = trained.services.library
    before = library.statistics()
    others = {user: services.recommendations.recommend(user).items for user in ("u2", "u3")}
    services.ratings.rate("u1", "m0", 5)
    rated = [one.movie.movie_id for one in library.user_ratings("u1")]
    receipt = services.ratings.forget("u1")
    assert (receipt.user_id, receipt.ratings_removed, receipt.versions) == ("u1", len(rated), (1,))
    assert "Version 1 learned from them before" in receipt.text
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
    assert {user: [item.movie_id for item in services.recommendations.recommend(user).items] for user in others} == {
        user: [item.movie_id for item in items] for user, items in others.items()
    }
    with pytest.raises(UnknownUser):
        services.ratings.forget("u1")
    services.ratings.rate("u1", "m0", 4)  # whoever comes under that id again is somebody new
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
