"""Any sequence of saving, loading, activating, rolling back, deleting and damage, beside a plain account of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection

from store import model_arrays
from store.database import Database
from store.errors import DamagedVersion, NotStored, StoreError
from store.notices import NoticeStore
from store.records import Activation, ActivationRecord
from store.versions import MLModelManager
from tests.store.test_versions import rows_of

SMALL_ROWS = 16  # bytes in a row of an array, so that small arrays have several
ARRAYS = st.dictionaries(
    st.sampled_from(["rating/bias", "rating/flags", "ranker/weights", "ranker/movies"]),
    npst.arrays(st.sampled_from(["<f4", "<f8", "<i4", "?"]), npst.array_shapes(min_dims=0, max_dims=2, max_side=5)),
    min_size=1,
    max_size=3,
)
NOTHING: dict[str, Any] = {"kind": "svd", "config": {}, "metrics": {}, "protocol": {}, "data": {}}
PEOPLE = st.sampled_from(["ann", "bob"])
ALTERATIONS = (
    "DELETE FROM model_arrays WHERE {one}",
    "UPDATE model_arrays SET name = name || '?' WHERE {one}",
    "UPDATE model_arrays SET dtype = '<i8' WHERE {one}",
    "UPDATE model_arrays SET dtype = 'nonsense' WHERE {one}",
    "UPDATE model_arrays SET shape = '[2, 3, 1]' WHERE {one}",
    "UPDATE model_arrays SET shape = 'nonsense' WHERE {one}",
    "UPDATE model_arrays SET size = size + 1 WHERE {one}",
    "UPDATE model_arrays SET sha256 = '00' || substr(sha256, 3) || '0' WHERE {one}",
    "UPDATE model_versions SET digest = '' WHERE version = {version}",
    "DELETE FROM model_chunks WHERE {one} AND position = 0",
    "UPDATE model_chunks SET name = name || '?' WHERE {one}",
    "UPDATE model_chunks SET data = CAST(x'80ff' AS TEXT) WHERE {one} AND position = 0",
    "UPDATE model_chunks SET position = position + 1000, data = data || x'00' WHERE {one} AND position = 0",
)


class Killed(Exception):
    """Ends a saving where a kill would."""


@dataclass
class Saved:
    """A version as the account knows it."""

    arrays: dict[str, np.ndarray]
    state: str = "ready"  # as the store ought to say
    broken: bool = False  # as it is; the store knows only once it has looked

    @property
    def sound(self) -> bool:
        return self.state == "ready" and not self.broken


class Versions(RuleBasedStateMachine):
    """The store's side is ``models``; the account's is ``saved`` (by number) and ``ledger`` (oldest line first)."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(model_arrays, "CHUNK_BYTES", SMALL_ROWS)
        self.saved: dict[int, Saved] = {}
        self.ledger: list[tuple[int, str, str]] = []
        self.seen: list[ActivationRecord] = []  # the store's ledger as it was last read, oldest line first
        self.found: list[int] = []  # damaged versions in the order in which the store ought to have told of them
        self.half_saved: set[int] = set()
        self._open()

    def _open(self) -> None:
        self.database = Database.open(f"sqlite:///{Path(self.folder.name)}/test.db")
        self.models = MLModelManager(self.database)

    def teardown(self) -> None:
        assert self.database.check() == []
        self.database.close()
        self.patch.undo()
        self.folder.cleanup()

    @property
    def active(self) -> int | None:
        return self.ledger[-1][0] if self.ledger else None

    def _pick(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.saved)), label="version")

    # -- saving ------------------------------------------------------------------------------------------------------

    def _save(self, arrays: dict[str, np.ndarray], **changes: Any) -> int:
        return self.models.save_model(**NOTHING | changes, arrays=arrays)

    @initialize(arrays=ARRAYS)
    def first(self, arrays: dict[str, np.ndarray]) -> None:
        self.save(arrays, "ann")

    @rule(arrays=ARRAYS, actor=st.one_of(st.none(), PEOPLE))
    def save(self, arrays: dict[str, np.ndarray], actor: str | None) -> None:
        version = self._save(arrays, activate=Activation(actor, "new") if actor else None)
        assert version > max(self.saved | dict.fromkeys(self.half_saved), default=0)
        self.saved[version] = Saved(arrays)
        if actor:
            self.ledger.append((version, actor, "new"))

    @rule(arrays=ARRAYS, killed=st.booleans())
    def fail_to_save(self, arrays: dict[str, np.ndarray], killed: bool) -> None:
        """The last transaction is undone, its line in the ledger with it; a kill also leaves the arrays behind."""

        def stop(tx: Connection) -> None:
            self.models.publish(version, Activation("ann", "never seen"), tx=tx)
            if killed:
                self.half_saved.add(version)
            raise Killed

        with pytest.MonkeyPatch.context() as patch:
            if killed:
                patch.setattr(MLModelManager, "_give_up", lambda models, version: None)
            with pytest.raises(Killed), self.models.saving(**NOTHING, arrays=arrays) as version:
                self.models.transaction(stop)

    # -- serving -----------------------------------------------------------------------------------------------------

    @rule()
    def load_what_serves(self) -> None:
        """Damaged ones are passed over: the next is what served last of those that can, or else the newest."""
        for version in self._by_merit():
            if not self.saved[version].broken:
                break
            self._find(version)
        else:
            with pytest.raises(NotStored):
                self.models.load_model()
            return
        if version != self.active:
            self.ledger.append((version, "marquee", f"Version {self.active} is damaged."))
        loaded = self.models.load_model()
        assert (loaded.record.version, loaded.record.state) == (version, "ready")
        self._assert_whole(version, loaded.arrays)

    def _by_merit(self) -> list[int]:
        served = [version for version, _, _ in reversed(self.ledger)]
        ready = [version for version in served + sorted(self.saved, reverse=True) if self._is_ready(version)]
        return list(dict.fromkeys(served[:1] + ready))

    def _is_ready(self, version: int) -> bool:
        return self.saved[version].state == "ready"

    def _find(self, version: int) -> None:
        if self._is_ready(version):
            self.saved[version].state = "damaged"
            self.found.append(version)

    def _assert_whole(self, version: int, arrays: Any) -> None:
        expected = self.saved[version].arrays
        assert arrays.keys() == expected.keys()
        for name, array in expected.items():
            assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape)
            assert arrays[name].tobytes() == array.tobytes()

    @rule(data=st.data())
    def load(self, data: st.DataObject) -> None:
        version = self._pick(data)
        if self.saved[version].state == "deleted":
            with pytest.raises(NotStored, match="deleted"):
                self.models.load_model(version)
        elif self.saved[version].broken:
            self._find(version)
            with pytest.raises(DamagedVersion):
                self.models.load_model(version)
        else:
            self._assert_whole(version, self.models.load_model(version).arrays)

    @rule(data=st.data(), actor=PEOPLE)
    def activate(self, data: st.DataObject, actor: str) -> None:
        version = self._pick(data)
        if self._is_ready(version):
            self.models.activate(version, actor=actor, reason="by hand")
            self.ledger.append((version, actor, "by hand"))
        else:
            with pytest.raises(StoreError, match=self.saved[version].state):
                self.models.activate(version, actor=actor, reason="by hand")

    @rule(actor=PEOPLE)
    def roll_back(self, actor: str) -> None:
        served = [version for version, _, _ in self.ledger if version != self.active and self._is_ready(version)]
        assert self.models.served_before() == (served[-1] if served else None)
        if served:
            self.models.activate(served[-1], actor=actor, reason="back")
            self.ledger.append((served[-1], actor, "back"))

    # -- losing ------------------------------------------------------------------------------------------------------

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        version = self._pick(data)
        if version == self.active:
            with pytest.raises(StoreError, match="is active"):
                self.models.delete_version(version)
        else:
            self.models.delete_version(version)
            self.saved[version].state = "deleted"

    @rule(newest=st.integers(1, 5))
    def retain(self, newest: int) -> None:
        held = [version for version in sorted(self.saved, reverse=True) if self.saved[version].state != "deleted"]
        served = {version for version, _, _ in self.ledger}
        gone = [version for version in held[newest:] if version not in served]
        assert self.models.retain(newest, ["rmse"]) == gone
        for version in gone:
            self.saved[version].state = "deleted"

    @precondition(lambda self: any(saved.sound for saved in self.saved.values()))
    @rule(data=st.data())
    def flip_a_bit(self, data: st.DataObject) -> None:
        """Of any byte in any row of any array."""
        version, name = self._pick_array(data)
        size = self.saved[version].arrays[name].nbytes
        place = data.draw(st.integers(0, size - 1), label="byte")
        bit = data.draw(st.integers(0, 7), label="bit")
        position, offset = divmod(place, SMALL_ROWS)
        where = f"WHERE version = {version} AND name = '{name}' AND position = {position}"

        def work(connection: Connection) -> None:
            content = bytearray(connection.exec_driver_sql(f"SELECT data FROM model_chunks {where}").scalar_one())
            content[offset] ^= 1 << bit
            connection.exec_driver_sql(f"UPDATE model_chunks SET data = ? {where}", (bytes(content),))

        self.database.write(work)
        self.saved[version].broken = True

    @precondition(lambda self: any(saved.sound for saved in self.saved.values()))
    @rule(data=st.data(), alteration=st.sampled_from(ALTERATIONS))
    def alter_what_describes_an_array(self, data: st.DataObject, alteration: str) -> None:
        version, name = self._pick_array(data)
        statement = alteration.format(version=version, one=f"version = {version} AND name = '{name}'")
        changed = self.database.write(lambda connection: connection.exec_driver_sql(statement).rowcount)
        assert changed > 0
        self.saved[version].broken = True

    def _pick_array(self, data: st.DataObject) -> tuple[int, str]:
        """Of a version that is sound, so that no second damage mends the first; often of the one that serves."""
        sound = sorted(version for version, saved in self.saved.items() if saved.sound)
        serving = [version for version in sound if version == self.active]
        version = data.draw(st.sampled_from(serving * len(sound) + sound), label="version")
        return version, data.draw(st.sampled_from(sorted(self.saved[version].arrays)), label="array")

    # -- starting again ----------------------------------------------------------------------------------------------

    @rule()
    def reopen(self) -> None:
        self.database.close()
        self._open()
        assert self.models.recover() == len(self.half_saved)
        assert self.models.recover() == 0
        assert all(rows_of(self.database, version) == 0 for version in self.half_saved)
        self.half_saved.clear()

    # -- what holds after every step ---------------------------------------------------------------------------------

    @invariant()
    def the_registry_is_the_account(self) -> None:
        states = {record.version: record.state for record in self.models.list_versions()}
        assert states == {version: saved.state for version, saved in self.saved.items()}
        assert list(states) == sorted(self.saved, reverse=True)

    @invariant()
    def one_version_is_active_and_it_is_not_deleted(self) -> None:
        assert self.models.active_version() == self.active
        assert self.active is None or self.models.get_version(self.active).state != "deleted"

    @invariant()
    def the_ledger_only_grows(self) -> None:
        lines = self.models.ledger(1000)[::-1]
        assert lines[: len(self.seen)] == self.seen
        assert [(line.version, line.actor, line.reason) for line in lines] == self.ledger
        self.seen = lines

    @invariant()
    def damage_is_told_once(self) -> None:
        notices = NoticeStore(self.database).newest(1000)[::-1]
        assert [notice.details["version"] for notice in notices] == self.found
        assert all(notice.level == "error" for notice in notices)

    @invariant()
    def deleted_versions_have_no_arrays(self) -> None:
        counted = "SELECT (SELECT count(*) FROM model_arrays WHERE {0}) + (SELECT count(*) FROM model_chunks WHERE {0})"
        gone = [str(version) for version, saved in self.saved.items() if saved.state == "deleted"]
        where = f"version IN ({', '.join(gone)})"
        with self.database.read() as connection:
            assert connection.exec_driver_sql(counted.format(where)).scalar_one() == 0


TestVersions = Versions.TestCase
TestVersions.settings = settings(max_examples=20, stateful_step_count=30)


@pytest.mark.long
def test_many_versions() -> None:
    run_state_machine_as_test(Versions, settings=settings(max_examples=200, stateful_step_count=30))
