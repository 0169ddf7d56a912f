"""User and movie IDs taken from a path as it was sent: only there can a slash inside an ID be told from a separator."""

from typing import Annotated
from urllib.parse import quote, unquote

from fastapi import Path
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request

from sidecar.http.identifiers import id_text

# Plain text: what arrives here is split from the decoded path, and only describes the parameters.
User = Annotated[str, Path(description="The user; write a slash as %2F.", examples=["42"])]
Movie = Annotated[str, Path(description="The movie; write a slash as %2F.", examples=["318"])]


class PairInPath:
    """Dependency that reads the two IDs at the end of a path.

    Args:
        below: the path before them, relative to the API, such as ``/ml/explain``.
    """

    def __init__(self, below: str) -> None:
        self._below = below

    def __call__(self, request: Request, user_id: User, movie_id: Movie) -> tuple[str, str]:  # noqa: ARG002
        """The user's ID and the movie's ID.

        Raises:
            RequestValidationError: there are not two segments, or one is not a valid ID.
        """
        sent = request.scope.get("raw_path")
        raw = sent.decode("ascii", "replace") if sent is not None else quote(request.scope["path"])
        before = f"{request.scope.get('root_path', '')}{self._below}"
        ids = raw.split("/")[len(before.split("/")) :]
        if len(ids) != 2:
            raise _fault(
                "user_id",
                f"Two IDs are expected. Write a slash in an ID as %2F, or use {self._below}?user_id=...&movie_id=...",
            )
        return _valid("user_id", ids[0]), _valid("movie_id", ids[1])


def _valid(name: str, raw: str) -> str:
    try:
        return id_text(unquote(raw))
    except ValueError as error:
        raise _fault(name, str(error)) from error


def _fault(name: str, message: str) -> RequestValidationError:
    return RequestValidationError([{"type": "value_error", "loc": ("path", name), "msg": message}])
