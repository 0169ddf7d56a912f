"""The OpenAPI document: routes, schemas, examples and problems."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from engine.settings import Settings
from sidecar.app import create_api
from sidecar.docs.reference import request_example
from sidecar.http.kinds import ALL
from sidecar.security.middleware import PROBES
from tests.sidecar.client import Client

SCHEMA = create_api(Settings(api_key=None)).openapi()
OPERATIONS = [
    (method, path, operation) for path, found in SCHEMA["paths"].items() for method, operation in found.items()
]
NAMES = [f"{method} {path}" for method, path, _ in OPERATIONS]
each_operation = pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=NAMES)

ISSUED = {
    "post /rate",
    "delete /rate/{user_id}/{movie_id}",
    "delete /rate",
    "get /ml/health-of-updates",
    "post /ml/train",
    "post /ml/retrain",
    "get /ml/training-runs",
    "get /ml/training-status",
    "post /ml/training-runs/{run_id}/cancel",
    "get /ml/recommendations/{user_id}",
    "get /ml/recommendations",
    "post /ml/recommendations",
    "post /ml/what-if",
    "get /ml/interview/{user_id}",
    "get /ml/interview",
    "get /ml/similar/{movie_id}",
    "get /ml/similar",
    "post /ml/predict",
    "get /ml/explain/{user_id}/{movie_id}",
    "get /ml/explain",
    "post /ml/tuning",
    "get /ml/tuning",
    "get /ml/tuning/{study_id}",
    "post /ml/tuning/{study_id}/stop",
    "post /ml/tuning/{study_id}/resume",
    "post /ml/tuning/{study_id}/train",
    "get /ml/models",
    "get /ml/models/{version}",
    "patch /ml/models/{version}",
    "delete /ml/models/{version}",
    "get /ml/models/{version}/export",
    "post /ml/models/import",
    "get /ml/models/compare",
    "post /ml/models/activate/{version}",
    "post /ml/models/rollback",
    "get /ml/activations",
    "get /ml/metrics",
    "get /ml/metrics/history",
    "get /ml/live",
    "get /ml/live/exams",
    "post /data/imports",
    "get /data/statistics",
    "get /data/imports",
    "post /data/imports/{import_id}/undo",
    "get /data/exports/recommendations",
    "post /data/exports/recommendations",
    "get /data/exports/factors",
    "get /data/exports/archive",
    "get /data/exports/{table}",
    "get /jobs/{job_id}",
    "post /jobs/{job_id}/cancel",
    "post /jobs/{job_id}/answers",
    "get /ml/golden",
    "post /ml/golden",
    "patch /ml/golden/{golden_id}",
    "delete /ml/golden/{golden_id}",
    "get /ml/models/{version}/golden",
    "get /ml/models/{version}/changes",
    "get /users/{user_id}/shown",
    "get /users/shown",
    "get /answers/{answer_id}",
    "delete /users/{user_id}",
    "get /keys",
    "post /keys",
    "delete /keys/{key_id}",
    "get /audit",
    "get /audit/export",
    "delete /users",
    "get /automation",
    "post /automation",
    "post /automation/pause",
    "get /notices",
    "post /notices/read",
    "get /store",
    "post /store/check",
    "get /store/backups",
    "post /store/backups",
    "get /store/backups/{name}",
    "delete /store/backups/{name}",
    "post /store/backups/{name}/restore",
    "get /store/backup-plan",
    "post /store/backup-plan",
    "get /metrics",
    "get /health/live",
    "get /health/ready",
}


TABLES = ("text/csv", "application/vnd.apache.parquet")
FILES = {
    "/ml/models/{version}/export": ("application/zip",),
    "/data/exports/recommendations": TABLES,
    "/data/exports/factors": TABLES,
    "/data/exports/archive": ("application/zip",),
    "/data/exports/{table}": TABLES,
    "/store/backups/{name}": ("application/vnd.sqlite3",),
    "/audit/export": ("text/csv", "application/jsonl"),
}
"""What is answered with a file."""


def fits(schema: dict[str, Any], value: Any) -> None:
    Draft202012Validator({**schema, "components": SCHEMA["components"]}).validate(value)


def test_the_routes() -> None:
    assert set(NAMES) == ISSUED
    assert len({operation["operationId"] for _, _, operation in OPERATIONS}) == len(ISSUED)


@each_operation
def test_each_operation_is_described(method: str, path: str, operation: dict[str, Any]) -> None:
    lead = operation["description"].partition("\n\n")[0]
    assert lead[0].isupper()
    assert lead.endswith(".")
    assert operation["tags"][0] in {group["name"] for group in SCHEMA["tags"]}
    for parameter in operation.get("parameters", []):
        assert parameter.get("description"), parameter["name"]
        if parameter.get("required"):
            assert parameter["schema"].get("examples") or parameter.get("examples"), parameter["name"]


@each_operation
def test_examples_of_bodies_fit_their_schemas(method: str, path: str, operation: dict[str, Any]) -> None:
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        fits(content["application/json"]["schema"], request_example(SCHEMA, operation))
    bare = path.endswith(("/cancel", "/stop", "/backups", "/restore", "/undo"))
    assert (method in {"post", "patch"} and not bare) == bool(content)


@each_operation
def test_examples_of_answers_fit_their_schemas(method: str, path: str, operation: dict[str, Any]) -> None:
    assert min(operation["responses"]) < "300", "no success is described"
    for status, answer in operation["responses"].items():
        (media_type, content), *others = answer["content"].items()
        if path in FILES and method == "get" and status == "200":
            assert (media_type, *(name for name, _ in others)) == FILES[path]
            assert content["schema"] == {"type": "string", "format": "binary"}
            assert answer["headers"]["Content-Disposition"]["example"].startswith("attachment; filename=")
        elif status < "300":
            assert not others
            assert media_type == ("text/plain" if path == "/metrics" else "application/json")
            assert content["schema"], "a success has a schema"
            fits(content["schema"], content["example"])
        else:
            assert media_type == "application/problem+json"
            assert content["examples"], status
            for code, reference in content["examples"].items():
                assert reference == {"$ref": f"#/components/examples/{code}"}
                value = SCHEMA["components"]["examples"][code]["value"]
                fits(content["schema"], value)
                assert (value["code"], str(value["status"])) == (code, status)


@each_operation
def test_expected_problems_are_documented(method: str, path: str, operation: dict[str, Any]) -> None:
    statuses = set(operation["responses"])
    wanted = {"400", "413", "421", "500"}
    if f"/api{path}" in PROBES:
        assert operation["security"] == []
    else:
        wanted |= {"401"}
    if path != "/health/live":
        wanted |= {"503"}
    if method != "get":  # POST /ml/predict changes nothing, but is checked for its origin like the others
        wanted |= {"403"}
    if operation.get("parameters") or "requestBody" in operation:
        wanted |= {"422"}
    if "requestBody" in operation:
        wanted |= {"415"}
    assert wanted <= statuses


def test_every_kind_of_problem_belongs_to_some_operation() -> None:
    documented = {
        code
        for _, _, operation in OPERATIONS
        for answer in operation["responses"].values()
        for content in answer["content"].values()
        for code in content.get("examples", {})
    }
    # Not of an operation: wrong addresses and methods, parents that are never raised themselves, and what later
    # routes will raise.
    rest = {
        "no_such_route",
        "method_not_allowed",
        "not_found",
        "invalid_settings",
        "cancelled",
        "training_diverged",
        "not_solvable",
        "cluster_failed",
    }
    assert documented | rest == {kind.code for kind in ALL}


def test_the_document_is_served_with_the_address_of_the_mount(server: Client) -> None:
    served = server.get("/api/openapi.json").json()
    assert served["servers"] == [{"url": "/api"}]
    assert served["openapi"].startswith("3.1")
    assert set(served["components"]["securitySchemes"]) == {"Key", "Bearer"}
    assert "HTTPValidationError" not in served["components"]["schemas"]


def test_with_a_key_the_description_says_so(keyed_server: Client) -> None:
    served = keyed_server.get("/api/openapi.json", headers={"X-API-Key": "open sesame"})
    assert "This server requires an API key." in served.json()["info"]["description"]
    assert "open sesame" not in served.text
