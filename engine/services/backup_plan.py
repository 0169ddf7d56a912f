"""The plan of automatic backups: how often, at what time, and how long they are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import InvalidInput, check_range
from engine.services.timetable import WEEK, Timetable, check_time

MAX_KEEP_DAYS = 3650
PLANS = {"never": frozenset[int](), "daily": frozenset(range(WEEK)), "weekly": frozenset({6})}
DEFAULTS: dict[str, Any] = {"every": "never", "hour": 2, "minute": 0, "zone": "UTC", "keep_days": 30}


@dataclass(frozen=True, slots=True)
class BackupPlan:
    """When backups are made automatically.

    Attributes:
        every: never, daily or weekly (on Sundays).
        hour, minute, zone: the time of day and its IANA time zone.
        keep_days: older backups are deleted after each new one, except the newest three.
        next_backup: Unix seconds of the next backup, None where none is planned.
    """

    every: str
    hour: int
    minute: int
    zone: str
    keep_days: int
    next_backup: float | None


def read_plan(values: Mapping[str, Any], now: float) -> BackupPlan:
    """The plan that is stored; ``now`` in Unix seconds."""
    timetable = timetable_of(values)
    due = None if timetable is None else timetable.next_due(now)
    return BackupPlan(**{name: values[name] for name in DEFAULTS}, next_backup=due)


def check_plan(every: str, hour: int, minute: int, zone: str, keep_days: int) -> None:
    """Accept a plan.

    Raises:
        InvalidInput: names the field, the value and what is allowed.
    """
    if every not in PLANS:
        raise InvalidInput(f"every is {every!r}, but must be one of {', '.join(PLANS)}.", field="every")
    check_time(hour, minute, zone)
    check_range("keep_days", keep_days, 1, MAX_KEEP_DAYS)


def timetable_of(values: Mapping[str, Any]) -> Timetable | None:
    """The timetable of the stored plan; None where no backup is planned."""
    days = PLANS[values["every"]]
    return Timetable.of(days, values) if days else None
