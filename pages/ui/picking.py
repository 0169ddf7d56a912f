"""A table of which rows are picked by what they stand for, so that a row that comes on top never shifts the choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import streamlit as st


def pick(
    rows: Mapping[int, Mapping[str, object]],
    *,
    key: str,
    mode: Literal["single-row", "multi-row"],
    columns: Mapping[str, Any],
    alt: str,
) -> list[int]:
    """Show ``rows``, each under its number, and return the numbers of those that are picked, as listed.

    What was picked is kept under ``key`` in the session and may be set there before; a browser knows only places.
    """
    numbers = list(rows)
    kept = [place for place, number in enumerate(numbers) if number in st.session_state.get(key, ())]
    shown = st.dataframe(
        list(rows.values()),
        hide_index=True,
        on_select="rerun",
        selection_mode=mode,
        selection_default={"selection": {"rows": kept, "columns": [], "cells": []}},
        key=f"{key}.{max(numbers)}.{len(numbers)}",
        column_config=columns,
        placeholder="–",
        alt=alt,
    )
    picked = [numbers[place] for place in sorted(shown["selection"]["rows"]) if place < len(numbers)]
    st.session_state[key] = picked
    return picked
