"""The OpenAPI document as a reference: operations, tables of fields, examples, as the templates need them."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from sidecar.http.kinds import ALL
from sidecar.http.responses import COMMON

METHODS = ("get", "post", "put", "patch", "delete")
SHOWN = frozenset({"n", "versions"})
"""Optional parameters that examples of requests include."""
MAX_LINE = 100
"""Characters of an example's line, its indentation apart."""
NAMES = {"string": "text", "integer": "whole number", "boolean": "true or false", "null": "null"}

Schema = dict[str, Any]


Reference = dict[str, Any]
"""What the templates show, in the form of the OpenAPI document itself: ``info`` with ``groups``, each a tag with its
``operations``, which have texts in place of schemas."""


def read(schema: Schema, base: str) -> Reference:
    """The reference of an OpenAPI 3.1 document.

    Args:
        schema: the document.
        base: where the API is mounted, for example ``/api``.
    """
    groups = [
        tag | {"operations": [_operation(schema, base, *each) for each in _tagged(schema, tag["name"])]}
        for tag in schema["tags"]
    ]
    common = [kind.code for kind in ALL if kind in COMMON]
    info: Reference = schema["info"]
    return info | {"groups": groups, "problems": ALL, "common": common}


def _tagged(schema: Schema, tag: str) -> Iterator[tuple[str, str, Schema]]:
    for path, operations in schema["paths"].items():
        for method in METHODS:
            if method in operations and tag in operations[method]["tags"]:
                yield method, path, operations[method]


def _operation(schema: Schema, base: str, method: str, path: str, operation: Schema) -> Reference:
    """A route: what it does, takes and answers with.

    ``lead`` is the first paragraph of its description, ``rest`` the others, both in Markdown; ``tables`` are its
    parameters and the fields of its body; ``problems`` are codes by status, apart from those of any route.
    """
    lead, _, rest = operation["description"].partition("\n\n")
    status, media_type, response = _success(operation)
    common = {kind.code for kind in COMMON}
    problems = {
        status: [code for code in answer["content"]["application/problem+json"]["examples"] if code not in common]
        for status, answer in operation["responses"].items()
        if status >= "400"
    }
    return {
        "id": operation["operationId"],
        "method": method,
        "path": f"{base}{path}",
        "scope": operation["x-scope"],
        "counted": operation["x-counted"],
        "tables": [*_parameters(schema, operation), *_body(schema, operation)],
        "request": _request(schema, f"{method.upper()} {base}{path}", operation),
        "problems": {status: codes for status, codes in problems.items() if codes},
    } | {"lead": lead, "rest": rest, "status": status, "media_type": media_type, "response": response}


def _parameters(schema: Schema, operation: Schema) -> Iterator[Reference]:
    rows = [
        _row(schema, each["name"], each["schema"], f"in {each['in']}", each.get("required", False))
        for each in operation.get("parameters", [])
    ]
    if rows:
        yield _table("Parameters", rows)


def _body(schema: Schema, operation: Schema) -> Iterator[Reference]:
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        model = _resolve(schema, content["schema"])
        yield _fields(schema, f"Body, {media_type}", model)
        for name, field in model["properties"].items():
            many = _resolve(schema, field).get("type") == "array"
            for part in _objects(schema, field):
                yield _fields(schema, f"Each of {name}" if many else f"{name}: {part['title']}", part)


def _fields(schema: Schema, title: str, model: Schema) -> Reference:
    required = model.get("required", [])
    rows = [_row(schema, name, each, "", name in required) for name, each in model["properties"].items()]
    return _table(title, rows)


def _table(title: str, rows: list[Reference]) -> Reference:
    """The rows, required ones first."""
    return {"title": title, "rows": sorted(rows, key=lambda row: not row["required"])}


def _objects(schema: Schema, field: Schema) -> list[Schema]:
    """The objects with fields of their own that a field may hold, as one of several types or in a list."""
    field = _resolve(schema, field)
    if "properties" in field:
        return [field]
    one = next((field[name] for name in ("items", "contentSchema") if name in field), None)
    inner = field.get("anyOf", [] if one is None else [one])
    return [found for each in inner for found in _objects(schema, each)]


def _row(schema: Schema, name: str, field: Schema, place: str, required: bool) -> Reference:
    default = field.get("default")
    default = json.dumps(default) if isinstance(default, bool) else default
    shown = f"default {default}" if isinstance(default, str | int | float) and default != "" else ""
    note = ", ".join(part for part in (place, shown) if part)
    about = field.get("description", "")
    return {"name": name, "kind": _type(schema, field), "note": note, "required": required, "description": about}


def _request(schema: Schema, line: str, operation: Schema) -> str:
    query: list[tuple[str, Any]] = []
    for parameter in operation.get("parameters", []):
        examples = parameter["schema"].get("examples") or parameter.get("examples")
        example = examples[0] if examples else None
        if parameter["in"] == "path":
            line = line.replace(f"{{{parameter['name']}}}", str(example))
        elif parameter.get("required") or parameter["name"] in SHOWN:
            query.append((parameter["name"], example))
    lines = [f"{line}{'?' + urlencode(query, doseq=True) if query else ''}"]
    example = request_example(schema, operation)
    if example is not None:
        lines += ["Content-Type: application/json", "", pretty(example)]
    elif "requestBody" in operation:
        lines.append("Content-Type: multipart/form-data")
    return "\n".join(lines)


def request_example(schema: Schema, operation: Schema) -> Any:
    """The example of an operation's JSON body; None if it takes none."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return None
    model = _resolve(schema, content["schema"])
    return _ordered(schema, model, model["examples"][0])


def _ordered(schema: Schema, part: Schema, value: Any) -> Any:
    """The value with its fields in the order of their schema; Pydantic sorts the fields of examples by name."""
    part = _resolve(schema, part)
    if isinstance(value, dict) and "properties" in part:
        return {
            name: _ordered(schema, inner, value[name]) for name, inner in part["properties"].items() if name in value
        }
    if isinstance(value, list) and "items" in part:
        return [_ordered(schema, part["items"], each) for each in value]
    return value


def _success(operation: Schema) -> tuple[str, str, str]:
    """The status, media type and example of a success."""
    status, answer = next((status, answer) for status, answer in operation["responses"].items() if status < "300")
    media_type, content = next(iter(answer["content"].items()))
    if media_type == "text/plain":
        return status, media_type, content["example"].rstrip("\n")
    if "example" in content:
        return status, media_type, pretty(content["example"])
    headers = [f"{name}: {header['example']}" for name, header in answer["headers"].items()]
    return status, media_type, "\n".join([f"Content-Type: {media_type}", *headers])


def pretty(value: Any, indent: int = 0) -> str:
    """A value as JSON: what fits on a line stays on one, apart from the outermost object."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or (indent and len(line) <= MAX_LINE):
        return line
    inner = indent + 2
    if isinstance(value, dict):
        parts = [f"{json.dumps(name, ensure_ascii=False)}: {pretty(each, inner)}" for name, each in value.items()]
    else:
        parts = [pretty(each, inner) for each in value]
    begin, end = "{}" if isinstance(value, dict) else "[]"
    lines = ",\n".join(f"{' ' * inner}{part}" for part in parts)
    return f"{begin}\n{lines}\n{' ' * indent}{end}"


def _resolve(schema: Schema, part: Schema) -> Schema:
    if "$ref" not in part:
        return part
    found: Schema = schema["components"]["schemas"][part["$ref"].rpartition("/")[2]]
    return found


def _type(schema: Schema, field: Schema) -> str:
    """A type in words: ``text``, ``whole number from 1 to 500``, ``ranker or rating``."""
    field = _resolve(schema, field)
    if "anyOf" in field:
        # Null only means that the field may be left out, which "required" says already.
        kinds = [each for each in field["anyOf"] if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(_type(schema, each) for each in kinds))
    if "enum" in field or "const" in field:
        return " or ".join(str(value) for value in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        return f"list of {_type(schema, field['items'])}"
    if field.get("format") == "binary":
        return "file"
    kind = str(field.get("type", "any value"))
    return NAMES.get(kind, kind) + _range(field)


def _range(field: Schema) -> str:
    low, high = field.get("minimum"), field.get("maximum")
    if "exclusiveMinimum" in field:
        return f" above {field['exclusiveMinimum']:.15g}, at most {high:.15g}"
    if low is None:
        return ""
    # A bound beyond 2^53 only says that the number fits the store.
    return f" from {low:.15g}" + ("" if high is None or high > 2**53 else f" to {high:.15g}")
