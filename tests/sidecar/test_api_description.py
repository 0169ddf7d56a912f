"""What the API says of itself: OpenAPI, the page at /docs, and docs/api.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from engine.models.registry import MODELS, ModelEntry
from engine.settings import Settings
from sidecar.app import create_api
from sidecar.docs.markup import inline, prose, tag, text
from sidecar.docs.page import render, request_example, security_policy
from sidecar.http.problems import ALL
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
    "post /data/imports",
    "get /data/statistics",
    "get /data/{table}/export",
    "get /jobs/{job_id}",
    "post /jobs/{job_id}/cancel",
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


FILES = {
    "/ml/models/{version}/export": ("application/zip",),
    "/data/{table}/export": ("text/csv",),
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
    assert (method in {"post", "patch"} and not path.endswith(("/cancel", "/stop", "/backups", "/restore"))) == bool(
        content
    )


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
            for code, example in content["examples"].items():
                fits(content["schema"], example["value"])
                assert (example["value"]["code"], str(example["value"]["status"])) == (code, status)


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
    }
    assert documented | rest == {kind.code for kind in ALL}


def test_the_document_is_served_with_the_address_of_the_mount(server: Client) -> None:
    served = server.get("/api/openapi.json").json()
    assert served["servers"] == [{"url": "/api"}]
    assert served["openapi"].startswith("3.1")
    assert set(served["components"]["securitySchemes"]) == {"Key", "Bearer"}
    assert "HTTPValidationError" not in served["components"]["schemas"]


class Page(HTMLParser):
    """What a page links to, loads, names and shows."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.events: list[str] = []
        self.shown = ""
        self.feed(source)

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(name)
        for key, value in attributes:
            if key == "href" and name == "a":
                self.links.append(value or "")
            elif key in {"src", "srcset", "href", "action", "data", "poster"}:
                self.loads.append(value or "")
            elif key == "id":
                self.ids.append(value or "")
            elif key.startswith("on") or key == "style":
                self.events.append(key)

    def handle_data(self, data: str) -> None:
        self.shown += data


@pytest.fixture
def page(server: Client) -> Page:
    answer = server.get("/api/docs")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return Page(answer.text)


def test_the_page_loads_nothing(server: Client, page: Page) -> None:
    source = server.get("/api/docs").text
    assert page.loads == []
    assert page.events == []
    assert not {"script", "iframe", "img", "link", "form", "object", "base"} & set(page.tags)
    assert re.findall(r"https?://|//\w|@import|url\(", source) == []
    assert "/api/openapi.json" in page.links
    assert all(link.startswith("#") or link == "/api/openapi.json" for link in page.links)


def test_the_page_has_a_policy_that_allows_its_style_sheet_only(server: Client) -> None:
    policy = server.get("/api/docs").headers["content-security-policy"]
    assert policy == security_policy()
    assert "default-src 'none'; style-src 'sha256-" in policy
    assert "unsafe" not in policy


def test_the_page_names_every_operation_and_problem(page: Page) -> None:
    assert {link.removeprefix("#") for link in page.links if link.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    for _, path, operation in OPERATIONS:
        assert operation["operationId"] in page.ids
        assert f"/api{path}" in page.shown
    for kind in ALL:
        assert f"problem-{kind.code}" in page.ids
    assert "/api/ml/recommendations/42?n=10" in page.shown
    assert "/api/ml/explain?user_id=42&movie_id=318" in page.shown
    assert "/api/ml/models/compare?versions=2&versions=3" in page.shown
    assert "Content-Type: multipart/form-data" in page.shown
    assert 'Content-Disposition: attachment; filename="marquee-version-3.zip"' in page.shown
    assert "None" not in page.shown


def strings(value: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of every text in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if isinstance(inner, str):
            yield value, key
        else:
            yield from strings(inner)


def test_everything_on_the_page_is_escaped() -> None:
    evil = create_api(Settings(api_key=None)).openapi()
    for container, key in strings(evil):
        if key in {"description", "title", "name", "user_id", "movie_id", "text", "example", "operationId"}:
            container[key] += "<script>x</script>\"'><img src=x>"
    for _, path in [(None, path) for path in list(evil["paths"])]:
        evil["paths"][path + "<script>"] = evil["paths"].pop(path)
    found = Page(render(evil, "/api<script>"))
    assert not {"script", "img"} & set(found.tags)
    assert found.events == []


def test_with_a_key_the_description_says_so(keyed_server: Client) -> None:
    answer = keyed_server.get("/api/docs", headers={"X-API-Key": "open sesame"})
    assert "An API key is needed" in answer.text
    assert "open sesame" not in answer.text


def test_markup_escapes_unless_it_made_the_markup() -> None:
    assert text("<b>") == "&lt;b&gt;"
    assert tag("p", "a & b", tag("b", "<"), None, class_='"x"') == '<p class="&quot;x&quot;">a &amp; b<b>&lt;</b></p>'
    assert tag("meta", charset="utf-8") == '<meta charset="utf-8">'
    assert inline("a `<i>` b") == "a <code>&lt;i&gt;</code> b"
    assert [str(part) for part in prose("one\ntwo\n\n`three`")] == ["<p>one two</p>", "<p><code>three</code></p>"]


GUIDE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*NAMES, "get /docs", "get /openapi.json"])
def test_the_guide_names_every_route(name: str) -> None:
    method, path = name.split()
    assert f"### `{method.upper()} /api{path}`" in GUIDE


@each_operation
def test_the_guide_names_every_parameter(method: str, path: str, operation: dict[str, Any]) -> None:
    section = GUIDE.partition(f"### `{method.upper()} /api{path}`")[2].partition("\n### ")[0]
    names = {parameter["name"] for parameter in operation.get("parameters", [])}
    assert {name for name in names if f"| `{name}` |" not in section} == set()


def test_the_guide_names_no_route_that_is_not_there() -> None:
    named = {f"{method.lower()} {path}" for method, path in re.findall(r"^### `(\w+) /api(\S+)`", GUIDE, re.MULTILINE)}
    assert named == {*NAMES, "get /docs", "get /openapi.json"}


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.kind)
def test_hyperparameters_are_described(page: Page, model: ModelEntry) -> None:
    assert f"hyperparameters: {model.label}" in page.shown
    for name, field in model.config.model_fields.items():
        assert str(field.description) in page.shown
        assert f"| `{name}` | " in GUIDE


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.code)
def test_the_guide_names_every_problem(kind: Any) -> None:
    assert f"| `{kind.code}` | {kind.status} |" in GUIDE
