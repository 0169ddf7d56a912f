"""Half-star rating in one click. Streamlit's own stars are whole, and a slider can't tell "not rated" from a value."""

from __future__ import annotations

import math
from pathlib import Path

import streamlit as st

ASSETS = Path(__file__).parent / "assets"
MOST_STARS = 10

_stars = st.components.v2.component(
    "marquee_stars",
    html='<div class="row"><div class="stars" role="slider" tabindex="0"></div><span class="told"></span></div>',
    css=(ASSETS / "stars.css").read_text("utf-8"),
    js=(ASSETS / "stars.js").read_text("utf-8"),
)


def stars(label: str, scale: tuple[float, float], *, key: str, value: float | None = None) -> float | None:
    """A row of stars to rate with; returns the rating in the run that follows a click, None otherwise.

    Args:
        label: what is rated, for assistive technology; shown as plain text, so it needs no escaping.
        scale: lowest and highest rating. One star is worth 1 on scales that end at 10 or below, else a fifth.
        key: the widget's key.
        value: the present rating, None where there is none.
    """
    low, high = scale
    count = math.ceil(high) if high <= MOST_STARS else 5
    unit = high / count
    data = {
        "label": label,
        "low": low,
        "high": high,
        "middle": math.ceil(high / unit) * unit / 2,
        "unit": unit,
        "stars": count,
        "value": value,
        "invitation": "Rate it",
    }
    return accepted(_stars(key=key, data=data, on_rated_change=lambda: None).rated, scale)


def accepted(sent: object, scale: tuple[float, float]) -> float | None:
    """The rating that the browser sent; None where it is no number inside the scale."""
    if isinstance(sent, bool) or not isinstance(sent, int | float):
        return None
    return float(sent) if scale[0] <= sent <= scale[1] else None
