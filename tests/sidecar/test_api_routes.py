"""Every route with a good request: what it asks the service, and what it answers."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import TypeAdapter

from engine.errors import (
    Conflict,
    MarqueeError,
    NotReady,
    StoreReplaced,
)
from engine.services import Services
from sidecar.docs.instances import IMPORTED
from sidecar.http.limits import JSON_LIMIT
from sidecar.routes.exports import MEDIA_TYPES
from tests.sidecar.client import Client
from tests.sidecar.fakes import (
    BACKUP,
    BACKUP_PLAN,
    FACTS,
    JOB,
    NOTICES,
    PIECES,
    PLAN,
    STATISTICS,
)
from tests.sidecar.test_api_malformed import GOOD, ROUTES

URI = "https://boxd.it/2a"
ENCODED = "https%3A%2F%2Fboxd.it%2F2a"


def as_json(value: Any) -> Any:
    return TypeAdapter(type(value)).dump_python(value, mode="json", by_alias=True)


def test_what_reads_or_writes_the_store_runs_in_the_thread_pool(client: Client, services: Services) -> None:
    threads: list[threading.Thread] = []
    for service in (
        services.training,
        services.versions,
        services.tuning,
        services.automation,
        services.inbox,
        services.library,
        services.storage,
    ):
        service.note = lambda *_call: threads.append(threading.current_thread())  # type: ignore[union-attr]
    for route in ROUTES:
        client.send_body(route, json.dumps(GOOD[route]))
    client.post("/ml/models/import", files=[("file", ("a.zip", b"a"))])
    for path in ("training-runs", "models", "models/3", "models/3/export", "models/compare", "metrics", "tuning"):
        assert client.get(f"/ml/{path}").status_code == 200
    assert client.request("DELETE", "/ml/models/2").status_code == 200
    assert len(threads) > len(ROUTES)
    assert threading.main_thread() not in threads


def test_import_of_the_demo(client: Client, services: Services) -> None:
    answer = client.post("/data/imports", json={"source": "demo"})
    assert (answer.status_code, answer.json()) == (202, {"job_id": 4})
    assert services.imports.calls == [("import_demo",)]


def test_import_of_files(client: Client, services: Services) -> None:
    files = [("files", ("ratings.csv", b"a")), ("files", ("../../etc/movies.csv", b"b"))]
    given = {"source": "movielens", "scale": [1, 10], "columns": {"rating": 2}, "dry_run": True}
    answer = client.post("/data/imports", files=files, data={"options": json.dumps(given)})
    assert (answer.status_code, answer.json()) == (202, {"job_id": 4})
    wanted = [("ratings.csv", b"a"), ("movies.csv", b"b")]
    assert services.imports.calls == [("import_files", wanted, given)]


@pytest.mark.parametrize(
    ("sent", "name"),
    [("a\\b\\c.csv", "c.csv"), ("..", "upload"), ("/", "upload"), ("x" * 300 + ".csv", "x" * 100), ("é.csv", "é.csv")],
)
def test_names_of_files_are_only_labels(client: Client, services: Services, sent: str, name: str) -> None:
    client.post("/data/imports", files=[("files", (sent, b"a"))])
    assert services.imports.calls == [("import_files", [(name, b"a")], {})]


def test_a_large_file_arrives_whole(client: Client, services: Services) -> None:
    content = bytes(range(256)) * 16384
    client.post("/data/imports", files=[("files", ("ratings.csv", content))])
    assert services.imports.calls[0][1] == [("ratings.csv", content)]


def test_statistics(client: Client) -> None:
    expected = as_json(STATISTICS)
    assert client.get("/data/statistics").json() == expected
    assert expected["rating_counts"] == {"3.0": 20064, "4.0": 28750}


def test_jobs(client: Client, services: Services) -> None:
    assert client.get("/jobs/4").json() == as_json(JOB)
    answer = client.post("/jobs/4/cancel")
    assert (answer.status_code, answer.json()) == (202, as_json(JOB))
    assert services.imports.calls == [("job", 4), ("cancel_job", 4), ("job", 4)]
    assert services.spark_lists.calls == [("cancel", 4)]


@pytest.mark.parametrize(
    "answers",
    [
        {"scale": [1, 10]},
        {"user": "maria", "dates": "dmy", "encoding": "cp1251", "catalogue": "separate"},
        {"columns": {"user": "who", "movie": 1, "rating": "stars"}, "matches": {"tt1": "17"}},
        {"matches": {}},
        {},
    ],
)
def test_answers(client: Client, services: Services, answers: dict[str, Any]) -> None:
    answer = client.post("/jobs/4/answers", json=answers)
    assert (answer.status_code, answer.json()) == (202, as_json(JOB))
    assert services.imports.calls == [("answer", 4, answers), ("job", 4)]


def test_the_history_of_imports(client: Client) -> None:
    (found,) = client.get("/data/imports").json()["imports"]
    assert found == IMPORTED.model_dump()
    assert "user_key" not in found


def test_undo(client: Client, services: Services) -> None:
    answer = client.post("/data/imports/3/undo")
    assert (answer.status_code, answer.json()) == (202, {"job_id": 5})
    assert services.imports.calls == [("undo", 3)]


def test_health(client: Client, services: Services) -> None:
    assert client.get("/health/live").json() == {"status": "live"}
    ready = {"status": "ready", "model_version": 3, "exams_dropped": 2, "answers_dropped": 5}
    assert client.get("/health/ready").json() == ready
    services.serving.version = None
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert client.get("/health/live").status_code == 200


@pytest.mark.parametrize(
    "path", ["/health/live", "/health/ready", "/ml/models/3", "/ml/recommendations/42", "/docs", "/openapi.json"]
)
def test_head_is_answered_like_get(server: Client, path: str) -> None:
    """Probers ask so. The server leaves out the body, which is known to it before the app is."""
    asked, told = (server.request(method, f"/api{path}") for method in ("GET", "HEAD"))
    assert (told.status_code, told.headers["content-type"]) == (200, asked.headers["content-type"])
    assert told.headers["content-length"] == str(len(asked.content))
    assert server.request("HEAD", "/api/rate").headers["allow"] == "DELETE, POST"
    assert server.request("HEAD", "/api/nothing").status_code == 404


def test_measurements_are_what_prometheus_reads(client: Client) -> None:
    def measured() -> dict[tuple[str, str], float]:
        answer = client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=")
        return {
            (sample.name, sample.labels.get("route") or sample.labels.get("state", "")): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
            if sample.labels.get("status", "200") == "200" and sample.labels.get("method", "GET") == "GET"
        }

    before = measured()
    assert before["marquee_ratings", ""] == 100_004
    assert before["marquee_active_version", ""] == 3
    assert before["marquee_answer_log_bytes", ""] == 4096
    assert before["marquee_answers_dropped_total", ""] == 5
    assert (before["marquee_training_runs", "succeeded"], before["marquee_training_runs", "queued"]) == (2, 0)
    route = "marquee_http_request_duration_seconds_count", "/ml/recommendations/{user_id}"
    for user in ("1", "<script>"):
        assert client.get(f"/ml/recommendations/{user}").status_code == 200
    after = measured()
    assert after[route] - before.get(route, 0) == 2
    assert "<script>" not in client.get("/metrics").text


def test_what_meets_no_route_is_measured_as_none(server: Client) -> None:
    def counted() -> dict[tuple[str, str, str], float]:
        return {
            (sample.labels["method"], sample.labels["route"], sample.labels["status"]): sample.value
            for family in text_string_to_metric_families(server.get("/api/metrics").text)
            for sample in family.samples
            if sample.name == "marquee_http_request_duration_seconds_count"
        }

    before = counted()
    server.get("/api/nothing")
    server.get("/api")
    server.get("/api/openapi.json")
    server.post("/api/rate", content=b" " * (JSON_LIMIT + 1))
    server.request("HEAD", "/api/health/live")
    after = counted()
    grown = {labels for labels, count in after.items() if count != before.get(labels, 0)}
    assert {("GET", "none", "404"), ("GET", "none", "200"), ("POST", "none", "413")} <= grown
    assert after["GET", "none", "404"] - before.get(("GET", "none", "404"), 0) == 2
    assert ("HEAD", "/health/live", "200") in grown
    assert not [route for _, route, _ in after if "path" in route]


def test_notices_are_read_page_by_page(client: Client, services: Services) -> None:
    first = client.get("/notices?limit=2").json()
    assert ([one["notice_id"] for one in first["notices"]], first["next"], first["unread"]) == ([9, 6], 6, 3)
    assert first["webhook"] == as_json(services.inbox.webhook())
    assert first["notices"][0] == as_json(NOTICES[0])
    last = client.get(f"/notices?limit=2&before={first['next']}&unread=true").json()
    assert ([one["notice_id"] for one in last["notices"]], last["next"]) == ([5], None)
    assert services.inbox.calls == [("notices", 3, None, False), ("notices", 3, 6, True)]
    assert client.get("/notices?limit=0").json()["errors"][0]["field"] == "limit"


def test_notices_are_marked_as_read(client: Client, services: Services) -> None:
    assert client.post("/notices/read", json={"notice_ids": [9]}).json() == {"unread": 3}
    assert client.post("/notices/read").json() == {"unread": 3}
    assert services.inbox.calls == [("mark_read", [9]), ("mark_read", None)]


def test_the_plan_of_retrainings(client: Client, services: Services) -> None:
    assert client.get("/automation").json() == as_json(PLAN)
    body = {"days": [0, 6], "hour": 3, "zone": "Europe/Berlin"}
    assert client.post("/automation", json=body).json() == as_json(PLAN)
    assert client.post("/automation/pause", json={"paused": True}).json() == as_json(PLAN)
    wanted = body | {"minute": 0, "after_ratings": 0, "activate": "if_better"}
    assert services.automation.calls == [("plan",), ("change", wanted), ("plan",), ("pause", True), ("plan",)]


def test_backups(client: Client, services: Services) -> None:
    name = BACKUP.name
    assert client.get("/store").json() == as_json(FACTS)
    assert client.get("/store/backups").json() == {"backups": [as_json(BACKUP)]}
    made = client.post("/store/backups")
    assert (made.status_code, made.json()) == (201, as_json(BACKUP))
    file = client.get(f"/store/backups/{name}")
    assert file.status_code == 200
    assert "attachment" in file.headers["content-disposition"]
    assert client.request("DELETE", f"/store/backups/{name}").json() == {"name": name}
    restored = client.post(f"/store/backups/{name}/restore")
    assert restored.json() == {"name": name, "replaced": "m.db.replaced-1"}
    wanted = {"every": "daily", "hour": 2, "minute": 0, "zone": "UTC", "keep_days": 30}
    assert client.get("/store/backup-plan").json() == as_json(BACKUP_PLAN)
    assert client.post("/store/backup-plan", json={"every": "daily"}).json() == as_json(BACKUP_PLAN)
    assert services.storage.calls == [
        ("facts",),
        ("backups",),
        ("back_up",),
        ("path_of", name),
        ("delete", name),
        ("restore", name),
        ("plan",),
        ("change_plan", wanted),
        ("plan",),
    ]


def test_the_store_is_checked_when_asked(client: Client, services: Services) -> None:
    assert client.post("/store/check", json={}).json() == {"sound": False, "faults": ["A fault."]}
    assert client.post("/store/check", json={"thorough": False}).json() == {"sound": True, "faults": []}


def test_readiness_asks_the_store(client: Client, services: Services) -> None:
    assert client.get("/health/ready").status_code == 200
    services.storage.fails = StoreReplaced("The store is gone.")
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json()["code"]) == (503, "store_replaced")


@pytest.mark.parametrize("body", [{"days": [], "hour": 3}, {"days": [7], "hour": 3}, {"days": [1], "hour": 24}])
def test_plans_that_make_no_sense_are_refused(client: Client, services: Services, body: dict[str, Any]) -> None:
    assert client.post("/automation", json=body).status_code == 422
    assert services.automation.calls == []


EXPORTS = {
    "ratings": ("export", "ratings"),
    "movies": ("export", "movies"),
    "recommendations": ("recommendations", 10),
    "recommendations?n=3": ("recommendations", 3),
    "factors": ("factors", None),
    "factors?version=2": ("factors", 2),
}


@pytest.mark.parametrize(
    ("form", "media_type"), [("csv", "text/csv; charset=utf-8"), ("parquet", MEDIA_TYPES["parquet"])]
)
@pytest.mark.parametrize("path", EXPORTS)
def test_a_table_as_a_file(client: Client, services: Services, path: str, form: str, media_type: str) -> None:
    answer = client.get(f"/data/exports/{path}{'&' if '?' in path else '?'}format={form}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    name = path.partition("?")[0]
    assert answer.headers["content-disposition"] == f'attachment; filename="marquee-{name}.{form}"'
    assert answer.content == b"".join(PIECES)
    assert services.exports.calls == [(*EXPORTS[path], form)]


def test_the_archive_as_a_file(client: Client, services: Services) -> None:
    answer = client.get("/data/exports/archive")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["content-disposition"] == 'attachment; filename="marquee-archive.zip"'
    assert answer.content == b"".join(PIECES)
    assert services.exports.calls == [("archive",)]


@pytest.mark.parametrize(("body", "n"), [({}, 10), ({"n": 3}, 3)])
def test_lists_on_spark(client: Client, services: Services, body: dict[str, int], n: int) -> None:
    answer = client.post("/data/exports/recommendations", json=body)
    assert (answer.status_code, answer.json()) == (202, {"job_id": 6})
    assert services.spark_lists.calls == [("write", n)]


@pytest.mark.parametrize("n", [0, 1001, "10"])
def test_lists_on_spark_that_there_are_not(client: Client, services: Services, n: object) -> None:
    answer = client.post("/data/exports/recommendations", json={"n": n})
    assert (answer.status_code, answer.json()["field"]) == (422, "n")
    assert services.spark_lists.calls == []


def test_lists_without_spark_are_refused_with_what_to_do(client: Client, services: Services) -> None:
    services.spark_lists.fails = Conflict("Version 1 was not learned on Spark.")
    answer = client.post("/data/exports/recommendations", json={})
    assert (answer.status_code, answer.json()["detail"]) == (409, "Version 1 was not learned on Spark.")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("users", "table"),
        ("ratings?format=xlsx", "format"),
        ("recommendations?n=0", "n"),
        ("recommendations?n=1001", "n"),
        ("factors?version=0", "version"),
        ("archive?format=csv", "format"),
    ],
)
def test_exports_that_there_are_not(client: Client, services: Services, path: str, field: str) -> None:
    answer = client.get(f"/data/exports/{path}")
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert services.exports.calls == []


@pytest.mark.parametrize(("error", "status"), [(NotReady("Nothing is trained."), 503), (Conflict("It has none."), 409)])
def test_an_export_that_can_not_be_made_is_a_problem(
    client: Client, services: Services, error: MarqueeError, status: int
) -> None:
    services.exports.fails = error  # type: ignore[attr-defined]
    answer = client.get("/data/exports/factors")
    assert (answer.status_code, answer.json()["detail"]) == (status, str(error))
