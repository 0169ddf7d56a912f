"""How often a key may be used: allowances that fill up again evenly (the generic cell rate algorithm)."""

from __future__ import annotations

from math import ceil
from typing import Literal

from throttled import RateLimiterType, Throttled, per_hour, per_min, per_sec
from throttled.rate_limiter import Quota
from throttled.store import MemoryStore

MOST_KEYS, MOST_ADDRESSES = 10_000, 20_000
WRONG_KEYS_A_MINUTE = 10
MOST_RECORDED_A_MINUTE = 600


def _limit(quota: Quota, most: int) -> Throttled:
    """A limit that remembers at most so many of those it counts; beyond that it forgets whom it saw longest ago."""
    store = MemoryStore(options={"MAX_SIZE": most})
    return Throttled(using=RateLimiterType.GCRA.value, quota=quota, store=store)


def _seconds(limit: Throttled, who: str) -> int:
    """Count a use: 0 where it is within the limit, else the seconds until the next one is."""
    found = limit.limit(who)
    return max(ceil(found.state.retry_after), 1) if found.limited else 0


class Rates:
    """The limits of each key.

    Args:
        ratings: a second; 0 sets no limit.
        jobs: an hour; 0 sets no limit.
    """

    def __init__(self, *, ratings: int, jobs: int) -> None:
        self._limits: dict[str, Throttled] = {}
        if ratings:
            self._limits["ratings"] = _limit(per_sec(ratings, burst=ratings), MOST_KEYS)
        if jobs:
            self._limits["jobs"] = _limit(per_hour(jobs, burst=jobs), MOST_KEYS)

    def wait_s(self, counted: Literal["ratings", "jobs"], key_id: int) -> int:
        """Count a use of a key: 0 where it is within the limit, else the seconds to wait."""
        limit = self._limits.get(counted)
        return 0 if limit is None else _seconds(limit, str(key_id))


class WrongKeys:
    """Wrong keys by the address that they came from."""

    def __init__(self) -> None:
        self._limit = _limit(per_min(WRONG_KEYS_A_MINUTE, burst=WRONG_KEYS_A_MINUTE), MOST_ADDRESSES)
        self._all = _limit(per_min(MOST_RECORDED_A_MINUTE, burst=MOST_RECORDED_A_MINUTE), 1)

    def is_recorded(self) -> bool:
        """Whether one more is to be written down: of all addresses together only so many are."""
        return not self._all.limit("all").limited

    def wait_s(self, address: str) -> int:
        """Count a wrong key: 0 where the address may try another, else the seconds to wait."""
        return _seconds(self._limit, address)
