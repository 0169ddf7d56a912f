"""How much memory the process held at most."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

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
