"""Half-star rating in one click. Streamlit's own stars are whole, and a slider can't show "not rated"."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

ASSETS = Path(__file__).parent / "assets"
MAX_STARS = 10

_stars = st.components.v2.component(
    "marquee_stars",
    html='<div class="row"><div class="stars" role="slider" tabindex="0"></div><span class="value"></span></div>',
    css=(ASSETS / "stars.css").read_text("utf-8"),
    js=(ASSETS / "stars.js").read_text("utf-8"),
)


def stars(label: str, scale: tuple[float, float], *, key: str, value: float | None = None) -> float | None:
    """A row of stars; returns the rating in the run after a click, None otherwise.

    Args:
        label: accessible name; shown as plain text, so it needs no escaping.
        scale: lowest and highest rating.
        key: the widget's key.
        value: current rating, None if not rated.
    """
    data = {"label": label, "value": value, "invitation": "Rate it"} | shape(scale)
    return accepted(_stars(key=key, data=data, on_rated_change=lambda: None).rated, scale)


def shape(scale: tuple[float, float]) -> dict[str, float]:
    """How a scale is laid out: its ends, the value at the left edge (``origin``), the value of a star and their number.

    The row begins at 0, or at the lowest rating if that is negative. A star is worth 1 if ten are enough, else a fifth
    of the row.
    """
    low, high = scale
    origin = min(low, 0.0)
    span = high - origin
    count = -int(-span // 1) if span <= MAX_STARS else 5
    return {"low": low, "high": high, "origin": origin, "unit": span / count, "stars": count}


def accepted(sent: object, scale: tuple[float, float]) -> float | None:
    """The rating sent by the browser; None unless it is a number on the scale."""
    if isinstance(sent, bool) or not isinstance(sent, int | float):
        return None
    return float(sent) if scale[0] <= sent <= scale[1] else None
