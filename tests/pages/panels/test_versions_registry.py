"""The table of versions, and the protocol of one of them."""

from __future__ import annotations

from math import isnan

import pytest

from pages.panels import versions_registry
from pages.ui.format import model_name
from tests.pages import fakes
from tests.pages.conftest import Open


def test_numeric_columns_stay_numeric(visit: Open) -> None:
    table = visit("versions.py", fakes.loaded()).dataframe[0].value
    assert table["RMSE"].tolist()[:2] == [0.8731, 0.8814]
    assert isnan(table["RMSE"].tolist()[2])
    assert {table[name].dtype.kind for name in ("Version", "RMSE", "NDCG@10", "Ratings", "MB")} == {"i", "f"}
    assert "Tags" not in table
    assert table["Hit rate@10"].tolist()[0] == pytest.approx(100 * fakes.METRICS["hit_rate_at_k"].value)
    assert table["Model"].tolist() == ["Matrix factorisation"] * 3


def test_an_unknown_model_keeps_its_name() -> None:
    assert [model_name(kind) for kind in ("ncf", "later")] == ["Neural collaborative filter", "later"]


def test_the_protocol_is_shown_in_plain_words() -> None:
    told = versions_registry.protocol(
        {"k": 10, "test_ratings": 19753, "seed": 12345, "relevant_from": 3.875, "of later": True}
    )
    assert told == {
        "list length": "10",
        "number of held-out ratings": "19,753",
        "seed of the intervals": 12345,
        "counts as liked from": 3.875,
        "of later": True,
    }
