"""The files of a multipart form: which there may be, and what they are called."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

from fastapi.exceptions import RequestValidationError
from starlette.datastructures import FormData, UploadFile

MAX_FIELD_BYTES = 2**10


def uploads(form: FormData, field: str) -> list[UploadFile]:
    """The files of a form, at least one, all of them under the name ``field``.

    Raises:
        RequestValidationError: there is none, or one of another name, or text under this one.
    """
    found: list[UploadFile] = []
    for name, value in form.multi_items():
        if isinstance(value, UploadFile) and name != field:
            raise fault(name, "extra_forbidden")
        if isinstance(value, str) and name == field:
            raise fault(name, "file_type", "A file is expected.")
        if isinstance(value, UploadFile):
            found.append(value)
    if not found:
        raise fault(field, "missing")
    return found


def fault(field: str, kind: str, message: str = "") -> RequestValidationError:
    """The refusal of a field of a form.

    Args:
        field: its name.
        kind: as Pydantic calls it.
        message: what is expected, where the kind does not say it.
    """
    return RequestValidationError([{"type": kind, "loc": ("body", field), "msg": message}])


def file_name(upload: UploadFile) -> str:
    """The name of an upload as a label in messages, never a path: its folders and control characters are dropped."""
    name = PurePosixPath((upload.filename or "").replace("\\", "/")).name
    label = "".join(letter for letter in name if unicodedata.category(letter) not in {"Cc", "Cs"})[:100]
    return label if label.strip(".") else "upload"
