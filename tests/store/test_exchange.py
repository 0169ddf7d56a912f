"""Versions as files: what comes back is what went out, and a file that was changed is refused."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from copy import copy
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from store.database import Database
from store.errors import UnreadableExport
from store.exchange import read_export, write_export
from store.model_arrays import digest
from store.versions import MLModelManager
from tests.store.test_versions import ARRAYS, save


@pytest.fixture
def models(database: Database) -> MLModelManager:
    return MLModelManager(database)


@pytest.fixture
def exported(models: MLModelManager) -> BytesIO:
    faithfulness = {"pairs": 200, "share": 0.5, "effect": 0.4, "difference": 0.1}
    about: dict[str, Any] = {
        "segments": {"new": {}},
        "protocol": {"k": 10, "split": "by time", "faithfulness": faithfulness},
    }
    version = save(models, note="of the club", tags=["club"], charts={"errors": [{"x": 1.5, "chosen": True}]}, **about)
    file = BytesIO()
    write_export(models.load_model(version), file)
    return file


def changed(exported: BytesIO, **changes: Any) -> BytesIO:
    """The file with other values in its description."""
    return rewritten(exported, lambda described: json.dumps(described | changes))


def unsealed(exported: BytesIO, **changes: Any) -> BytesIO:
    """The same as an earlier release would have written it, whose files seal the arrays alone."""
    return changed(exported, seal=None, **changes)


def rewritten(exported: BytesIO, rewrite: Callable[[dict[str, Any]], str]) -> BytesIO:
    out = BytesIO()
    with zipfile.ZipFile(exported) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, rewrite(json.loads(content)).encode() if name == "version.json" else content)
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
    with pytest.raises(UnreadableExport, match="was changed after the export"):
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


@pytest.mark.parametrize(
    "changes", [{"metrics": {}}, {"version": 2}, {"note": "of another club"}, {"data": {"revision": 2}}]
)
def test_a_description_that_was_changed_is_found(exported: BytesIO, changes: dict[str, Any]) -> None:
    with pytest.raises(UnreadableExport, match="its description was changed after the export"):
        read_export(changed(exported, **changes))


def test_files_of_earlier_releases_have_no_seal_on_their_description(exported: BytesIO) -> None:
    whole = read_export(exported)
    for file in (
        unsealed(exported),
        rewritten(exported, lambda one: json.dumps({n: one[n] for n in one if n != "seal"})),
    ):
        assert read_export(file).values == whole.values


def test_metrics_and_charts_without_an_interval_come_back(models: MLModelManager) -> None:
    few = {"rmse": {"value": 0.9, "low": None, "high": None}}
    charts = {"segments": [{"segment": "new_users", "rmse": 0.9, "low": None, "high": None}]}
    version = models.save_model(
        kind="svd", config={"model": {}}, arrays=ARRAYS, metrics=few, protocol={}, data={}, charts=charts
    )
    file = BytesIO()
    write_export(models.load_model(version), file)
    read = read_export(file).values
    assert (read["metrics"], read["charts"]) == (few, charts)


HALF = "\ud800"


@pytest.mark.parametrize(
    ("where", "changes"),
    [
        ("metrics.rmse", {"metrics": {"rmse": "x"}}),
        ("metrics.rmse.low", {"metrics": {"rmse": {"value": 1, "high": 2}}}),
        ("metrics.rmse.value", {"metrics": {"rmse": {"value": "1", "low": 0, "high": 2}}}),
        ("metrics.rmse.value", {"metrics": {"rmse": {"value": True, "low": 0, "high": 2}}}),
        ("metrics.rmse.more", {"metrics": {"rmse": {"value": 1, "low": 0, "high": 2, "more": 3}}}),
        ("metrics", {"metrics": []}),
        ("segments", {"segments": "new"}),
        ("segments.new.rmse", {"segments": {"new": {"rmse": 1.0}}}),
        ("protocol", {"protocol": "as always"}),
        ("protocol.k", {"protocol": {"k": [10]}}),
        ("protocol.k", {"protocol": {"k": {"of": 10}}}),
        ("protocol", {"protocol": {"k" * 201: 10}}),
        ("protocol.faithfulness", {"protocol": {"faithfulness": 0.5}}),
        ("protocol.faithfulness.share", {"protocol": {"faithfulness": {"pairs": 9, "effect": 1, "difference": 0}}}),
        ("charts.errors", {"charts": {"errors": {"x": 1}}}),
        ("charts.errors.0", {"charts": {"errors": [1]}}),
        ("tags", {"tags": None}),
        ("tags", {"tags": -1}),
        ("tags", {"tags": "club"}),
        ("tags.0", {"tags": [1]}),
        ("note", {"note": None}),
        ("kind", {"kind": ["svd"]}),
        ("config.model", {"config": {"model": "x"}}),
        ("data.ids", {"data": {"ids": {"users": {"of": {}}}}}),
        ("version", {"version": 0}),
        ("version", {"version": -1}),
        ("version", {"version": 2**70}),
        ("version", {"version": 1.0}),
        ("version", {"version": True}),
    ],
)
def test_a_description_of_the_wrong_shape_is_refused(exported: BytesIO, where: str, changes: dict[str, Any]) -> None:
    with pytest.raises(UnreadableExport, match=f"The file can't be read: {where}"):
        read_export(unsealed(exported, **changes))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_none_is_refused(exported: BytesIO, number: str) -> None:
    def rewrite(described: dict[str, Any]) -> str:
        described |= {"seal": None, "protocol": {"seed": "here"}}
        return json.dumps(described).replace('"here"', number)

    with pytest.raises(UnreadableExport, match="not an exported version, or is damaged"):
        read_export(rewritten(exported, rewrite))


@pytest.mark.parametrize("changes", [{"note": HALF}, {"tags": [HALF]}, {"protocol": {HALF: 1}}])
def test_halves_of_characters_are_refused(exported: BytesIO, changes: dict[str, Any]) -> None:
    with pytest.raises(UnreadableExport):
        read_export(unsealed(exported, **changes))


def test_a_description_that_is_too_large_or_too_deep_is_refused(exported: BytesIO) -> None:
    with pytest.raises(UnreadableExport, match="too large"):
        read_export(unsealed(exported, note="x" * 2**20))
    with pytest.raises(UnreadableExport):
        read_export(rewritten(exported, lambda _: "[" * 500_000))


def test_exports_are_not_compressed_and_what_is_compressed_is_refused(exported: BytesIO) -> None:
    out = BytesIO()
    with zipfile.ZipFile(exported) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        assert {member.compress_type for member in source.infolist()} == {zipfile.ZIP_STORED}
        for name in source.namelist():
            target.writestr(name, source.read(name))
    with pytest.raises(UnreadableExport, match="compressed"):
        read_export(out)


def test_arrays_that_do_not_belong_there_are_refused_before_any_is_read(exported: BytesIO) -> None:
    class Refused(Exception):
        pass

    asked: list[tuple[str, Sequence[str]]] = []

    def check(kind: str, names: Sequence[str]) -> None:
        asked.append((kind, names))
        raise Refused

    content = exported.getvalue().replace(ARRAYS["a/floats"].tobytes(), bytes(ARRAYS["a/floats"].nbytes))
    with pytest.raises(Refused):  # and not that the array is damaged
        read_export(BytesIO(content), check)
    assert asked == [("svd", sorted(ARRAYS))]


def test_arrays_larger_than_the_file_are_refused(models: MLModelManager) -> None:
    """Entries of the zip that all lead to the same bytes."""
    exported, out = BytesIO(), BytesIO()
    write_export(models.load_model(save(models, arrays={"zeros": np.zeros(100_000)})), exported)
    described = [lines(exported)[0] | {"name": f"zeros {n}"} for n in range(5)]
    many = unsealed(exported, arrays=described, digest=digest(described))
    with zipfile.ZipFile(many) as source, zipfile.ZipFile(out, "w") as target:
        for name in ("arrays/0000.bin", "version.json"):
            target.writestr(name, source.read(name))
        for n in range(1, len(described)):
            entry = copy(target.getinfo("arrays/0000.bin"))
            entry.filename = f"arrays/{n:04d}.bin"
            target.filelist.append(entry)
    with pytest.raises(UnreadableExport, match="larger than the file itself"):
        read_export(out)


def test_an_array_that_is_there_twice_is_refused(exported: BytesIO) -> None:
    described = lines(exported)
    described[1] |= {"name": described[0]["name"]}
    with pytest.raises(UnreadableExport, match="two arrays of the same name"):
        read_export(unsealed(exported, arrays=described, digest=digest(described)))


def test_an_export_of_release_0_1_is_read(models: MLModelManager) -> None:
    """A file that was written by that release, kept as it was."""
    with (Path(__file__).parent / "data" / "version-0.1.zip").open("rb") as file:
        read = read_export(file)
    assert (read.version, read.values["kind"], read.values["tags"]) == (1, "svd", ["club"])
    assert {name: array.tobytes() for name, array in read.arrays.items()} == {
        name: array.tobytes() for name, array in ARRAYS.items()
    }
    number = models.save_model(**read.values, arrays=read.arrays)
    assert models.get_version(number).digest == "0a24d177053d64e4ab0d8ea4f85f993536ebcb58cd3a75459d5da7a20a0c1efc"
