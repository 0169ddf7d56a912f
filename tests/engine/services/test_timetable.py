"""Due moments: one on each day, in every time zone and through clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.services.timetable import Timetable

DAYS = st.frozensets(st.integers(0, 6), min_size=1)
TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0))
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Australia/Lord_Howe"]
)
NOW = st.integers(1_600_000_000, 2_000_000_000)


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@given(DAYS, TIMES, ZONES, NOW)
def test_due_moments_follow_each_other(days: frozenset[int], at: time, zone: str, now: int) -> None:
    table = Timetable(days, at, ZoneInfo(zone))
    last, following = table.last_due(now), table.next_due(now)
    assert last <= now < following
    assert table.next_due(last) == following
    assert table.last_due(following) == following
    for due in (last, following):
        local = datetime.fromtimestamp(due, UTC).astimezone(table.zone)
        late = datetime.combine(local.date(), local.time()) - datetime.combine(local.date(), at)
        assert timedelta(0) <= late <= timedelta(hours=1)  # an hour where the clocks leave the time out
        assert local.weekday() in days


@given(DAYS, TIMES, ZONES, NOW)
def test_a_year_has_as_many_as_its_days(days: frozenset[int], at: time, zone: str, now: int) -> None:
    table = Timetable(days, at, ZoneInfo(zone))
    due, count = float(now), 0
    while (due := table.next_due(due)) <= now + 364 * 86_400:
        count += 1
    assert abs(count - 52 * len(days)) <= 1  # clocks that moved in between shift the end of the year


@pytest.mark.parametrize(
    ("now", "last", "following"),
    [
        ("2026-03-29T00:30:00+01:00", "2026-03-22T02:30:00+01:00", "2026-03-29T03:30:00+02:00"),  # 2:30 is left out
        ("2026-03-29T04:00:00+02:00", "2026-03-29T03:30:00+02:00", "2026-04-05T02:30:00+02:00"),
        ("2026-10-25T02:45:00+02:00", "2026-10-25T02:30:00+02:00", "2026-11-01T02:30:00+01:00"),  # 2:30 comes twice
        ("2026-10-25T02:45:00+01:00", "2026-10-25T02:30:00+02:00", "2026-11-01T02:30:00+01:00"),
    ],
)
def test_when_the_clocks_change(now: str, last: str, following: str) -> None:
    table = Timetable(frozenset({6}), time(2, 30), ZoneInfo("Europe/Berlin"))
    assert (table.last_due(seconds(now)), table.next_due(seconds(now))) == (seconds(last), seconds(following))
