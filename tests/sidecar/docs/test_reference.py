"""The reference of the API: the page at /api/docs and docs/api.md, from one OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from engine.models.registry import MODELS, ModelEntry
from engine.settings import Settings
from sidecar.app import create_api, reference
from sidecar.docs.page import render_file, render_page, security_policy
from sidecar.docs.reference import pretty, read
from sidecar.http.kinds import ALL
from sidecar.http.responses import COMMON
from sidecar.security.scopes import RULES
from tests.sidecar.client import Client
from tests.sidecar.test_api_description import OPERATIONS, SCHEMA
from tools.reference import FILE, main


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
    assert all(link.startswith("#") or link in {"/", "/api/openapi.json"} for link in page.links)


def test_the_page_leads_back_to_the_console(page: Page) -> None:
    assert "/" in page.links


@pytest.mark.parametrize(
    ("origin", "address"),
    [("http://127.0.0.1:9000", "127.0.0.1:9000"), ("https://localhost", "https://localhost")],
)
def test_examples_have_the_address_that_the_browser_uses(server: Client, origin: str, address: str) -> None:
    shown = Page(server.get(f"{origin}/api/docs").text).shown
    assert f"$ curl {address}/api/ml/recommendations/42?n=3" in shown
    assert "localhost:8501" not in shown


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
    del evil["components"]["examples"]  # referred to, not shown
    for container, key in strings(evil):
        if key in {"description", "title", "name", "user_id", "movie_id", "text", "example", "operationId"}:
            container[key] += "<script>x</script>\"'><img src=x>![x](https://evil.example/x.png)"
    for path in list(evil["paths"]):
        evil["paths"][path + "<script>"] = evil["paths"].pop(path)
    found = Page(render_page(evil, "/api<script>"))
    assert not {"script", "img"} & set(found.tags)
    assert found.events == []


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.config.kind)
def test_hyperparameters_are_described(page: Page, model: ModelEntry) -> None:
    assert f"hyperparameters: {model.label}" in page.shown
    for field in model.config.model_fields.values():
        assert str(field.description) in page.shown


def test_every_operation_has_the_scope_and_allowance_of_its_rule() -> None:
    shown = {
        f"{each['method'].upper()} {each['path'].removeprefix('/api')}": (each["scope"], each["counted"])
        for group in read(SCHEMA, "/api")["groups"]
        for each in group["operations"]
    }
    rules = {name: (rule.scope, rule.counted or "") for name, rule in RULES.items()}
    assert shown == {name: rule for name, rule in rules.items() if name not in {"GET /docs", "GET /openapi.json"}}


def test_problems_of_every_route_are_listed_once() -> None:
    found = read(SCHEMA, "/api")
    assert set(found["common"]) == {kind.code for kind in COMMON}
    for group in found["groups"]:
        for each in group["operations"]:
            assert not set(found["common"]) & {code for codes in each["problems"].values() for code in codes}


def test_the_file_is_up_to_date() -> None:
    assert main(["--check"]) is None


def test_a_stale_file_is_reported_and_rewritten(tmp_path: Path) -> None:
    file = tmp_path / "api.md"
    file.write_text("stale", encoding="utf-8")
    assert main(["--check"], file) == "docs/api.md is out of date: run 'make api' and commit the result."
    assert main([], file) is None
    assert file.read_text(encoding="utf-8") == FILE.read_text(encoding="utf-8")


def test_the_file_has_tables_that_no_text_can_break() -> None:
    evil = create_api(Settings(api_key=None)).openapi()
    for container, key in strings(evil):
        if key == "description":
            container[key] += " | a\nb"
    rows = [line for line in render_file(evil).splitlines() if line.startswith("| `")]
    assert rows
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {4}


def test_the_file_is_the_same_with_and_without_a_key() -> None:
    assert "This server" not in reference()
    assert "on this server" not in reference()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, 2], "b": {"c": "é"}}, '{\n  "a": [1, 2],\n  "b": {"c": "é"}\n}'),
        ({"a": ["x" * 60, "y" * 60]}, '{{\n  "a": [\n    "{}",\n    "{}"\n  ]\n}}'.format("x" * 60, "y" * 60)),
        ([], "[]"),
        (None, "null"),
    ],
)
def test_examples_are_laid_out_in_lines(value: object, text: str) -> None:
    assert pretty(value) == text
