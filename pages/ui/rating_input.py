"""Rating in one click: stars, numbers or a slider. Streamlit has no half stars, and its slider can't be empty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from engine.data.scale import RatingScale
from pages.ui.preferences import DISLIKE, LIKE

ASSETS = Path(__file__).parent / "assets"
MAX_CHOICES = 11
STARS_HIGH = (3.0, 4.0, 5.0)

_input = st.components.v2.component(
    "marquee_rating",
    html='<div class="row"><span class="end"></span><div class="input" role="slider" tabindex="0"></div>'
    '<span class="end"></span><span class="value"></span></div>',
    css=(ASSETS / "rating_input.css").read_text("utf-8"),
    js=(ASSETS / "rating_input.js").read_text("utf-8"),
)


def rating_input(label: str, scale: RatingScale, *, key: str, value: float | None = None) -> float | None:
    """An input for one rating; returns the rating in the run after a click, None otherwise.

    Args:
        label: accessible name; shown as plain text, so it needs no escaping.
        scale: of the store.
        key: the widget's key.
        value: current rating, None if not rated.
    """
    invitation = "Like it?" if scale.are_preferences else "Rate it"
    data = {"label": label, "value": value, "invitation": invitation} | shape(scale)
    return accepted(_input(key=key, data=data, on_rated_change=lambda: None).rated, scale)


def shape(scale: RatingScale) -> dict[str, Any]:
    """How a scale is laid out.

    Stars on scales of up to five stars, whole or half, else a row of up to 11 numbers, else a slider. ``values`` are
    the numbers, ``names`` are words for them in a store of preferences, ``middle`` is where the keyboard begins, and
    ``page`` is the distance of a page up or down.
    """
    low, high, step = scale.low, scale.high, scale.step
    values = scale.values() or ()
    is_stars = high in STARS_HIGH and low in (0.0, 0.5, 1.0) and step in (0.5, 1.0) and low % step == 0
    kind = "stars" if is_stars else "choices" if 0 < len(values) <= MAX_CHOICES else "slider"
    return {
        "kind": kind,
        "low": low,
        "high": high,
        "step": step,
        "decimals": scale.decimals,
        "middle": scale.snap((low + high) / 2),
        "page": max(step, round((high - low) / 10 / step) * step),
        "values": list(values) if kind == "choices" else [],
        "names": [DISLIKE, LIKE] if scale.are_preferences else [],
    }


def accepted(sent: object, scale: RatingScale) -> float | None:
    """The rating sent by the browser; None unless it is a number on the scale."""
    if isinstance(sent, bool) or not isinstance(sent, int | float):
        return None
    return scale.snap(sent) if scale.low <= sent <= scale.high else None
