"""What the API's description says of a route's answers: an example of success, and every problem it may answer with."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from engine.errors import (
    MarqueeError,
    StoreDamaged,
    StoreFailing,
    StoreLocked,
    StoreNotWritable,
    StoreReplaced,
)
from sidecar.http.problems import (
    BAD_PATH,
    BODY_TOO_LARGE,
    FOREIGN_ORIGIN,
    HEAD_TOO_LARGE,
    INTERNAL_ERROR,
    INVALID_INPUT,
    INVALID_JSON,
    KEY_REQUIRED,
    KEY_WRONG,
    MEDIA_TYPE,
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

Responses = dict[int | str, dict[str, Any]]
Problems = Kind | type[MarqueeError] | tuple[Kind, ...]

OF_STORE = (StoreLocked, StoreNotWritable, StoreFailing, StoreReplaced, StoreDamaged)
STORE = tuple(OF_ERROR[error] for error in OF_STORE)
PROTOCOL = (REQUEST_TIMEOUT, HEAD_TOO_LARGE, TOO_MANY_CONNECTIONS)
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
CHANGING = (FOREIGN_ORIGIN,)
JSON_BODY = (INVALID_INPUT, INVALID_JSON, UNSUPPORTED_MEDIA_TYPE)
PARAMETERS = (INVALID_INPUT,)


def answers(
    example: Any,
    *problems: Problems,
    status: int = 200,
    key: bool = True,
) -> Responses:
    """The ``responses`` of a route that answers in JSON.

    Args:
        example: what a success looks like.
        problems: kinds, errors of the engine and groups of kinds, besides those that every route has.
        status: the status of a success.
        key: False for what is answered without a key.
    """
    success = {"description": HTTPStatus(status).phrase, "content": {"application/json": {"example": example}}}
    return {status: success} | _problem_answers({*EVERYWHERE, *(KEYED if key else ()), *_kinds(problems)})


def file_answers(media_type: str, disposition: str, *problems: Problems) -> Responses:
    """The ``responses`` of a route that answers with a file.

    Args:
        media_type: of the file.
        disposition: an example of the header ``Content-Disposition``.
        problems: as for ``answers``.
    """
    name = {"description": "Names the file.", "schema": {"type": "string"}, "example": disposition}
    success = {
        "description": HTTPStatus.OK.phrase,
        "headers": {"Content-Disposition": name},
        "content": {media_type: {"schema": {"type": "string", "format": "binary"}}},
    }
    return {200: success} | _problem_answers({*EVERYWHERE, *KEYED, *_kinds(problems)})


def text_answers(example: str, *problems: Problems) -> Responses:
    """The ``responses`` of a route that answers with plain text; the arguments are those of ``answers``."""
    content = {"text/plain": {"schema": {"type": "string"}, "example": example}}
    success = {"description": HTTPStatus.OK.phrase, "content": content}
    return {200: success} | _problem_answers({*EVERYWHERE, *KEYED, *_kinds(problems)})


def _problem_answers(kinds: set[Kind]) -> Responses:
    return {
        status: _problem_answer(sorted((kind for kind in kinds if kind.status == status), key=_code))
        for status in sorted({kind.status for kind in kinds})
    }


def _code(kind: Kind) -> str:
    return kind.code


def _kinds(problems: Iterable[Problems]) -> Iterable[Kind]:
    for each in problems:
        if isinstance(each, Kind):
            yield each
        elif isinstance(each, tuple):
            yield from each
        else:
            yield OF_ERROR[each]


def _problem_answer(kinds: list[Kind]) -> dict[str, Any]:
    return {
        "description": "; ".join(f"`{kind.code}`: {kind.title.lower()}" for kind in kinds),
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {kind.code: {"value": _example(kind)} for kind in kinds},
            }
        },
    }


def _example(kind: Kind) -> dict[str, Any]:
    return {
        "type": kind.uri,
        "title": kind.title,
        "status": kind.status,
        "detail": f"{kind.title}.",
        "code": kind.code,
    }
