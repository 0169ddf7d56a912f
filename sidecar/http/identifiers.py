"""Ids and numbers as they arrive over HTTP, made safe before anything else sees them."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from engine.data.identifiers import composed

MAX_LENGTH = 200
INT64_MAX = 2**63 - 1


def id_text(value: Any) -> str:
    """An id as text in NFC: trimmed, 1 to 200 characters, no control characters; a whole number is written out.

    Raises:
        ValueError: saying what an id may be.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError("An id is text or a whole number.")
    text = composed(value.strip())
    if not 1 <= len(text) <= MAX_LENGTH:
        raise ValueError(f"An id has 1 to {MAX_LENGTH} characters.")
    # Cc: control characters, NUL among them. Cs: lone surrogates, which no file or database can hold.
    if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in text):
        raise ValueError("An id holds no control characters and no halves of characters.")
    return text


_TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH}

Identifier = Annotated[
    str, BeforeValidator(id_text), WithJsonSchema({"anyOf": [_TEXT, {"type": "integer"}], "title": "Id"})
]
"""An id in a JSON body: text or a whole number."""

PathIdentifier = Annotated[str, BeforeValidator(id_text), Field(min_length=1, max_length=MAX_LENGTH)]
"""An id in a path or a query, where everything is text."""


def plain_text(value: str) -> str:
    """Text without control characters or lone surrogates.

    Raises:
        ValueError: it holds one.
    """
    if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in value):
        raise ValueError("Control characters and halves of characters are not allowed here.")
    return value


Remark = Annotated[str, Field(max_length=500), AfterValidator(plain_text)]
"""A note or a reason in somebody's own words."""

Number = Annotated[int, Field(ge=1, le=INT64_MAX)]
"""The number of a version, a run, a study or a job: from 1, and small enough for the store."""
