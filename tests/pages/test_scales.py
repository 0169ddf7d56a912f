"""Pages of stores on other scales than half stars."""

from __future__ import annotations

import json
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.data.scale import STARS, RatingScale
from pages.panels.recommend_what_if import WHAT_IF
from pages.ui import session
from tests.pages import fakes
from tests.pages.conftest import Open, edit, intact, rate, rating_inputs, table, words

TEN, HUNDRED, JESTER = RatingScale(1, 10, 1), RatingScale(0, 100, 1), RatingScale(-10, 10, 0.01)
SCALES = pytest.mark.parametrize(
    ("scale", "kind", "rating"), [(TEN, "choices", 7.0), (HUNDRED, "slider", 83.0), (JESTER, "slider", -4.21)]
)


def inputs(at: AppTest) -> list[dict[str, Any]]:
    return [json.loads(one.proto.json) for one in rating_inputs(at)]


def chart(at: AppTest) -> str:
    return str(at.get("vega_lite_chart")[0].proto)


@SCALES
def test_movies_are_rated_on_the_stores_scale(visit: Open, scale: RatingScale, kind: str, rating: float) -> None:
    held = fakes.rated_on(scale)
    at = visit("recommend.py", held, user="42")
    assert {(one["kind"], one["low"], one["high"], one["step"]) for one in inputs(at)} == {
        (kind, *scale.ends, scale.step)
    }
    assert "star" not in words(at).lower()
    intact(rate(at, "1", rating))
    assert held.library.rated["42"][0].rating == rating


@SCALES
def test_newcomers_answer_on_the_stores_scale(visit: Open, scale: RatingScale, kind: str, rating: float) -> None:
    at = visit("newcomer.py", fakes.rated_on(scale), user="somebody")
    assert [(one["kind"], one["low"], one["high"]) for one in inputs(at)] == [(kind, *scale.ends)]
    assert "star" not in words(at).lower()


@pytest.mark.parametrize(
    ("scale", "common"), [(STARS, "is 4."), (TEN, "is 8."), (HUNDRED, "is 75 to 80."), (JESTER, "is 5 to 6.")]
)
def test_the_chart_of_ratings_follows_the_scale(visit: Open, scale: RatingScale, common: str) -> None:
    at = visit("overview.py", fakes.rated_on(scale))
    assert f"The most common {common}" in chart(at)
    low, high = scale.ends
    assert f"On a scale of {low:g} to {high:g}" in words(at)


def test_what_if_takes_ratings_of_the_scale(visit: Open) -> None:
    held = fakes.rated_on(HUNDRED)
    key = session.what_if("42", 4)
    at = intact(edit(visit("recommend.py", held, user="42"), key, {0: {WHAT_IF: 12}}))
    assert table(at, key).value["Rating"].tolist() == [one.rating for one in held.library.rated["42"]]
    assert held.recommendations.imagined == [{held.library.rated["42"][0].movie.movie_id: 12.0}]
    at = intact(edit(at, key, {0: {WHAT_IF: 101}}))
    assert "between 0 and 100" in words(at)


def test_an_open_page_follows_a_new_scale_without_a_restart(visit: Open) -> None:
    held = fakes.rated_on(STARS)
    at = visit("recommend.py", held, user="7")
    assert {one["kind"] for one in inputs(at)} == {"stars"}
    held.scale.current = TEN
    at = intact(at.run())
    assert {(one["kind"], one["high"]) for one in inputs(at)} == {("choices", 10.0)}
    intact(rate(at, "4", 9))
    assert held.library.rated["7"][0].rating == 9
