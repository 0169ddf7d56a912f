"""Weekly schedules: certain days of the week at one time of day, in the owner's time zone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from engine.errors import InvalidInput, check_range

WEEK = 7


@dataclass(frozen=True)
class Timetable:
    """Days of the week and a time of day.

    A time skipped in spring, when the clocks go forward, becomes an hour later; of a time repeated in autumn the first
    counts. So each day has exactly one due moment.

    Attributes:
        days: 0 is Monday; at least one.
        at: the time of day.
        zone: an IANA time zone.
    """

    days: frozenset[int]
    at: time
    zone: ZoneInfo

    @classmethod
    def of(cls, days: Collection[int], values: Mapping[str, Any]) -> Timetable:
        """From days and stored values: ``hour``, ``minute`` and ``zone``."""
        return cls(frozenset(days), time(values["hour"], values["minute"]), ZoneInfo(values["zone"]))

    def last_due(self, now: float) -> float:
        """The latest due moment up to ``now``, both in Unix seconds."""
        return next(due for due in self._around(now, -1) if due <= now)

    def next_due(self, now: float) -> float:
        """The first due moment after ``now``, both in Unix seconds."""
        return next(due for due in self._around(now, 1) if due > now)

    def _around(self, now: float, step: int) -> Iterator[float]:
        """Due moments from tomorrow backwards, or from yesterday forwards."""
        today = datetime.fromtimestamp(now, UTC).astimezone(self.zone).date()
        for n in range(-1, WEEK + 2):
            day = today + timedelta(days=step * n)
            if day.weekday() in self.days:
                yield datetime.combine(day, self.at, self.zone).timestamp()


def check_time(hour: int, minute: int, zone: str) -> None:
    """Accept a time of day in a time zone.

    Raises:
        InvalidInput: names the field, the value and what is allowed.
    """
    check_range("hour", hour, 0, 23)
    check_range("minute", minute, 0, 59)
    if zone not in zones():
        raise InvalidInput(f"There is no time zone {zone!r}.", field="zone")


@cache
def zones() -> set[str]:
    """Names of all time zones. Trying to load a name instead could read other files, such as the folder ``Europe``."""
    return available_timezones()
