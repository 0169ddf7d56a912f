"""Versions as files: export, import, and everything that is refused."""

from __future__ import annotations

import json
import zipfile
from contextlib import AbstractContextManager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import InvalidInput, UnknownVersion, VersionUnavailable
from engine.runtime import Runtime, build
from engine.services.snapshots import Snapshots
from engine.services.version_records import describe_ids
from engine.settings import Settings
from store.exchange import read_export, write_export
from store.ratings import RatingStore
from store.versions import MLModelManager
from tests.engine.services.conftest import fill


def test_a_version_goes_to_another_store_with_the_same_ratings_and_serves_alike(two: Runtime, tmp_path: Path) -> None:
    with two.services.version_files.export(1).stream as stream:
        content = stream.read()
    other = build(Settings(database_url=f"sqlite:///{tmp_path}/other.db", demo=False))
    other.start()
    try:
        fill(other)
        number = other.services.version_files.import_file(BytesIO(content), actor="ann")
        assert other.services.serving.active_version() is None
        summary = other.services.versions.get(number)
        assert summary.digest == two.services.versions.get(1).digest
        assert summary.note.startswith("Imported by ann; version 1 in its original store.")
        other.services.versions.activate(number)
        for user in ("u1", "u7"):
            here, there = (one.services.recommendations.recommend(user).items for one in (other, two))
            assert here == there
    finally:
        other.stop()


def test_a_version_of_other_users_or_movies_is_refused(two: Runtime, tmp_path: Path) -> None:
    with two.services.version_files.export(1).stream as stream:
        content = stream.read()
    other = build(Settings(database_url=f"sqlite:///{tmp_path}/other.db", demo=False))
    other.start()
    try:
        for users in (0, 30):
            fill(other, users) if users else None
            with pytest.raises(InvalidInput, match="other people and movies") as refused:
                other.services.version_files.import_file(BytesIO(content))
            assert refused.value.field == "file"
        assert other.services.versions.list() == []
    finally:
        other.stop()


def test_ids_are_told_apart(two: Runtime) -> None:
    data = Snapshots(RatingStore(two.database), two.services.scale).load().data
    whole = describe_ids(data, data.n_users, data.n_movies)
    assert describe_ids(data, data.n_users, data.n_movies) == whole
    assert describe_ids(data, data.n_users - 1, data.n_movies)["sha256"] != whole["sha256"]


def test_files_that_hold_no_version_are_refused(two: Runtime) -> None:
    versions = two.services.versions
    for content in (b"", b"nothing of the kind"):
        with pytest.raises(InvalidInput, match="not an exported version"):
            two.services.version_files.import_file(BytesIO(content))
    model = MLModelManager(two.database).load_model(1)
    for record, arrays in (
        (replace(model.record, kind="oracle"), model.arrays),
        (replace(model.record, config={}), model.arrays),
        (replace(model.record, data={}), model.arrays),
        (replace(model.record, data=model.record.data | {"ids": None}), model.arrays),
        (model.record, {}),
        (model.record, dict(model.arrays) | {"ranker/weights": np.zeros((2, 2), np.float32)}),
    ):
        file = BytesIO()
        write_export(replace(model, record=record, arrays=arrays), file)
        with pytest.raises(InvalidInput, match="no version that Marquee can use here"):
            two.services.version_files.import_file(file)
    assert len(versions.list()) == 2


def exported(runtime: Runtime, description: dict[str, Any], arrays: dict[str, Any] | None = None) -> BytesIO:
    """Version 1 as a file of an earlier release, which seals the arrays alone, with changes that nobody can tell."""
    file, out = BytesIO(), BytesIO()
    model = MLModelManager(runtime.database).load_model(1)
    write_export(replace(model, arrays=model.arrays | (arrays or {})), file)
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "version.json":
                content = json.dumps(json.loads(content) | {"seal": None} | description).encode()
            target.writestr(name, content)
    return out


def data_of(runtime: Runtime) -> dict[str, Any]:
    return MLModelManager(runtime.database).get_version(1).data


@pytest.mark.parametrize(
    "changes",
    [
        {"metrics": {"rmse": "x"}},
        {"segments": {"new_users": {"rmse": None}}},
        {"version": -1},
        {"tags": None},
        {"tags": ["x" * 1000]},
        {"tags": [7]},
        {"tags": [" "]},
        {"tags": [str(n) for n in range(21)]},
        {"note": "x" * 2001},
        {"config": {"model": {"factors": 8}, "ranker": {}, "asked": {"factors": -1}}},
        {"config": {"model": [], "ranker": {}}},
        {"config": {"model": {"factors": 8}, "ranker": {"l2": "x"}}},
    ],
)
def test_a_file_that_describes_no_version_is_refused_and_nothing_is_stored(
    trained: Runtime, changes: dict[str, Any]
) -> None:
    versions = trained.services.versions
    with pytest.raises(InvalidInput) as refused:
        trained.services.version_files.import_file(exported(trained, changes))
    assert refused.value.field == "file"
    assert [version.version for version in versions.list()] == [1]
    assert trained.services.version_files.import_file(exported(trained, {})) == 2  # as earlier releases wrote it


@pytest.mark.parametrize(
    "changes", [{"users": -1}, {"users": "60"}, {"ratings": 1.5}, {"fingerprint": 1}, {"revision": None}, {"ids": {}}]
)
def test_a_file_that_does_not_say_what_was_learned_is_refused(trained: Runtime, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="no version that Marquee can use here"):
        trained.services.version_files.import_file(exported(trained, {"data": data_of(trained) | changes}))


@pytest.mark.parametrize(
    "name", ["zz/junk", "rating/junk", "ranker/weights/more", "report/row/junk", "counts/", "x\ny"]
)
def test_a_file_with_an_array_that_no_version_has_is_refused(trained: Runtime, name: str) -> None:
    with pytest.raises(InvalidInput, match="has no array") as refused:
        trained.services.version_files.import_file(exported(trained, {}, {name: np.zeros(3)}))
    assert refused.value.field == "file"


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("report/users", np.zeros(3, np.int64)),
        ("report/list/more", np.zeros(3)),
        ("report/error_marks", np.zeros(60)),
        ("report/row/ratings", np.array(3.0)),
    ],
)
def test_a_file_with_a_report_that_does_not_fit_together_is_refused(trained: Runtime, name: str, array: Any) -> None:
    with pytest.raises(InvalidInput, match="no version that Marquee can use here"):
        trained.services.version_files.import_file(exported(trained, {}, {name: array}))


def test_what_is_imported_is_what_was_exported(two: Runtime) -> None:
    versions, models = two.services.versions, MLModelManager(two.database)
    versions.describe(1, note="of the club", tags=["club"])
    with two.services.version_files.export(1).stream as stream:
        number = two.services.version_files.import_file(stream)
    first, second = models.load_model(1).record, models.load_model(number).record
    for name in ("kind", "config", "metrics", "segments", "protocol", "data", "tags", "charts", "digest"):
        assert getattr(first, name) == getattr(second, name), name


def test_who_is_forgotten_during_an_import_is_not_brought_back(
    trained: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is checked, then a user is forgotten, then the version is saved."""
    file, save = exported(trained, {}), MLModelManager.saving

    def late(self: MLModelManager, **values: Any) -> AbstractContextManager[int]:
        trained.services.ratings.forget("u1")
        return save(self, **values)

    monkeypatch.setattr(MLModelManager, "saving", late)
    with pytest.raises(InvalidInput, match="person who was just deleted"):
        trained.services.version_files.import_file(file)
    assert [version.version for version in trained.services.versions.list()] == [1]


def test_what_can_not_be_exported_says_why(two: Runtime) -> None:
    versions = two.services.versions
    versions.delete(2)
    with pytest.raises(VersionUnavailable, match="deleted"):
        two.services.version_files.export(2)
    with pytest.raises(UnknownVersion):
        two.services.version_files.export(9)
    exported = two.services.version_files.export(1)
    assert exported.name == "marquee-version-1.zip"
    with exported.stream as stream:
        assert read_export(stream).version == 1
