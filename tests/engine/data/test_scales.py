"""Scales of ratings of unknown origin, and ratings of one scale on another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.scale import STARS, RatingScale
from engine.data.scales import Values, certain, choices, convert, describe, examples, step_of, suggested

FIVE, TEN, HUNDRED = RatingScale(1, 5, 1), RatingScale(1, 10, 1), RatingScale(0, 100, 1)
ENDS = st.sampled_from([(0.5, 5.0), (1.0, 5.0), (0.0, 5.0), (1.0, 10.0), (0.0, 1.0), (-10.0, 10.0), (0.0, 100.0)])


def values(*found: float, each: int = 10, users: int = 5) -> Values:
    return Values(np.array(sorted(found), float), np.full(len(found), each, np.int64), users)


@pytest.mark.parametrize(
    ("found", "ends"),
    [
        (values(0.5, 2.5, 4), (0.5, 5)),
        (values(0, 2.5, 4), (0, 5)),
        (values(1, 2, 3, 4, 5, each=40, users=40), (1, 5)),
        (values(1, 2, 3, 4, 5, each=40, users=3), None),
        (values(1, 2, 3, 4, each=40, users=40), None),
        (values(2.5, 4, each=1), None),
        (values(1, 7, 10), None),
        (values(0, 1), None),
        (values(10, 55, 100), None),
    ],
)
def test_what_is_certain_in_an_empty_store(found: Values, ends: tuple[float, float] | None) -> None:
    scale = certain(found, STARS, is_free=True)
    assert (None if scale is None else scale[0].ends) == ends


@pytest.mark.parametrize(
    ("found", "first"),
    [
        (values(1, 3, 5), (1, 5)),
        (values(0, 3, 5), (0, 5)),
        (values(2.5, 3), (0.5, 5)),
        (values(1, 7), (1, 10)),
        (values(0, 7), (0, 10)),
        (values(3, 17), (0, 20)),
        (values(3, 70), (0, 100)),
        (values(0, 1), (0, 1)),
        (values(-3, 9), (-10, 10)),
    ],
)
def test_a_plausible_scale_comes_first(found: Values, first: tuple[float, float]) -> None:
    offered = choices(found)
    assert offered[0].ends == first
    assert all(found.lie_in(scale) for scale in offered)
    assert len({scale.ends for scale in offered}) == len(offered)


@pytest.mark.parametrize("found", [values(-50, 3), values(1, 5000)])
def test_nothing_is_plausible_for_other_numbers(found: Values) -> None:
    assert suggested(found) is None


@pytest.mark.parametrize(
    ("found", "store", "pairs"),
    [
        (TEN, STARS, {1: 0.5, 10: 5, 5.5: 2.75}),
        (STARS, TEN, {0.5: 1, 5: 10}),
        (HUNDRED, STARS, {0: 0.5, 100: 5, 50: 2.75}),
        (FIVE, STARS, {1: 1, 3: 3, 5: 5}),
        (RatingScale(0, 5, 0.5), FIVE, {0: 1, 0.5: 1, 3: 3}),
        (RatingScale(0, 1, 1), STARS, {0: 0.5, 1: 5}),
        (RatingScale(-10, 10, 0.01), TEN, {-10: 1, 10: 10, 0: 5.5}),
        (TEN, TEN, {7: 7}),
    ],
)
def test_ratings_are_mapped_in_a_straight_line(
    found: RatingScale, store: RatingScale, pairs: dict[float, float]
) -> None:
    assert convert(np.array(list(pairs), float), found, store).tolist() == list(pairs.values())
    assert describe(found, store)
    assert dict(map(tuple, examples(list(pairs), found, store))) == pairs  # type: ignore[arg-type]


@given(ENDS, ENDS, st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_mapping_keeps_ends_and_order(
    one: tuple[float, float], other: tuple[float, float], shares: list[float]
) -> None:
    found, store = RatingScale.between(*one), RatingScale.between(*other)
    ratings = np.sort(np.round(found.low + np.array([0, *shares, 1]) * (found.high - found.low), 2))
    mapped = convert(ratings, found, store)
    assert np.all(np.diff(mapped) >= 0)
    assert store.low <= mapped[0] <= mapped[-1] <= store.high
    assert mapped[-1] == store.high
    stars = found.high == store.high == 5
    assert mapped[0] == (max(found.low, store.low) if stars else store.low)


def test_the_step_is_one_that_all_ratings_are_multiples_of() -> None:
    assert step_of(values(1, 3, 5), FIVE).step == 1
    assert step_of(values(1, 3.5, 5), FIVE).step == 0.5
    assert step_of(values(7.25), TEN).step == 0.25
    assert step_of(values(1, 2, 3), STARS).step == 0.5  # never coarser than the scale's own
    assert step_of(values(0.333), HUNDRED).step == 0.01
