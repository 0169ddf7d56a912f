"""Records of JSON and XML as flat rows of text."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from engine.data.columns import NAMES, normal

MAX_DOCUMENT = 200 * 2**20
"""Bytes of a JSON document, which is read as a whole; JSON lines have no limit."""
MAX_DEPTH = 4
"""Objects in objects in which lists are looked for."""
SAMPLE_LINES = 200


@dataclass(frozen=True)
class Lines:
    """JSON lines: names of their columns, and the numbered rows; None for a line that is no object."""

    names: tuple[str, ...]
    rows: Callable[[], Iterator[tuple[int, list[str] | None]]]


def json_lines(path: Path) -> Lines | None:
    """A file with an object on each of several lines; None for another."""
    names: dict[str, None] = {}
    count = 0
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        for line in islice(stream, SAMPLE_LINES):
            if line.strip():
                count += 1
                record = _object(line)
                if record is None and not names:
                    return None
                names |= dict.fromkeys(record or {})
    if not names or count < 2:  # a single line is a document
        return None
    columns = tuple(names)

    def rows() -> Iterator[tuple[int, list[str] | None]]:
        with path.open(encoding="utf-8-sig", errors="replace") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    record = _object(line)
                    yield number, None if record is None else [record.get(name, "") for name in columns]

    return Lines(columns, rows)


def _object(line: str) -> dict[str, str] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return flat(found) if isinstance(found, dict) else None


def json_tables(document: Any) -> dict[str, list[dict[str, str]]]:
    """The records of a document by the name of their list, '' where there is one only.

    A list of objects, or lists in an object; a list of lists under a first one with names; columns as pandas writes
    them; or a single object.
    """
    if isinstance(document, dict):
        if "columns" in document and isinstance(document.get("data"), list):  # pandas, orient="split"
            return {"": [flat(dict(zip(map(str, document["columns"]), row, strict=False))) for row in document["data"]]}
        if columns := _columns(document):
            return {"": [flat(dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]}
    if isinstance(document, list) and document and all(isinstance(row, list) for row in document):
        return {"": [flat(dict(zip(map(str, document[0]), row, strict=False))) for row in document[1:]]}
    lists = {name: records for name, records in _lists(document, "") if records}
    if not lists and isinstance(document, dict):
        return {"": [flat(document)]}
    return lists if len(lists) > 1 else dict.fromkeys([""], next(iter(lists.values()), []))


def _columns(document: dict[str, Any]) -> dict[str, list[Any]]:
    """Columns of equal length by name, as lists or as objects with the same keys; {} where it has none."""
    values = list(document.values())
    if len(values) < 2:
        return {}
    if all(isinstance(value, list) for value in values) and len({len(value) for value in values}) == 1:
        return {} if values[0] and isinstance(values[0][0], dict) else document
    if all(isinstance(value, dict) for value in values) and len({tuple(value) for value in values}) == 1:
        if sum(normal(str(name)) in NAMES for name in values[0]) >= 2:  # rows by their ids, orient="index"
            return {name: [value[name] for value in values] for name in values[0]}
        scalar = not any(isinstance(cell, (dict, list)) for value in values for cell in value.values())
        return {name: list(value.values()) for name, value in document.items()} if scalar else {}
    return {}


def _lists(document: Any, path: str) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """The lists of objects in a document with their paths, outer ones first."""
    if isinstance(document, list):
        yield path, [flat(one) for one in document if isinstance(one, dict)]
    elif isinstance(document, dict) and path.count(".") < MAX_DEPTH:
        for name, value in document.items():
            yield from _lists(value, f"{path}.{name}".strip("."))


def flat(record: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """An object as columns: ``{"movie": {"ids": {"imdb": 7}}}`` has the column ``movie.ids.imdb``."""
    found: dict[str, str] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[_valid(f"{prefix}{name}")] = _cell(value)
    return found


def _valid(text: str) -> str:
    """The text without halves of characters, which JSON can hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return _valid("|".join(str(one.get("name", "")) if isinstance(one, dict) else str(one) for one in value))
    if isinstance(value, float):
        return f"{value:.0f}" if value == value and abs(value) < 1e15 and value == int(value) else repr(value)
    return _valid(str(value))


def xml_records(path: Path) -> tuple[list[dict[str, str]], dict[str, str]]:
    """The records of an XML document, by the names of their elements, and the facts about the whole.

    Records are the children of the root that come most often; others, such as ``myinfo``, are facts. A document that
    declares entities gives none, as these can grow without end.
    """
    content = path.read_bytes() if path.stat().st_size <= MAX_DOCUMENT else b""
    if b"<!ENTITY" in content or not content:
        return [], {}
    try:
        root = ET.fromstring(content)  # noqa: S314  # entities are refused above
    except ET.ParseError:
        return [], {}
    tags = [child.tag for child in root]
    often = max(set(tags), key=tags.count, default="")
    records = [_element(child) for child in root if child.tag == often]
    about = {key: value for child in root if child.tag != often for key, value in _element(child).items()}
    return records, about


def _element(element: ET.Element) -> dict[str, str]:
    return {child.tag: (child.text or "").strip() for child in element} | dict(element.attrib)
