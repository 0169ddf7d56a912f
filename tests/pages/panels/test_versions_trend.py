"""The chart of a metric over all versions."""

from __future__ import annotations

from pages.ui import session
from tests.pages import fakes
from tests.pages.conftest import Open, intact, words
from tests.pages.panels.test_versions_compare import charts


def test_every_measured_version_is_drawn_with_its_interval_and_state(visit: Open) -> None:
    found = charts(visit("versions.py", fakes.storied()))
    (told,) = found
    rows = found[told]["rows"]
    assert [row["version"] for row in rows] == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert [row["state"] for row in rows] == ["Deleted"] * 4 + ["Ready"] * 3 + ["Active", "Damaged"]
    first = fakes.drifted(1)["rmse"]
    assert (rows[0]["low"], rows[0]["value"], rows[0]["high"]) == (first.low, first.value, first.high)
    assert told.startswith("RMSE by version.")
    assert "version 8 (active) 0.8411, version 9 (damaged) 0.8371." in told


def test_the_legend_names_only_states_in_use(visit: Open) -> None:
    (spec,) = charts(visit("versions.py", fakes.loaded())).values()
    legends = [layer["encoding"]["color"].get("legend") for layer in spec["layer"] if "color" in layer["encoding"]]
    assert [legend["values"] for legend in legends] == [["Ready", "Active"]] * 2


def test_labels_are_aligned_with_their_lines(visit: Open) -> None:
    (spec,) = charts(visit("versions.py", fakes.loaded())).values()
    assert spec["config"]["axisY"]["labelFlush"] is False


def test_another_metric_can_be_chosen(visit: Open) -> None:
    at = visit("versions.py", fakes.loaded())
    at.selectbox(key=session.TREND).set_value("ndcg_at_k")
    (told,) = charts(intact(at.run()))
    assert told.startswith("NDCG@10 by version. Latest: version 1 (ready) 0.2981")


def test_the_trend_needs_two_measured_versions(visit: Open) -> None:
    held = fakes.loaded()
    held.versions.held = held.versions.held[:1]
    at = visit("versions.py", held)
    assert not charts(at)
    assert "appears with the second measured version" in words(at)
