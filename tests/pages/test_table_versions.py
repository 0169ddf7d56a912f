"""A version of a table outside Marquee says so, and asks nobody to train on the store's ratings."""

from __future__ import annotations

from tests.pages import fakes
from tests.pages.conftest import Open, words
from tests.pages.fakes.data import version

TABLE = "hdfs://host/ratings"


def of_table() -> fakes.Fakes:
    held = fakes.loaded()
    protocol = {"split": "each user's last 20% by time, on Spark", "table": TABLE}
    held.versions.held = [version(2, active=True, ratings=10, protocol=protocol)]
    held.serving.version = 2
    return held


def test_the_overview_does_not_ask_for_another_training(visit: Open) -> None:
    assert "Train again" not in words(visit("overview.py", of_table()))


def test_the_registry_names_the_table(visit: Open) -> None:
    at = visit("versions.py", of_table(), version="2")
    assert any("in the table" in one.value and "outside Marquee" in one.value for one in at.caption)
