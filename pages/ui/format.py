"""Times, durations, ratings and model names as text."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from engine.data.scale import RatingScale
from engine.models.base import ModelConfig
from engine.models.registry import MODELS

SINGLE_PRECISION = 1e-4
"""Differences below come from the precision in which ratings are stored."""


def zone() -> tzinfo:
    """The browser's time zone; UTC if it sends none that is known here."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def when(seconds: float | None) -> str:
    """A moment (Unix seconds) in the reader's time zone, such as ``2026-11-23 14:05``; a dash if None."""
    return "–" if seconds is None else datetime.fromtimestamp(seconds, zone()).strftime("%Y-%m-%d %H:%M")


def day(seconds: float | None) -> str:
    """The day of a moment (Unix seconds); a dash if None."""
    return when(seconds)[:10]


def rating_date(seconds: float | None) -> str:
    """The day of a rating."""
    return "Date unknown" if seconds is None else day(seconds)


def rating_period(first: float | None, last: float | None) -> str:
    """The period in which ratings were given, as a sentence."""
    if first is None or last is None:
        return "These ratings have no dates."
    return f"From {day(first)} to {day(last)}."


def rating_format(ratings: Iterable[float], scale: RatingScale) -> str | None:
    """Number format (printf) of a table's ratings, with the decimals of the scale's step.

    None, which shows each rating as it is, where some lie between two steps.
    """
    between = any(abs(rating - scale.snap(rating)) > SINGLE_PRECISION for rating in ratings)
    return None if between else f"%.{scale.decimals}f"


def duration(seconds: float | None) -> str:
    """A length of time such as ``0.4 s``, ``12 s``, ``3 min 5 s`` or ``2 h 10 min``; a dash if None."""
    if seconds is None:
        return "–"
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest} s"
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours} h {minutes_left} min" if hours else f"{minutes} min {rest} s"


def roughly(seconds: float) -> str:
    """A forecast no more exact than it can be: ``about 40 s``, ``about 3 min``."""
    if seconds < 3:
        return "a few seconds"
    if seconds < 10:
        return f"about {round(seconds)} s"
    if seconds < 120:
        return f"about {5 * round(seconds / 5)} s"
    minutes = round(seconds / 60)
    return f"about {minutes} min" if minutes < 60 else f"about {duration(60.0 * 5 * round(minutes / 5))}"


def took(started_at: float | None, ended_at: float | None) -> str:
    """How long something took; a dash until it has ended."""
    return "–" if started_at is None or ended_at is None else duration(ended_at - started_at)


def model_name(kind: str) -> str:
    """Label of a kind of model; an unknown kind is shown as it is."""
    return MODELS[kind].label if kind in MODELS else kind


def hyperparameters(kind: str, asked: Mapping[str, object], used: Mapping[str, object]) -> list[dict[str, object]]:
    """Rows of a table: each hyperparameter of a rating model as it was asked for, and as the served model has it.

    Args:
        kind: of model.
        asked: by name.
        used: by name; empty where no version was saved.
    """
    config = MODELS[kind].config if kind in MODELS else ModelConfig
    rows = []
    for name in dict.fromkeys((*asked, *used)):
        row: dict[str, object] = {"Name": config.title_of(name), "Asked for": asked.get(name, "–")}
        rows.append(row | ({"Used": used.get(name, "–")} if used else {}))
    return rows
