"""The first minute: what is missed is said."""

from __future__ import annotations

from benchmarks.__main__ import BENCHMARKS
from benchmarks.first_minute import CLICKS, LIST_S, PERSONAL_S, PLACES, Figures


def test_what_is_missed_is_said() -> None:
    assert "first_minute" in BENCHMARKS
    assert Figures(2.0, 3.0, LIST_S, PERSONAL_S, CLICKS).missed() == []
    slow = Figures(2.0, 3.0, LIST_S + 1, PERSONAL_S + 0.5, CLICKS + 1)
    assert slow.missed() == [
        "first list: 91.0 s instead of 90 s",
        "personal list: 25.5 s instead of 25 s",
        "15 clicks instead of 14",
    ]
    assert "| clicks of the newcomer | 15 | 14 |" in slow.table()


def test_a_newcomer_has_clicks_to_spare() -> None:
    """The page, the field, and one for each answer; two for movies they don't know."""
    assert 2 + len(PLACES) + 2 <= CLICKS
