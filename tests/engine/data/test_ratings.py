"""Raw ids to indices and back, and odd tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.catalogue import split_genres
from engine.data.ratings import IdIndex, Interactions, UnmatchedIds
from engine.errors import InvalidInput
from tests.conftest import planted

ROWS = st.lists(st.tuples(st.integers(0, 8), st.text("abcé", max_size=2), st.sampled_from([0.5, 3.0, 5.0])), min_size=1)


@given(ROWS)
def test_ids_come_back_and_the_last_row_of_a_pair_counts(rows: list[tuple[int, str, float]]) -> None:
    data = Interactions.from_frame(pd.DataFrame(rows, columns=["user_id", "movie_id", "rating"]))
    last = {(user, movie): rating for user, movie, rating in rows}
    found = {
        (data.user_ids.raw(int(user)), data.movie_ids.raw(int(movie))): float(rating)
        for user, movie, rating in zip(data.users, data.items, data.ratings, strict=True)
    }
    assert found == last
    assert len(data) == len(last)
    for user, movie in last:
        assert data.user_ids.raw(data.user_ids.index(user)) == user
        assert data.movie_ids.raw(int(data.movie_ids.indices([movie])[0])) == movie


def test_unknown_ids_have_no_index() -> None:
    ids = IdIndex(["a", "b"])
    assert ids.index("z") == ids.index(3) == ids.index(["a"]) == -1  # type: ignore[arg-type]
    assert ids.indices(["b", "z", "a"]).tolist() == [1, -1, 0]


def test_groups_hold_each_row_once_and_in_order(small: Interactions) -> None:
    for rows, keys, n in ((small.by_user, small.users, small.n_users), (small.by_movie, small.items, small.n_movies)):
        parts = [rows.of(key) for key in range(n)]
        assert sorted(np.concatenate(parts).tolist()) == list(range(len(small)))
        for key, part in enumerate(parts):
            assert (keys[part] == key).all()
            assert (np.diff(part) > 0).all()


def test_movies_nobody_rated_are_kept() -> None:
    frame, movies = planted()
    extra = pd.DataFrame({"movie_id": ["unseen"], "title": ["Unseen"], "year": [2020], "genres": ["War"]})
    data = Interactions.from_frame(frame, pd.concat([movies, extra]))
    index = data.movie_ids.index("unseen")
    assert data.movie_counts[index] == 0
    found = data.movies.movie(index, "unseen")
    assert (found.title, found.year, found.genres) == ("Unseen", 2020, ("War",))


def test_a_table_of_movies_may_lack_any_part() -> None:
    ratings = pd.DataFrame({"user_id": [1], "movie_id": [7], "rating": [4.0]})
    data = Interactions.from_frame(ratings, pd.DataFrame({"movie_id": [7], "title": [None]}))
    found = data.movies.movie(0, "7")
    assert (found.title, found.year, found.genres) == ("7", None, ())
    assert data.timestamps is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="rating"), "column named rating"),
        (lambda frame: frame.iloc[:0], "no ratings"),
        (lambda frame: frame.assign(rating=np.nan), "Row 0 has no rating"),
        (lambda frame: frame.assign(user_id=None), "Row 0 has no user_id"),
        (lambda frame: frame.assign(rating=9.0), "outside the scale"),
        (lambda frame: frame.assign(rating=np.inf), "outside the scale"),
        (lambda frame: frame.assign(timestamp=None), "Row 0 has no timestamp"),
        (lambda frame: frame.assign(timestamp="soon"), "timestamp 'soon' is neither Unix seconds nor a date"),
    ],
)
def test_tables_that_make_no_sense_are_refused(change: object, message: str) -> None:
    frame, _ = planted()
    with pytest.raises(InvalidInput, match=message):
        Interactions.from_frame(change(frame), scale=(0.5, 5.0))  # type: ignore[operator]


def test_the_fingerprint_follows_the_data() -> None:
    frame, movies = planted()
    again = Interactions.from_frame(frame, movies, scale=(0.5, 5.0))
    assert again.fingerprint == Interactions.from_frame(frame, movies, scale=(0.5, 5.0)).fingerprint
    changed = frame.assign(rating=frame.rating.where(frame.index != 3, 0.5))
    assert Interactions.from_frame(changed, movies, scale=(0.5, 5.0)).fingerprint != again.fingerprint


@pytest.mark.parametrize(
    ("text", "genres"),
    [
        ("Drama|War", ("Drama", "War")),
        ("(no genres listed)", ()),
        (None, ()),
        (float("nan"), ()),
        (" a | |a ", ("a",)),
        (["Drama", " War "], ("Drama", "War")),
        (("Drama|War", None), ("Drama", "War")),
        ({"War", "Drama"}, ("Drama", "War")),
        (np.array(["War", "Drama", "War"]), ("War", "Drama")),
        ([], ()),
    ],
)
def test_genres_are_read_from_text_and_from_lists(text: object, genres: tuple[str, ...]) -> None:
    assert split_genres(text) == genres


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        ([0, 1_112_486_027], [0, 1_112_486_027]),
        ([0.0, 1_112_486_027.9], [0, 1_112_486_027]),
        (pd.to_datetime(["1970-01-01 00:00:00.0", "2005-04-02 23:53:47.9"]), [0, 1_112_486_027]),
        (pd.to_datetime(["1970-01-01 00:00:00", "2005-04-02 23:53:47"]).astype("datetime64[s]"), [0, 1_112_486_027]),
        (pd.to_datetime(["1970-01-01 00:00:00", "2005-04-02 23:53:47"]).astype("datetime64[ns]"), [0, 1_112_486_027]),
        (
            pd.to_datetime(["1970-01-01 00:00:00", "2005-04-03 01:53:47"]).tz_localize("Etc/GMT-2"),
            [-7200, 1_112_486_027],
        ),
        ([datetime(1970, 1, 1), datetime(2005, 4, 2, 23, 53, 47)], [0, 1_112_486_027]),
        (["1970-01-01", "2005-04-03T01:53:47+02:00"], [0, 1_112_486_027]),
    ],
)
def test_timestamps_are_unix_seconds_or_dates(times: object, seconds: list[int]) -> None:
    frame = pd.DataFrame({"user_id": [1, 1], "movie_id": [1, 2], "rating": [3.0, 4.0], "timestamp": times})
    found = Interactions.from_frame(frame).timestamps
    assert found is not None
    assert found.tolist() == seconds
    assert found.dtype == np.int64


@pytest.mark.parametrize(("known", "given"), [([1, 2], "1"), (["1", "2"], 1), (["1", "2"], np.int64(2))])
def test_ids_of_another_type_are_warned_of_once_a_call(known: list[Any], given: Any) -> None:
    ids = IdIndex(known)
    with pytest.warns(UnmatchedIds, match=r"None of the movie ids matched: they are \w+, but") as told:
        assert ids.look_up([given, given], "movie").tolist() == [-1, -1]
    assert len(told) == 1
    with pytest.warns(UnmatchedIds):
        assert ids.look_up_one(given, "movie") == -1


def test_ids_that_are_merely_unknown_are_not_warned_of() -> None:
    ids = IdIndex([1, 2])
    assert ids.look_up([3, "nobody", None], "user").tolist() == [-1, -1, -1]
    assert ids.look_up(["1", 2], "user").tolist() == [-1, 1]
    assert ids.look_up_one(3, "user") == ids.look_up([], "user").sum() - 1
