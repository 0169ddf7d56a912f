"""Profiles of movies and people follow every change."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import NotReady, UnknownMovie, UnknownUser
from engine.runtime import Runtime
from tests.engine.services.conftest import fill, wait_for


def test_a_movie_is_told_by_all_of_its_ratings(trained: Runtime) -> None:
    services = trained.services
    data = trained.services.serving.ready().data
    rows = data.by_movie.of(0)
    movie_id = str(data.movie_ids.raw(0))
    found = services.profiles.movie(movie_id)
    assert (found.ratings, found.mean) == (len(rows), pytest.approx(data.ratings[rows].mean(), rel=1e-5))
    assert sum(found.rating_counts.values()) == sum(one.ratings for one in found.months) == len(rows)
    assert [one.rating for one in found.fans] == sorted(data.ratings[rows].tolist(), reverse=True)[:10]
    assert found.rank == 1 + int((data.movie_counts > len(rows)).sum())
    with pytest.raises(UnknownMovie):
        services.profiles.movie("no such")


def test_new_changed_and_removed_ratings_count(trained: Runtime) -> None:
    services = trained.services
    state = services.serving.ready()
    movie_id = str(state.data.movie_ids.raw(0))
    before = services.profiles.movie(movie_id)
    rater = str(state.data.user_ids.raw(int(state.data.users[state.data.by_movie.of(0)[0]])))
    services.ratings.rate("somebody new", movie_id, 5.0)
    found = services.profiles.movie(movie_id)
    assert found.ratings == before.ratings + 1
    assert found.fans[0].user_id == "somebody new"
    services.ratings.unrate(rater, movie_id)
    services.ratings.unrate("somebody new", movie_id)
    found = services.profiles.movie(movie_id)
    assert found.ratings == before.ratings - 1
    assert rater not in [one.user_id for one in found.fans]
    services.ratings.forget(found.fans[0].user_id)
    assert services.profiles.movie(movie_id).fans[0].user_id != found.fans[0].user_id


def test_similar_movies_and_standing_need_a_version(runtime: Runtime) -> None:
    fill(runtime)
    profiles, movie_id = runtime.services.profiles, runtime.services.catalogue.page().rows[0].movie.movie_id
    assert profiles.similar(movie_id) is None
    assert profiles.standing(movie_id) is None
    with pytest.raises(NotReady):
        profiles.predicted("u1")


def test_the_standing_of_a_movie_is_its_reach(trained: Runtime) -> None:
    services = trained.services
    first = services.catalogue.page().rows[0].movie.movie_id
    wait_for(lambda: services.profiles.standing(first) is not None)
    found = services.profiles.standing(first)
    assert found is not None
    (row,) = [row for row in services.catalogue.page(rows=100).rows if row.movie.movie_id == first]
    assert sum(found.places) == row.reach
    similar = services.profiles.similar(first)
    assert similar is not None
    assert similar.movie.movie_id == first


def test_a_person_is_told_by_their_ratings(trained: Runtime) -> None:
    services = trained.services
    found = services.profiles.person("u1")
    rated = services.library.user_ratings("u1")
    assert found.known
    assert list(found.ratings) == rated
    assert found.mean == pytest.approx(sum(one.rating for one in rated) / len(rated))
    assert found.mean_of_all == pytest.approx(services.library.statistics().mean_rating)
    for taste in found.genres:
        mine = [one.rating for one in rated if taste.genre in one.movie.genres]
        assert (taste.ratings, taste.mean) == (len(mine), pytest.approx(sum(mine) / len(mine)))
        assert taste.share == pytest.approx(len(mine) / len(rated))
        table, data = services.serving.ready().data.movies, services.serving.ready().data
        has = table.genres[data.items, table.genre_names.index(taste.genre)]
        assert taste.mean_of_all == pytest.approx(data.ratings[has].mean(), rel=1e-5)
        assert taste.share_of_all == pytest.approx(has.mean())
    nobody = services.profiles.person("nobody")
    assert (nobody.known, nobody.ratings, nobody.genres) == (False, (), ())


def test_a_prediction_does_not_know_the_rating_that_it_predicts(trained: Runtime) -> None:
    services = trained.services
    before = services.profiles.predicted("u1")
    newest = before[0]
    assert [one.movie for one in before] == [one.movie for one in services.library.user_ratings("u1")][: len(before)]
    other = 0.5 if newest.rating > 3 else 5.0
    services.ratings.rate("u1", newest.movie.movie_id, other)
    after = {one.movie.movie_id: one for one in services.profiles.predicted("u1")}[newest.movie.movie_id]
    assert after.rating == other
    moved = abs(
        after.predicted - newest.predicted
    )  # by what is known of the movie, of which theirs is one of 19 ratings
    assert moved < 0.1 * abs(other - newest.rating)
    errors = np.array([one.rating - one.predicted for one in before])
    assert np.abs(errors).mean() < 1.5
    services.ratings.rate("one rating", newest.movie.movie_id, 5.0)
    assert services.profiles.predicted("one rating") == services.profiles.predicted("nobody") == []


def test_a_copy_of_a_persons_ratings_can_be_imported(trained: Runtime) -> None:
    services = trained.services
    lines = services.exports.person("u1").decode().splitlines()
    everybody = b"".join(services.exports.export("ratings")).decode().splitlines()
    assert lines[0] == everybody[0]
    assert sorted(lines[1:]) == sorted(line for line in everybody if line.startswith('"u1",'))
    with pytest.raises(UnknownUser):
        services.exports.person("nobody")
