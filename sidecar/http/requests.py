"""Strict parsing of requests: no invalid JSON (RFC 8259), no numbers beyond 64 bits, no unknown parameters."""

import json
import math
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping, Sequence
from email.message import Message
from typing import Any, NoReturn, get_args, get_origin
from urllib.parse import unquote_to_bytes

from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from python_multipart.multipart import parse_options_header
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from sidecar.http.identifiers import INT64_MAX

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def route_path(scope: Scope) -> str:
    """The path as routing sees it, relative to the app's mount point."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    return path[len(root) :] if path.startswith(f"{root}/") else path


def media_type(request: Request) -> str:
    """The request's ``Content-Type`` without parameters, in lower case; empty if there is none."""
    header = request.headers.get("content-type")
    if header is None:
        return ""
    message = Message()
    message["content-type"] = header
    return message.get_content_type()


def parse_json(body: bytes) -> Any:
    """The value of a JSON body.

    Python's parser also accepts NaN, numbers that overflow to infinity, integers of any length and lone surrogates;
    each would fail later, in the store or in a response. For a repeated name it keeps the last value, whereas other
    programs may read the first.

    Raises:
        json.JSONDecodeError: not JSON, or one of these; ``msg`` says which.
    """
    try:
        text = body.decode("utf-8-sig")
        value = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_int64,
            object_pairs_hook=_object,
        )
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError:
        raise
    except UnicodeDecodeError as error:
        raise json.JSONDecodeError("it is not UTF-8", "", error.start) from error
    except UnicodeEncodeError as error:
        raise json.JSONDecodeError("it contains a lone surrogate", "", 0) from error
    except RecursionError as error:
        raise json.JSONDecodeError("it is nested too deeply", "", 0) from error
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is not a JSON number", "", 0)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise json.JSONDecodeError("an object repeats a name", "", 0)
    return value


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise json.JSONDecodeError("a number is too large", "", 0)
    return number


def _int64(digits: str) -> int:
    # Check the length first: Python refuses to convert more than 4,300 digits, with a plain ValueError.
    if len(digits) > len(str(INT64_MAX)) + 1 or not -INT64_MAX - 1 <= int(digits) <= INT64_MAX:
        raise json.JSONDecodeError("a whole number exceeds 64 bits", "", 0)
    return int(digits)


class StrictRequest(Request):
    """A request whose JSON is parsed by ``parse_json`` and whose form must be complete."""

    _reads_form = False

    def form(self, **limits: Any) -> Any:
        """The form in the body; the arguments are Starlette's.

        Raises:
            HTTPException: 400, the form is malformed or incomplete.
        """
        self._reads_form = True
        return super().form(**limits)

    async def json(self) -> Any:
        """The parsed body."""
        return parse_json(await self.body())

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The body in pieces.

        Starlette's parser accepts a truncated form, and the part of a file that arrived as the whole file.

        Raises:
            MultiPartException: a form ends without its closing boundary.
        """
        closing = _closing_line(self) if self._reads_form else None
        tail, closed = b"", closing is None
        async for piece in super().stream():
            if closing is not None and not closed:
                seen = tail + piece
                closed, tail = closing in seen, seen[-len(closing) :]
            yield piece
        if not closed:
            raise MultiPartException("The form is incomplete: its closing boundary is missing. Send it again.")


def _closing_line(request: Request) -> bytes | None:
    """The closing boundary of a multipart form; None for other forms and if it is not declared."""
    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary")
    return b"--" + boundary + b"--" if kind == b"multipart/form-data" and boundary else None


class StrictRoute(APIRoute):
    """A route that parses JSON strictly, answers 415 to other media types, and refuses unknown parameters.

    ``GET`` routes also answer ``HEAD``, without the body.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, given a strict request."""
        handle = super().get_route_handler()
        takes_json = self.body_field is not None
        parameters = dict(_parameters(self.dependant))
        numbers = [field.alias for field in self.dependant.path_params if field.field_info.annotation is int]

        async def handle_strictly(request: Request) -> Response:
            check_query(request, parameters)
            check_digits(request, numbers)
            strict = StrictRequest(request.scope, request.receive)
            if takes_json and media_type(strict) != "application/json" and await strict.body():
                raise not_json()
            return await handle(strict)

        return handle_strictly

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the route matches the request."""
        return super().matches(_as_get(scope))

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle the request; the server omits the body of a response to HEAD."""
        await super().handle(_as_get(scope), receive, send)


def _as_get(scope: Scope) -> Scope:
    return {**scope, "method": "GET"} if scope.get("method") == "HEAD" else scope


def _parameters(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """The query parameters of a route, its models and dependencies: name, and whether it may be repeated."""
    for field in dependant.query_params:
        annotation = field.field_info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from ((name, _is_list(one.annotation)) for name, one in annotation.model_fields.items())
        else:
            yield field.alias, _is_list(annotation)
    for inner in dependant.dependencies:
        yield from _parameters(inner)


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is list or any(map(_is_list, get_args(annotation)))


def check_query(request: Request, parameters: Mapping[str, bool]) -> None:
    """Refuse query parameters that a route would ignore or misread.

    Args:
        request: the request.
        parameters: of the route: name, and whether it may be repeated.

    Raises:
        RequestValidationError: a parameter is unknown or wrongly repeated, or the query is not UTF-8.
    """
    if not is_utf8(request.scope["query_string"]):
        raise _refusal(("query",), {"": "Other characters than ASCII must be percent-encoded UTF-8"})
    given = Counter(name for name, _ in request.query_params.multi_items())
    if unknown := [name for name in given if name not in parameters]:
        raise _refusal(("query",), dict.fromkeys(unknown, ""), kind="extra_forbidden")
    if repeated := [name for name, times in given.items() if times > 1 and not parameters[name]]:
        raise _refusal(("query",), dict.fromkeys(repeated, "It can be given only once"))


def check_digits(request: Request, numbers: Sequence[str]) -> None:
    """Refuse numbers in the path that only Python accepts: ``+1``, ``1_0``, spaces and non-ASCII digits.

    Raises:
        RequestValidationError: one of ``numbers`` has other characters than digits.
    """
    wrong = [name for name in numbers if not re.fullmatch("[0-9]+", request.path_params[name])]
    if wrong:
        raise _refusal(("path",), dict.fromkeys(wrong, "Must be a whole number, in digits"))


def _refusal(where: tuple[str], messages: Mapping[str, str], kind: str = "value_error") -> RequestValidationError:
    """The error for parts of an address by name; an empty name means all of it."""
    return RequestValidationError(
        [{"type": kind, "loc": (*where, *filter(None, [name])), "msg": text} for name, text in messages.items()]
    )


def is_utf8(sent: bytes) -> bool:
    """Whether part of an address is ASCII with percent-encoded UTF-8."""
    try:
        unquote_to_bytes(sent).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return sent.isascii()


def invalid_json(reason: str) -> RequestValidationError:
    """The error for a body that can't be parsed."""
    return RequestValidationError([{"type": "json_invalid", "loc": ("body",), "msg": reason, "ctx": {"error": reason}}])


def not_json(also: str = "") -> HTTPException:
    """The error for a body that is not declared as JSON; ``also`` names what else the route accepts."""
    return HTTPException(415, f"Send JSON with the header Content-Type: application/json{also}.")
