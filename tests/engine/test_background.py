"""Background work asks for less of the processors than what answers requests."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread, get_native_id

import pytest

from engine import background
from engine.background import MAX_WAIT_S, NICENESS, NICEST, give_way, step_back, urgent

ROOT = Path(__file__).parents[2]
REPORT = """
import os, threading
from engine.background import step_back

def work():
    step_back()
    step_back()
    found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

found = [os.getpriority(os.PRIO_PROCESS, 0)]
thread = threading.Thread(target=work)
thread.start()
thread.join()
print(*found)
"""


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
    assert found == [min(before + NICENESS, NICEST)]
    assert niceness() == before


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux only")
@pytest.mark.parametrize("more", [0, 5, 15, 19])
def test_background_work_is_nicer_than_requests_however_nice_marquee_was_started(more: int) -> None:
    """Stepping back twice, as a worker does that another one has started, is the same as once."""
    asked = ["nice", "-n", str(more), sys.executable, "-c", REPORT]
    said = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    requests, background = map(int, said.split())
    assert requests == min(niceness() + more, NICEST)
    assert background == min(requests + NICENESS, NICEST)


def test_a_system_that_forbids_it_is_no_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*_: int) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "setpriority", refused)
    with caplog.at_level("INFO", logger=background.__name__):
        step_back()
    assert "Permission denied" in caplog.text


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(os, "setpriority", lambda *_: pytest.fail("this would concern the whole process"))
    step_back()


def stands_still(while_under_way: Event) -> bool:
    """Whether a thread that gives way is still at it when what it waits for has not ended yet."""
    done = Event()
    thread = Thread(target=lambda: (give_way(), done.set()))
    thread.start()
    waited = not done.wait(MAX_WAIT_S / 4)
    while_under_way.set()
    thread.join()
    return waited


def test_background_work_stands_still_while_urgent_work_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "MAX_WAIT_S", 60.0)
    ended, begun = Event(), Event()

    def work() -> None:
        with urgent(), urgent():
            begun.set()
            ended.wait()

    rating = Thread(target=work)
    rating.start()
    begun.wait()
    assert stands_still(ended)
    rating.join()
    give_way()  # at once, or this would take a minute


def test_background_work_goes_on_after_a_moment_however_much_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "MAX_WAIT_S", 0.001)
    with urgent():
        give_way()


def test_urgent_work_that_fails_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "MAX_WAIT_S", 60.0)
    with pytest.raises(ValueError, match="wrong"), urgent():
        raise ValueError("wrong")
    going_on = Thread(target=give_way, daemon=True)
    going_on.start()
    going_on.join(30)
    assert not going_on.is_alive()


def test_freed_memory_between_what_is_in_use_goes_back_to_the_system() -> None:
    code = """
import numpy as np
from engine.background import give_back_memory

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

pieces = [np.ones(64 * 1024, np.uint8) for _ in range(2000)]
held = pieces[-1]
del pieces
before = resident()
give_back_memory()
print(before - resident())
"""
    if platform.libc_ver()[0] != "glibc" or not Path("/proc/self/statm").exists():
        pytest.skip("malloc_trim is part of glibc, and /proc of Linux")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 100e6
