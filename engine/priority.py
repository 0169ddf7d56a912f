"""Background work steps back behind requests."""

from __future__ import annotations

import logging
import os
import sys
from threading import get_native_id

log = logging.getLogger(__name__)

NICENESS = 10


def step_back() -> None:
    """Lower this thread's claim to the processors, where the system has one for each thread: on Linux.

    Threads that answer requests then run as soon as they can. Those that this one starts take after it.
    """
    if sys.platform != "linux":
        return
    try:
        os.setpriority(os.PRIO_PROCESS, get_native_id(), NICENESS)
    except OSError as error:  # a container may forbid it; then all threads are alike
        log.info("background work runs with the priority of requests: %s", error.strerror)
