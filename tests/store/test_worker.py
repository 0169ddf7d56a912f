"""A worker does its orders in turn, and one that dies says so, clears up and begins again."""

from __future__ import annotations

from threading import Event
from typing import Any

import pytest

from store import worker as module
from store.patience import is_patient
from store.worker import BULK, URGENT, Worker
from tests.store.conftest import wait_until


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_S", 0.0)


class Deadly:
    """Does orders, and dies of those that are errors."""

    def __init__(self) -> None:
        self.done: list[object] = []
        self.told: list[tuple[str, str]] = []
        self.cleared: list[tuple[object, str]] = []

    def work(self, order: object) -> None:
        if isinstance(order, BaseException):
            raise order
        self.done.append(order)

    def worker(self, **options: Any) -> Worker[object]:
        made: Worker[object] = Worker(
            "test", self.work, died=lambda order, reason: self.cleared.append((order, reason)), **options
        )
        made.on_death = lambda name, reason: self.told.append((name, reason))
        return made


def test_orders_are_done_in_turn_the_urgent_ones_first_and_all_before_the_end() -> None:
    deadly = Deadly()
    worker = deadly.worker()
    for order in ("a", "b"):
        worker.put(order, BULK)
    worker.put("c", URGENT)
    assert not worker.is_alive()
    worker.start()
    worker.stop()
    assert deadly.done == ["c", "a", "b"]
    assert not worker.is_alive()
    worker.stop()  # once more is the same as once


@pytest.mark.parametrize("error", [ValueError("oops"), SystemExit("gone"), KeyboardInterrupt(), MemoryError()])
def test_one_that_dies_begins_again_with_the_next_order(error: BaseException) -> None:
    deadly = Deadly()
    worker = deadly.worker()
    worker.start()
    worker.put(error)
    worker.put("next")
    wait_until(lambda: deadly.done == ["next"])
    assert worker.is_alive()
    reason = f"{type(error).__name__}: {error}".rstrip(": ")
    assert deadly.told == [("test", reason)]
    assert deadly.cleared == [(error, reason)]
    worker.stop()


def test_one_that_dies_is_dead_until_it_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_S", 600.0)
    monkeypatch.setattr(module, "MAX_PAUSE_S", 600.0)
    deadly = Deadly()
    worker = deadly.worker()
    worker.start()
    assert worker.is_alive()
    worker.put(SystemExit("gone"))
    wait_until(lambda: bool(deadly.cleared))
    assert not worker.is_alive()
    worker.stop()  # does not wait for the pause
    assert not worker._thread.is_alive()


def test_one_that_dies_again_and_again_is_told_once_until_it_has_worked() -> None:
    deadly = Deadly()
    worker = deadly.worker()
    worker.start()
    for order in (ValueError(1), ValueError(2), ValueError(3), "done", ValueError(4), "done"):
        worker.put(order)
    wait_until(lambda: len(deadly.done) == 2)
    assert [reason for _, reason in deadly.told] == ["ValueError: 1", "ValueError: 4"]
    assert len(deadly.cleared) == 4
    worker.stop()


def test_nothing_that_follows_a_death_keeps_a_worker_from_beginning_again() -> None:
    deadly = Deadly()

    def broken(*_: object) -> None:
        raise SystemExit("too")

    worker: Worker[object] = Worker("test", deadly.work, died=broken)
    worker.start()
    worker.put(ValueError("oops"))
    worker.put("next")
    wait_until(lambda: deadly.done == ["next"])
    worker.on_death = broken
    worker.put(ValueError("oops"))
    worker.put("last")
    wait_until(lambda: deadly.done == ["next", "last"])
    worker.stop()


def test_one_without_orders_is_idle_and_may_die_of_that() -> None:
    idled: list[int] = []
    deadly, enough = Deadly(), Event()

    def idle() -> None:
        idled.append(1)
        if len(idled) == 2:
            raise SystemExit("gone")
        if len(idled) > 3:
            enough.set()

    worker = deadly.worker(idle=idle, every=0.001)
    worker.start()
    assert enough.wait(10)
    worker.stop()
    assert deadly.cleared == [(None, "SystemExit: gone")]


def test_what_comes_first_is_done_once_and_again_only_where_it_failed() -> None:
    begun: list[int] = []

    def begin() -> None:
        begun.append(1)
        if len(begun) == 1:
            raise SystemExit("gone")

    deadly = Deadly()
    worker = deadly.worker(begin=begin)
    worker.start()
    for order in ("a", ValueError("oops"), "b"):
        worker.put(order)
    wait_until(lambda: deadly.done == ["a", "b"])
    assert len(begun) == 2
    worker.stop()


@pytest.mark.parametrize("waits", [True, False])
def test_a_worker_waits_for_a_locked_store_where_it_was_made_to(waits: bool) -> None:
    found: list[bool] = []
    worker: Worker[int] = Worker("test", lambda _: found.append(is_patient()), waits=waits)
    worker.start()
    worker.put(1)
    worker.stop()
    assert found == [waits]
    assert not is_patient()
