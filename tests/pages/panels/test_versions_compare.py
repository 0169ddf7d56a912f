"""The comparison of versions: differences, and the lists of one user side by side."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pyarrow
import pytest
from streamlit.testing.v1 import AppTest

from engine.data.catalogue import Movie
from engine.errors import InvalidInput
from engine.evaluation.differences import MetricDifference
from engine.services.versions import ListedMovie, VersionList
from pages.panels import versions_compare
from pages.ui import metrics, session
from pages.ui.escape import markup, text
from tests.pages import fakes
from tests.pages.conftest import Open, intact, select, words


def charts(at: AppTest) -> dict[str, dict[str, Any]]:
    """The specification of each chart on the page with its rows, by the words that describe it."""
    return {
        chart.proto.alt: json.loads(chart.proto.spec) | {"rows": _rows(chart.proto)}
        for chart in at.get("vega_lite_chart")
    }


def _rows(proto: Any) -> list[dict[str, Any]]:
    """The rows that all layers share; Streamlit sends them apart from the specification."""
    return pyarrow.ipc.open_stream(proto.data.data).read_all().to_pylist() if proto.HasField("data") else []


def cells(*values: str) -> str:
    """A row of a table."""
    return "<tr>" + "".join(f"<td>{value}</td>" for value in values) + "</tr>"


def test_the_active_version_is_the_baseline(visit: Open) -> None:
    held = fakes.loaded()
    at = intact(select(visit("versions.py", held), session.VERSION, 0, 1))
    assert at.subheader[1].value == "Versions 2 and 1"
    assert held.versions.compared == [([2, 1], 2)]
    assert at.info[0].value.startswith("**Version 1 vs. version 2.** RMSE is better by")
    assert at.info[0].value.endswith(text(fakes.TRICKY))
    said = words(at)
    assert cells("RMSE", "▲ better", "-0.0083 (-0.0125 to -0.0041)", "&lt; 0.001", "0.8731", "0.8814", "671") in said
    assert cells("Recall@10", "▼ worse", "-1.1 points (-2.0 to -0.2 points)", "0.004", "23.9%", "25.0%", "640") in said
    assert "<td>NDCG@10</td><td>0.3054 (0.2903 to 0.3209)</td><td>0.2981 (0.2835 to 0.3130)</td>" in said


def test_the_baseline_can_be_chosen(visit: Open) -> None:
    held = fakes.storied()
    at = intact(select(visit("versions.py", held), session.VERSION, 1, 2, 3))
    assert at.selectbox(key=session.baseline([8, 7, 6])).value == 8
    at.selectbox(key=session.baseline([8, 7, 6])).set_value(7)
    at = intact(at.run())
    assert held.versions.compared[-1] == ([8, 7, 6], 7)
    assert [one.value.split(".** ")[0] for one in at.info[:2]] == [
        "**Version 8 vs. version 7",
        "**Version 6 vs. version 7",
    ]


def test_otherwise_the_oldest_version_is_the_baseline(visit: Open) -> None:
    held = fakes.storied()
    intact(select(visit("versions.py", held), session.VERSION, 2, 3))
    assert held.versions.compared == [([7, 6], 6)]


def test_each_difference_has_a_panel_with_its_interval_and_verdict(visit: Open) -> None:
    at = intact(select(visit("versions.py", fakes.loaded()), session.VERSION, 0, 1))
    panels = {told: spec for told, spec in charts(at).items() if told.startswith("Differences in")}
    assert len(panels) == len(fakes.DIFFERENCES)
    rmse = panels["Differences in RMSE. Version 1: -0.0083, better."]
    drawn = {"version": "Version 1", "difference": -0.0083, "low": -0.0125, "high": -0.0041, "verdict": "better"}
    assert rmse["layer"][1]["data"]["values"] == [drawn | {"interval": "-0.0125 to -0.0041"}]
    assert "Differences in Recall@10. Version 1: -1.1, worse." in panels


def test_too_few_users_give_no_interval(visit: Open) -> None:
    """In the tiles, the tables, the differences and the charts."""
    held = fakes.loaded()
    few = {name: replace(one, low=None, high=None) for name, one in fakes.METRICS.items()}
    held.versions.held = [replace(one, metrics=few) for one in held.versions.held]
    held.versions.differences = {
        name: replace(one, low=None, high=None, users=6) for name, one in fakes.DIFFERENCES.items()
    }
    at = intact(select(visit("versions.py", held), session.VERSION, 0, 1))
    told = words(at)
    assert "0.8731 (too few users for an interval)" in told
    assert "<td>-0.0083 (too few users for an interval)</td>" in told
    panel = charts(at)["Differences in RMSE. Version 1: -0.0083, better."]
    (rmse,) = panel["layer"][1]["data"]["values"]
    assert (rmse["low"], rmse["high"], rmse["interval"]) == (-0.0083, -0.0083, metrics.NO_INTERVAL)
    trend = next(spec for name, spec in charts(at).items() if name.startswith("RMSE by version"))
    assert [row["interval"] for row in trend["rows"]] == [metrics.NO_INTERVAL] * len(trend["rows"]) != []
    tiles = {tile.label: tile.delta for tile in intact(visit("overview.py", held)).metric}
    assert tiles["RMSE"] == metrics.NO_INTERVAL


def test_an_unmeasured_version_has_no_charts(visit: Open) -> None:
    held = fakes.loaded()
    at = intact(select(visit("versions.py", held), session.VERSION, 0, 2))
    assert text("Version 3 was not measured, so it can't be compared.") in at.info[0].value
    assert not [told for told in charts(at) if told.startswith("Differences")]
    assert "<td>RMSE</td><td>0.8731 (0.8655 to 0.8809)</td><td>–</td>" in words(at)


def test_identical_metrics_are_named_but_not_drawn(visit: Open) -> None:
    held = fakes.loaded()
    nothing = MetricDifference(0.3, 0.3, 0.0, 0.0, 0.0, 1.0, 640, "no difference shown")
    held.versions.differences = fakes.DIFFERENCES | {"ndcg_at_k": nothing, "mrr": nothing}
    at = intact(select(visit("versions.py", held), session.VERSION, 0, 1))
    assert f"Identical for every user: {text('NDCG@10, MRR')}." in words(at)
    assert not [told for told in charts(at) if "NDCG@10" in told or "MRR" in told]
    held.versions.differences = {"mrr": nothing}
    assert not [told for told in charts(intact(at.run())) if told.startswith("Differences")]


def test_a_refused_comparison_says_why_and_leaves_the_lists(visit: Open) -> None:
    held = fakes.loaded()
    held.versions.fails = InvalidInput("Choose two versions at least.", field="versions")
    at = intact(select(visit("versions.py", held), session.VERSION, 0, 1))
    assert "Choose two versions" in at.error[0].value
    at.session_state[session.COMPARED] = versions_compare.LISTS
    assert intact(at.run()).selectbox(key=session.USER)


def lists_of(at: AppTest, *rows: int) -> AppTest:
    """The tab of lists for these rows of the registry."""
    at = select(at, session.VERSION, *rows)
    at.session_state[session.COMPARED] = versions_compare.LISTS
    return intact(at.run())


def test_the_lists_of_a_user_stand_side_by_side(visit: Open) -> None:
    held = fakes.loaded()
    at = lists_of(visit("versions.py", held, user="42"), 0, 1)
    assert held.versions.compared == [([2, 1], 2)]  # once, for the other tab, before this one was opened
    lists = [one.proto.body for one in at.html if '<div class="mq-facts' in one.proto.body]
    assert [one.split("</caption>")[0].split("<caption>")[1] for one in lists] == [
        "Version 2: baseline",
        "Version 1: 1 new, 1 dropped, 8 moved",
        "Dropped",
    ]
    assert "<tr><th>1. Toy Story (1995)</th><td></td></tr>" in lists[0]
    assert f"<tr><th>1. {markup(fakes.LONG)} (1964)</th><td>▲ 2</td></tr>" in lists[1]
    assert "<tr><th>10. Rear Window (1954)</th><td>new</td></tr>" in lists[1]
    assert "<tr><th>Toy Story (1995)</th></tr>" in lists[2]
    assert fakes.TRICKY not in lists[0]
    assert markup(fakes.TRICKY) in lists[0]


def test_lists_ask_for_a_user(visit: Open) -> None:
    at = lists_of(visit("versions.py", fakes.loaded()), 0, 1)
    assert "Choose a user to see their lists" in at.info[-1].value


def test_versions_without_arrays_have_no_list(visit: Open) -> None:
    at = lists_of(visit("versions.py", fakes.storied(), user="42"), 1, 7, 8)
    assert "Not shown, because their arrays are gone: 2 and 1." in words(at)
    assert "Select two intact versions" in at.info[-1].value


def test_an_unchanged_list_is_called_the_same() -> None:
    film = fakes.MOVIES[0]
    assert versions_compare.summary(VersionList(3, (ListedMovie(1, film, 0),), ()), 2) == "Version 3: the same list"
    assert (
        versions_compare.summary(VersionList(3, (ListedMovie(1, film, None),), ()), 2)
        == "Version 3: 1 new, 0 dropped, 0 moved"
    )


@pytest.mark.parametrize(("change", "told"), [(None, "new"), (3, "▲ 3"), (-2, "▼ 2"), (0, "=")])
def test_movements_are_signs(change: int | None, told: str) -> None:
    assert versions_compare.movement(change) == told


@pytest.mark.parametrize(("p_value", "told"), [(0.0, "< 0.001"), (0.00099, "< 0.001"), (0.0412, "0.041")])
def test_p_values_have_significant_digits(p_value: float, told: str) -> None:
    assert versions_compare.p_value(p_value) == told


def test_a_title_has_its_year_if_known() -> None:
    assert versions_compare.titled(Movie("1", "Ran", 1985, ())) == "Ran (1985)"
    assert versions_compare.titled(Movie("1", "Ran", None, ())) == "Ran"


def test_metrics_keep_their_order_and_unknown_ones_come_last() -> None:
    assert versions_compare.in_order({"zeal", "ndcg_at_k", "rmse", "awe"}) == ["rmse", "ndcg_at_k", "awe", "zeal"]


def test_changes_are_signed_without_a_negative_zero() -> None:
    rmse, hits = metrics.measure("rmse"), metrics.measure("hit_rate_at_k")
    assert rmse.change(-0.0000001) == "+0.0000"
    assert rmse.change(-0.01, 0.02) == "-0.0100 to +0.0200"
    assert hits.change(-0.00001) == "+0.0 points"
    assert hits.change(-0.021, 0.004) == "-2.1 to +0.4 points"
