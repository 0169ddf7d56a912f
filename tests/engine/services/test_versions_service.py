"""Versions as a person handles them: compared, listed side by side, described, deleted, exported and imported."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection

from engine.errors import InvalidInput, UnknownVersion, VersionUnavailable
from engine.evaluation.comparison import MetricDifference
from engine.runtime import Runtime, build
from engine.services.snapshots import Snapshots
from engine.services.version_records import describe_ids
from engine.services.versions import tell_differences
from engine.settings import Settings
from store.database import Database
from store.exchange import read_export, write_export
from store.ratings import RatingStore
from store.versions import MLModelManager
from tests.engine.services.conftest import QUICK, fill, finished, opened, store_in, trained_store
from tests.shared_folder import shared_folder
from tests.store.test_versions import flip_a_byte

LONGER = {"epochs": 60, "factors": 60, "learning_rate": 0.1, "regularization": 0, "patience": 0}
"""The planted ratings have little noise, so learning them by heart does better than a few epochs."""


@pytest.fixture
def two(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """A second version, which is better at ratings and does not serve."""

    def make(folder: Path) -> None:
        with opened(store_in(folder), trained_store(tmp_path_factory)) as runtime:
            status = finished(runtime, runtime.services.training.train_model("svd", LONGER, "never"))
            assert status.version == 2, status.error

    with opened(settings, shared_folder(tmp_path_factory, "two versions", make)) as built:
        yield built


def test_the_better_of_two_versions_is_called_so(two: Runtime) -> None:
    versions = two.services.versions
    (found,) = versions.compare([1, 2])
    assert (found.version, found.baseline) == (2, 1)
    assert found.differences["rmse"].verdict == "better"
    assert found.differences["rmse"].users == 60
    assert found.text.startswith("Version 2 is better in RMSE")
    assert "same held-out ratings of 60 users" in found.text
    (turned,) = versions.compare([1, 2], baseline=2)
    assert (turned.version, turned.differences["rmse"].verdict) == (1, "worse")
    metrics = versions.get(2).metrics["rmse"]
    assert found.differences["rmse"].value == pytest.approx(metrics.value)


def test_after_new_ratings_lists_are_compared_of_users_without_any(two: Runtime) -> None:
    services = two.services
    for user in range(10):
        unseen = services.recommendations.recommend(f"u{user}", 1).items[0].movie_id
        services.ratings.rate(f"u{user}", unseen, 4.0)
    run = finished(two, two.services.training.train_model("svd", QUICK, "never"))
    (found,) = two.services.versions.compare([1, run.version or 0])
    assert found.differences["ndcg_at_k"].users <= 50 < found.differences["rmse"].users == 60
    (alone,) = two.services.versions.compare([2], baseline=1)
    assert alone.differences["ndcg_at_k"].users > 50


def test_serving_against_the_verdict_takes_a_reason_which_the_ledger_keeps(two: Runtime) -> None:
    versions, training = two.services.versions, two.services.training
    versions.activate(2, reason="It is better.")
    number = finished(two, training.train_model("svd", QUICK)).version or 0
    before = versions.ledger()
    assert versions.get(number).verdict == "REJECT"
    for nothing in ("", "  "):
        with pytest.raises(InvalidInput, match="The verdict on version 3 is REJECT: It is worse") as refused:
            versions.activate(number, reason=nothing)
    assert refused.value.field == "reason"
    assert versions.ledger() == before
    versions.activate(number, actor="Ada", reason="Only for a trial.")
    assert (versions.ledger()[0].version, versions.ledger()[0].reason) == (number, "Only for a trial.")
    assert (
        two.services.inbox.notices()[0].text == "Version 3 was let serve by Ada against its verdict: Only for a trial."
    )
    assert versions.served_before() == 2
    assert versions.rollback(reason="The trial is over.") == 2
    told = "Version 2 serves again: you rolled back from version 3: The trial is over."
    assert two.services.inbox.notices()[0].text == told
    assert versions.served_before() == number
    versions.activate(number)  # it has served: whoever let it had a reason


def test_who_kept_the_choice_needs_no_reason(two: Runtime) -> None:
    versions, training = two.services.versions, two.services.training
    versions.activate(2, reason="It is better.")
    number = finished(two, training.train_model("svd", QUICK, "never")).version or 0
    judgement = versions.judgement(number)
    assert judgement is not None
    assert judgement.verdict == "REJECT"
    versions.activate(number)
    assert versions.ledger()[0].reason == "Chosen by hand."


def test_what_can_not_be_compared_says_why(two: Runtime) -> None:
    versions = two.services.versions
    versions.delete(2)
    (found,) = versions.compare([1, 2])
    assert (found.differences, found.text) == ({}, "Version 2 was deleted.")
    with pytest.raises(UnknownVersion):
        versions.compare([1, 9])
    for few in ([], [1], [1, 1]):
        with pytest.raises(InvalidInput, match="two versions"):
            versions.compare(few)


def test_a_verdict_names_what_is_better_and_what_is_worse() -> None:
    same = MetricDifference(0.9, 0.9, 0.0, -0.1, 0.1, 1.0, 40, "no difference shown")
    better, worse = replace(same, verdict="better"), replace(same, verdict="worse")
    told = tell_differences(4, 3, {"mae": better, "rmse": better, "ndcg_at_k": worse, "mrr": same})
    assert told.startswith("Version 4 is better in RMSE, MAE and worse in NDCG, against version 3")
    assert "no difference is shown in any metric" in tell_differences(4, 3, {"rmse": same})


def test_lists_side_by_side_say_what_entered_left_and_moved(two: Runtime) -> None:
    services, versions = two.services, two.services.versions
    first, same = versions.lists("u1", [1, 2], 5)
    served = [item.movie_id for item in services.recommendations.recommend("u1", 5).items]
    assert [item.movie.movie_id for item in first.items] == served
    assert len(first.items) == len(same.items) == 5
    assert all(item.change == 0 for item in first.items)
    assert first.left == ()
    ranks = {item.movie.movie_id: item.rank for item in first.items}
    for item in same.items:
        before = ranks.get(item.movie.movie_id)
        assert item.change == (None if before is None else before - item.rank)
    assert {movie.movie_id for movie in same.left} == set(ranks) - {item.movie.movie_id for item in same.items}
    (anyone,) = versions.lists("nobody", [1], 3)
    assert len(anyone.items) == 3


def test_a_list_knows_what_was_rated_since(two: Runtime) -> None:
    services, versions = two.services, two.services.versions
    first = versions.lists("u1", [2], 5)[0].items[0].movie.movie_id
    services.ratings.rate("u1", first, 1.0)
    assert first not in [item.movie.movie_id for item in versions.lists("u1", [2], 50)[0].items]


def test_lists_of_what_is_gone_are_refused(two: Runtime) -> None:
    versions = two.services.versions
    flip_a_byte(two.database, 2, "ranker/weights")
    with pytest.raises(VersionUnavailable, match="damaged"):
        versions.lists("u1", [1, 2])
    assert versions.get(2).state == "damaged"
    versions.delete(2)
    with pytest.raises(VersionUnavailable, match="deleted"):
        versions.lists("u1", [2])
    with pytest.raises(UnknownVersion):
        versions.lists("u1", [9])


def test_a_flipped_byte_in_any_stored_array_is_found_on_load_and_an_intact_version_serves(two: Runtime) -> None:
    """Every array in turn: marked damaged, with a notice, and version 1 serves."""
    versions, whole = two.services.versions, exported(two, {}).getvalue()
    arrays = MLModelManager(two.database).load_model(1).arrays
    names = [name for name, array in arrays.items() if array.nbytes >= 6]
    assert {name.split("/")[0] for name in names} >= {"rating", "ranker", "popularity", "calibration", "report"}
    for name in names:
        number = versions.import_file(BytesIO(whole))
        versions.activate(number)
        assert two.services.serving.active_version() == number
        flip_a_byte(two.database, number, name)
        two.services.serving.load_active()
        assert versions.get(number).state == "damaged", name
        assert two.services.serving.active_version() != number
        assert len(two.services.recommendations.recommend("u1").items) == 10
        assert f"Version {number} is damaged" in " ".join(notice.text for notice in two.services.inbox.notices(5))


@pytest.mark.parametrize("ask", ["export", "lists", "compare"])
def test_damage_of_the_serving_version_that_is_found_on_the_way_lets_another_serve(two: Runtime, ask: str) -> None:
    versions = two.services.versions
    flip_a_byte(two.database, 1, "report/users")
    if ask == "compare":
        (found,) = versions.compare([1, 2])
        assert "Version 1 is damaged" in found.text
    else:
        with pytest.raises(VersionUnavailable, match="damaged"):
            versions.export(1) if ask == "export" else versions.lists("u1", [1])
    assert two.services.serving.active_version() == 2
    assert two.services.recommendations.recommend("u1").model_version == 2


def test_notes_and_tags(two: Runtime) -> None:
    versions = two.services.versions
    described = versions.describe(2, note="a weak one", tags=["weak ", "keep"])
    assert (described.note, described.tags) == ("a weak one", ("weak", "keep"))
    assert versions.describe(2, tags=[]).note == "a weak one"
    for tags in ([""], ["x" * 51], ["x"] * 21):
        with pytest.raises(InvalidInput) as refused:
            versions.describe(2, tags=tags)
        assert refused.value.field == "tags"
    with pytest.raises(InvalidInput) as refused:
        versions.describe(2, note="x" * 2001)
    assert refused.value.field == "note"
    with pytest.raises(UnknownVersion):
        versions.describe(9, note="")


def test_the_serving_version_is_not_deleted_and_others_say_who_did_it(two: Runtime) -> None:
    versions = two.services.versions
    with pytest.raises(VersionUnavailable, match="serves now"):
        versions.delete(1)
    deleted = versions.delete(2, actor="ann", reason="weak")
    assert (deleted.state, deleted.size_bytes) == ("deleted", 0)
    assert two.services.inbox.notices()[0].text == "Version 2 was deleted by ann: weak"
    versions.delete(2)
    assert [version.version for version in versions.history()] == [1, 2]


def test_a_version_goes_to_another_store_with_the_same_ratings_and_serves_alike(two: Runtime, tmp_path: Path) -> None:
    with two.services.versions.export(1).stream as stream:
        content = stream.read()
    other = build(Settings(database_url=f"sqlite:///{tmp_path}/other.db", demo=False))
    other.start()
    try:
        fill(other)
        number = other.services.versions.import_file(BytesIO(content), actor="ann")
        assert other.services.serving.active_version() is None
        summary = other.services.versions.get(number)
        assert summary.digest == two.services.versions.get(1).digest
        assert summary.note.startswith("Imported by ann; it was version 1")
        other.services.versions.activate(number)
        for user in ("u1", "u7"):
            here, there = (one.services.recommendations.recommend(user).items for one in (other, two))
            assert here == there
    finally:
        other.stop()


def test_a_version_of_other_users_or_movies_is_refused(two: Runtime, tmp_path: Path) -> None:
    with two.services.versions.export(1).stream as stream:
        content = stream.read()
    other = build(Settings(database_url=f"sqlite:///{tmp_path}/other.db", demo=False))
    other.start()
    try:
        for users in (0, 30):
            fill(other, users) if users else None
            with pytest.raises(InvalidInput, match="other users and movies") as refused:
                other.services.versions.import_file(BytesIO(content))
            assert refused.value.field == "file"
        assert other.services.versions.list() == []
    finally:
        other.stop()


def test_ids_are_told_apart(two: Runtime) -> None:
    data = Snapshots(RatingStore(two.database), (0.5, 5.0)).load().data
    whole = describe_ids(data, data.n_users, data.n_movies)
    assert describe_ids(data, data.n_users, data.n_movies) == whole
    assert describe_ids(data, data.n_users - 1, data.n_movies)["sha256"] != whole["sha256"]


def test_files_that_hold_no_version_are_refused(two: Runtime) -> None:
    versions = two.services.versions
    for content in (b"", b"nothing of the kind"):
        with pytest.raises(InvalidInput, match="not an exported version"):
            versions.import_file(BytesIO(content))
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
        with pytest.raises(InvalidInput, match="no version that this Marquee can serve"):
            versions.import_file(file)
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
        versions.import_file(exported(trained, changes))
    assert refused.value.field == "file"
    assert [version.version for version in versions.list()] == [1]
    assert versions.import_file(exported(trained, {})) == 2  # as earlier releases wrote it


@pytest.mark.parametrize(
    "changes", [{"users": -1}, {"users": "60"}, {"ratings": 1.5}, {"fingerprint": 1}, {"revision": None}, {"ids": {}}]
)
def test_a_file_that_does_not_say_what_was_learned_is_refused(trained: Runtime, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="no version that this Marquee can serve"):
        trained.services.versions.import_file(exported(trained, {"data": data_of(trained) | changes}))


@pytest.mark.parametrize(
    "name", ["zz/junk", "rating/junk", "ranker/weights/more", "report/row/junk", "counts/", "x\ny"]
)
def test_a_file_with_an_array_that_no_version_has_is_refused(trained: Runtime, name: str) -> None:
    with pytest.raises(InvalidInput, match="has no array") as refused:
        trained.services.versions.import_file(exported(trained, {}, {name: np.zeros(3)}))
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
    with pytest.raises(InvalidInput, match="no version that this Marquee can serve"):
        trained.services.versions.import_file(exported(trained, {}, {name: array}))


def test_what_is_imported_is_what_was_exported(two: Runtime) -> None:
    versions, models = two.services.versions, MLModelManager(two.database)
    versions.describe(1, note="of the club", tags=["club"])
    with versions.export(1).stream as stream:
        number = versions.import_file(stream)
    first, second = models.load_model(1).record, models.load_model(number).record
    for name in ("kind", "config", "metrics", "segments", "protocol", "data", "tags", "charts", "digest"):
        assert getattr(first, name) == getattr(second, name), name


def test_who_is_forgotten_during_an_import_is_not_brought_back(
    trained: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is checked, then a user is forgotten, then the version is saved."""
    file, save = exported(trained, {}), MLModelManager.save_model

    def late(self: MLModelManager, **values: Any) -> int:
        trained.services.ratings.forget("u1")
        return save(self, **values)

    monkeypatch.setattr(MLModelManager, "save_model", late)
    with pytest.raises(InvalidInput, match="forgotten just now"):
        trained.services.versions.import_file(file)
    assert [version.version for version in trained.services.versions.list()] == [1]


UNREADABLE = {
    "metrics": '{"rmse": "x", "mae": {"value": 1, "low": 1, "high": 1}}',
    "segments": '{"new_users": 1, "tail_movies": {"rmse": [1]}}',
    "protocol": '"as always"',
    "config": '{"model": ["x"]}',
    "data": '{"users": "60", "revision": 1}',
    "tags": '["kept", 7]',
    "charts": "[1]",
}


@pytest.mark.parametrize("column", UNREADABLE)
def test_a_stored_description_that_can_not_be_read_hides_no_version(two: Runtime, column: str) -> None:
    """Earlier releases took such descriptions in from files."""

    def spoil(connection: Connection) -> None:
        connection.exec_driver_sql(f"UPDATE model_versions SET {column} = ? WHERE version = 2", (UNREADABLE[column],))

    two.database.write(spoil)
    versions = two.services.versions
    assert [version.version for version in versions.list()] == [2, 1]
    found = versions.get(2)
    assert versions.get(1).metrics["rmse"].value > 0
    if column == "metrics":
        assert list(found.metrics) == ["mae"]
    if column == "tags":
        assert found.tags == ("kept",)
    if column == "data":
        assert (found.users, found.ratings, found.data_fingerprint) == (0, 0, "")
    assert [version.version for version in versions.history()] == [1, 2]
    assert versions.compare([1, 2])
    assert versions.describe(2, note="odd").note == "odd"
    run = finished(two, two.services.training.retrain(2, "never"))
    assert (run.state, run.version) == ("succeeded", 3)
    assert versions.delete(2).state == "deleted"


def test_what_can_not_be_exported_says_why(two: Runtime) -> None:
    versions = two.services.versions
    versions.delete(2)
    with pytest.raises(VersionUnavailable, match="deleted"):
        versions.export(2)
    with pytest.raises(UnknownVersion):
        versions.export(9)
    exported = versions.export(1)
    assert exported.name == "marquee-version-1.zip"
    with exported.stream as stream:
        assert read_export(stream).version == 1


def test_retention_follows_the_settings(settings: Settings) -> None:
    runtime = build(settings.model_copy(update={"keep_versions": 1}))
    runtime.start()
    try:
        fill(runtime)
        for n in range(4):
            weak = {"epochs": 1, "factors": 2, "seed": n}
            finished(runtime, runtime.services.training.train_model("svd", weak if n else QUICK, "never"))
        states = {version.version: version.state for version in runtime.services.versions.list()}
        best = {MLModelManager(runtime.database).get_best_model(name).version for name in ("rmse", "ndcg_at_k")}
        assert {number for number, state in states.items() if state == "ready"} == best | {4}
        assert "MARQUEE_KEEP_VERSIONS" in " ".join(notice.text for notice in runtime.services.inbox.notices())
    finally:
        runtime.stop()


def test_the_store_of_a_fixture_is_closed_and_sound(two: Runtime, settings: Settings) -> None:
    two.stop()
    database = Database.open(settings.database_url)
    assert database.check() == []
    database.close()
