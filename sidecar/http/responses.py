"""The ``responses`` of routes for the documentation: the success, and every problem that a route may answer with."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from itertools import groupby
from operator import attrgetter
from typing import Any

from engine.errors import MarqueeError, StoreDamaged, StoreFailing, StoreLocked, StoreNotWritable, StoreReplaced
from sidecar.http.kinds import (
    BAD_PATH,
    BAD_REQUEST,
    BODY_TOO_LARGE,
    FOREIGN_ORIGIN,
    HEAD_TOO_LARGE,
    INTERNAL_ERROR,
    INVALID_INPUT,
    INVALID_JSON,
    KEY_REQUIRED,
    KEY_WRONG,
    OF_ERROR,
    PROXY_WITHOUT_KEY,
    REQUEST_TIMEOUT,
    SCOPE_TOO_SMALL,
    STOPPING,
    TOO_MANY_CONNECTIONS,
    TOO_MANY_REQUESTS,
    TOO_MANY_WRONG_KEYS,
    UNSUPPORTED_MEDIA_TYPE,
    WRONG_HOST,
    Kind,
)
from sidecar.http.problems import MEDIA_TYPE

Responses = dict[int | str, dict[str, Any]]
Problems = Kind | type[MarqueeError] | tuple[Kind, ...]

STORE = tuple(OF_ERROR[error] for error in (StoreLocked, StoreNotWritable, StoreFailing, StoreReplaced, StoreDamaged))
PROTOCOL = (BAD_REQUEST, REQUEST_TIMEOUT, HEAD_TOO_LARGE, TOO_MANY_CONNECTIONS)
EVERYWHERE = (
    BAD_PATH,
    WRONG_HOST,
    PROXY_WITHOUT_KEY,
    BODY_TOO_LARGE,
    INVALID_INPUT,
    INTERNAL_ERROR,
    STOPPING,
    *STORE,
    *PROTOCOL,
)
KEYED = (KEY_REQUIRED, KEY_WRONG, SCOPE_TOO_SMALL, TOO_MANY_WRONG_KEYS, TOO_MANY_REQUESTS)
COMMON = frozenset({*EVERYWHERE, *KEYED})
"""Problems that any route may answer with, apart from those that need no key."""
CHANGING = (FOREIGN_ORIGIN,)
JSON_BODY = (INVALID_INPUT, INVALID_JSON, UNSUPPORTED_MEDIA_TYPE)
PARAMETERS = (INVALID_INPUT,)


def answers(*problems: Problems, status: int = 200, key: bool = True) -> Responses:
    """The ``responses`` of a route that answers in JSON; ``sidecar.docs.examples`` adds an example.

    Args:
        problems: kinds, engine errors and groups of kinds, in addition to those of every route.
        status: the status of a success.
        key: False for a route that needs no key.
    """
    return {status: {"description": HTTPStatus(status).phrase}} | _failures(problems, KEYED if key else ())


def file_answers(disposition: str, *problems: Problems, media_types: tuple[str, ...]) -> Responses:
    """The ``responses`` of a route that answers with a file.

    Args:
        disposition: an example of the header ``Content-Disposition``.
        problems: as for ``answers``.
        media_types: of the file.
    """
    name = {"description": "The file name.", "schema": {"type": "string"}, "example": disposition}
    success = {
        "description": HTTPStatus.OK.phrase,
        "headers": {"Content-Disposition": name},
        "content": {each: {"schema": {"type": "string", "format": "binary"}} for each in media_types},
    }
    return {200: success} | _failures(problems, KEYED)


def text_answers(*problems: Problems) -> Responses:
    """The ``responses`` of a route that answers in plain text; the arguments are those of ``answers``."""
    content = {"text/plain": {"schema": {"type": "string"}}}
    return {200: {"description": HTTPStatus.OK.phrase, "content": content}} | _failures(problems, KEYED)


def _failures(problems: Iterable[Problems], keyed: tuple[Kind, ...]) -> Responses:
    kinds = sorted({*EVERYWHERE, *keyed, *_kinds(problems)}, key=attrgetter("status", "code"))
    return {status: _failure(list(group)) for status, group in groupby(kinds, key=attrgetter("status"))}


def _kinds(problems: Iterable[Problems]) -> Iterable[Kind]:
    for each in problems:
        if isinstance(each, Kind):
            yield each
        elif isinstance(each, tuple):
            yield from each
        else:
            yield OF_ERROR[each]


def _failure(kinds: list[Kind]) -> dict[str, Any]:
    return {
        "description": "; ".join(f"`{kind.code}`: {kind.title}" for kind in kinds),
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {kind.code: {"$ref": f"#/components/examples/{kind.code}"} for kind in kinds},
            }
        },
    }
