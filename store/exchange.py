"""Export of a model version: a zip with its description as JSON and the raw bytes of its arrays, each with a hash."""

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Annotated, Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from store.errors import UnreadableExport
from store.model_arrays import digest, little_endian
from store.records import StoredModel

FORMAT = 1
DESCRIPTION = "version.json"
DESCRIBED = ("kind", "config", "metrics", "segments", "protocol", "data", "note", "tags", "charts")
MAX_DESCRIPTION = 2**20
"""Bytes; a training on the demo ratings takes 35,000, and every list of versions reads the descriptions of all."""

Check = Callable[[str, Sequence[str]], None]
"""Takes the kind of a version and the names of its arrays before any is read; raises if one does not belong there."""


@dataclass(frozen=True, slots=True)
class ReadVersion:
    """A verified version from a file: values for ``save_model``, and its number in the original store."""

    version: int
    values: dict[str, Any]
    arrays: Mapping[str, NDArray[Any]]


Plain = str | int | float | bool | None
Name = Annotated[str, Field(min_length=1, max_length=200)]
Table = dict[Name, Plain | list[Plain] | dict[Name, Plain]]


class _Shape(BaseModel):
    """Strict types: values from a file are never converted."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _Array(_Shape):
    name: Name
    dtype: Annotated[str, Field(pattern=r"^[<|][biuf][1248]$")]
    shape: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=8)]
    sha256: str
    size: Annotated[int, Field(ge=0)]


class _Metric(_Shape):
    model_config = ConfigDict(extra="forbid")

    value: float
    low: float | None
    high: float | None


class _Faithfulness(_Shape):
    model_config = ConfigDict(extra="forbid")

    pairs: Annotated[int, Field(ge=1)]
    share: float
    effect: float
    difference: float


class _Protocol(_Shape):
    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[Name, Plain]
    faithfulness: _Faithfulness | None = None  # missing in files of earlier releases


class _Description(_Shape):
    version: Annotated[int, Field(ge=1, lt=2**63)]
    digest: str
    seal: str | None = None  # missing in files of earlier releases
    arrays: list[_Array]
    kind: Name
    config: dict[Name, Table]
    metrics: dict[Name, _Metric]
    segments: dict[Name, dict[Name, _Metric]]
    protocol: _Protocol
    data: Table
    note: str
    tags: list[str]
    charts: dict[Name, list[dict[Name, Plain]]]


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
        described["seal"] = seal(described)
        archive.writestr(zipfile.ZipInfo(DESCRIPTION), json.dumps(described, allow_nan=False))


def read_export(source: IO[bytes], check: Check | None = None) -> ReadVersion:
    """Read and verify an export. Names inside the file choose no path, and it takes no more memory than its size.

    Args:
        source: a binary file that can seek.
        check: called before any array is read.

    Raises:
        UnreadableExport: the file is something else, incomplete, or was changed.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            described = _described(archive)
            lines = described["arrays"]
            _check_members(archive, len(lines))
            _check_sizes(archive, lines, source)
            if check is not None:
                check(described["kind"], [line["name"] for line in lines])
            arrays = {line["name"]: _array(archive, position, line) for position, line in enumerate(lines)}
    except UnreadableExport:
        raise
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError, EOFError, OSError, RuntimeError, zlib.error) as error:
        raise UnreadableExport("The file is not an exported version, or is damaged.") from error
    return ReadVersion(described["version"], {name: described[name] for name in DESCRIBED}, arrays)


def seal(described: Mapping[str, Any]) -> str:
    """SHA-256 over the description of a version, which includes the digest of its arrays."""
    sealed = {name: described[name] for name in ("version", "digest", *DESCRIBED)}
    return hashlib.sha256(json.dumps(sealed, sort_keys=True).encode()).hexdigest()


def _member(position: int) -> str:
    return f"arrays/{position:04d}.bin"


def _described(archive: zipfile.ZipFile) -> dict[str, Any]:
    """The description, with its types and hashes checked."""
    if archive.getinfo(DESCRIPTION).file_size > MAX_DESCRIPTION:
        raise UnreadableExport("The file is not an exported version: its description is too large.")
    described = json.loads(archive.read(DESCRIPTION), parse_constant=_refuse)
    if described["format"] != FORMAT:
        raise UnreadableExport(f"The file has format {described['format']!r}, but this Marquee reads format {FORMAT}.")
    json.dumps(described, ensure_ascii=False, allow_nan=False).encode()  # no lone surrogates, no 1e999
    try:
        _Description.model_validate(described)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"][:3])[:100]
        raise UnreadableExport(f"The file can't be read: {where} in its description is invalid.") from error
    if digest(described["arrays"]) != described["digest"]:
        raise UnreadableExport("The file is damaged: the list of its arrays was changed after the export.")
    if described.get("seal") not in (None, seal(described)):
        raise UnreadableExport("The file is damaged: its description was changed after the export.")
    return dict(described)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _check_members(archive: zipfile.ZipFile, arrays: int) -> None:
    """Check that the file has exactly the members that an export writes."""
    if sorted(archive.namelist()) != sorted([DESCRIPTION, *map(_member, range(arrays))]):
        raise UnreadableExport("The file was changed after the export: its contents do not match its description.")


def _check_sizes(archive: zipfile.ZipFile, lines: Sequence[Mapping[str, Any]], source: IO[bytes]) -> None:
    """Check that the arrays are as long as described, have distinct names, and fit into the file."""
    for position, line in enumerate(lines):
        member = archive.getinfo(_member(position))
        if member.compress_type != zipfile.ZIP_STORED:
            raise UnreadableExport("The file was compressed after the export. Import the original file.")
        if member.file_size != line["size"] or member.compress_size != line["size"]:
            raise UnreadableExport(f"The file is damaged: its array {line['name']} was changed after the export.")
    if len({line["name"] for line in lines}) < len(lines):
        raise UnreadableExport("The file is damaged: it has two arrays of the same name.")
    source.seek(0, os.SEEK_END)
    if sum(line["size"] for line in lines) > source.tell():
        raise UnreadableExport("The file is damaged: its arrays are larger than the file itself.")


def _array(archive: zipfile.ZipFile, position: int, line: Mapping[str, Any]) -> NDArray[Any]:
    content = archive.read(_member(position))
    if len(content) != line["size"] or hashlib.sha256(content).hexdigest() != line["sha256"]:
        raise UnreadableExport(f"The file is damaged: its array {line['name']} was changed after the export.")
    return np.frombuffer(content, np.dtype(line["dtype"])).reshape(line["shape"])
