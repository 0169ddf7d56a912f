"""The API call behind what a page shows, to copy as a command or as Python."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pprint import pformat
from typing import Any
from urllib.parse import urlencode, urlsplit

import streamlit as st

from engine.services import Services

KEY = "your key"
WIDTH = 68  # characters of a line of the body that the popover shows without scrolling


@dataclass(frozen=True)
class Call:
    """A call of the API.

    Attributes:
        path: below the origin, such as ``/api/ml/predict``.
        query: parameters of a GET; None and empty lists are left out.
        body: of a POST, as JSON; without one the call is a GET.
    """

    path: str
    query: Mapping[str, Any] | None = None
    body: Mapping[str, Any] | None = None

    @property
    def _given(self) -> dict[str, Any]:
        return {name: value for name, value in (self.query or {}).items() if value not in (None, [], ())}

    def as_curl(self, origin: str, *, keyed: bool) -> str:
        """A command for any POSIX shell."""
        query = {name: str(value).lower() if value is True else value for name, value in self._given.items()}
        url = origin + self.path + (f"?{urlencode(query, doseq=True)}" if query else "")
        parts = ["curl", url, *(["-H", f"X-API-Key: {KEY}"] if keyed else [])]
        if self.body is not None:
            parts += ["--json", json.dumps(self.body, ensure_ascii=False)]
        return shlex.join(parts)

    def as_python(self, origin: str, *, keyed: bool) -> str:
        """A script that needs the package requests."""
        arguments = [repr(origin + self.path)]
        if self._given:
            arguments.append(f"params={_literal(self._given)}")
        if self.body is not None:
            arguments.append(f"json={_literal(self.body)}")
        if keyed:
            arguments.append(f"headers={_literal({'X-API-Key': KEY})}")
        verb = "get" if self.body is None else "post"
        inside = "".join(f"    {argument},\n" for argument in arguments)
        return f"import requests\n\nanswer = requests.{verb}(\n{inside})\nprint(answer.json())"


def _literal(values: Mapping[str, Any]) -> str:
    return pformat(dict(values), width=WIDTH, sort_dicts=False).replace("\n", "\n    ")


def offer(services: Services, call: Call) -> None:
    """A button that opens the call as curl and as Python; both are copied with a click."""
    keyed, origin = services.settings.key is not None, _origin()
    with st.popover("Use from code", icon=":material/code:", type="tertiary"):
        st.caption("The same by the API, as a command and as Python.")
        st.code(call.as_curl(origin, keyed=keyed), language="bash", wrap_lines=True)
        st.code(call.as_python(origin, keyed=keyed), language="python", wrap_lines=True)


def _origin() -> str:
    """The address that the browser uses."""
    parts = urlsplit(st.context.url or "")
    return f"{parts.scheme or 'http'}://{parts.netloc or 'localhost:8501'}"
