"""IDs, numbers and texts from requests, validated before anything else sees them."""

import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from engine.data.identifiers import composed

MAX_LENGTH = 200
INT64_MAX = 2**63 - 1


def id_text(value: Any) -> str:
    """An ID as text in NFC: trimmed, 1 to 200 characters, no control characters; integers are converted.

    Raises:
        ValueError: not a valid ID; the message says why.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError("An ID must be text or a whole number.")
    text = composed(value.strip())
    if not 1 <= len(text) <= MAX_LENGTH:
        raise ValueError(f"An ID must have 1 to {MAX_LENGTH} characters.")
    # Cc: control characters, including NUL. Cs: lone surrogates, which no file or database can store.
    if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in text):
        raise ValueError("An ID can't contain control characters or lone surrogates.")
    return text


_TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH}

Identifier = Annotated[
    str, BeforeValidator(id_text), WithJsonSchema({"anyOf": [_TEXT, {"type": "integer"}], "title": "Id"})
]
"""An ID in a JSON body: text or a whole number."""

PathIdentifier = Annotated[str, BeforeValidator(id_text), Field(min_length=1, max_length=MAX_LENGTH)]
"""An ID in a path or query, where everything is text."""


def plain_text(value: str) -> str:
    """Text without control characters or lone surrogates.

    Raises:
        ValueError: it contains one.
    """
    if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in value):
        raise ValueError("Control characters and lone surrogates are not allowed.")
    return value


Remark = Annotated[str, Field(max_length=500), AfterValidator(plain_text)]
"""A note or reason in the caller's own words."""

Number = Annotated[int, Field(ge=1, le=INT64_MAX)]
"""The number of a version, run, study or job: from 1, and small enough for the store."""
