"""Files of a multipart form, checked and named."""

import unicodedata
from pathlib import PurePosixPath
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.datastructures import FormData, UploadFile

MAX_FIELD_BYTES = 2**10


def form_body(field: str, schema: dict[str, Any], others: dict[str, Any] | None = None) -> dict[str, Any]:
    """The ``openapi_extra`` of a route that reads a form.

    Args:
        field: the required field with the files.
        schema: its description; with ``maxItems`` it takes several files.
        others: the schemas of other fields.
    """
    file = {"type": "string", "format": "binary"}
    files = {"type": "array", "minItems": 1, "items": file} if "maxItems" in schema else file
    form = {
        "type": "object",
        "required": [field],
        "additionalProperties": False,
        "properties": {field: files | schema} | (others or {}),
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}}}


def uploads(form: FormData, field: str) -> list[UploadFile]:
    """The files of a form, at least one, all in the field ``field``.

    Raises:
        RequestValidationError: there is none, one is in another field, or the field contains text.
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
    """The error for a form field.

    Args:
        field: its name.
        kind: of error, as Pydantic names it.
        message: what is expected, unless the kind says so.
    """
    return RequestValidationError([{"type": kind, "loc": ("body", field), "msg": message}])


def file_name(upload: UploadFile) -> str:
    """The name of an upload, for messages only: without folders and control characters, so never a path."""
    name = PurePosixPath((upload.filename or "").replace("\\", "/")).name
    label = "".join(letter for letter in name if unicodedata.category(letter) not in {"Cc", "Cs"})[:100]
    return label if label.strip(".") else "upload"
