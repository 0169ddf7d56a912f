"""Property 7: version numbers strictly rise and never come again, and the best version by a metric is the best one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from store.database import Database
from store.errors import DamagedVersion, NotStored, StoreError
from store.records import Activation
from store.versions import MLModelManager

LOWER = ("rmse", "mae")
METRICS = (*LOWER, "ndcg_at_k")
ARRAYS = {"a/few": np.arange(3, dtype=np.float32), "b/none": np.empty(0)}
VALUES: dict[str, Any] = {"kind": "svd", "config": {}, "arrays": ARRAYS, "metrics": {}, "protocol": {}, "data": {}}
# Few values, so that equal ones come up; a version may lack any metric.
VALUE = st.one_of(st.sampled_from([0.25, 0.5, 1.0]), st.floats(0, 2))
MEASURED = st.dictionaries(st.sampled_from(METRICS), VALUE)
WHICH = st.integers(0, 20)
STEP = st.one_of(
    st.tuples(st.just("save"), MEASURED, st.booleans()),
    st.tuples(st.sampled_from(["delete", "damage"]), WHICH),
    st.tuples(st.sampled_from(["fail to end", "fail to begin", "be killed", "reopen"])),
)


class Killed(Exception):
    """Ends a saving where a kill would."""


class Account:
    """A store, and beside it what ought to be in it."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/test.db"
        self.intact: dict[int, dict[str, float]] = {}  # version -> its metrics
        self.lost: set[int] = set()  # damaged or deleted
        self.active: int | None = None
        self.highest = 0
        self._open()

    def _open(self) -> None:
        self.database = Database.open(self.url)
        self.models = MLModelManager(self.database)
        self.models.recover()

    def _write(self, **changes: Any) -> int:
        return self.models.save_model(**VALUES | changes)

    def save(self, measured: dict[str, float], activate: bool) -> None:
        metrics = {name: {"value": value, "low": 0, "high": 2} for name, value in measured.items()}
        version = self._write(metrics=metrics, activate=Activation("ann", "tried") if activate else None)
        assert version > self.highest
        self.highest = version
        self.intact[version] = measured
        self.active = version if activate else self.active

    def _stop_at_the_end(self) -> None:
        """The number was given out, so it is used up."""

        def stop(tx: Connection) -> None:
            self.models.publish(version, tx=tx)
            assert version > self.highest
            self.highest = version
            raise Killed

        with pytest.raises(Killed), self.models.saving(**VALUES) as version:
            self.models.transaction(stop)

    def fail_to_end(self) -> None:
        self._stop_at_the_end()

    def fail_to_begin(self) -> None:
        with pytest.raises(StoreError, match="only numbers"):
            self._write(arrays=ARRAYS | {"names": np.array(["a", None], dtype=object)})

    def be_killed(self) -> None:
        """Nothing of the half-saved version is taken away, as a process that is killed can't."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MLModelManager, "_give_up", lambda self, version: None)
            self._stop_at_the_end()

    def reopen(self) -> None:
        self.database.close()
        self._open()

    def delete(self, which: int) -> None:
        version = self._pick(which)
        if version is not None and version != self.active:
            self.models.delete_version(version)
            self._lose(version)

    def damage(self, which: int) -> None:
        version = self._pick(which)
        if version is not None and version in self.intact:
            lost = f"DELETE FROM model_chunks WHERE version = {version}"
            self.database.write(lambda connection: connection.exec_driver_sql(lost))
            with pytest.raises(DamagedVersion):
                self.models.load_model(version)
            self._lose(version)

    def _pick(self, which: int) -> int | None:
        known = sorted(self.intact.keys() | self.lost)
        return known[which % len(known)] if known else None

    def _lose(self, version: int) -> None:
        self.intact.pop(version, None)
        self.lost.add(version)

    def best(self, metric: str, higher_is_better: bool) -> int | None:
        """By trying each against all: as good as every other, and newer than those that are as good."""
        having = {version: found[metric] for version, found in self.intact.items() if metric in found}
        sign = 1 if higher_is_better else -1
        best = [one for one in having if all(sign * having[one] >= sign * value for value in having.values())]
        return max(best, default=None)

    def check(self) -> None:
        numbers = [record.version for record in self.models.list_versions()]
        assert numbers == sorted(self.intact.keys() | self.lost, reverse=True)
        for metric in METRICS:
            self._check_best(metric, metric not in LOWER, self.models.get_best_model)
        self._check_best("rmse", True, lambda name: self.models.get_best_model(name, higher_is_better=True))

    def _check_best(self, metric: str, higher: bool, ask: Callable[[str], Any]) -> None:
        expected = self.best(metric, higher)
        if expected is None:
            with pytest.raises(NotStored, match=metric):
                ask(metric)
        else:
            record = ask(metric)
            assert (record.version, record.state) == (expected, "ready")


@settings(max_examples=30)
@given(steps=st.lists(STEP, max_size=12))
def test_numbers_rise_and_the_best_is_the_best(steps: list[tuple[Any, ...]]) -> None:
    with TemporaryDirectory() as folder:
        account = Account(Path(folder))
        try:
            for name, *values in steps:
                getattr(account, name.replace(" ", "_"))(*values)
                account.check()
            account.reopen()
            account.check()
        finally:
            account.database.close()
