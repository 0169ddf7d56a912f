"""Live figures by HTTP: the report, pages of exams, and metrics for Prometheus."""

from __future__ import annotations

from engine.services import Services
from tests.sidecar.client import Client
from tests.sidecar.fakes import SCRIPT


def test_the_report(client: Client, services: Services) -> None:
    answer = client.get("/ml/live?days=30")
    assert answer.status_code == 200
    found = answer.json()
    assert (found["active_version"], found["days"], found["shadows"]) == (3, 30, [4])
    assert found["versions"][0]["metrics"]["rmse"]["value"] == 0.861
    assert found["comparisons"][0]["outcome"] == "better"
    assert services.live.calls[-1] == ("report", 30)
    assert client.get("/ml/live?days=0").status_code == 422


def test_exams_are_paged(client: Client, services: Services) -> None:
    first = client.get("/ml/live/exams?version=3&limit=2").json()
    assert ([one["exam_id"] for one in first["exams"]], first["next"]) == ([9, 6], 6)
    assert first["exams"][0]["title"] == SCRIPT
    last = client.get("/ml/live/exams?limit=2&before=6").json()
    assert ([one["exam_id"] for one in last["exams"]], last["next"]) == ([5], None)
    assert services.live.calls == [("exams", 3, 3, None), ("exams", None, 3, 6)]
    answer = client.get("/ml/live/exams?version=9")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_version")


def test_prometheus_finds_exams(client: Client) -> None:
    text = client.get("/metrics").text
    for line in (
        "marquee_exams_total 900.0",
        "marquee_exams_dropped_total 2.0",
        "marquee_exams_waiting 1.0",
        'marquee_live_rmse{role="serves",version="3"} 0.861',
        'marquee_live_interval_coverage{role="serves",version="3"} 0.91',
    ):
        assert line in text, line
