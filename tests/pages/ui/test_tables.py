"""Tables as CSV."""

from __future__ import annotations

import csv
from io import StringIO

from pages.ui.tables import Drawn, as_csv


def test_a_download_has_what_the_table_shows() -> None:
    rows: list[dict[str, object]] = [
        {"Metric": Drawn("<b>RMSE</b>", "RMSE"), "Change": "-0.0083"},
        {"Metric": 'a "b", c', "Change": 17},
    ]
    assert list(csv.reader(StringIO(as_csv(rows).decode()))) == [
        ["Metric", "Change"],
        ["RMSE", "-0.0083"],
        ['a "b", c', "17"],
    ]


def test_formulas_are_made_harmless() -> None:
    rows = [{"Note": text} for text in ("=1+1", "@x", "-cmd", "–", "plain")]
    assert as_csv(rows).decode().split("\n")[1:-1] == ["'=1+1", "'@x", "'-cmd", "–", "plain"]
