"""Movies that an undone import added are hidden everywhere, though versions still know them."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import UnknownMovie
from engine.recommending.lists import ListOptions
from engine.runtime import Runtime
from store.imports import ImportStore
from store.jobs import JobStore
from store.ratings import RatingStore
from store.records import MovieRow
from tests.engine.services.conftest import QUICK, finished

HIT = MovieRow("hit", "A hit", 2001, ("Comedy", "Musical"), {"imdb": "0000017"})
PLAIN = MovieRow("plain", "", None, ())


@pytest.fixture
def undone(trained: Runtime) -> Runtime:
    """A version has learned a movie that most people love; then its import was undone."""
    store, imports = RatingStore(trained.database), ImportStore(trained.database)
    import_id = imports.begin(JobStore(trained.database).create("import", ""), files=[], choices={})
    (hit, plain) = store.add_movies([HIT, PLAIN], import_id=import_id).keys.tolist()
    users = np.arange(50, dtype=np.int32)
    for movie in (hit, plain):
        columns = users, np.full(50, movie, np.int32), np.full(50, 5, np.float32), np.full(50, 2_000_000)
        store.add_ratings(*columns, import_id=import_id)
    imports.finish(import_id, {"ratings_added": 100})
    services = trained.services
    status = finished(trained, services.training.train_model("svd", QUICK, "always"))
    assert status.state == "succeeded", status.error
    assert {"hit", "plain"} <= {item.movie_id for item in services.recommendations.recommend("u58", 100).items}
    imports.undo(import_id)
    services.serving.refresh()
    return trained


def test_no_list_has_them(undone: Runtime) -> None:
    recommendations = undone.services.recommendations
    lists = [
        recommendations.recommend("u58", 1000, include_rated=True),
        recommendations.recommend("u1", 1000, rank_by="rating"),
        recommendations.recommend("nobody", 1000, genres_liked=["Comedy"]),
        recommendations.recommend("u58", 40, diversity=0.5),
    ]
    assert all(0 < len(made.items) <= 80 for made in lists)
    listed = {item.movie_id for made in lists for item in made.items}
    what_if = recommendations.what_if("u1", {"m1": 5.0}, ListOptions(1000))
    listed |= {item.movie.movie_id for item in what_if.items} | {movie.movie_id for movie in what_if.left}
    asked = recommendations.interview("nobody", 100, ["hit"]).questions
    listed |= {question.movie.movie_id for question in asked}
    bare = MovieRow("bare", "", None, ())
    RatingStore(undone.database).add_movies([bare])
    undone.services.serving.refresh()
    for movie in ("m1", "bare"):
        listed |= {one.movie.movie_id for one in recommendations.similar(movie, 1000).items}
    assert not listed & {"hit", "plain"}


def test_they_are_unknown_wherever_they_are_named(undone: Runtime) -> None:
    services = undone.services
    for asking in (
        lambda: services.library.movie("hit"),
        lambda: services.recommendations.explain("u1", "hit"),
        lambda: services.recommendations.similar("hit"),
        lambda: services.recommendations.what_if("u1", {"hit": 5.0}, ListOptions(10)),
        lambda: services.ratings.rate("u1", "hit", 5),
        lambda: services.ratings.unrate("u1", "hit"),
    ):
        with pytest.raises(UnknownMovie):
            asking()
    known, unknown = services.recommendations.predict([("u1", "hit"), ("u1", "never heard of")]).predictions
    assert (known.fallback, known.predicted_rating) == (unknown.fallback, unknown.predicted_rating)
    assert known.fallback is not None


def test_they_are_not_counted_or_exported(undone: Runtime) -> None:
    library = undone.services.library
    statistics = library.statistics()
    assert (statistics.movies, library.counts().movies, statistics.ratings) == (80, 80, 1500)
    assert statistics.density == pytest.approx(1500 / 4800)
    assert "Musical" not in statistics.genres
    lines = b"".join(undone.services.exports.export("movies")).decode().splitlines()
    assert len(lines) == 81
    assert not [line for line in lines if line.startswith(("hit,", "plain,"))]


def test_one_that_is_imported_again_is_back(undone: Runtime) -> None:
    services, store = undone.services, RatingStore(undone.database)
    assert store.add_movies([HIT]).added == 1
    assert services.ratings.rate("u1", "hit", 5).embedding_updated
    assert services.library.movie("hit").title == "A hit"
    assert "hit" in {item.movie_id for item in services.recommendations.recommend("u2", 1000).items}


def test_people_without_ratings_are_found_by_their_id_alone(undone: Runtime) -> None:
    RatingStore(undone.database).add_users(["somebody"])
    library = undone.services.library
    assert library.search_users("some") == []
    undone.services.ratings.rate("somebody", "m1", 5)
    assert [user.user_id for user in library.search_users("some")] == ["somebody"]
    undone.services.ratings.unrate("somebody", "m1")
    assert [(user.user_id, user.ratings_count) for user in library.search_users("somebody")] == [("somebody", 0)]
