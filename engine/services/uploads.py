"""Uploaded files, copied to disk and hashed on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from engine.services.storing import file_error

COPY_BYTES = 2**20


@dataclass(frozen=True)
class UploadedFile:
    """An uploaded file: its name and content."""

    name: str
    stream: BinaryIO


@dataclass(frozen=True)
class Upload:
    """An uploaded file on disk, with its SHA-256."""

    name: str
    path: Path
    sha256: str


def spool(files: Sequence[UploadedFile], folder: Path) -> list[Upload]:
    """Copy files into a folder, and hash them on the way."""
    found = []
    try:
        folder.mkdir(parents=True)
        for place, upload in enumerate(files):
            path, digest = folder / f"{place}.spool", hashlib.sha256()
            with path.open("wb") as copy:
                while piece := upload.stream.read(COPY_BYTES):
                    digest.update(piece)
                    copy.write(piece)
            found.append(Upload(upload.name, path, digest.hexdigest()))
    except OSError as error:
        raise file_error(error) from error
    return found
