"""Time, processor time and peak memory of another process, stage by stage, from Linux's ``/proc``."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
RESET_PEAK = "5"  # see "man 5 proc"


@dataclass(frozen=True)
class Stage:
    """What a stage took.

    Attributes:
        name: as in the tables.
        seconds: by the clock.
        processor_s: summed over threads, which other work on the machine hardly changes.
        peak_gib: most memory of the process during the stage.
    """

    name: str
    seconds: float
    processor_s: float
    peak_gib: float


class Watch:
    """Measures a process from one stage to the next.

    Args:
        pid: of a process of the same user.
    """

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")
        self._begun = self._now()

    def begin(self) -> None:
        """Start a stage now."""
        (self._folder / "clear_refs").write_text(RESET_PEAK)
        self._begun = self._now()

    def end(self, name: str) -> Stage:
        """The stage that ends now; the next one begins."""
        (wall, processor), (was_wall, was_processor) = self._now(), self._begun
        stage = Stage(name, wall - was_wall, processor - was_processor, self._peak())
        self.begin()
        return stage

    @classmethod
    def whole(cls, pid: int, name: str, seconds: float) -> Stage:
        """All that a process took since its start, ``seconds`` ago."""
        watch = cls(pid)
        return Stage(name, seconds, watch._begun[1], watch._peak())

    def _now(self) -> tuple[float, float]:
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return time.perf_counter(), (int(fields[11]) + int(fields[12])) / TICKS  # user and system time

    def _peak(self) -> float:
        lines = (self._folder / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 2**20
