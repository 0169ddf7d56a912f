"""Lists: order, ties, what is dropped, filters, variety."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.data.catalogue import MovieTable
from engine.data.ratings import Interactions
from engine.errors import InvalidInput
from engine.models.base import top
from engine.recommending.ranking import candidates, diversify, price_variety


@given(
    hnp.arrays(
        np.float32,
        st.integers(0, 40),
        elements=st.floats(-3, 3, width=16) | st.just(float("-inf")) | st.just(float("nan")),
    ),
    st.integers(0, 50),
    st.lists(st.integers(-2, 45)),
)
def test_top_is_what_a_full_sort_gives(scores: np.ndarray, n: int, drop: list[int]) -> None:
    allowed = [k for k in range(len(scores)) if k not in drop and np.isfinite(scores[k])]
    expected = sorted(allowed, key=lambda k: (-scores[k], k))[:n]
    assert top(scores, n, drop=np.array(drop, np.int32)).tolist() == expected


@pytest.mark.parametrize("n", [0, -1, -2])
def test_a_list_of_no_place_is_empty(n: int) -> None:
    assert top(np.arange(5, dtype=np.float32), n).tolist() == []


def test_candidates_by_genre_and_year() -> None:
    table = MovieTable.build(["a", "b", "c"], [1990, None, 2001], ["Drama|War", "Drama", ""])
    assert candidates(table, genre="drama").tolist() == [True, True, False]
    assert candidates(table, year_from=1990).tolist() == [True, False, True]
    assert candidates(table, genre="War", year_from=1991).tolist() == [False, False, False]
    with pytest.raises(InvalidInput, match="Drama, War"):
        candidates(table, genre="Opera")


def test_diversity_0_keeps_the_order_and_1_brings_other_genres(small: Interactions) -> None:
    scores = np.linspace(1, 0, small.n_movies).astype(np.float32)
    chosen = top(scores, 30)
    genres = small.movies.genres
    assert diversify(chosen, scores, genres, 10, 0).tolist() == chosen[:10].tolist()
    various = diversify(chosen, scores, genres, 10, 1)
    assert len(set(various.tolist())) == 10

    def kinds(listed: np.ndarray) -> int:
        return len({genres[movie].tobytes() for movie in listed})

    assert kinds(various[:4]) >= kinds(chosen[:4])


def test_diversify_an_empty_list() -> None:
    assert len(diversify(np.empty(0, np.int64), np.empty(0, np.float32), np.empty((0, 2), bool), 10, 0.5)) == 0


def test_the_price_of_variety_is_what_the_two_lists_differ_by() -> None:
    genres = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], bool)
    scores = np.array([1.0, 0.9, 0.8, 0.4], np.float32)
    plain = np.array([0, 1])
    varied = diversify(np.array([0, 1, 2, 3]), scores, genres, 2, 0.9)
    assert varied.tolist() == [0, 3]
    predicted = np.array([[4.0, 3.0], [4.0, 5.0]], np.float32)
    price = price_variety(varied, plain, scores, predicted, genres)
    assert price.replaced == 1
    assert price.score_kept == pytest.approx(1.4 / 1.9)
    assert (price.predicted_rating, price.predicted_before) == (3.5, 4.5)
    assert (price.variety, price.variety_before) == (1.0, 0.0)
    nothing = price_variety(plain, plain, scores * 0, predicted[[1, 1]], genres)
    assert (nothing.replaced, nothing.score_kept) == (0, 1.0)
