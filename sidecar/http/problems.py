"""Every error answer, as RFC 9457 problem details: one table from an error's class to its status, code and title."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from engine import errors
from sidecar.http.requests import route_path

MEDIA_TYPE = "application/problem+json"
MAX_FIELD_ERRORS = 20
RETRY_AFTER_SECONDS = "5"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem; ``code`` is for programs and never changes, ``title`` is for people."""

    code: str
    status: int
    title: str

    @property
    def uri(self) -> str:
        """The problem's ``type``: where the API's own documentation describes it."""
        return f"/api/docs#problem-{self.code}"


BAD_PATH = Kind("bad_path", 400, "The path cannot be read")
BAD_REQUEST = Kind("bad_request", 400, "The request cannot be read")
KEY_REQUIRED = Kind("key_required", 401, "An API key is needed")
KEY_WRONG = Kind("key_wrong", 401, "The API key is not the right one")
FOREIGN_ORIGIN = Kind("foreign_origin", 403, "The request comes from another site")
NO_SUCH_ROUTE = Kind("no_such_route", 404, "There is nothing at this address")
METHOD_NOT_ALLOWED = Kind("method_not_allowed", 405, "This address does not take this method")
BODY_TOO_LARGE = Kind("body_too_large", 413, "The body is too large")
UNSUPPORTED_MEDIA_TYPE = Kind("unsupported_media_type", 415, "The body has a type that is not read here")
SCOPE_TOO_SMALL = Kind("scope_too_small", 403, "The key may not do this")
REQUEST_TIMEOUT = Kind("request_timeout", 408, "The request took too long to arrive")
PROXY_WITHOUT_KEY = Kind("proxy_without_key", 421, "Behind a proxy a key is needed")
TOO_MANY_REQUESTS = Kind("too_many_requests", 429, "The key has been used too often")
TOO_MANY_WRONG_KEYS = Kind("too_many_wrong_keys", 429, "Too many wrong keys came from this address")
HEAD_TOO_LARGE = Kind("head_too_large", 431, "The head of the request is too large")
TOO_MANY_CONNECTIONS = Kind("too_many_connections", 503, "Too many connections are open")
WRONG_HOST = Kind("wrong_host", 421, "The host name is not one of this server")
INVALID_INPUT = Kind("invalid_input", 422, "A value is not acceptable")
INVALID_JSON = Kind("invalid_json", 422, "The body is not valid JSON")
STOPPING = Kind("stopping", 503, "Marquee is being stopped")
INTERNAL_ERROR = Kind("internal_error", 500, "Something went wrong inside Marquee")

OF_HTTP: Mapping[int, Kind] = {
    400: BAD_REQUEST,
    404: NO_SUCH_ROUTE,
    405: METHOD_NOT_ALLOWED,
    413: BODY_TOO_LARGE,
    415: UNSUPPORTED_MEDIA_TYPE,
}

OF_ERROR: Mapping[type[errors.MarqueeError], Kind] = {
    errors.MarqueeError: INTERNAL_ERROR,
    errors.InvalidInput: INVALID_INPUT,
    errors.InvalidRating: Kind("invalid_rating", 422, "The rating is not acceptable"),
    errors.InvalidHyperparameter: Kind("invalid_hyperparameter", 422, "A hyperparameter is not acceptable"),
    errors.NotFound: Kind("not_found", 404, "Marquee does not hold this"),
    errors.UnknownUser: Kind("unknown_user", 404, "There is no such user"),
    errors.UnknownMovie: Kind("unknown_movie", 404, "There is no such movie"),
    errors.UnknownVersion: Kind("unknown_version", 404, "There is no such model version"),
    errors.UnknownRun: Kind("unknown_run", 404, "There is no such training run"),
    errors.UnknownStudy: Kind("unknown_study", 404, "There is no such tuning study"),
    errors.UnknownKey: Kind("unknown_key", 404, "There is no such API key"),
    errors.UnknownJob: Kind("unknown_job", 404, "There is no such job"),
    errors.UnknownBackup: Kind("unknown_backup", 404, "There is no such backup"),
    errors.Conflict: Kind("conflict", 409, "This cannot be done now"),
    errors.TrainingBusy: Kind("training_busy", 409, "A training is running already"),
    errors.TuningBusy: Kind("tuning_busy", 409, "A tuning study is running already"),
    errors.BackupBusy: Kind("backup_busy", 409, "A backup is being made already"),
    errors.UnusableBackup: Kind("unusable_backup", 409, "The backup can't be used"),
    errors.VersionUnavailable: Kind("version_unavailable", 409, "The model version is not available for this"),
    errors.InvalidSettings: Kind("invalid_settings", 500, "A file of settings can't be used"),
    errors.NotReady: Kind("not_ready", 503, "Marquee is not ready for this yet"),
    errors.StoreLocked: Kind("store_locked", 503, "Another program has the store locked"),
    errors.StoreNotWritable: Kind("store_not_writable", 503, "The store can't be written to"),
    errors.StoreReplaced: Kind("store_replaced", 503, "The store was replaced while Marquee had it open"),
    errors.StoreDamaged: Kind("store_damaged", 503, "The store is damaged"),
    errors.StoreFailing: Kind("store_failing", 503, "The disk fails to read or write"),
    errors.DiskFull: Kind("disk_full", 507, "There is no space left to write"),
    errors.TrainingDiverged: Kind("training_diverged", 500, "The training diverged"),
    errors.Cancelled: Kind("cancelled", 409, "The work was cancelled"),
}

ALL: tuple[Kind, ...] = tuple(
    sorted(
        {BAD_PATH, KEY_REQUIRED, KEY_WRONG, FOREIGN_ORIGIN, WRONG_HOST, INVALID_JSON, STOPPING}
        | {SCOPE_TOO_SMALL, PROXY_WITHOUT_KEY, TOO_MANY_REQUESTS, TOO_MANY_WRONG_KEYS}
        | {REQUEST_TIMEOUT, HEAD_TOO_LARGE, TOO_MANY_CONNECTIONS}
        | set(OF_HTTP.values())
        | set(OF_ERROR.values()),
        key=lambda kind: (kind.status, kind.code),
    )
)


class FieldError(BaseModel):
    """One value at fault."""

    field: str = Field(description="Where the value is, as a dotted path: `pairs.3.user_id`.")
    message: str = Field(description="What is expected instead. The value itself is never repeated.")


class Problem(BaseModel):
    """An error as problem details (RFC 9457)."""

    type: str = Field(description="Where this kind of problem is described.")
    title: str = Field(description="The kind of problem in a few words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened this time and what to do next.")
    code: str = Field(description="The kind of problem as a fixed word, for programs.")
    field: str | None = Field(None, description="The field at fault, when there is one.")
    errors: list[FieldError] | None = Field(None, description="All fields at fault, at most 20.")
    run_id: int | None = Field(None, description="With `training_busy`: the run that is still going.")
    study_id: int | None = Field(None, description="With `tuning_busy`: the study that is still going.")
    request_id: str | None = Field(None, description="With `internal_error`: what to look for in the log.")


def clean(text: str) -> str:
    """The text with lone surrogates spelled out, so that it can always be encoded as UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def problem(kind: Kind, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any) -> Response:
    """The answer for one problem; ``members`` are added to the body (None is left out)."""
    body: dict[str, Any] = {
        "type": kind.uri,
        "title": kind.title,
        "status": kind.status,
        "detail": clean(detail),
        "code": kind.code,
    }
    body |= {name: value for name, value in members.items() if value is not None}
    content = json.dumps(body, ensure_ascii=False, allow_nan=False).encode("utf-8")
    return Response(content, status_code=kind.status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def kind_of(error: errors.MarqueeError) -> Kind:
    """The kind of problem of an error: that of its class, or of the nearest parent in the table."""
    return next(OF_ERROR[cls] for cls in type(error).__mro__ if cls in OF_ERROR)


def answer_marquee_error(_request: Request, error: Exception) -> Response:
    """An error that Marquee raised on purpose: its sentence is meant for the caller."""
    if not isinstance(error, errors.MarqueeError) or kind_of(error) is INTERNAL_ERROR:
        raise error
    return marquee_problem(error)


def marquee_problem(error: errors.MarqueeError) -> Response:
    """The answer for an error of the engine."""
    kind = kind_of(error)
    headers = {"Retry-After": RETRY_AFTER_SECONDS} if kind.status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return problem(kind, str(error), headers=headers, **_members(error))


def _members(error: errors.MarqueeError) -> dict[str, Any]:
    """What an error names besides its sentence."""
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
    """What the framework refuses by itself: no route, wrong method, an unreadable form."""
    if not isinstance(error, HTTPException):
        raise error
    phrase = HTTPStatus(error.status_code).phrase
    kind = OF_HTTP.get(error.status_code) or Kind(phrase.lower().replace(" ", "_"), error.status_code, phrase)
    detail = error.detail if error.detail != phrase else f"{kind.title}."
    headers = dict(error.headers or {})
    if kind is METHOD_NOT_ALLOWED:
        headers["Allow"] = _allowed(request, headers["Allow"])
    return problem(kind, detail, headers=headers)


def _allowed(request: Request, named: str) -> str:
    """Every method that the address takes: the framework has ``named`` only those of one of its routes."""
    path = route_path(request.scope)
    routes = [route for route in request.app.state.routes if route.path_regex.match(path)]
    methods = {*named.split(", "), *(method for route in routes for method in route.methods)}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def answer_validation_error(_request: Request, error: Exception) -> Response:
    """Values of the wrong type, missing or unknown fields: says where and what, and never repeats the value.

    Repeating it is what turns FastAPI's own answer into a 500 when the value is NaN or a lone surrogate.
    """
    if not isinstance(error, RequestValidationError):
        raise error
    faults = error.errors()
    if faults and faults[0]["type"] == "json_invalid":
        return problem(INVALID_JSON, f"The body is not valid JSON: {faults[0]['ctx']['error']}.")
    by_field: dict[str, list[Mapping[str, Any]]] = {}
    for fault in faults:
        by_field.setdefault(_field(_place(fault, error.body)), []).append(fault)
    found = [{"field": field, "message": _message(about)} for field, about in by_field.items()]
    detail = f"{found[0]['field']}: {found[0]['message']}"
    if len(found) > 1:
        detail += f" {len(found) - 1} more of the values are not acceptable either."
    return problem(INVALID_INPUT, detail, field=found[0]["field"], errors=found[:MAX_FIELD_ERRORS])


def _place(fault: Mapping[str, Any], body: Any) -> tuple[str | int, ...]:
    """Where a fault is, without what Pydantic adds: which of several types, or that it is about a key."""
    location: tuple[str | int, ...] = fault["loc"]
    if body is None or location[0] != "body" or fault["type"] == "missing":
        return location
    value = body
    for depth, part in enumerate(location[1:], start=1):
        if not isinstance(value, dict | list):
            return location[:depth]
        try:
            value = value[part]  # type: ignore[index]  # a wrong kind of part is caught
        except (LookupError, TypeError):
            return location[:depth]
    return location


_PLAIN = {
    "missing": "This field is required.",
    "extra_forbidden": "There is no such field here.",
    "model_attributes_type": "A JSON object is expected.",
    "model_type": "A JSON object is expected.",
    "dict_type": "A JSON object is expected.",
}


_WANTED = "Input should be "


def _message(faults: Sequence[Mapping[str, Any]]) -> str:
    """What is expected of one value. Where it may be of several types: all of them, or what the type it has lacks."""
    texts = [_PLAIN.get(fault["type"]) or str(fault["msg"]).removeprefix("Value error, ") for fault in faults]
    *types, last = [text.removeprefix(_WANTED) for text in texts if text.startswith(_WANTED)] or [""]
    closer = [text for text in texts if not text.startswith(_WANTED)]
    text = closer[0] if closer else _WANTED + (f"{', '.join(types)} or {last}" if types else last)
    text = text.replace("Input should", "It should")
    return clean(text if text.endswith(".") else f"{text}.")


def _field(location: tuple[str | int, ...]) -> str:
    """``("body", "pairs", 3, "user_id")`` as ``pairs.3.user_id``, shortened: an unknown name may be anything."""
    path = ".".join(str(part) for part in location[1:]) or str(location[0])
    return clean("".join(letter if letter.isprintable() else " " for letter in path))[:100]


def install(api: FastAPI) -> None:
    """Make the app answer every expected error with a problem."""
    api.add_exception_handler(errors.MarqueeError, answer_marquee_error)
    api.add_exception_handler(RequestValidationError, answer_validation_error)
    api.add_exception_handler(HTTPException, answer_http_error)
