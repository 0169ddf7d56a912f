"""Things are told one after the other, as a person would."""

from __future__ import annotations

import pytest

from engine.words import listed


@pytest.mark.parametrize(
    ("things", "told"), [([], ""), ([3], "3"), ([3, 2], "3 and 2"), (["Drama", "War", "Crime"], "Drama, War and Crime")]
)
def test_listed(things: list[object], told: str) -> None:
    assert listed(things) == told
