"""Versions as files: what comes back is what went out, and a file that was changed is refused."""

from __future__ import annotations

import json
import zipfile
from io import BytesIO
from typing import Any

import pytest

from store.database import Database
from store.errors import UnreadableExport
from store.exchange import read_export, write_export
from store.models import MLModelManager
from tests.store.test_models import ARRAYS, save


@pytest.fixture
def models(database: Database) -> MLModelManager:
    return MLModelManager(database)


@pytest.fixture
def exported(models: MLModelManager) -> BytesIO:
    version = save(models, note="of the club", tags=["club"], charts={"errors": [{"x": 1.5}]}, segments={"new": {}})
    file = BytesIO()
    write_export(models.load_model(version), file)
    return file


def changed(exported: BytesIO, **changes: Any) -> BytesIO:
    """The file with other values in its description, or with other members (``arrays/0000.bin`` under ``a0``)."""
    out = BytesIO()
    with zipfile.ZipFile(exported) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "version.json":
                content = json.dumps(json.loads(content) | changes).encode()
            target.writestr(name, content)
    return out


def test_a_version_comes_back_bit_for_bit_under_a_new_number(models: MLModelManager, exported: BytesIO) -> None:
    read = read_export(exported)
    assert read.version == 1
    number = models.save_model(**read.values, arrays=read.arrays)
    first, second = models.load_model(1), models.load_model(number)
    assert number == 2
    assert second.record.digest == first.record.digest
    for name, array in ARRAYS.items():
        assert (second.arrays[name].dtype, second.arrays[name].shape) == (array.dtype, array.shape)
        assert second.arrays[name].tobytes() == array.tobytes()
    for name in ("kind", "config", "metrics", "segments", "protocol", "data", "note", "tags", "charts"):
        assert getattr(second.record, name) == getattr(first.record, name), name


def test_any_flipped_byte_of_an_array_is_found(exported: BytesIO) -> None:
    content = bytearray(exported.getvalue())
    start = content.index(ARRAYS["a/floats"].tobytes())
    for offset in range(0, ARRAYS["a/floats"].nbytes, 7):
        damaged = bytearray(content)
        damaged[start + offset] ^= 4
        with pytest.raises(UnreadableExport, match="damaged"):
            read_export(BytesIO(damaged))


def test_an_array_that_was_replaced_is_found_though_the_zip_is_sound(exported: BytesIO) -> None:
    out = BytesIO()
    with zipfile.ZipFile(exported) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, content if name.endswith(".json") else content[::-1])
    with pytest.raises(UnreadableExport, match="is not what was exported"):
        read_export(out)


def lines(exported: BytesIO) -> list[dict[str, Any]]:
    with zipfile.ZipFile(exported) as archive:
        return json.loads(archive.read("version.json"))["arrays"]


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [1, 12]},
        {"dtype": "<i4"},
        {"name": "a/other"},
        {"size": 47},
        {"size": 10**15},
        {"dtype": "|O"},
        {"dtype": "nonsense"},
        {"sha256": "0"},
    ],
)
def test_an_array_that_is_described_otherwise_is_refused(exported: BytesIO, change: dict[str, Any]) -> None:
    described = lines(exported)
    described[1] |= change
    with pytest.raises(UnreadableExport):
        read_export(changed(exported, arrays=described))


@pytest.mark.parametrize(
    "changes", [{"format": 99}, {"arrays": None}, {"arrays": [1]}, {"version": "three"}, {"digest": "0"}]
)
def test_a_description_that_makes_no_sense_is_refused(exported: BytesIO, changes: dict[str, Any]) -> None:
    with pytest.raises(UnreadableExport):
        read_export(changed(exported, **changes))


def test_a_lost_array_is_missed(exported: BytesIO) -> None:
    with pytest.raises(UnreadableExport, match="list of its arrays"):
        read_export(changed(exported, arrays=lines(exported)[:-1]))


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut short"])
def test_another_file_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableExport, match="not an exported version"):
        read_export(BytesIO(content))


def test_a_file_cut_short_is_refused(exported: BytesIO) -> None:
    whole = exported.getvalue()
    for length in (len(whole) // 3, len(whole) - 30):
        with pytest.raises(UnreadableExport):
            read_export(BytesIO(whole[:length]))
