"""Times of ratings: which are plausible, and which one a rating by hand gets."""

import numpy as np
from numpy.typing import NDArray

from store.records import UNKNOWN_TIME

DAY = 86_400
MAX_TIME = 2**32 - 1
"""Unix seconds in the year 2106. No rating or clock is later, so a stored time beyond it is some other number."""


def latest(now: float) -> int:
    """The latest plausible time of a rating: a day ahead, since local times may be ahead of this clock."""
    return min(int(now) + DAY, MAX_TIME)


def known_times(rated_at: NDArray[np.int64], now: float) -> NDArray[np.int64]:
    """int64[n]: these Unix seconds, with ``UNKNOWN_TIME`` for times before 1970 or after tomorrow."""
    wrong = (rated_at < UNKNOWN_TIME) | (rated_at > latest(now))
    return np.where(wrong, UNKNOWN_TIME, rated_at) if wrong.any() else rated_at


def next_time(rated_at: NDArray[np.int64], now: float) -> int | None:
    """The first time after tomorrow; None if there is none that could become plausible."""
    late = rated_at[(rated_at > latest(now)) & (rated_at <= MAX_TIME)]
    return int(late.min()) if len(late) else None


def time_by_hand(now: float, stored: int | None) -> int:
    """Time of a rating given by hand now, in place of a stored one.

    It is later than the stored time whatever the clock says, so that importing the same file again does not undo it.
    """
    after = stored + 1 if stored is not None and stored <= MAX_TIME else 0
    return min(max(int(now), after, 0), MAX_TIME)
