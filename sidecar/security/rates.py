"""Rate limits: allowances that refill evenly (the generic cell rate algorithm)."""

from math import ceil
from typing import Literal

from throttled import RateLimiterType, Throttled, per_hour, per_min, per_sec
from throttled.rate_limiter import Quota
from throttled.store import MemoryStore

MAX_KEYS, MAX_ADDRESSES = 10_000, 20_000
WRONG_KEYS_A_MINUTE = 10
MAX_RECORDED_A_MINUTE = 600


def _limit(quota: Quota, most: int) -> Throttled:
    """A limit that tracks up to ``most`` clients, and beyond that forgets the least recent."""
    store = MemoryStore(options={"MAX_SIZE": most})
    return Throttled(using=RateLimiterType.GCRA.value, quota=quota, store=store)


def _seconds(limit: Throttled, who: str) -> int:
    """Count a use: 0 if it is within the limit, otherwise the seconds to wait."""
    found = limit.limit(who)
    return max(ceil(found.state.retry_after), 1) if found.limited else 0


class Rates:
    """Limits for each key.

    Args:
        ratings: per second; 0 for no limit.
        jobs: per hour; 0 for no limit.
    """

    def __init__(self, *, ratings: int, jobs: int) -> None:
        self._limits: dict[str, Throttled] = {}
        if ratings:
            self._limits["ratings"] = _limit(per_sec(ratings, burst=ratings), MAX_KEYS)
        if jobs:
            self._limits["jobs"] = _limit(per_hour(jobs, burst=jobs), MAX_KEYS)

    def wait_s(self, counted: Literal["ratings", "jobs"], key_id: int) -> int:
        """Count a use of a key: 0 if it is within the limit, otherwise the seconds to wait."""
        limit = self._limits.get(counted)
        return 0 if limit is None else _seconds(limit, str(key_id))


class WrongKeys:
    """Limits on invalid keys by address."""

    def __init__(self) -> None:
        self._limit = _limit(per_min(WRONG_KEYS_A_MINUTE, burst=WRONG_KEYS_A_MINUTE), MAX_ADDRESSES)
        self._all = _limit(per_min(MAX_RECORDED_A_MINUTE, burst=MAX_RECORDED_A_MINUTE), 1)

    def is_recorded(self) -> bool:
        """Whether to audit one more: their number is limited for all addresses together."""
        return not self._all.limit("all").limited

    def wait_s(self, address: str) -> int:
        """Count an invalid key: 0 if the address may try again, otherwise the seconds to wait."""
        return _seconds(self._limit, address)
