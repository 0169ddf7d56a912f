"""Reading request bodies strictly: what JSON (RFC 8259) or a 64-bit store can't hold is refused where it is parsed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Coroutine
from email.message import Message
from typing import Any, NoReturn

from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from sidecar.identifiers import INT64_MAX

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def route_path(scope: Scope) -> str:
    """The path within the app that handles the scope, as routing sees it: without the mounts before it."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    return path[len(root) :] if path.startswith(f"{root}/") else path


def media_type(request: Request) -> str:
    """The request's ``Content-Type`` without parameters, in lower case; empty when there is none."""
    header = request.headers.get("content-type")
    if header is None:
        return ""
    message = Message()
    message["content-type"] = header
    return message.get_content_type()


def parse_json(body: bytes) -> Any:
    """The value of a JSON body.

    Python's parser also takes NaN, numbers that overflow to infinity, integers of any length and halves of surrogate
    pairs; each would fail later, in the store or in an answer.

    Raises:
        json.JSONDecodeError: not JSON, or one of these; ``msg`` says which.
    """
    try:
        text = body.decode("utf-8-sig")
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_int64)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError:
        raise
    except UnicodeDecodeError as error:
        raise json.JSONDecodeError("it is not UTF-8", "", error.start) from error
    except UnicodeEncodeError as error:
        raise json.JSONDecodeError("it holds half of a surrogate pair", "", 0) from error
    except RecursionError as error:
        raise json.JSONDecodeError("it is nested too deeply", "", 0) from error
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is not a JSON number", "", 0)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise json.JSONDecodeError("a number is too large", "", 0)
    return number


def _int64(digits: str) -> int:
    # Measured as text first: Python refuses to convert more than 4,300 digits, with a plain ValueError.
    if len(digits) > len(str(INT64_MAX)) + 1 or not -INT64_MAX - 1 <= int(digits) <= INT64_MAX:
        raise json.JSONDecodeError("a whole number does not fit 64 bits", "", 0)
    return int(digits)


class StrictRequest(Request):
    """A request whose JSON is parsed by ``parse_json``."""

    async def json(self) -> Any:
        """The parsed body."""
        return parse_json(await self.body())


class StrictRoute(APIRoute):
    """A route that reads JSON strictly and answers 415 to a body of another type."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler FastAPI would use, given a strict request."""
        handle = super().get_route_handler()
        takes_json = self.body_field is not None

        async def handle_strictly(request: Request) -> Response:
            strict = StrictRequest(request.scope, request.receive)
            if takes_json and media_type(strict) != "application/json" and await strict.body():
                raise not_json()
            return await handle(strict)

        return handle_strictly


def not_json(also: str = "") -> HTTPException:
    """The refusal of a body that is not declared as JSON; ``also`` names what else the route takes."""
    return HTTPException(415, f"Send JSON with the header Content-Type: application/json{also}.")
