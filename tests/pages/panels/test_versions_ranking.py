"""What a version's page says of how far a share can be trusted."""

from __future__ import annotations

import pytest

from pages.panels.versions_ranking import faithful


@pytest.mark.parametrize(
    ("effect", "difference", "told"),
    [
        (1.0, 0.001, "fell by that share: shares can be taken at their word"),
        (0.97, 0.03, "fell by 97% of that share, and for a single movie the two differ by 3%"),
        (-29.8, 30.8, "changed by something else"),
    ],
)
def test_shares_beside_what_removing_a_rating_does(effect: float, difference: float, told: str) -> None:
    words = faithful(158, effect, difference)
    assert words.startswith("Tested on a sample of 158 people")
    assert told in words
