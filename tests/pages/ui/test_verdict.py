"""The verdict on a version and its evidence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pages.ui import charts, metrics, verdict
from pages.ui.escape import text
from tests.pages import fakes
from tests.pages.conftest import Open, intact, words
from tests.pages.panels.test_versions_compare import charts as drawings


def test_the_verdict_is_shown_with_its_evidence(visit: Open) -> None:
    held = fakes.loaded()
    held.versions.judgements[2] = fakes.JUDGEMENT
    at = visit("versions.py", held)
    assert any(text(fakes.JUDGEMENT.text) in one.value for one in at.success)
    told = words(at)
    assert charts.LEGEND in told
    assert "Each row is the improvement over version 1" in told
    assert "no other group may get worse" in told
    assert text("Ratings inside their 90% interval: everybody 89.5%.") in told


def test_evidence_is_signed_so_that_more_is_better() -> None:
    rmse, ndcg, guard = (verdict._row(one) for one in fakes.JUDGEMENT.evidence)
    assert rmse["difference"] == pytest.approx(100 * 0.0083 / 0.8814)
    assert (rmse["low"], rmse["high"]) == pytest.approx((100 * 0.0041 / 0.8814, 100 * 0.0125 / 0.8814))
    assert ndcg["difference"] == pytest.approx(100 * 0.0073 / 0.2981)
    assert guard["low"] < guard["difference"] < 0 < guard["high"]
    assert [row["part"] for row in (rmse, guard)] == [verdict.EVERYBODY, "Film-Noir"]
    assert [verdict.segment_label(name) for name in ("new_users", "head_movies", "tail_movies")] == [
        "People with few ratings",
        "Popular movies",
        "Rare movies",
    ]


def test_a_row_without_an_interval_is_a_point_with_a_note(visit: Open) -> None:
    goal, *others = fakes.JUDGEMENT.evidence
    few = replace(goal, difference=replace(goal.difference, low=None, high=None, users=6))
    row = verdict._row(few)
    assert row["low"] == row["difference"] == row["high"] == pytest.approx(100 * 0.0083 / 0.8814)
    held = fakes.loaded()
    held.versions.judgements[2] = replace(fakes.JUDGEMENT, evidence=(few, *others))
    panels = [
        one for told, one in drawings(intact(visit("versions.py", held))).items() if told.startswith("Improvement")
    ]
    drawn = {row["part"]: row["interval"] for row in panels[0]["layer"][1]["data"]["values"]}
    assert drawn == {verdict.EVERYBODY: metrics.NO_INTERVAL, "Film-Noir": drawn["Film-Noir"]}
    assert " to " in drawn["Film-Noir"]


def test_evidence_is_ordered_by_segment() -> None:
    wanted = [
        "all",
        "new_users",
        "light_users",
        "heavy_users",
        "head_movies",
        "tail_movies",
        "genre:Action",
        "genre:War",
    ]
    goal = fakes.JUDGEMENT.evidence[0]
    rows = [replace(goal, part=name) for name in sorted(wanted)]
    assert [one.part for one in sorted(rows, key=verdict._position)] == wanted


def test_a_metric_identical_for_all_users_has_no_panel(visit: Open) -> None:
    rmse, ndcg, guard = fakes.JUDGEMENT.evidence
    same = replace(ndcg, difference=replace(ndcg.difference, difference=0.0, low=0.0, high=0.0, p_value=1.0))
    held = fakes.loaded()
    held.versions.judgements[2] = replace(fakes.JUDGEMENT, evidence=(rmse, same, guard))
    told = words(visit("versions.py", held))
    assert "NDCG@10: identical for everybody." in told
    assert "RMSE: identical" not in told
