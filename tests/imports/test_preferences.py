"""Plays, hours, events, histories and thumbs are preferences where the owner says so, and refused otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from engine.data.plan import ImportOptions
from engine.data.scale import PREFERENCES
from tests.imports.bench import Bench, Case, Stored, assert_same
from tests.imports.data import plain, rows
from tests.imports.test_stores import MOVIELENS, STARTER

WANTED: dict[str, Any] = {"preferences": True}
PLAYS = {"plays.csv": "user,artist id,plays\nann,7,17\nben,8,1204\nann,8,0\ncid,7,\n"}
LIKED: Stored = {("ann", "7"): (1.0, None), ("ben", "8"): (1.0, None)}
NETFLIX = "Profile Name,Title Name,Rating Type,Star Value,Thumbs Value,Device Model,Event Utc Ts,Region View Date\n"

TAKEN = [
    Case("plays", PLAYS, options={**WANTED, "columns": {"user": "user", "movie": "artist id", "rating": "plays"}},
         ratings=LIKED, result={"unrated": 2, "ratings_added": 2}),
    Case("plays under known names", {"a.csv": "userID\tartistID\tweight\n2\t51\t13883\n3\t52\t11690\n"},
         options=WANTED, ratings={("2", "51"): (1.0, None), ("3", "52"): (1.0, None)}, source="Plays or histories"),
    Case("hours", {"steam.csv": "user_id,game,hours\n1,Portal,12.5\n2,Portal,3\n2,Doom,0\n"}, options=WANTED,
         titles=True, ratings={("1", "Portal"): (1.0, None), ("2", "Portal"): (1.0, None)}, result={"unrated": 1}),
    Case("events", {"events.csv": "timestamp,visitorid,event,itemid\n1433221332,7,view,3\n1433221400,7,addtocart,3\n"
                    "1433221500,8,view,4\n"}, options=WANTED,
         ratings={("7", "3"): (1.0, 1433221400), ("8", "4"): (1.0, 1433221500)}, result={"ratings_repeated": 1}),
    Case("a viewing history", {"NetflixViewingHistory.csv": 'Title,Date\n"Heat","1/22/20"\n"Alien","3/4/20"\n'},
         options=WANTED, answers={"user": "me"}, titles=True,
         ratings={("me", "Heat"): (1.0, 1579651200), ("me", "Alien"): (1.0, 1583280000)}),
    Case("pairs alone", {"likes.csv": "user_id,movie_id\nann,1\nann,2\nbob,1\n"}, options=WANTED,
         ratings={("ann", "1"): (1.0, None), ("ann", "2"): (1.0, None), ("bob", "1"): (1.0, None)}),
    Case("thumbs in words", {"t.csv": "user,movie,liked\nann,1,like\nann,2,dislike\nbob,1,👍\n"}, options=WANTED,
         ratings={("ann", "1"): (1.0, None), ("ann", "2"): (0.0, None), ("bob", "1"): (1.0, None)}),
    Case("thumbs as numbers", {"t.csv": "user,movie,rating\nann,1,1\nann,2,0\nbob,1,1\n"}, options=WANTED,
         ratings={("ann", "1"): (1.0, None), ("ann", "2"): (0.0, None), ("bob", "1"): (1.0, None)}),
    Case("Netflix's thumbs", {"Ratings.csv": NETFLIX + "".join(
        f"Eva,{title},thumb,0,{thumb},TV,2021-01-01 10:00:00,US\n"
        for title, thumb in (("Heat", 1), ("Alien", 2), ("Up", 3))
    )}, options=WANTED, titles=True, ratings={
        ("Eva", "Heat"): (0.0, 1609495200), ("Eva", "Alien"): (1.0, 1609495200), ("Eva", "Up"): (1.0, 1609495200)}),
]  # fmt: skip
REFUSED = [
    Case("ratings", {"r.csv": plain(rows())}, options=WANTED, error=("from 0.5 to 5", "without the option")),
    Case("a film without anybody", {"a.csv": "plays,hours\n3,4\n5,6\n"}, options=WANTED, error=("No ratings",)),
    Case("plays unless asked", PLAYS, error=("counts plays", "option preferences")),
]  # fmt: skip


@pytest.mark.parametrize("case", TAKEN, ids=str)
def test_preferences_are_taken_where_the_owner_says_so(bench: Bench, case: Case) -> None:
    done = case.check(bench)
    assert bench.scale.current == PREFERENCES
    assert bench.scale.current.are_preferences
    assert done.plan.scale is not None
    assert (done.plan.scale.found, done.plan.scale.origin) == ([0.0, 1.0], "declared")
    assert "becomes 1" in done.plan.scale.mapping


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_what_are_no_preferences_is_refused(bench: Bench, case: Case) -> None:
    case.check(bench)


def test_preferences_never_mix_with_ratings(bench: Bench) -> None:
    bench.bring(MOVIELENS)
    done = bench.bring({"t.csv": "user,movie,rating\nann,1,1\nbob,2,0\n"}, **WANTED)
    assert done.job.state == "failed"
    assert "into a store of their own" in str(done.job.error)
    assert_same(bench.stored(), STARTER)


def test_a_store_of_preferences_takes_more_of_them(bench: Bench) -> None:
    bench.bring(TAKEN[1].files, **WANTED)
    done = bench.bring({"t.csv": "user,movie,rating\n2,51,0\n4,51,1\n"}, **WANTED)
    assert done.job.state == "succeeded", done.job.error
    assert bench.stored()["2", "51"] == (0.0, None)
    assert len(bench.stored()) == 3


def test_preferences_have_a_scale_of_their_own() -> None:
    with pytest.raises(ValueError, match="leave out either preferences or scale"):
        ImportOptions(preferences=True, scale=[0.0, 1.0])
