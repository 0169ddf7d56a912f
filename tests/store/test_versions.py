"""Versions: whole or not at all, checked, in order, and a ledger that nobody rewrites."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from store import versions as models_module
from store.database import Database
from store.errors import DamagedVersion, NotStored, StoreError, StoreFull
from store.model_arrays import CHUNK_BYTES, read_arrays
from store.notices import NoticeStore
from store.records import Activation
from store.versions import MLModelManager
from tests.store.conftest import Clock

ARRAYS = {
    "a/floats": np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4),
    "a/doubles": np.array([np.pi, -0.0, 1e-300]),
    "b/keys": np.arange(5, dtype=np.int32),
    "b/flags": np.array([True, False]),
    "empty": np.empty((0, 7), np.float64),
    "scalar": np.array(3.5),
}


@pytest.fixture
def models(database: Database) -> MLModelManager:
    return MLModelManager(database)


def save(models: MLModelManager, *, rmse: float = 0.9, activate: bool = True, **changes: Any) -> int:
    activation = Activation("ann", "better") if activate else None
    return models.save_model(activate=activation, **new_version(rmse) | changes)


def fail_to_save(models: MLModelManager, error: Exception) -> None:
    """The error comes after everything else in the last transaction."""

    def fail(tx: Connection) -> None:
        models.publish(version, Activation("ann", "better"), tx=tx)
        raise error

    with models.saving(**new_version()) as version:
        models.transaction(fail)


def new_version(rmse: float = 0.9) -> dict[str, Any]:
    metrics = {
        "rmse": {"value": rmse, "low": rmse - 0.1, "high": rmse + 0.1},
        "ndcg_at_k": {"value": rmse / 2, "low": 0, "high": 1},
    }
    return {
        "kind": "svd",
        "config": {"model": {}},
        "arrays": ARRAYS,
        "metrics": metrics,
        "protocol": {},
        "data": {"revision": 1},
    }


def flip_a_byte(database: Database, version: int, name: str = "a/floats") -> None:
    def work(connection: Connection) -> None:
        where = f"WHERE version = {version} AND name = '{name}' AND position = 0"
        content = bytearray(connection.exec_driver_sql(f"SELECT data FROM model_chunks {where}").scalar_one())
        content[5] ^= 1
        connection.exec_driver_sql(f"UPDATE model_chunks SET data = ? {where}", (bytes(content),))

    database.write(work)


def rows_of(database: Database, version: int) -> int:
    """How many rows of any table are left of a version."""
    with database.read() as connection:
        return sum(
            connection.exec_driver_sql(f"SELECT count(*) FROM {table} WHERE version = {version}").scalar_one()
            for table in ("model_versions", "model_arrays", "model_chunks", "activations")
        )


def test_arrays_come_back_bit_for_bit(models: MLModelManager) -> None:
    stored = models.load_model(save(models))
    assert stored.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        found = stored.arrays[name]
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        assert found.tobytes() == array.tobytes()
        assert not found.flags.writeable


def test_big_endian_and_strided_arrays_come_back_equal(models: MLModelManager) -> None:
    arrays = {"big": np.arange(4, dtype=">f8"), "strided": np.arange(20, dtype=np.float32).reshape(4, 5)[:, ::2]}
    stored = models.load_model(save(models, arrays=arrays)).arrays
    for name, array in arrays.items():
        np.testing.assert_array_equal(stored[name], array)


def test_large_arrays_are_cut_into_rows_of_4_mib(models: MLModelManager, database: Database) -> None:
    large = np.random.default_rng(0).random(CHUNK_BYTES // 8 * 2 + 3)
    version = save(models, arrays={"large": large})
    with database.read() as connection:
        sizes = list(connection.exec_driver_sql("SELECT length(data) FROM model_chunks ORDER BY position").scalars())
    assert sizes == [CHUNK_BYTES, CHUNK_BYTES, 24]
    assert models.load_model(version).arrays["large"].tobytes() == large.tobytes()
    assert models.get_version(version).size == large.nbytes


def test_objects_are_refused(models: MLModelManager) -> None:
    with pytest.raises(StoreError, match="only numbers"):
        save(models, arrays={"names": np.array(["a", None], dtype=object)})
    assert models.list_versions() == []


def test_versions_rise_and_are_never_reused(models: MLModelManager) -> None:
    first, second = save(models), save(models)
    models.delete_version(first)
    third = save(models)
    assert first < second < third
    assert [record.version for record in models.list_versions()] == [third, second, first]
    assert models.get_version(first).state == "deleted"
    with pytest.raises(NotStored, match="deleted"):
        models.load_model(first)


def test_a_failing_last_step_leaves_nothing(models: MLModelManager, database: Database) -> None:
    active = save(models)

    with pytest.raises(LookupError):
        fail_to_save(models, LookupError("the run is gone"))
    assert [record.version for record in models.list_versions()] == [active]
    assert models.active_version() == active
    assert rows_of(database, active + 1) == 0
    assert models.recover() == 0
    assert save(models) > active + 1  # the lost number is not used again


def test_what_a_full_disk_left_half_saved_is_removed(models: MLModelManager, database: Database) -> None:
    def limit(connection: Connection, pages: int) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    with database.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    database.write(lambda connection: limit(connection, pages + 1100))
    with pytest.raises(StoreFull):
        save(models, arrays={"large": np.zeros(2**20)})
    database.write(lambda connection: limit(connection, 2**30))
    assert rows_of(database, 1) == 0
    assert models.list_versions() == []
    assert save(models) == 2
    assert database.check() == []


def test_what_a_stopped_process_left_half_saved_is_removed_at_the_next_start(
    models: MLModelManager, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is killed has no time to clear up."""
    monkeypatch.setattr(MLModelManager, "_give_up", lambda self, version: None)

    with pytest.raises(LookupError):
        fail_to_save(models, LookupError("killed"))
    assert rows_of(database, 1) > 0
    with pytest.raises(NotStored):
        models.load_model(1)
    assert models.recover() == 1
    assert models.recover() == rows_of(database, 1) == 0
    assert models.list_versions() == []
    assert save(models) == 2


def test_the_ledger_says_who_activated_what_when_and_why(models: MLModelManager, clock: Clock) -> None:
    first = save(models)
    clock.now += 60
    second = save(models, activate=False)
    assert models.active_version() == first
    models.activate(second, actor="bob", reason="tried by hand")
    assert [(line.version, line.actor, line.reason, line.activated_at) for line in models.ledger()] == [
        (second, "bob", "tried by hand", 1_700_000_060.0),
        (first, "ann", "better", 1_700_000_000.0),
    ]


def test_the_ledger_answers_what_served_at_any_moment(models: MLModelManager, clock: Clock) -> None:
    began = clock.now
    first = save(models)
    clock.now += 60
    second = save(models)
    served = {at: [line.version for line in models.ledger(1, at=began + at)] for at in (-1, 0, 59, 60, 1000)}
    assert served == {-1: [], 0: [first], 59: [first], 60: [second], 1000: [second]}


def test_versions_and_the_ledger_are_read_page_by_page(models: MLModelManager) -> None:
    first, second, third = save(models), save(models, activate=False), save(models)
    assert [one.version for one in models.list_versions(2)] == [third, second]
    assert [one.version for one in models.list_versions(2, before=second)] == [first]
    assert [one.version for one in models.list_versions(before=third)] == [second, first]
    newest, oldest = models.ledger()
    assert (newest.version, oldest.version) == (third, first)
    assert models.ledger(1) == [newest]
    assert models.ledger(5, before=newest.activation_id) == [oldest]
    assert models.ledger(5, before=oldest.activation_id) == []


@pytest.mark.parametrize("statement", ["DELETE FROM activations", "UPDATE activations SET actor = 'nobody'"])
def test_the_ledger_is_never_rewritten(models: MLModelManager, database: Database, statement: str) -> None:
    save(models)
    with pytest.raises(IntegrityError, match="never rewritten"):
        database.write(lambda connection: connection.exec_driver_sql(statement))


def test_the_version_that_served_before(models: MLModelManager) -> None:
    first = save(models)
    assert models.served_before() is None
    second = save(models)
    assert models.served_before() == first
    models.activate(first, actor="ann", reason="worse lists")
    assert models.served_before() == second


def test_a_damaged_version_did_not_serve_before(models: MLModelManager, database: Database) -> None:
    first, second, third = save(models), save(models), save(models)
    flip_a_byte(database, second)
    with pytest.raises(DamagedVersion):
        models.load_model(second)
    assert models.served_before() == first
    assert third > second


def test_a_flipped_byte_is_found_marked_and_another_version_serves(models: MLModelManager, database: Database) -> None:
    intact, active = save(models), save(models)
    flip_a_byte(database, active)
    assert models.load_model().record.version == intact
    assert models.get_version(active).state == "damaged"
    assert models.active_version() == intact
    assert models.ledger()[0].actor == "marquee"
    (notice,) = NoticeStore(database).newest()
    assert notice.level == "error"
    assert f"Version {active} is damaged" in notice.text


def test_a_missing_piece_is_damage_too(models: MLModelManager, database: Database) -> None:
    version = save(models)
    database.write(lambda connection: connection.exec_driver_sql("DELETE FROM model_chunks WHERE name = 'b/keys'"))
    with pytest.raises(DamagedVersion, match="b/keys"):
        models.load_model(version)


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM model_arrays WHERE name = 'a/doubles'",
        "UPDATE model_arrays SET dtype = '<i8' WHERE name = 'a/doubles'",
        "UPDATE model_arrays SET dtype = 'nonsense'",
        "UPDATE model_arrays SET shape = '[4, 3]' WHERE name = 'a/floats'",
        "UPDATE model_arrays SET shape = 'nonsense'",
        "UPDATE model_arrays SET name = 'a/else' WHERE name = 'a/floats'",
        "UPDATE model_arrays SET size = size - 1",
        "UPDATE model_chunks SET position = position + 1, name = 'a/else' WHERE name = 'b/flags'",
        "UPDATE model_chunks SET data = data || x'00' WHERE name = 'b/flags'",
        "UPDATE model_chunks SET data = CAST(x'80ff' AS TEXT) WHERE name = 'b/flags'",
    ],
)
def test_damage_to_what_describes_an_array_is_found_too(
    models: MLModelManager, database: Database, damage: str
) -> None:
    intact, active = save(models, arrays={}), save(models)
    database.write(lambda connection: connection.exec_driver_sql(damage))
    assert models.load_model().record.version == intact
    assert models.get_version(active).state == "damaged"


def test_pages_that_are_no_table_any_more_are_damage_too(url: str, models: MLModelManager, database: Database) -> None:
    """The disk gave back something else for the first page of the table of chunks."""
    save(models)
    with database.read() as connection:
        page = connection.exec_driver_sql("SELECT rootpage FROM sqlite_master WHERE name = 'model_chunks'").scalar()
        size = connection.exec_driver_sql("PRAGMA page_size").scalar()
    database.close()
    with database.path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)
    again = Database.open(url)
    try:
        with pytest.raises(NotStored, match="Every stored version is damaged"):
            MLModelManager(again).load_model()
        assert again.check() != []
        assert NoticeStore(again).unread_count() == 1
    finally:
        again.close()


def test_a_version_once_found_damaged_stays_so(models: MLModelManager, database: Database) -> None:
    """The disk gave back something else for a moment."""
    intact, active = save(models), save(models)
    flip_a_byte(database, active)
    with pytest.raises(DamagedVersion):
        models.load_model(active)
    flip_a_byte(database, active)
    with pytest.raises(DamagedVersion):
        models.load_model(active)
    assert models.load_model().record.version == intact


def test_damage_is_told_once(models: MLModelManager, database: Database) -> None:
    version = save(models)
    flip_a_byte(database, version)
    for _ in range(3):
        with pytest.raises(DamagedVersion):
            models.load_model(version)
    assert NoticeStore(database).unread_count() == 1


def test_a_version_deleted_while_it_is_loaded_is_not_taken_for_damaged(
    models: MLModelManager, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = save(models, activate=False)
    read = read_arrays

    def read_late(connection: Connection, number: int, start: str) -> dict[str, np.ndarray]:
        models.delete_version(number)
        return read(connection, number, start)

    monkeypatch.setattr(models_module, "read_arrays", read_late)
    assert models.load_model(version).arrays.keys() == ARRAYS.keys()
    assert models.get_version(version).state == "deleted"
    assert rows_of(database, version) == 1


def test_with_every_version_damaged_nothing_serves(models: MLModelManager, database: Database) -> None:
    for version in (save(models), save(models)):
        flip_a_byte(database, version)
    with pytest.raises(NotStored, match="Every stored version is damaged"):
        models.load_model()


def test_without_a_version_nothing_serves(models: MLModelManager) -> None:
    assert models.active_version() is None
    with pytest.raises(NotStored):
        models.load_model()


def test_the_active_version_is_not_deleted(models: MLModelManager) -> None:
    version = save(models)
    with pytest.raises(StoreError, match="is active"):
        models.delete_version(version)
    assert models.load_model(version).record.state == "ready"


@pytest.mark.parametrize("state", ["damaged", "deleted"])
def test_only_intact_versions_are_activated(models: MLModelManager, database: Database, state: str) -> None:
    first, second = save(models), save(models, activate=False)
    if state == "deleted":
        models.delete_version(second)
    else:
        flip_a_byte(database, second)
        with pytest.raises(DamagedVersion):
            models.load_model(second)
    with pytest.raises(StoreError, match=state):
        models.activate(second, actor="ann", reason="")
    assert models.active_version() == first


def test_the_best_version_by_a_metric(models: MLModelManager, database: Database) -> None:
    good, bad, equal = save(models, rmse=0.8), save(models, rmse=0.95), save(models, rmse=0.8)
    assert models.get_best_model("rmse").version == equal
    assert models.get_best_model("ndcg_at_k").version == bad
    assert models.get_best_model("rmse", higher_is_better=True).version == bad
    flip_a_byte(database, equal)
    models.load_model()
    assert models.get_best_model("rmse").version == good
    with pytest.raises(NotStored, match="elegance"):
        models.get_best_model("elegance")


def test_notes_and_tags_are_changed_one_by_one(models: MLModelManager) -> None:
    version = save(models, note="first try", tags=["club"], charts={"errors": [{"x": 1}]})
    models.describe(version, tags=["club", "best", "club"])
    record = models.get_version(version)
    assert (record.note, record.tags, record.charts) == ("first try", ["club", "best"], {"errors": [{"x": 1}]})
    models.describe(version, note="")
    assert (models.get_version(version).note, models.get_version(version).tags) == ("", ["club", "best"])
    with pytest.raises(NotStored):
        models.describe(99, note="nobody")


def test_retention_keeps_the_newest_the_best_the_tagged_and_all_that_served(
    models: MLModelManager, database: Database
) -> None:
    served = save(models, rmse=0.99)
    dull = save(models, rmse=0.95, activate=False)
    lowest = save(models, rmse=0.80, activate=False)
    tagged = save(models, rmse=0.96, activate=False, tags=["keep"])
    ndcg = save(models, rmse=0.98, activate=False)  # its NDCG is half of it, and only served has more
    active = save(models, rmse=0.97)
    newest = [save(models, rmse=0.95, activate=False) for _ in range(2)]
    assert models.retain(2, ("rmse", "ndcg_at_k")) == [ndcg, dull]
    held = {record.version for record in models.list_versions() if record.state == "ready"}
    assert held == {served, lowest, tagged, active, *newest}
    assert rows_of(database, dull) == 1
    assert models.load_model().record.version == active
    assert models.retain(2, ("rmse", "ndcg_at_k")) == []
    assert models.retain(0, ()) == [newest[1], newest[0], lowest]


def test_a_deletion_that_a_kill_cut_short_is_finished_at_the_next_start(
    models: MLModelManager, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(models)
    version = save(models, activate=False)
    monkeypatch.setattr(models_module, "remove_arrays", lambda database, version: None)
    models.delete_version(version)
    monkeypatch.undo()
    assert rows_of(database, version) > 1
    assert (models.recover(), models.recover()) == (1, 0)
    assert rows_of(database, version) == 1


@pytest.mark.parametrize("odd", ["x", {"low": 1}, {"value": "much"}, {"value": None}, [1], 10**400])
def test_a_metric_that_can_not_be_read_hides_no_other(models: MLModelManager, odd: Any) -> None:
    good = save(models)
    unreadable = save(models, metrics={"rmse": odd}, activate=False)
    assert models.get_best_model("rmse").version == good
    assert models.retain(0, ["rmse"]) == [unreadable]
