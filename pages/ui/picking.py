"""A table of which rows are picked by what they stand for, so that a row that comes on top never shifts the choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import streamlit as st

LONGEST_NUMBER = 15  # digits; the store's numbers have at most 18


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


def pick_one(
    rows: Mapping[int, Mapping[str, object]], *, key: str, name: str, columns: Mapping[str, Any], alt: str
) -> int | None:
    """``pick`` for one row, which the address keeps under ``name``: ``?run=3``.

    A number in the address that is none of the rows is returned as it is; None where nothing is picked.
    """
    asked = number_asked(name)
    if asked is not None:
        st.session_state[key] = [asked]
    picked = pick(rows, key=key, mode="single-row", columns=columns, alt=alt)
    if picked:
        st.query_params[name] = str(picked[0])
        return picked[0]
    if asked is not None and asked not in rows:
        return asked
    st.query_params.pop(name, None)
    return None


def number_asked(name: str) -> int | None:
    """The number in the address, None where there is none or what is there can be no number of ours."""
    told = st.query_params.get(name, "")
    return int(told) if told.isascii() and told.isdigit() and len(told) <= LONGEST_NUMBER else None
