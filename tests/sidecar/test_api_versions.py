"""Versions, their files and their metrics by HTTP."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from tempfile import SpooledTemporaryFile
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from engine.errors import InvalidInput, VersionUnavailable
from engine.evaluation.intervals import MetricValue
from engine.evaluation.newcomers import NewcomerPoint
from engine.recommending.golden import Listed
from engine.services import Services
from engine.services.version_files import ExportedVersion
from sidecar.docs import instances
from sidecar.routes.version_files import PIECE, VersionFile
from tests.sidecar.client import Client, run
from tests.sidecar.fakes import (
    OLDER,
    VERSION,
    calls_of,
)
from tests.sidecar.test_api_malformed import GOOD
from tests.sidecar.test_api_routes import as_json


def test_models(client: Client, services: Services) -> None:
    assert client.get("/ml/models").json() == {
        "active_version": 3,
        "models": [as_json(VERSION), as_json(OLDER)],
        "next": None,
    }
    services.serving.active_version = lambda: None  # type: ignore[method-assign]
    services.versions.held = []
    assert client.get("/ml/models").json() == {"active_version": None, "models": [], "next": None}


def test_one_model(client: Client, services: Services) -> None:
    answer = client.get("/ml/models/2")
    assert (answer.status_code, answer.json()) == (200, as_json(OLDER))
    answer = client.get("/ml/models/4")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_version")


@pytest.mark.parametrize(
    ("body", "call"),
    [
        ({"note": "mine", "tags": ["a", "b"]}, ("describe", 3, "mine", ["a", "b"])),
        ({"note": ""}, ("describe", 3, "", None)),
        ({"tags": []}, ("describe", 3, None, [])),
        ({"tags": ["x" * 50] * 20, "note": "x" * 2000}, ("describe", 3, "x" * 2000, ["x" * 50] * 20)),
        ({}, ("describe", 3, None, None)),
    ],
)
def test_describe(client: Client, services: Services, body: dict[str, Any], call: tuple[Any, ...]) -> None:
    answer = client.request("PATCH", "/ml/models/3", json=body)
    assert (answer.status_code, answer.json()["note"], answer.json()["tags"]) == (
        200,
        body.get("note", ""),
        body.get("tags", []),
    )
    assert services.versions.calls == [call]


def test_describe_needs_a_body(client: Client, services: Services) -> None:
    assert client.request("PATCH", "/ml/models/3").status_code == 422
    assert calls_of(services) == []


def test_delete(client: Client, services: Services) -> None:
    answer = client.request("DELETE", "/ml/models/2")
    assert (answer.status_code, answer.json()) == (200, {"version": 2, "state": "deleted", "freed_bytes": 99})
    assert services.versions.calls == [("get", 2), ("delete", 2, "api")]
    services.versions.held = [replace(OLDER, state="deleted")]
    assert client.request("DELETE", "/ml/models/2").json()["freed_bytes"] == 0


def test_the_version_that_serves_is_not_deleted(client: Client, services: Services) -> None:
    def refuse(version: int, *, actor: str) -> Any:
        raise VersionUnavailable(f"Version {version} serves now.")

    services.versions.delete = refuse  # type: ignore[method-assign, assignment]
    answer = client.request("DELETE", "/ml/models/3")
    assert (answer.status_code, answer.json()["code"]) == (409, "version_unavailable")
    assert client.request("DELETE", "/ml/models/9").status_code == 404


def test_export(client: Client, services: Services) -> None:
    answer = client.get("/ml/models/3/export")
    assert answer.status_code == 200
    assert answer.content == bytes(range(256)) * 4096
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="marquee-version-3.zip"'
    assert answer.headers["content-length"] == str(2**20)
    assert services.versions.exported.stream.closed  # type: ignore[attr-defined]


def test_an_export_that_is_refused(client: Client, services: Services) -> None:
    services.versions.fails = VersionUnavailable("Version 3 is deleted.")
    answer = client.get("/ml/models/3/export")
    assert (answer.status_code, answer.json()["code"]) == (409, "version_unavailable")


class Watched(SpooledTemporaryFile[bytes]):
    """A file that counts how much was asked of it."""

    most = 0
    reads = 0

    def read(self, *size: int) -> bytes:
        self.reads += 1
        self.most = max(self.most, *size)
        return super().read(*size)


@pytest.mark.parametrize("spec_version", ["2.0", "2.4"])
def test_an_export_is_read_in_pieces_and_closed_when_the_client_goes_away(spec_version: str) -> None:
    stream = Watched()
    stream.write(b"a" * (20 * PIECE))
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        while len(sent) < 3:
            await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if len(sent) > 3 and spec_version == "2.4":
            raise OSError("the client went away")
        await asyncio.sleep(0)

    async def ask() -> None:
        file = VersionFile(ExportedVersion("a.zip", stream))  # type: ignore[arg-type]
        scope = {"type": "http", "asgi": {"spec_version": spec_version}}
        try:
            await file(scope, receive, send)
        except ClientDisconnect:
            assert spec_version == "2.4"

    run(ask())
    assert stream.closed
    assert stream.most == PIECE
    assert stream.reads < 20


def test_import_of_a_version(client: Client, services: Services) -> None:
    answer = client.post("/ml/models/import", files=[("file", ("../v.zip", b"PK" * 1000))])
    assert (answer.status_code, answer.json()) == (201, {"version": 4})
    assert services.versions.calls == [("import_file", b"PK" * 1000, "api")]
    services.versions.fails = InvalidInput("The file is no exported version.", field="file")
    answer = client.post("/ml/models/import", files=[("file", ("v.zip", b"a"))])
    assert (answer.status_code, answer.json()["field"]) == (422, "file")


@pytest.mark.parametrize(("body", "reason"), [({}, ""), ({"json": {"reason": "better"}}, "better")])
def test_activate_and_roll_back(client: Client, services: Services, body: dict[str, Any], reason: str) -> None:
    assert client.post("/ml/models/activate/5", **body).json() == {"active_version": 5}
    assert client.post("/ml/models/rollback", **body).json() == {"active_version": 2}
    assert services.versions.calls == [("activate", 5, "api", reason), ("rollback", "api", reason)]


def test_the_ledger_answers_for_any_moment(client: Client, services: Services) -> None:
    line = {"activation_id": 4, "version": 3, "activated_at": 101.0, "actor": "api", "reason": "better"}
    first = {"activation_id": 2, "version": 2, "activated_at": 99.0, "actor": "you", "reason": "first"}
    assert client.get("/ml/activations").json() == {"activations": [line, first], "next": None}
    assert client.get("/ml/activations?at=120.5&limit=1").json() == {"activations": [line], "next": 4}
    assert services.versions.calls == [("ledger", 101, None, None), ("ledger", 2, 120.5, None)]


def test_metrics_of_the_active_version(client: Client, services: Services) -> None:
    metrics = {
        "rmse": {"value": 0.874, "low": 0.862, "high": 0.886},
        "ndcg_at_k": {"value": 0.142, "low": 0.128, "high": 0.157},
    }
    found = {"version": 3, "protocol": instances.PROTOCOL, "metrics": metrics, "segments": {}}
    found |= {"baselines": [], "shortfalls": []}
    assert client.get("/ml/metrics").json() == found | {"newcomers": []}
    curve = NewcomerPoint(3, 40, MetricValue(0.97, 0.9, 1.04), 0.99, None, None)
    services.versions.held = [replace(VERSION, newcomers=(curve,))]
    assert client.get("/ml/metrics").json() == found | {"newcomers": [as_json(curve)]}
    below = replace(instances.BASELINE, value=0.06, difference=-0.006, low=-0.011, high=-0.002, verdict="worse")
    services.versions.held = [replace(VERSION, baselines=(below,), shortfalls=("Lists are worse.",))]
    said = client.get("/ml/metrics").json()
    assert (said["baselines"], said["shortfalls"]) == ([as_json(below)], ["Lists are worse."])
    services.versions.held = [OLDER]
    assert client.get("/ml/metrics").status_code == 503


def test_metrics_of_a_named_version(client: Client, services: Services) -> None:
    answer = client.get("/ml/metrics?version=2").json()
    assert (answer["version"], set(answer["metrics"])) == (2, {*instances.METRICS, "mae"})
    assert services.versions.calls == [("get", 2)]
    answer = client.get("/ml/metrics?version=4")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_version")


def test_metrics_history(client: Client, services: Services) -> None:
    fields = ("version", "kind", "state", "active", "created_at", "ratings", "metrics")
    wanted = [{name: as_json(each)[name] for name in fields} for each in (OLDER, VERSION)]
    assert client.get("/ml/metrics/history").json() == {"history": wanted, "next": None}
    one = client.get("/ml/metrics/history?metric=mae").json()["history"]
    assert [(each["version"], list(each["metrics"])) for each in one] == [(2, ["mae"]), (3, [])]
    answer = client.get("/ml/metrics/history?metric=ndgc")
    assert (answer.status_code, answer.json()["field"]) == (422, "metric")
    assert answer.json()["detail"] == "Unknown metric. Available: mae, ndcg_at_k, rmse."
    services.versions.held = []
    assert client.get("/ml/metrics/history?metric=rmse").json() == {"history": [], "next": None}


@pytest.mark.parametrize(
    ("query", "numbers", "baseline"),
    [
        ("", [3, 2], None),
        ("?versions=2&versions=3", [2, 3], None),
        ("?versions=2,3", [2, 3], None),
        ("?versions=2,%203", [2, 3], None),
        ("?versions=3,2&baseline=3", [3, 2], 3),
        ("?versions=2&baseline=3", [2], 3),
        ("?baseline=2", [3, 2], 2),
    ],
)
def test_compare(client: Client, services: Services, query: str, numbers: list[int], baseline: int | None) -> None:
    answer = client.get(f"/ml/models/compare{query}")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert ("compare", numbers, baseline) in services.versions.calls
    against, other = (3, 2) if baseline == 3 else (2, 3)
    assert found["baseline"] == against
    assert [each["version"] for each in found["versions"]] == [against, other]
    assert found["versions"][0]["metrics"]["rmse"] == {"value": 0.874, "low": 0.862, "high": 0.886}
    difference = {
        "version": other,
        "baseline": against,
        "differences": {"rmse": as_json(instances.DIFFERENCES["rmse"])},
        "text": instances.COMPARISON.text,
    }
    assert found["comparisons"] == [difference]


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ([], "no intact version"),
        ([VERSION], "one intact version"),
        ([VERSION, replace(OLDER, state="deleted"), replace(OLDER, version=1, state="damaged")], "one intact version"),
    ],
)
def test_compare_needs_two_versions(client: Client, services: Services, held: Any, words: str) -> None:
    services.versions.held = held
    answer = client.get("/ml/models/compare")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert words in answer.json()["detail"]
    assert "Train a model" in answer.json()["detail"]


def test_compare_with_an_unknown_version_or_only_one(client: Client) -> None:
    answer = client.get("/ml/models/compare?versions=2,9")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_version")
    answer = client.get("/ml/models/compare?versions=3&versions=3")
    assert (answer.status_code, answer.json()["field"]) == (422, "versions")


def test_golden_people(client: Client, services: Services) -> None:
    (person,) = client.get("/ml/golden").json()["people"]
    assert (person["name"], person["expectations"][1]["kind"]) == ("Lover of crime films", "kept")
    made = client.post("/ml/golden", json=GOOD["POST /ml/golden"])
    assert (made.status_code, made.json()) == (201, person)
    assert client.request("PATCH", "/ml/golden/1", json=GOOD["PATCH /ml/golden/2"]).json() == person
    assert client.request("DELETE", "/ml/golden/1").json() == person
    expectations = [Listed(movie_id="7", first=10)]
    asked = {"user_id": None, "ratings": {"2": 4.0}, "actor": "api"}
    assert services.golden.calls == [
        ("people",),
        ("pin", "Lover of war films", expectations, asked),
        ("expect", 1, expectations),
        ("unpin", 1),
    ]


def test_golden_people_of_a_version(client: Client, services: Services) -> None:
    answer = client.get("/ml/models/3/golden").json()
    assert (answer["version"], answer["holds"]) == (3, False)
    assert answer["people"][0]["findings"][1] == {
        "expected": "at least 6 of the first 10 movies stay",
        "found": "5 of 10 stay",
        "holds": False,
    }
    assert services.golden.calls == [("check", "models of version 3")]
    assert client.get("/ml/models/9/golden").status_code == 404


def test_changes_of_lists(client: Client, services: Services) -> None:
    found = client.get("/ml/models/2/changes").json()
    assert (sum(found["kept"]), found["risen"][0]["movie"]["movie_id"]) == (671, "318")
    client.get("/ml/models/3/changes?baseline=2")
    both = [(number, f"models of version {number}") for number in (2, 3)]
    assert services.recommendations.calls == [("changes", *both), ("changes", *reversed(both))]
    for query in ("/ml/models/3/changes", "/ml/models/2/changes?baseline=2"):
        answer = client.get(query)
        assert (answer.status_code, answer.json()["field"]) == (422, "baseline")
