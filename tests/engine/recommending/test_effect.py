"""What another version changes in people's lists is told in words."""

from __future__ import annotations

import pytest

from engine.recommending.effect import ListEffect

STARS_ONLY = "Only the expected ratings change; lists stay."


@pytest.mark.parametrize(
    ("replaced", "unchanged", "ratings", "told"),
    [
        (0.0, 1.0, 0.0, "People see the same lists."),
        (0.0, 1.0, None, "People see the same lists."),
        (0.0, 1.0, 0.12, STARS_ONLY),
        (2.0, 0.1, 0.004, "For the median person 2 of 10 places change; 10% of people keep their list."),
        (
            1.0,
            0.0,
            0.2,
            "For the median person 1 of 10 places changes. Expected ratings move by 0.20 on average.",
        ),
        (0.0, 0.3, None, "The median person keeps the same movies, perhaps in another order; 30% of people keep "),
    ],
)
def test_the_effect_is_told_in_words(replaced: float, unchanged: float, ratings: float | None, told: str) -> None:
    assert ListEffect(1, 200, 10, replaced, unchanged, ratings).text.startswith(told)
