"""Background work yields to requests: processor priority, the interpreter, and peak memory."""

import ctypes
import logging
import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, get_native_id

import pyarrow as pa

log = logging.getLogger(__name__)

NICENESS = 10
"""Added to the niceness of the process for background work."""
NICEST = 19
MAX_WAIT_S = 0.02
"""Seconds that background work waits at a time, so that it continues under any load."""
LOOK_AGAIN_S = 0.0005


def step_back() -> None:
    """Lower the priority of this thread, on systems with one per thread: Linux.

    Threads that answer requests then run first. Threads started by this one inherit its priority, so the niceness is
    relative to the main thread's: stepping back twice is the same as once.
    """
    if sys.platform != "linux":
        return
    try:
        started = os.getpriority(os.PRIO_PROCESS, os.getpid())
        os.setpriority(os.PRIO_PROCESS, get_native_id(), min(started + NICENESS, NICEST))
    except OSError as error:  # a container may forbid it; all threads are equal then
        log.info("background work runs with the priority of requests: %s", error.strerror)


def give_back_memory() -> None:
    """Return freed memory to the system, where it is glibc that holds it: megabytes between what is still in use.

    It takes some milliseconds.
    """
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class _UnderWay:
    """Number of urgent pieces of work in progress."""

    def __init__(self) -> None:
        self.count = 0
        self._lock = Lock()

    def add(self, more: int) -> None:
        with self._lock:
            self.count += more


_under_way = _UnderWay()


@contextmanager
def urgent() -> Iterator[None]:
    """Work that a request waits for: threads that ``give_way`` pause meanwhile.

    A rating releases and takes the interpreter a dozen times, at each statement to the store and each change of
    threads. Beside a thread that computes in Python each of these takes 5 ms, the interpreter's switching interval.
    """
    _under_way.add(1)
    try:
        yield
    finally:
        _under_way.add(-1)


def give_way() -> None:
    """Pause while urgent work is in progress, for a moment at most; not for use within urgent work."""
    end = time.monotonic() + MAX_WAIT_S
    while _under_way.count and time.monotonic() < end:
        time.sleep(LOOK_AGAIN_S)


STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"


def start_peak() -> None:
    """Reset the peak, where Linux allows it; elsewhere it counts from the start of the process."""
    try:
        RESET.write_text(RESET_PEAK)
    except OSError:
        return


def peak_memory() -> int:
    """Peak memory of the process since ``start_peak``, in bytes."""
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
