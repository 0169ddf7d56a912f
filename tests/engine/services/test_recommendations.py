"""Lists, predictions, explanations and interviews from the version that serves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.errors import InvalidInput, InvalidRating, UnknownMovie
from engine.recommending.lists import ListOptions
from engine.runtime import Runtime
from engine.services import Services
from store.ratings import RatingStore
from store.records import MovieRow
from tests.engine.services.test_serving import answers_of


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
            assert why.residual == pytest.approx(why.from_rating, abs=1e-4)
            assert why.score == pytest.approx(item.score, abs=1e-6)
            assert why.predicted_rating == item.predicted_rating
            assert len(why.contributions) == 25
            assert why.text


def test_the_main_reason_is_the_largest_share_or_popularity(services: Services) -> None:
    for user in ("u3", "nobody"):
        listed = [item.movie_id for item in services.recommendations.recommend(user).items]
        for movie, reason in zip(listed, services.recommendations.reasons(user, listed), strict=True):
            supporting = [one for one in services.recommendations.explain(user, movie).contributions if one.share > 0]
            first = max(supporting, key=lambda one: one.share, default=None)
            expected = f"Because you gave {first.title} {first.rating:g}" if first else "Popular with everybody"
            assert reason == expected
    with pytest.raises(UnknownMovie):
        services.recommendations.reasons("u3", ["nothing"])


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
    assert "person has no ratings" in str(fallbacks[1])
    assert "movie has no ratings" in str(fallbacks[2])
    assert "Neither" in str(fallbacks[3])
    assert all(0.5 <= one.predicted_rating <= 5 for one in answer.predictions)
    assert services.recommendations.predict([]).predictions == ()


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
    assert (answer.user_id, answer.status, answer.ratings_count) == ("", "personal", 25)
    state = services.serving.ready()
    alike = replace(state.state_of("u2").history, times=np.zeros(25, np.int64))  # nobody said which came last
    user = state.listen_to(state.learner.imagine(alike))
    expected = state.make_list(user, ListOptions(20), alike.items)
    assert [item.movie_id for item in answer.items] == [state.movie(int(m)).movie_id for m in expected.movies]
    assert [item.score for item in answer.items] == [float(expected.scores[movie]) for movie in expected.movies]
    assert trained.services.library.statistics().users == users
    with pytest.raises(UnknownMovie):
        services.recommendations.recommend_to({"nothing": 3}, ListOptions())
    with pytest.raises(InvalidRating):
        services.recommendations.recommend_to({"m1": 9}, ListOptions())


def test_what_if_is_what_rating_so_would_give(trained: Runtime, services: Services) -> None:
    """The list is that of a user who really has these ratings, but for movies that were really rated."""
    rated = [one.movie.movie_id for one in trained.services.library.user_ratings("u4")]
    unseen = services.recommendations.recommend("u4", 20).items[2].movie_id
    changes = {rated[0]: None, rated[1]: 0.5, unseen: 5.0}
    kept = answers_of(services)
    before = [item.movie_id for item in services.recommendations.recommend("u4", 20).items]
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
    assert unseen in {one.movie_id for one in told.left}
    assert any(one.change for one in told.items)


def test_a_movie_whose_rating_is_dropped_is_in_neither_list(services: Services) -> None:
    rated = {one.movie.movie_id for one in services.library.user_ratings("u4")}
    told = services.recommendations.what_if("u4", {min(rated): None}, ListOptions(80))
    shown = {one.movie.movie_id for one in told.items} | {one.movie_id for one in told.left}
    assert len(shown) == 80 - len(rated)
    assert shown & rated == set()


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
