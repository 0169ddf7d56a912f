"""How files are read: source, header, delimiter, encoding, scale and dates, where Marquee has to be corrected."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine.data.formats import SOURCES
from engine.services import current
from engine.services.imports import ImportService
from pages.panels.imports_order import Order, place
from pages.ui import session

AUTO = "Detect automatically"
DELIMITERS = {None: AUTO, ",": "Comma", ";": "Semicolon", "\t": "Tab", "|": "Vertical bar", "::": "Two colons"}
HEADERS = {None: AUTO, True: "First row names the columns", False: "No header"}
DECIMALS = {None: AUTO, ".": "Point: 4.5", ",": "Comma: 4,5"}
DATES = {
    None: AUTO,
    "iso": "ISO 8601: 2024-02-01",
    "dmy": "Day first: 1.2.2024",
    "mdy": "Month first: 2/1/2024",
    "ymd": "Year first: 20240201",
    "seconds": "Unix seconds",
    "milliseconds": "Unix milliseconds",
    "excel": "Days as in Excel",
}


def options_form(imports: ImportService, order: Order, label: str) -> None:
    """The form; orders the import once more with what is chosen."""
    with st.form("options", border=False):
        grid = st.grid(3, min_column_width=220)
        given = order.options
        names = {"auto": AUTO} | {name: source.label for name, source in SOURCES.items()}
        chosen: dict[str, Any] = {
            "source": _choice(grid, "source", "Source", names, given.get("source", "auto")),
            "header": _choice(grid, "header", "Header", HEADERS, given.get("header")),
            "delimiter": _choice(grid, "delimiter", "Delimiter", DELIMITERS, given.get("delimiter")),
            "decimal": _choice(grid, "decimal", "Decimal sign", DECIMALS, given.get("decimal")),
            "dates": _choice(grid, "dates", "Dates", DATES, given.get("dates")),
            "encoding": grid.text_input(
                "Encoding",
                given.get("encoding") or "",
                key=session.option("encoding"),
                placeholder="Such as utf-8, cp1252 or cp1251",
            ).strip()
            or None,
        }
        chosen["preferences"] = _preferences(grid, given=bool(given.get("preferences")))
        low, high = map(float, given["scale"]) if "scale" in given else (None, None)
        chosen["scale"] = scale_input(grid, session.option("scale"), low, high)
        if st.form_submit_button(label, key=session.IMPORT_AGAIN, icon=":material/refresh:"):
            place(
                imports, order.files, {name: value for name, value in {**given, **chosen}.items() if value is not None}
            )


def _preferences(grid: Any, *, given: bool) -> bool | None:
    """Whether plays and thumbs are taken; offered where the store takes them: without ratings, or of preferences."""
    services = current()
    if services.library.counts().ratings and not services.scale.current.are_preferences:
        return given or None
    label = "Take plays, hours, histories and thumbs as preferences"
    about = "What somebody did or liked counts 1, a thumb down 0. Ratings can't be imported beside them."
    return grid.checkbox(label, given, key=session.option("preferences"), help=about) or None


def _choice(grid: Any, name: str, label: str, names: dict[Any, str], value: Any) -> Any:
    values = list(names)
    at = values.index(value) if value in names else 0
    return grid.selectbox(label, values, at, format_func=names.__getitem__, key=session.option(name))


def scale_input(grid: Any, key: str, low: float | None = None, high: float | None = None) -> list[float] | None:
    """Fields for the ends of a scale; None unless both are filled in."""
    ends = [
        grid.number_input(label, value=value, step=0.5, format="%g", key=f"{key}.{end}", placeholder=hint)
        for end, label, value, hint in (
            ("low", "Lowest rating of the scale", low, "Such as 1"),
            ("high", "Highest rating of the scale", high, "Such as 10"),
        )
    ]
    return None if None in ends else [float(end) for end in ends]
