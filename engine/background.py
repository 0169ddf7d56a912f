"""Background work steps back behind requests, for the processors and for the interpreter."""

from __future__ import annotations

import logging
import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, get_native_id

log = logging.getLogger(__name__)

NICENESS = 10
"""By how much background work is nicer than the process was started."""
NICEST = 19
LONGEST_WAIT_S = 0.02
"""So long background work stands still at a time, so that it goes on however many requests come."""
LOOK_AGAIN_S = 0.0005


def step_back() -> None:
    """Lower this thread's claim to the processors, where the system has one for each thread: on Linux.

    Threads that answer requests then run as soon as they can, however nice the process was started. Threads that this
    one starts inherit its claim, so it is measured against the main thread's: to step back twice is the same as once.
    """
    if sys.platform != "linux":
        return
    try:
        started = os.getpriority(os.PRIO_PROCESS, os.getpid())
        os.setpriority(os.PRIO_PROCESS, get_native_id(), min(started + NICENESS, NICEST))
    except OSError as error:  # a container may forbid it; then all threads are alike
        log.info("background work runs with the priority of requests: %s", error.strerror)


class _UnderWay:
    """How many pieces of urgent work are under way."""

    def __init__(self) -> None:
        self.count = 0
        self._lock = Lock()

    def add(self, more: int) -> None:
        with self._lock:
            self.count += more


_under_way = _UnderWay()


@contextmanager
def urgent() -> Iterator[None]:
    """Somebody waits for what is done here: threads that ``give_way`` stand still meanwhile.

    A rating gives the interpreter up and takes it again a dozen times, at each statement to the store and each change
    of threads. Beside a thread that computes in Python each of these takes 5 ms, the interpreter's switching interval.
    """
    _under_way.add(1)
    try:
        yield
    finally:
        _under_way.add(-1)


def give_way() -> None:
    """Stand still while urgent work is under way, for a moment at most; not to be called by such work."""
    end = time.monotonic() + LONGEST_WAIT_S
    while _under_way.count and time.monotonic() < end:
        time.sleep(LOOK_AGAIN_S)


STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"


def start_peak() -> None:
    """Count the peak anew from here, where Linux lets us; elsewhere it counts from the start of the process."""
    try:
        RESET.write_text(RESET_PEAK)
    except OSError:
        return


def peak_memory() -> int:
    """The most that the whole process held in memory since ``start_peak``, in bytes."""
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
