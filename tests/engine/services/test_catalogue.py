"""The catalogue: search by title, the sorted table, the long tail, and reach in lists."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import InvalidInput
from engine.recommending.reach import Reach
from engine.runtime import Runtime
from engine.services import reach as module
from engine.services.catalogue import CataloguePage
from tests.engine.services.conftest import wait_for
from tests.engine.services.test_imports import bring

MOVIES = (
    "movie,title,year,genres\n1,The Matrix,1999,Action|Sci-Fi\n2,Matrix Reloaded,2003,Action\n3,Amélie,2001,Comedy\n"
    '4,"Dr. Strangelove, or: Love",1964,Comedy|War\n5,Nobody\'s Film,,\n'
)
RATINGS = "user,movie,rating\na,1,5\nb,1,4\nc,1,4\na,2,2\nb,3,5\nc,4,3\na,4,4\n"


@pytest.fixture
def small(runtime: Runtime) -> Runtime:
    bring(runtime.services.imports, ratings_csv=RATINGS, movies_csv=MOVIES)
    return runtime


def ids(found: CataloguePage) -> list[str]:
    return [row.movie.movie_id for row in found.rows]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("matrix", ["2", "1"]),  # one title begins with it
        ("MAT rel", ["2"]),
        ("amelie", ["3"]),
        ("strangelove or", ["4"]),
        ("atrix", []),
        ("  ", []),
        ("?", []),
    ],
)
def test_movies_are_found_by_the_words_of_their_title(small: Runtime, text: str, found: list[str]) -> None:
    assert [row.movie.movie_id for row in small.services.catalogue.find(text)] == found
    assert len(small.services.catalogue.find(text, limit=1)) == min(len(found), 1)


def test_the_table_is_sorted_filtered_and_turned(small: Runtime) -> None:
    page = small.services.catalogue.page
    assert ids(page()) == ["1", "4", "2", "3", "5"]
    assert ids(page("title", descending=False)) == ["3", "4", "2", "5", "1"]
    assert ids(page("mean")) == ["3", "1", "4", "2", "5"]
    assert ids(page("mean", descending=False)) == ["2", "4", "1", "3", "5"]
    assert ids(page("year", descending=False))[:2] == ["4", "1"]
    assert ids(page(genre="Comedy")) == ["4", "3"]
    assert ids(page(text="matrix", genre="Sci-Fi")) == ["1"]
    assert ids(page(only="never_rated")) == ["5"]
    second = page(rows=2, page=2)
    assert (ids(second), second.total, second.page, second.pages) == (["2", "3"], 5, 2, 3)
    assert page(rows=2, page=99).page == 3
    row = page().rows[0]
    assert (row.ratings, row.mean, row.reach) == (3, pytest.approx(13 / 3), None)
    with pytest.raises(InvalidInput, match="genre"):
        page(genre="Western")
    with pytest.raises(InvalidInput):
        page(rows=0)


def test_the_long_tail(small: Runtime) -> None:
    spread = small.services.catalogue.spread()
    assert (spread.movies, spread.rated, spread.few, spread.half) == (5, 4, 4, 2)
    assert (spread.curve[0], spread.curve[-1]) == ((1, 3), (4, 1))
    assert (spread.never_shown, spread.reach) == (None, None)


def test_an_empty_catalogue_has_no_tail(runtime: Runtime) -> None:
    assert runtime.services.catalogue.spread().curve == ()
    assert runtime.services.catalogue.page().total == 0
    assert runtime.services.catalogue.find("a") == []


def counted(runtime: Runtime) -> Reach:
    wait_for(lambda: runtime.reach.current() is not None)
    found = runtime.reach.current()
    assert found is not None
    return found


def test_reach_counts_the_lists_that_people_get(trained: Runtime) -> None:
    services, reach = trained.services, counted(trained)
    assert (reach.people, reach.out_of) == (60, 60)
    listed: dict[str, int] = {}
    for user in services.library.search_users("", 100):
        for item in services.recommendations.recommend(user.user_id).items:
            listed[item.movie_id] = listed.get(item.movie_id, 0) + 1
    rows = services.catalogue.page("reach", rows=100).rows
    assert {row.movie.movie_id: row.reach for row in rows if row.reach} == listed
    assert [row.reach for row in rows] == sorted((row.reach or 0 for row in rows), reverse=True)
    never = services.catalogue.page(only="never_shown").total
    assert never == services.catalogue.spread().never_shown == len(rows) - len(listed)


def test_of_many_people_some_are_drawn_always_the_same(trained: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PEOPLE", 20)
    first = counted(trained)
    assert (first.people, first.out_of) == (20, 60)
    trained.reach._known = None
    assert np.array_equal(counted(trained).places, first.places)


def test_lists_are_made_again_for_another_state_and_the_old_ones_serve_meanwhile(trained: Runtime) -> None:
    first = counted(trained)
    trained.services.serving.refresh()
    assert trained.reach.current() is first
    wait_for(lambda: trained.reach.current() is not first)
    assert counted(trained).version == first.version


def test_a_stop_ends_the_count(trained: Runtime) -> None:
    trained.reach.worker.stopping.set()
    assert trained.reach.current() is None
    wait_for(lambda: not trained.reach._ordered)
    assert trained.reach._known is None
