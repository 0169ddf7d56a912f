"""Every error response, as RFC 9457 problem details."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from engine import errors
from sidecar.http.kinds import (
    INTERNAL_ERROR,
    INVALID_INPUT,
    INVALID_JSON,
    METHOD_NOT_ALLOWED,
    OF_ERROR,
    OF_HTTP,
    Kind,
)
from sidecar.http.requests import route_path

MEDIA_TYPE = "application/problem+json"
MAX_FIELD_ERRORS = 20
RETRY_AFTER_SECONDS = "5"


class FieldError(BaseModel):
    """One invalid value."""

    field: str = Field(description="Where the value is, as a dotted path: `pairs.3.user_id`.")
    message: str = Field(description="What is expected. The value itself is never repeated.")


class Problem(BaseModel):
    """An error as problem details (RFC 9457)."""

    type: str = Field(description="Where this kind of problem is documented.")
    title: str = Field(description="A short summary of the kind of problem.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What went wrong this time, and what to do next.")
    code: str = Field(description="The kind of problem as a fixed word, for programs.")
    field: str | None = Field(None, description="The invalid field, if there is one.")
    errors: list[FieldError] | None = Field(None, description=f"All invalid fields, {MAX_FIELD_ERRORS} at most.")
    run_id: int | None = Field(None, description="With `training_busy`: the run in progress.")
    study_id: int | None = Field(None, description="With `tuning_busy`: the study in progress.")
    request_id: str | None = Field(None, description="With `internal_error`: the ID to search the log for.")


def clean(text: str) -> str:
    """The text with lone surrogates escaped, so that it can always be encoded as UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def problem(
    kind: Kind, detail: str | None = None, *, headers: Mapping[str, str] | None = None, **members: Any
) -> Response:
    """The response for one problem.

    Args:
        kind: its status, code and title.
        detail: a sentence for the caller; that of the kind if left out.
        headers: additional headers.
        members: additional fields of the body; those that are None are left out.
    """
    body: dict[str, Any] = {
        "type": kind.uri,
        "title": kind.title,
        "status": kind.status,
        "detail": clean(kind.sentence if detail is None else detail),
        "code": kind.code,
    }
    body |= {name: value for name, value in members.items() if value is not None}
    content = json.dumps(body, ensure_ascii=False, allow_nan=False).encode("utf-8")
    return Response(content, status_code=kind.status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def kind_of(error: errors.MarqueeError) -> Kind:
    """The kind of problem for an error: that of its class, or of the nearest ancestor in the table."""
    return next(OF_ERROR[cls] for cls in type(error).__mro__ if cls in OF_ERROR)


def answer_marquee_error(request: Request, error: Exception) -> Response:
    """The response to an error that Marquee raised on purpose; its message is meant for the caller."""
    if not isinstance(error, errors.MarqueeError) or kind_of(error) is INTERNAL_ERROR:
        raise error
    request.state.too_early = isinstance(error, errors.NotReady)
    return marquee_problem(error)


def marquee_problem(error: errors.MarqueeError) -> Response:
    """The response to an engine error."""
    kind = kind_of(error)
    headers = {"Retry-After": RETRY_AFTER_SECONDS} if kind.status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return problem(kind, str(error), headers=headers, **_members(error))


def _members(error: errors.MarqueeError) -> dict[str, Any]:
    """What an error holds besides its message."""
    members: dict[str, Any] = {}
    if isinstance(error, errors.InvalidInput):
        members["field"] = clean(error.field)
    if isinstance(error, errors.InvalidHyperparameter):
        found = [{"field": clean(name), "message": clean(text)} for name, text in error.faults.items()]
        members["errors"] = found[:MAX_FIELD_ERRORS]
    if isinstance(error, errors.TrainingBusy):
        members["run_id"] = error.run_id
    if isinstance(error, errors.TuningBusy):
        members["study_id"] = error.study_id
    return members


def answer_http_error(request: Request, error: Exception) -> Response:
    """The response to what the framework refuses itself: an unknown route, a wrong method, an unreadable form."""
    if not isinstance(error, HTTPException):
        raise error
    phrase = HTTPStatus(error.status_code).phrase
    kind = OF_HTTP.get(error.status_code) or Kind(phrase.lower().replace(" ", "_"), error.status_code, phrase)
    headers = dict(error.headers or {})
    if kind is METHOD_NOT_ALLOWED:
        headers["Allow"] = _allowed(request, headers["Allow"])
    return problem(kind, None if error.detail == phrase else error.detail, headers=headers)


def _allowed(request: Request, named: str) -> str:
    """Every method of the path: the framework's ``named`` lists only those of one of its routes."""
    path = route_path(request.scope)
    routes = [route for route in request.app.state.routes if route.path_regex.match(path)]
    methods = {*named.split(", "), *(method for route in routes for method in route.methods)}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def answer_validation_error(_request: Request, error: Exception) -> Response:
    """The response to values of the wrong type and missing or unknown fields: where and what, never the value.

    Repeating the value turns FastAPI's own response into a 500 when it is NaN or a lone surrogate.
    """
    if not isinstance(error, RequestValidationError):
        raise error
    return validation_problem(error)


def validation_problem(error: RequestValidationError) -> Response:
    """The problem for what validation found."""
    faults = error.errors()
    if faults and faults[0]["type"] == "json_invalid":
        return problem(INVALID_JSON, f"The body is not valid JSON: {faults[0]['ctx']['error']}.")
    by_field: dict[str, list[Mapping[str, Any]]] = {}
    for fault in faults:
        by_field.setdefault(_field(_place(fault, error.body)), []).append(fault)
    found = [{"field": field, "message": _message(about)} for field, about in by_field.items()]
    detail = f"{found[0]['field']}: {found[0]['message']}"
    if len(found) > 1:
        detail += f" There {'is 1 more error' if len(found) == 2 else f'are {len(found) - 1} more errors'}."
    return problem(INVALID_INPUT, detail, field=found[0]["field"], errors=found[:MAX_FIELD_ERRORS])


def _place(fault: Mapping[str, Any], body: Any) -> tuple[str | int, ...]:
    """Where a fault is, without what Pydantic adds: the variant of a union, or that it concerns a key."""
    location: tuple[str | int, ...] = fault["loc"]
    if body is None or location[0] != "body":
        return location
    value = body
    place: list[str | int] = [location[0]]
    for part in location[1:]:
        if isinstance(value, dict) and part not in value:
            if part in value.values():  # the kind, which chose the variant
                continue
            return (*place, part) if fault["type"] == "missing" else tuple(place)
        if not isinstance(value, dict | list):
            break
        try:
            value = value[part]  # type: ignore[index]  # a wrong kind of part is caught
        except (LookupError, TypeError):
            break
        place.append(part)
    return tuple(place)


_PLAIN = {
    "missing": "This field is required.",
    "extra_forbidden": "Unknown field.",
    "model_attributes_type": "A JSON object is expected.",
    "model_type": "A JSON object is expected.",
    "dict_type": "A JSON object is expected.",
}
_WANTED = "Input should be "


def _message(faults: Sequence[Mapping[str, Any]]) -> str:
    """What is expected of one value: each of the types it may have, or what its own type requires."""
    texts = [_PLAIN.get(fault["type"]) or str(fault["msg"]).removeprefix("Value error, ") for fault in faults]
    *types, last = [text.removeprefix(_WANTED) for text in texts if text.startswith(_WANTED)] or [""]
    closer = [text for text in texts if not text.startswith(_WANTED)]
    text = closer[0] if closer else _WANTED + (f"{', '.join(types)} or {last}" if types else last)
    text = text.replace("Input should", "Must")
    return clean(text if text.endswith(".") else f"{text}.")


def _field(location: tuple[str | int, ...]) -> str:
    """``("body", "pairs", 3, "user_id")`` as ``pairs.3.user_id``, shortened: an unknown name may be anything."""
    path = ".".join(str(part) for part in location[1:]) or str(location[0])
    return clean("".join(letter if letter.isprintable() else " " for letter in path))[:100]


def install(api: FastAPI) -> None:
    """Answer every expected error with a problem."""
    api.add_exception_handler(errors.MarqueeError, answer_marquee_error)
    api.add_exception_handler(RequestValidationError, answer_validation_error)
    api.add_exception_handler(HTTPException, answer_http_error)
