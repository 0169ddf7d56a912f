"""Small tables to read, as HTML: long cells wrap, and assistive technology can read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import streamlit as st

from pages.ui.escape import markup


def table(rows: Sequence[Mapping[str, object]], caption: str, *, grid: bool = False) -> None:
    """Rows with the same columns; the caption is for assistive technology. Everything is shown as it is.

    On a phone the last column goes under the others; a ``grid``, whose columns are compared, scrolls sideways instead.
    """
    kind = "mq-table mq-grid" if grid else "mq-table"
    head = "".join(f'<th scope="col">{markup(name)}</th>' for name in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{markup(value)}</td>" for value in row.values()) + "</tr>" for row in rows)
    st.html(
        f'<div class="{kind}" role="region" tabindex="0" aria-label="{markup(caption)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def pairs(values: Mapping[str, object], caption: str) -> None:
    """Names and values."""
    table([{"Name": name.replace("_", " "), "Value": value} for name, value in values.items()], caption)


def facts(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A list with facts beside it: in each row the first cell names what the others are of."""
    first, *others = headings
    head = f"<th>{markup(first)}</th>" + "".join(f"<td>{markup(name)}</td>" for name in others)
    body = "".join(
        f"<tr><th>{markup(name)}</th>" + "".join(f"<td>{markup(cell)}</td>" for cell in cells) + "</tr>"
        for name, *cells in rows
    )
    st.html(f'<div class="mq-facts"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>')
