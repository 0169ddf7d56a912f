"""The ``responses`` of routes in the OpenAPI document: the success, and every problem that a route may answer with."""

from collections.abc import Iterable
from http import HTTPStatus
from itertools import groupby
from operator import attrgetter
from typing import Any

from engine import errors
from engine.errors import MarqueeError
from sidecar.http import kinds
from sidecar.http.kinds import ALL, OF_ERROR, Kind
from sidecar.http.problems import MEDIA_TYPE

Responses = dict[int | str, dict[str, Any]]

NAMED = "x-problems"
"""Holds the codes of a route's own problems until the document is complete."""
STORE_ERRORS = (
    errors.StoreLocked,
    errors.StoreNotWritable,
    errors.StoreFailing,
    errors.StoreReplaced,
    errors.StoreDamaged,
)
PROTOCOL = (kinds.BAD_REQUEST, kinds.REQUEST_TIMEOUT, kinds.HEAD_TOO_LARGE, kinds.TOO_MANY_CONNECTIONS)
REFUSED = (kinds.BAD_PATH, kinds.WRONG_HOST, kinds.PROXY_WITHOUT_KEY, kinds.BODY_TOO_LARGE, kinds.INVALID_INPUT)
EVERYWHERE = (*REFUSED, kinds.INTERNAL_ERROR, kinds.STOPPING, *(OF_ERROR[error] for error in STORE_ERRORS), *PROTOCOL)
KEYED = (
    kinds.KEY_REQUIRED,
    kinds.KEY_WRONG,
    kinds.SCOPE_TOO_SMALL,
    kinds.TOO_MANY_WRONG_KEYS,
    kinds.TOO_MANY_REQUESTS,
)
COMMON = frozenset({*EVERYWHERE, *KEYED})
"""Problems that any route may answer with, apart from those that need no key."""


def raises(*named: type[MarqueeError]) -> dict[str, Any]:
    """The ``openapi_extra`` of a route that raises these errors, besides those that ``add_problems`` adds."""
    return {NAMED: [OF_ERROR[error].code for error in named]}


def file_answers(disposition: str, *media_types: str) -> Responses:
    """The ``responses`` of a route that answers with a file.

    Args:
        disposition: an example of the header ``Content-Disposition``.
        media_types: of the file.
    """
    name = {"description": "The file name.", "schema": {"type": "string"}, "example": disposition}
    content = {each: {"schema": {"type": "string", "format": "binary"}} for each in media_types}
    return {200: {"headers": {"Content-Disposition": name}, "content": content}}


def add_problems(operation: dict[str, Any], *, key: bool, changes: bool, writes: bool) -> None:
    """Complete the ``responses`` of an operation in an OpenAPI document.

    Args:
        operation: names its own problems, see ``raises``.
        key: whether it needs a key.
        changes: whether it has a method that pages of other websites must not use.
        writes: whether it writes to the store.
    """
    named = operation.pop(NAMED, ())
    found = {*EVERYWHERE, *(kind for kind in ALL if kind.code in named)}
    found |= {*KEYED, OF_ERROR[errors.NotReady]} if key else set()
    found |= {kinds.FOREIGN_ORIGIN} if changes else set()
    found |= {OF_ERROR[errors.DiskFull]} if writes else set()
    body = operation.get("requestBody", {}).get("content", {})
    found |= {kinds.UNSUPPORTED_MEDIA_TYPE} if body else set()
    found |= {kinds.INVALID_JSON} if "application/json" in body else set()
    status, success = next(iter(operation["responses"].items()))
    operation["responses"] = {status: success | {"description": HTTPStatus(int(status)).phrase}} | _failures(found)


def _failures(found: Iterable[Kind]) -> dict[str, dict[str, Any]]:
    ordered = sorted(found, key=attrgetter("status", "code"))
    return {str(status): _failure(list(group)) for status, group in groupby(ordered, key=attrgetter("status"))}


def _failure(group: list[Kind]) -> dict[str, Any]:
    return {
        "description": "; ".join(f"`{kind.code}`: {kind.title}" for kind in group),
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {kind.code: {"$ref": f"#/components/examples/{kind.code}"} for kind in group},
            }
        },
    }
