"""The comparison of versions: differences, and the lists of one user side by side."""

from __future__ import annotations

import json
import re
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
from tests.pages.conftest import Open, component, intact, select, words


def charts(at: AppTest) -> dict[str, dict[str, Any]]:
    """The specification of each chart on the page with its rows, by the words that describe it."""
    return {
        chart.proto.alt: json.loads(chart.proto.spec) | {"rows": _rows(chart.proto)}
        for chart in at.get("vega_lite_chart")
    }


def _rows(proto: Any) -> list[dict[str, Any]]:
    """The rows that all layers share; Streamlit sends them apart from the specification."""
    return pyarrow.ipc.open_stream(proto.data.data).read_all().to_pylist() if proto.HasField("data") else []


def row_of(said: str, metric: str, place: int = 0) -> list[str]:
    """The cells after a metric's name in its row of a table; of a drawing what it is called."""
    rows = re.findall(rf"<summary>{re.escape(metric)}</summary>.*?</td>(.*?)</tr>", said)
    cells = re.findall(r"<td>(.*?)</td>", rows[place])
    drawn = (re.sub(r'<span class="mq-range".*?aria-label="([^"]*)".*</span>', r", \1", cell) for cell in cells)
    return [cell.removeprefix(", ") for cell in drawn]


def test_the_active_version_is_the_baseline(visit: Open) -> None:
    held = fakes.loaded()
    at = intact(select(visit("versions.py", held), session.VERSION, 0, 1))
    assert at.header[1].value == "Versions 2 and 1"
    assert held.versions.compared == [([2, 1], 2)]
    assert at.info[0].value.startswith("**Version 1 vs. version 2.** RMSE is better by")
    assert at.info[0].value.endswith(text(fakes.TRICKY))
    said = words(at)
    assert row_of(said, "RMSE") == [
        "▲ better",
        "-0.0083",
        "-0.0125 to -0.0041",
        "0.8814",
        "0.8731",
        "&lt; 0.001",
        "671",
    ]
    recall = ["▼ worse", "-1.1 points", "-2.0 to -0.2 points", "25.0%", "23.9%", "0.004", "640"]
    assert row_of(said, "Recall@10") == recall
    assert row_of(said, "NDCG@10", 1) == ["0.3054, 0.2903 to 0.3209", "0.2981, 0.2835 to 0.3130"]


def test_the_baseline_can_be_chosen(visit: Open) -> None:
    held = fakes.storied()
    at = intact(select(visit("versions.py", held), session.VERSION, 1, 2, 3))
    assert at.selectbox(key=session.baseline([8, 7, 6], 8)).value == 8
    at.selectbox(key=session.baseline([8, 7, 6], 8)).set_value(7)
    at = intact(at.run())
    assert held.versions.compared[-1] == ([8, 7, 6], 7)
    assert [one.value.split(".** ")[0] for one in at.info[:2]] == [
        "**Version 8 vs. version 7",
        "**Version 6 vs. version 7",
    ]


def test_the_baseline_follows_a_rollback(visit: Open) -> None:
    held = fakes.loaded()
    at = intact(select(visit("versions.py", held), session.VERSION, 0, 1))
    assert at.selectbox(key=session.baseline([2, 1], 2)).value == 2
    held.versions.held[:] = [replace(one, active=one.version == 1) for one in held.versions.held]
    at = intact(at.run())
    chosen = at.selectbox(key=session.baseline([2, 1], 1))
    assert (chosen.value, chosen.options) == (1, ["Version 2", "Version 1 (active)"])
    assert held.versions.compared[-1] == ([2, 1], 1)


def test_otherwise_the_oldest_version_is_the_baseline(visit: Open) -> None:
    held = fakes.storied()
    intact(select(visit("versions.py", held), session.VERSION, 2, 3))
    assert held.versions.compared == [([7, 6], 6)]


def test_the_lists_of_everybody_are_compared_with_the_baseline(visit: Open) -> None:
    at = select(visit("versions.py", fakes.loaded()), session.VERSION, 0, 1)
    at.selectbox(key=session.baseline([2, 1], 2)).set_value(1)
    at.session_state[session.COMPARED] = versions_compare.EVERYBODY
    told = words(intact(at.run()))
    assert "**Version 2 vs. version 1**" in told
    assert (
        "Of ten movies 7.8 stay on average, over the lists of 671 people; 16% keep all ten, perhaps in another order."
        in told
    )
    assert "/movie?id=318" in told
    assert "/person?id=42" in told
    held = fakes.loaded()
    held.recommendations.changed = replace(held.recommendations.changed, kept=(*[0] * 10, 671), risen=(), fallen=())
    at = select(visit("versions.py", held), session.VERSION, 0, 1)
    at.session_state[session.COMPARED] = versions_compare.EVERYBODY
    assert "All of 671 people keep their ten movies." in words(intact(at.run()))


def test_too_few_users_give_no_interval(visit: Open) -> None:
    """In the tiles, the tables and the charts."""
    held = fakes.loaded()
    few = {name: replace(one, low=None, high=None) for name, one in fakes.METRICS.items()}
    held.versions.held = [replace(one, metrics=few) for one in held.versions.held]
    held.versions.differences = {
        name: replace(one, low=None, high=None, users=6) for name, one in fakes.DIFFERENCES.items()
    }
    at = intact(select(visit("versions.py", held), session.VERSION, 0, 1))
    told = words(at)
    assert row_of(told, "RMSE")[1:3] == ["-0.0083", metrics.NO_INTERVAL]
    assert row_of(told, "RMSE", 1)[0] == f"0.8731, {metrics.NO_INTERVAL}"
    trend = next(spec for name, spec in charts(at).items() if name.startswith("RMSE by version"))
    assert [row["interval"] for row in trend["rows"]] == [metrics.NO_INTERVAL] * len(trend["rows"]) != []
    tiles = {tile.label: tile.delta for tile in intact(visit("overview.py", held)).metric}
    assert tiles["RMSE"] == metrics.NO_INTERVAL


def test_an_unmeasured_version_has_no_differences(visit: Open) -> None:
    held = fakes.loaded()
    at = intact(select(visit("versions.py", held), session.VERSION, 0, 2))
    assert text("Version 3 was not measured, so it can't be compared.") in at.info[0].value
    assert row_of(words(at), "RMSE") == ["0.8731, 0.8655 to 0.8809", "–"]


def test_identical_metrics_are_named_only(visit: Open) -> None:
    held = fakes.loaded()
    nothing = MetricDifference(0.3, 0.3, 0.0, 0.0, 0.0, 1.0, 640, "no difference shown")
    held.versions.differences = fakes.DIFFERENCES | {"ndcg_at_k": nothing, "mrr": nothing}
    at = intact(select(visit("versions.py", held), session.VERSION, 0, 1))
    assert f"Identical for everybody: {text('NDCG@10, MRR')}." in words(at)
    assert row_of(words(at), "NDCG@10")[0].startswith("0.3054, ")  # its own, not compared
    assert "<summary>MRR" not in words(at)


def test_a_refused_comparison_says_why_and_leaves_the_lists(visit: Open) -> None:
    held = fakes.loaded()
    held.versions.fails = InvalidInput("Choose two versions at least.", field="versions")
    at = intact(select(visit("versions.py", held), session.VERSION, 0, 1))
    assert "Choose two versions" in at.error[0].value
    at.session_state[session.COMPARED] = versions_compare.LISTS
    assert component(intact(at.run()), session.PICKER)


def lists_of(at: AppTest, *rows: int) -> AppTest:
    """The tab of lists for these rows of the registry."""
    at = select(at, session.VERSION, *rows)
    at.session_state[session.COMPARED] = versions_compare.LISTS
    return intact(at.run())


def link(movie_id: str, text: str) -> str:
    """A link to a movie's page; the text is markup."""
    return f'<a class="mq-go" href="/movie?id={movie_id}" target="_self">{text}</a>'


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
    assert "<tr><th>" + link("1", "1. Toy Story (1995)") + "</th><td></td></tr>" in lists[0]
    assert f"<tr><th>{link('3', f'1. {markup(fakes.LONG)} (1964)')}</th><td>▲ 2</td></tr>" in lists[1]
    assert "<tr><th>" + link("11", "10. Rear Window (1954)") + "</th><td>new</td></tr>" in lists[1]
    assert "<tr><th>" + link("1", "Toy Story (1995)") + "</th></tr>" in lists[2]
    assert fakes.TRICKY not in lists[0]
    assert markup(fakes.TRICKY) in lists[0]


def test_lists_ask_for_a_user(visit: Open) -> None:
    at = lists_of(visit("versions.py", fakes.loaded()), 0, 1)
    assert "Choose a person to see their lists" in words(at)


def test_versions_without_arrays_have_no_list(visit: Open) -> None:
    at = lists_of(visit("versions.py", fakes.storied(), user="42"), 1, 7, 8)
    assert "Not shown, because their arrays are gone: 2 and 1." in words(at)
    assert "Select two intact versions" in words(at)


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
