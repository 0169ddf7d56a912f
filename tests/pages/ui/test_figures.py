"""Charts over time leave room for times without ratings."""

from __future__ import annotations

import json

import pyarrow
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import intact

SCRIPT = """
from engine.services.profiles import Month
from pages.ui import figures

figures.mean_over_time([Month(0, 2, 3.0), Month(1, 1, 4.0), Month(5, 4, 2.5)], (1.0, 5.0))
"""


def test_the_line_of_means_breaks_where_there_are_no_ratings() -> None:
    (chart,) = intact(AppTest.from_string(SCRIPT, default_timeout=20).run()).get("vega_lite_chart")
    rows = pyarrow.ipc.open_stream(chart.proto.data.data).read_all().to_pylist()
    assert [(row["period"], row["mean"], row["count"]) for row in rows] == [
        ("1970-01", 3.0, 2),
        ("1970-02", 4.0, 1),
        ("1970-03", None, 0),
        ("1970-04", None, 0),
        ("1970-05", None, 0),
        ("1970-06", 2.5, 4),
    ]
    line, points = json.loads(chart.proto.spec)["layer"]
    assert line["mark"]["invalid"] == "break-paths-filter-domains"
    assert points["encoding"]["x"]["scale"]["domain"] == [row["period"] for row in rows]
    assert chart.proto.alt.endswith("2.50 in 1970-06. No ratings in 3 of these 6 times.")
