"""Tables: small ones to read, as HTML, and sortable ones whose rows can be selected."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import streamlit as st

from engine.data.cells import csv_pieces
from pages.ui import session
from pages.ui.escape import markup
from pages.ui.links import Link, anchor

MAX_DIGITS = 15  # of a number in the address; ids in the store have at most 18


@dataclass(frozen=True)
class Drawn:
    """A cell as HTML, with all data in it escaped, and as ``text`` for downloads."""

    html: str
    text: str


Rows = Mapping[int, Mapping[str, object]]
Phone = Literal["wrap", "scroll", "stack"]


def table(rows: Sequence[Mapping[str, object]], caption: str, *, phone: Phone = "wrap", download: bool = True) -> None:
    """Rows with the same columns. ``caption`` is for assistive technology; cells are escaped, a ``Link`` is a link.

    Args:
        rows: cells by column.
        caption: accessible name.
        phone: layout on a phone: the last column wraps under the others (``wrap``), the table scrolls sideways
            (``scroll``, for columns to compare), or every cell is a line with its column's name (``stack``).
        download: whether to offer the rows as CSV; captions of tables that do are unique on a page.
    """
    kind = f"mq-table mq-{phone}"
    head = "".join(f'<th scope="col">{markup(name)}</th>' for name in rows[0])
    cell = '<td data-name="{}">{}</td>' if phone == "stack" else "<td>{1}</td>"
    lines = ("".join(cell.format(markup(name), _content(value)) for name, value in row.items()) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    st.html(
        f'<div class="{kind}" role="region" tabindex="0" aria-label="{markup(caption)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
    if download:
        offer(rows, caption)


def offer(rows: Sequence[Mapping[str, object]], caption: str, *, key: str | None = None) -> None:
    """A button that downloads rows as CSV; the caption, or else the key, is unique on a page.

    Streamlit's own downloads of tables are turned off (``disableDataExport``), as they guard against no formulas.
    """
    st.download_button(
        "Download",
        lambda: as_csv(rows),
        file_name=f"marquee-{re.sub('[^a-z0-9]+', '-', caption.lower()).strip('-')}.csv",
        mime="text/csv",
        key=session.download(key or caption),
        on_click="ignore",
        type="tertiary",
        icon=":material/download:",
        help=f"{caption}, as CSV.",
    )


def as_csv(rows: Sequence[Mapping[str, object]]) -> bytes:
    """The rows as CSV in UTF-8, with texts that a spreadsheet would run as a formula made harmless."""
    cells = ([_plain(one) for one in row.values()] for row in rows)
    return b"".join(csv_pieces(rows[0], cells))


def _plain(value: object) -> object:
    """A cell of a table as a value of a file."""
    return value.link.text if isinstance(value, Titled) else value.text if isinstance(value, Drawn | Link) else value


def _content(value: object) -> str:
    return value.html if isinstance(value, Drawn) else anchor(value)


@dataclass(frozen=True)
class Titled:
    """A cell of two lines: a link, and what is said of it in small print."""

    link: Link
    about: str

    def __str__(self) -> str:
        return self.link.text


def sorted_table(headings: Sequence[tuple[Link, str | None]], rows: Iterable[Sequence[object]], caption: str) -> None:
    """Rows of which the first cell is a heading and the others are numbers.

    Args:
        headings: a link that sorts by the column, and ``ascending`` or ``descending`` if it is sorted by it.
        rows: cells in the order of the headings; a ``Titled`` has two lines.
        caption: accessible name.
    """
    head = "".join(f'<th scope="col" aria-sort="{way or "none"}">{anchor(link)}</th>' for link, way in headings)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    st.html(
        f'<div class="mq-table mq-sorted" role="region" tabindex="0" aria-label="{markup(caption)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(value: object) -> str:
    if isinstance(value, Titled):
        return f'<th scope="row">{_heading(value)}</th>'
    return f"<td>{anchor(value)}</td>"


def _heading(value: object) -> str:
    if not isinstance(value, Titled):
        return anchor(value)
    return f"{anchor(value.link)}<small>{markup(value.about)}</small>"


def pairs(values: Mapping[str, object], caption: str) -> None:
    """Names and values, one pair a row."""
    table([{"Name": name.replace("_", " "), "Value": value} for name, value in values.items()], caption)


def facts(
    rows: Sequence[Sequence[object]], *, headings: Sequence[str] = (), caption: str = "", download: str = ""
) -> None:
    """A compact list: each row's first cell is its heading, which may be ``Titled``; the others stand on the right.

    Args:
        rows: cells.
        headings: of the columns.
        caption: shown above.
        download: what the rows are, to offer them as CSV; unique on a page. Columns without a heading are left out.
    """
    head = f"<thead>{_fact(headings)}</thead>" if headings else ""
    above = f"<caption>{markup(caption)}</caption>" if caption else ""
    body = "".join(map(_fact, rows))
    st.html(f'<div class="mq-facts"><table>{above}{head}<tbody>{body}</tbody></table></div>')
    if download:
        offer([{name: cell for name, cell in zip(headings, row, strict=True) if name} for row in rows], download)


def _fact(cells: Sequence[object]) -> str:
    first, *others = cells
    return f"<tr><th>{_heading(first)}</th>" + "".join(f"<td>{anchor(cell)}</td>" for cell in others) + "</tr>"


def select(
    rows: Rows, *, key: str, columns: Mapping[str, Any], alt: str, mode: Literal["single-row", "multi-row"]
) -> list[int]:
    """Show ``rows`` by id and return the ids of the selected ones, in order.

    The selection is kept under ``key`` in the session by id, so a new row on top never shifts it; set it there to
    select rows from code.
    """
    ids = list(rows)
    kept = [place for place, row_id in enumerate(ids) if row_id in st.session_state.get(key, ())]
    shown = st.dataframe(
        list(rows.values()),
        hide_index=True,
        on_select="rerun",
        selection_mode=mode,
        selection_default={"selection": {"rows": kept, "columns": [], "cells": []}},
        key=f"{key}.{max(ids)}.{len(ids)}",
        column_config=columns,
        placeholder="–",
        alt=alt,
    )
    offer(list(rows.values()), alt)
    selected = [ids[place] for place in sorted(shown["selection"]["rows"]) if place < len(ids)]
    st.session_state[key] = selected
    return selected


def select_one(rows: Rows, *, key: str, name: str, columns: Mapping[str, Any], alt: str) -> int | None:
    """``select`` for one row, which the address keeps under ``name``: ``?run=3``.

    An id in the address that is not among the rows is returned as it is. None if nothing is selected.
    """
    asked = query_number(name)
    if asked is not None:
        st.session_state[key] = [asked]
    selected = select(rows, key=key, columns=columns, alt=alt, mode="single-row")
    if selected:
        st.query_params[name] = str(selected[0])
        return selected[0]
    if asked is not None and asked not in rows:
        return asked
    st.query_params.pop(name, None)
    return None


def select_many(rows: Rows, *, key: str, name: str, columns: Mapping[str, Any], alt: str) -> list[int]:
    """``select`` for several rows, which the address keeps under ``name``: ``?version=3,1``."""
    asked = [int(part) for part in st.query_params.get(name, "").split(",") if _is_number(part)]
    if asked:
        st.session_state[key] = asked
    selected = select(rows, key=key, columns=columns, alt=alt, mode="multi-row")
    if selected:
        st.query_params[name] = ",".join(map(str, selected))
    else:
        st.query_params.pop(name, None)
    return selected


def query_number(name: str) -> int | None:
    """Number in the address; None if absent or not a valid id."""
    value = st.query_params.get(name, "")
    return int(value) if _is_number(value) else None


def _is_number(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= MAX_DIGITS
