"""A model version as one file: a zip of its description and of the raw bytes of its arrays, each with its hash."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from store.errors import UnreadableExport
from store.model_arrays import digest, little_endian
from store.records import StoredModel

FORMAT = 1
DESCRIPTION = "version.json"
DESCRIBED = ("kind", "config", "metrics", "segments", "protocol", "data", "note", "tags", "charts")
LARGEST_DESCRIPTION = 64 * 2**20
LARGEST = 16 * 2**30


@dataclass(frozen=True, slots=True)
class ReadVersion:
    """A version as read from a file, verified: what ``save_model`` takes, and its number where it came from."""

    version: int
    values: dict[str, Any]
    arrays: Mapping[str, NDArray[Any]]


def write_export(model: StoredModel, target: IO[bytes]) -> None:
    """Write a version to a binary file that can seek."""
    record = model.record
    lines = []
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for position, (name, array) in enumerate(sorted(model.arrays.items())):
            flat = little_endian(array)
            content = flat.view(np.uint8).data
            lines.append(
                {
                    "name": name,
                    "dtype": flat.dtype.str,
                    "shape": list(array.shape),
                    "sha256": hashlib.sha256(content).hexdigest(),
                    "size": content.nbytes,
                }
            )
            with archive.open(zipfile.ZipInfo(_member(position)), "w", force_zip64=True) as member:
                member.write(content)
        described = {"format": FORMAT, "version": record.version, "digest": digest(lines), "arrays": lines}
        described |= {name: getattr(record, name) for name in DESCRIBED}
        archive.writestr(zipfile.ZipInfo(DESCRIPTION), json.dumps(described, allow_nan=False))


def read_export(source: IO[bytes]) -> ReadVersion:
    """Read and verify what ``write_export`` wrote; names inside the file choose no path.

    Raises:
        UnreadableExport: it is something else, cut short, or changed since.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            described = _described(archive)
            arrays = {
                line["name"]: _array(archive, position, line) for position, line in enumerate(described["arrays"])
            }
            sealed = digest(described["arrays"])
            values = {name: described[name] for name in DESCRIBED}
            version = int(described["version"])
    except UnreadableExport:
        raise
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError, EOFError, OSError, RuntimeError, zlib.error) as error:
        raise UnreadableExport("The file is not an exported version, or is damaged.") from error
    if sealed != described.get("digest"):
        raise UnreadableExport("The file is damaged: the list of its arrays is not what was exported.")
    return ReadVersion(version, values, arrays)


def _member(position: int) -> str:
    return f"arrays/{position:04d}.bin"


def _described(archive: zipfile.ZipFile) -> dict[str, Any]:
    if archive.getinfo(DESCRIPTION).file_size > LARGEST_DESCRIPTION:
        raise UnreadableExport("The file is not an exported version: its description is too large.")
    described = json.loads(archive.read(DESCRIPTION))
    if described["format"] != FORMAT:
        raise UnreadableExport(f"The file has format {described['format']!r}, and this Marquee reads format {FORMAT}.")
    if sum(line["size"] for line in described["arrays"]) > LARGEST:
        raise UnreadableExport(f"The file holds more than {LARGEST // 2**30} GiB of arrays.")
    return dict(described)


def _array(archive: zipfile.ZipFile, position: int, line: Mapping[str, Any]) -> NDArray[Any]:
    kind = np.dtype(line["dtype"])
    if kind.kind not in "biuf" or archive.getinfo(_member(position)).file_size != line["size"]:
        raise UnreadableExport(f"The file is damaged: its array {line['name']} is not what was exported.")
    content = archive.read(_member(position))
    if len(content) != line["size"] or hashlib.sha256(content).hexdigest() != line["sha256"]:
        raise UnreadableExport(f"The file is damaged: its array {line['name']} is not what was exported.")
    return np.frombuffer(content, kind).reshape(line["shape"])
