"""Stores of preferences, such as plays and thumbs: what pages show in place of stars and errors, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import streamlit as st

from engine.data.scale import RatingScale
from engine.services import current

WHY = (
    "This store holds preferences, such as likes, plays or thumbs, and no ratings. They say what people want and not"
    " how much, so there are no stars, no expected ratings and no errors of them."
)
ERRORS = frozenset({"rmse", "mae", "interval_coverage"})
"""Metrics that say nothing of preferences."""
LIKE, DISLIKE = "Like", "Dislike"

Value = TypeVar("Value")


def in_use() -> bool:
    """Whether the store holds preferences."""
    return current().scale.current.are_preferences


def explain() -> None:
    """Say why there are no stars, in a store of preferences."""
    if in_use():
        st.caption(WHY)


def without_errors(metrics: Mapping[str, Value]) -> dict[str, Value]:
    """Metrics to show: in a store of preferences, those of lists."""
    hidden = ERRORS if in_use() else frozenset()
    return {name: value for name, value in metrics.items() if name not in hidden}


def given(rating: float, scale: RatingScale) -> str:
    """What somebody said of a movie: ``rated 4.5``, or ``liked it``."""
    if not scale.are_preferences:
        return f"rated {rating:g}"
    return "liked it" if rating > scale.low else "did not like it"


def shown(rating: float, scale: RatingScale) -> str:
    """A rating in a column of ratings: ``4.5``, or ``Like``."""
    if not scale.are_preferences:
        return f"{rating:g}"
    return LIKE if rating > scale.low else DISLIKE
