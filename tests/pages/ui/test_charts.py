"""Bars of the distribution of ratings, on scales with few values and with many."""

from __future__ import annotations

import altair as alt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.scale import MAX_VALUES, STARS, RatingScale
from pages.ui.charts import MAX_RANGES, data, drawn, rating_bars, tooltips, whole_percents
from tests.pages import fakes
from tests.pages.conftest import Open


def test_a_scale_with_few_values_has_a_bar_for_each() -> None:
    bars = rating_bars({1.0: 3, 7.0: 5}, RatingScale(1, 10, 1))
    assert [label for label, *_ in bars] == ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]
    assert [count for *_, count in bars] == [3, 0, 0, 0, 0, 0, 5, 0, 0, 0]


def test_single_precision_makes_no_other_value() -> None:
    bars = rating_bars({float(np.float32(0.3)): 2}, RatingScale(0, 1, 0.1))
    assert len(bars) == 11
    assert bars[3] == ("0.3", 0.3, 0.3, 2)


def test_ratings_between_two_steps_have_bars_of_their_own_or_are_counted_at_the_nearest() -> None:
    few = rating_bars({3.25: 4, 3.0: 1}, STARS)
    assert [bar for bar in few if bar[-1]] == [("3", 3, 3, 1), ("3.25", 3.25, 3.25, 4)]
    many = rating_bars({0.5 + n * 0.045: 1 for n in range(101)}, STARS)
    assert len(many) == 10
    assert sum(count for *_, count in many) == 101


def test_a_scale_with_many_values_has_ranges() -> None:
    bars = rating_bars({0.0: 1, 4.0: 1, 5.0: 1, 99.0: 1, 100.0: 1}, RatingScale(0, 100, 1))
    assert len(bars) == 20
    assert (bars[0], bars[1], bars[-1]) == (("0 to 5", 0, 5, 2), ("5 to 10", 5, 10, 1), ("95 to 100", 95, 100, 2))
    jester = rating_bars({-10.0: 1, -0.01: 1, 0.0: 2, 10.0: 3}, RatingScale(-10, 10, 0.01))
    assert [bar for bar in jester if bar[-1]] == [
        ("-10 to -9", -10, -9, 1),
        ("-1 to 0", -1, 0, 1),
        ("0 to 1", 0, 1, 2),
        ("9 to 10", 9, 10, 3),
    ]


def test_the_last_range_may_be_narrower() -> None:
    assert rating_bars({70.0: 1}, RatingScale(0, 70, 1))[-1] == ("68 to 70", 68, 70, 1)


@given(
    st.sampled_from([STARS, RatingScale(1, 10, 1), RatingScale(0, 100, 1), RatingScale(-10, 10, 0.01)]),
    st.lists(st.floats(0, 1, width=32), max_size=60),
)
def test_every_rating_is_counted_once(scale: RatingScale, places: list[float]) -> None:
    given = {float(np.float32(scale.low + place * (scale.high - scale.low))): n for n, place in enumerate(places, 1)}
    bars = rating_bars(given, scale)
    assert sum(count for *_, count in bars) == sum(given.values())
    assert len(bars) <= (MAX_RANGES if scale.values() is None else MAX_VALUES)
    assert (bars[0][1], bars[-1][2]) == scale.ends


def test_a_chart_offers_what_its_marks_say_under_the_same_headings() -> None:
    rows = [{"x": 1, "y": 2.5, "hidden": 0}, {"x": 2, "y": 3.5, "hidden": 0}]
    base = alt.Chart(data(rows)).encode(x="x:Q")
    points = base.mark_point().encode(y="y:Q", tooltip=tooltips(("x:Q", "Place"), ("y:Q", "Mean: all", ".2f")))
    wanted = [{"Place": 1, "Mean: all": 2.5}, {"Place": 2, "Mean: all": 3.5}]
    assert drawn(points) == wanted
    assert drawn(alt.layer(base.mark_line().encode(y="y:Q"), points)) == wanted
    other = alt.Chart(data([{"x": 3, "y": 4.5}])).mark_point().encode(x="x:Q", tooltip=tooltips(("x:Q", "Place")))
    assert drawn(alt.layer(points, other)) == [*wanted, {"Place": 3}]


@pytest.mark.parametrize(
    "path", ["overview.py", "data.py", "catalogue.py", "movie.py", "person.py", "training.py", "versions.py"]
)
def test_every_chart_of_a_page_has_a_download(path: str, visit: Open) -> None:
    at = visit(path, fakes.loaded(), id="2" if path == "movie.py" else "42")
    charts = at.get("vega_lite_chart") + at.get("arrow_vega_lite_chart")
    assert charts
    assert len(at.get("download_button")) >= len(charts)


@pytest.mark.parametrize(
    ("parts", "percents"),
    [
        ([0.403, 0.254, 0.093, 0.248, 0.002], [40, 26, 9, 25, 0]),
        ([1 / 3] * 3, [34, 33, 33]),
        ([0.704, 0.304, -0.008], [70, 31, -1]),
        ([1.0], [100]),
    ],
)
def test_percents_add_up_to_100(parts: list[float], percents: list[int]) -> None:
    assert whole_percents(parts) == percents
    assert sum(percents) == 100
