"""Figures of all ratings follow every change."""

from __future__ import annotations

import numpy as np
import pytest

from engine.data.tallies import Tally
from engine.errors import NotReady
from engine.runtime import Runtime
from engine.services import figures as module
from engine.services.snapshots import Snapshots
from tests.engine.services.conftest import fill, wait_for
from tests.engine.services.test_imports import bring


@pytest.fixture
def filled(runtime: Runtime) -> Runtime:
    fill(runtime)
    runtime.figures.current()
    return runtime


def counted_anew(runtime: Runtime) -> Tally:
    data = Snapshots(runtime.figures._ratings, runtime.services.scale).load().data
    return Tally.of(data.users, data.items, data.ratings, data.timestamps, data.n_users, data.n_movies)


def check(runtime: Runtime) -> None:
    found, expected = runtime.figures.current(), counted_anew(runtime)
    assert found.current
    assert np.array_equal(found.tally.user_counts, expected.user_counts)
    assert np.allclose(found.tally.movie_sums, expected.movie_sums)
    assert (found.tally.values, found.tally.months) == (expected.values, expected.months)
    known = Snapshots(runtime.figures._ratings, runtime.services.scale).load().data.timestamps
    assert known is not None
    dated = known[known >= 0]
    assert (found.first, found.last) == (dated.min(), dated.max())


def test_single_ratings_count_at_once_without_reading_all_again(
    filled: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    ratings = filled.services.ratings
    monkeypatch.setattr(Snapshots, "load", lambda _: pytest.fail("all ratings were read"))
    for user, movie, rating in (("u1", "m1", 0.5), ("somebody new", "m1", 5.0), ("u2", "m3", 3.0)):
        ratings.rate(user, movie, rating)
        filled.figures.current()
    ratings.unrate("somebody new", "m1")
    found = filled.figures.current()
    monkeypatch.undo()
    check(filled)
    assert found is filled.figures.current()


def test_the_earliest_rating_can_go(filled: Runtime) -> None:
    for one in filled.services.library.user_ratings("u0"):
        filled.services.ratings.unrate("u0", one.movie.movie_id)
    check(filled)


def test_imports_and_deletions_count(filled: Runtime) -> None:
    bring(filled.services.imports, more_csv="user,movie,rating\nann,m1,4\nbob,a new one,2.5\n")
    check(filled)
    filled.services.ratings.forget("u3")
    check(filled)


def test_many_changes_of_many_ratings_are_counted_in_the_background(
    filled: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MANY_RATINGS", 10)
    monkeypatch.setattr(module, "MAX_CHANGED", 1)
    for user in ("u1", "u2", "u3"):
        filled.services.ratings.rate(user, "m1", 0.5)
    found = filled.figures.current()
    assert (found.current, found.tally.ratings) == (False, 1500)
    wait_for(lambda: filled.figures.current().current)
    check(filled)


def test_while_millions_are_read_for_the_first_time_pages_say_so(
    filled: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MANY_RATINGS", 10)
    figures = filled.figures
    wait_for(lambda: not figures._ordered)
    figures._snapshots._latest, figures._ordered = None, True
    with pytest.raises(NotReady, match="being read"):
        filled.services.catalogue.page()
    figures._ordered = False
    assert filled.services.catalogue.page().total == 80
