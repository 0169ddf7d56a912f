"""Background work asks for less of the processors than what answers requests."""

from __future__ import annotations

import os
import sys
from threading import Thread, get_native_id

import pytest

from engine import priority
from engine.priority import NICENESS, step_back


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux only")
def test_only_the_thread_that_steps_back_is_concerned() -> None:
    found: list[int] = []

    def work() -> None:
        step_back()
        found.append(niceness())

    before = niceness()
    thread = Thread(target=work)
    thread.start()
    thread.join()
    assert found == [max(NICENESS, before)]
    assert niceness() == before


def test_a_system_that_forbids_it_is_no_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*_: int) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "setpriority", refused)
    with caplog.at_level("INFO", logger=priority.__name__):
        step_back()
    assert "Permission denied" in caplog.text


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(os, "setpriority", lambda *_: pytest.fail("this would concern the whole process"))
    step_back()
