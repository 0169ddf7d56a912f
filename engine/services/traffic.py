"""Traffic of the last hour: how many lists and ratings the API answered, how fast, and how many requests failed."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from threading import Lock

HOUR_S, BUCKET_S = 3600, 60
LISTS = frozenset({"/ml/recommendations", "/ml/recommendations/{user_id}"})
RATINGS = frozenset({"/rate"})
"""Routes, of any method, that are counted as lists and as ratings."""
FASTEST_S, GROWTH, BINS = 0.0005, 1.15, 90
"""Durations are counted in bins, each 15% longer than the one before, from half a millisecond to two minutes."""
FAULT = 500
"""Status from which a request counts as failed."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the API did in the last hour, or since the start if that is later.

    Attributes:
        seconds: length of the time counted.
        requests: number of requests.
        lists, ratings: number of lists and of ratings answered without a fault.
        errors: requests that failed by Marquee's fault: status 500 and above, other than "not ready yet".
        p99_s: seconds within which 99% of the lists and ratings were answered, at most 15% too high; None without any.
    """

    seconds: float
    requests: int
    lists: int
    ratings: int
    errors: int
    p99_s: float | None


@dataclass
class _Minute:
    number: int
    requests: int = 0
    lists: int = 0
    ratings: int = 0
    errors: int = 0
    bins: list[int] = field(default_factory=lambda: [0] * BINS)


class TrafficService:
    """Counts requests by minute, in memory; ``tick`` is a monotonic clock in seconds."""

    def __init__(self, tick: Callable[[], float] = time.monotonic) -> None:
        self._tick = tick
        self._began = tick()
        self._lock = Lock()
        self._minutes: list[_Minute] = []

    def count(self, route: str, status: int, seconds: float, *, too_early: bool = False) -> None:
        """Count one request.

        Args:
            route: its path with parameters in braces, such as ``/rate``.
            status: of the response.
            seconds: to the response.
            too_early: whether there was nothing to answer with yet, which is no fault.
        """
        with self._lock:
            minute = self._current()
            minute.requests += 1
            if status >= FAULT:
                minute.errors += not too_early
            elif route in LISTS or route in RATINGS:
                minute.lists += route in LISTS
                minute.ratings += route in RATINGS
                minute.bins[_bin(seconds)] += 1

    def last_hour(self) -> Traffic:
        """The traffic until now."""
        with self._lock:
            self._current()
            minutes = list(self._minutes)
            since = max(self._began, minutes[0].number * BUCKET_S)
            bins = [sum(column) for column in zip(*(minute.bins for minute in minutes), strict=True)]
            totals = {
                name: sum(getattr(minute, name) for minute in minutes)
                for name in ("requests", "lists", "ratings", "errors")
            }
        return Traffic(max(self._tick() - since, 1.0), **totals, p99_s=_percentile(bins, 0.99))

    def _current(self) -> _Minute:
        """The current minute; drops those that are over an hour old."""
        number = int(self._tick() // BUCKET_S)
        if not self._minutes or self._minutes[-1].number != number:
            self._minutes = [one for one in self._minutes if one.number > number - HOUR_S // BUCKET_S]
            self._minutes.append(_Minute(number))
        return self._minutes[-1]


def _bin(seconds: float) -> int:
    return min(max(math.ceil(math.log(max(seconds, FASTEST_S) / FASTEST_S, GROWTH)), 0), BINS - 1)


def _percentile(bins: list[int], part: float) -> float | None:
    """Upper end of the bin that the percentile is in."""
    wanted = part * sum(bins)
    if not wanted:
        return None
    place = next(place for place, seen in enumerate(accumulate(bins)) if seen >= wanted)
    return float(FASTEST_S * GROWTH**place)
