"""The API's description as one page that needs no network, no script and no other file."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sidecar.docs.markup import Content, Markup, inline, prose, tag
from sidecar.http.problems import ALL, Kind

METHODS = ("get", "post", "put", "patch", "delete")
SHOWN = frozenset({"n", "versions"})
"""Parameters that an example has although they can be left out."""


@cache
def stylesheet() -> str:
    """The page's style sheet."""
    return Path(__file__).with_name("docs.css").read_text(encoding="utf-8")


def security_policy() -> str:
    """The page's Content-Security-Policy: its own style sheet by hash, and nothing else."""
    return policy_with(stylesheet())


def policy_with(style: str, forms: str = "'none'") -> str:
    """The policy for a page with this style sheet in it and nothing else; ``forms``: where they may be sent."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action {forms}; frame-ancestors 'none'"
    )


def render(schema: dict[str, Any], base: str) -> str:
    """The page.

    Args:
        schema: an OpenAPI 3.1 document.
        base: where the API is mounted, for example ``/api``.
    """
    groups = [(group, _operations(schema, group["name"])) for group in schema["tags"]]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"{schema['info']['title']} API"),
        tag("style", Markup(stylesheet())),
    )
    body = tag("body", _navigation(schema, groups), tag("main", *_main(schema, groups, base)))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


Operation = tuple[str, str, dict[str, Any]]
Group = tuple[dict[str, Any], list[Operation]]


def _operations(schema: dict[str, Any], group: str) -> list[Operation]:
    return [
        (method, path, operations[method])
        for path, operations in schema["paths"].items()
        for method in METHODS
        if method in operations and group in operations[method]["tags"]
    ]


def _navigation(schema: dict[str, Any], groups: list[Group]) -> Markup:
    links: list[Content] = []
    for group, operations in groups:
        links.append(tag("h2", group["name"]))
        entries: list[Content] = [
            tag("li", tag("a", tag("b", method.upper(), class_=method), path, href=f"#{operation['operationId']}"))
            for method, path, operation in operations
        ]
        links.append(tag("ul", *entries))
    links.append(tag("h2", "errors"))
    links.append(tag("ul", tag("li", tag("a", "Problems", href="#problems"))))
    return tag("nav", tag("a", schema["info"]["title"], tag("small", "API"), class_="brand", href="#top"), *links)


def _main(schema: dict[str, Any], groups: list[Group], base: str) -> list[Content]:
    info = schema["info"]
    parts: list[Content] = [
        tag(
            "header",
            tag("h1", f"{info['title']} API ", tag("small", info["version"])),
            *prose(info["description"]),
            tag("p", "The same as ", tag("a", "OpenAPI 3.1 JSON", href=f"{base}/openapi.json"), "."),
            id="top",
        )
    ]
    for group, operations in groups:
        parts.append(tag("h2", group["name"], class_="group"))
        parts.append(tag("p", inline(group["description"])))
        parts += [_operation(schema, each, base) for each in operations]
    parts.append(_problems())
    return parts


def _operation(schema: dict[str, Any], each: Operation, base: str) -> Markup:
    method, path, operation = each
    lead, _, rest = operation["description"].partition("\n\n")
    return tag(
        "section",
        tag("h3", tag("b", method.upper(), class_=method), tag("code", f"{base}{path}")),
        tag("p", inline(lead), class_="lead"),
        *prose(rest),
        None if operation["x-scope"] == "none" else tag("p", "Scope: ", tag("code", operation["x-scope"])),
        _parameters(schema, operation),
        _body(schema, operation),
        tag("div", _request(schema, each, base), _success(operation), class_="examples"),
        _failures(operation),
        id=operation["operationId"],
    )


def _parameters(schema: dict[str, Any], operation: dict[str, Any]) -> Content:
    rows = [
        _row(schema, each["name"], each["schema"], f"in {each['in']}", each.get("required", False))
        for each in operation.get("parameters", [])
    ]
    return _table("Parameters", rows)


def _body(schema: dict[str, Any], operation: dict[str, Any]) -> Content:
    tables: list[Content] = []
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        model = _resolve(schema, content["schema"])
        tables.append(_fields(schema, f"Body, {media_type}", model))
        for name, field in model["properties"].items():
            tables += [_fields(schema, f"{name}: {part['title']}", part) for part in _objects(schema, field)]
    return tables


def _fields(schema: dict[str, Any], title: str, model: dict[str, Any]) -> Content:
    required = model.get("required", [])
    rows = [_row(schema, name, field, "", name in required) for name, field in model["properties"].items()]
    return _table(title, rows)


def _objects(schema: dict[str, Any], field: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects with fields of their own that a field holds, be it as one of several kinds or in a list."""
    field = _resolve(schema, field)
    if "properties" in field:
        return [field]
    inner = field.get("anyOf", [field["items"]] if "items" in field else [])
    return [found for each in inner for found in _objects(schema, each)]


Row = tuple[str, str, str, bool, str]


def _row(schema: dict[str, Any], name: str, field: dict[str, Any], place: str, required: bool) -> Row:
    default = field.get("default")
    default = json.dumps(default) if isinstance(default, bool) else default
    shown = f"default {default}" if isinstance(default, str | int | float) and default != "" else ""
    note = ", ".join(part for part in (place, shown) if part)
    return name, _type(schema, field), note, required, field.get("description", "")


def _table(title: str, rows: list[Row]) -> Content:
    if not rows:
        return None
    lines: list[Content] = [
        tag(
            "tr",
            tag("td", tag("code", name), tag("small", "required") if required else None),
            tag("td", kind, tag("small", note) if note else None),
            tag("td", inline(description)),
        )
        for name, kind, note, required, description in rows
    ]
    return [tag("h4", title), tag("div", tag("table", *lines), class_="wide")]


def _request(schema: dict[str, Any], each: Operation, base: str) -> Content:
    method, path, operation = each
    query: list[tuple[str, Any]] = []
    for parameter in operation.get("parameters", []):
        examples = parameter["schema"].get("examples") or parameter.get("examples")
        example = examples[0] if examples else None
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", str(example))
        elif parameter.get("required") or parameter["name"] in SHOWN:
            query.append((parameter["name"], example))
    lines = [f"{method.upper()} {base}{path}{'?' + urlencode(query, doseq=True) if query else ''}"]
    example = request_example(schema, operation)
    if example is not None:
        lines += ["Content-Type: application/json", "", json.dumps(example, indent=2)]
    elif "requestBody" in operation:
        lines.append("Content-Type: multipart/form-data")
    return tag("figure", tag("figcaption", "Request"), tag("pre", "\n".join(lines), tabindex="0"))


def request_example(schema: dict[str, Any], operation: dict[str, Any]) -> Any:
    """The example of an operation's JSON body; None where it takes none."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return None
    model = _resolve(schema, content["schema"])
    return _ordered(schema, model, model["examples"][0])


def _ordered(schema: dict[str, Any], part: dict[str, Any], value: Any) -> Any:
    """The value with its fields in the order of their schema: Pydantic sorts those of examples by name."""
    part = _resolve(schema, part)
    if isinstance(value, dict) and "properties" in part:
        return {
            name: _ordered(schema, inner, value[name]) for name, inner in part["properties"].items() if name in value
        }
    if isinstance(value, list) and "items" in part:
        return [_ordered(schema, part["items"], each) for each in value]
    return value


def _success(operation: dict[str, Any]) -> Content:
    status, answer = next((status, answer) for status, answer in operation["responses"].items() if status < "300")
    media_type, content = next(iter(answer["content"].items()))
    if media_type == "text/plain":
        shown = content["example"]
    elif "example" in content:
        shown = json.dumps(content["example"], indent=2, ensure_ascii=False)
    else:
        headers = [f"{name}: {header['example']}" for name, header in answer["headers"].items()]
        shown = "\n".join([f"Content-Type: {media_type}", *headers])
    return tag("figure", tag("figcaption", f"Answer {status}"), tag("pre", shown, tabindex="0"))


def _failures(operation: dict[str, Any]) -> Content:
    entries: list[Content] = []
    for status, answer in operation["responses"].items():
        examples = answer["content"].get("application/problem+json", {}).get("examples", {})
        links: list[Content] = [tag("a", code, href=f"#problem-{code}") for code in examples]
        if links:
            entries.append(tag("li", tag("b", status), *links))
    return tag("details", tag("summary", "Problems it may answer with"), tag("ul", *entries, class_="failures"))


def _problems() -> Markup:
    rows: list[Content] = [_problem_row(kind) for kind in ALL]
    return tag(
        "section",
        tag("h2", "Problems", class_="group"),
        *prose(
            "Every error is answered as problem details (RFC 9457, `application/problem+json`). `detail` is a sentence "
            "for people; programs go by `code`. `field` and `errors` name what is at fault in the request."
        ),
        tag("div", tag("table", *rows), class_="wide"),
        id="problems",
    )


def _problem_row(kind: Kind) -> Markup:
    cells = (tag("td", tag("code", kind.code)), tag("td", str(kind.status)), tag("td", f"{kind.title}."))
    return tag("tr", *cells, id=f"problem-{kind.code}")


def _resolve(schema: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in part:
        return part
    found: dict[str, Any] = schema["components"]["schemas"][part["$ref"].rpartition("/")[2]]
    return found


def _type(schema: dict[str, Any], field: dict[str, Any]) -> str:
    """A type in words: ``text``, ``whole number from 1 to 500``, ``ranker or rating``."""
    field = _resolve(schema, field)
    if "anyOf" in field:
        # "Not required" says it already where null only stands for leaving the field out.
        kinds = [each for each in field["anyOf"] if each.get("type") != "null"]
        return " or ".join(_type(schema, each) for each in kinds)
    if "enum" in field or "const" in field:
        return " or ".join(str(value) for value in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        return f"list of {_type(schema, field['items'])}"
    if field.get("format") == "binary":
        return "file"
    words = {"string": "text", "integer": "whole number", "boolean": "true or false", "null": "null"}
    kind = str(field.get("type", "any value"))
    return words.get(kind, kind) + _range(field)


def _range(field: dict[str, Any]) -> str:
    low, high = field.get("minimum"), field.get("maximum")
    if "exclusiveMinimum" in field:
        return f" above {field['exclusiveMinimum']:.15g}, at most {high:.15g}"
    if low is None:
        return ""
    # A bound beyond 2^53 only says that the number fits the store.
    return f" from {low:.15g}" + ("" if high is None or high > 2**53 else f" to {high:.15g}")
