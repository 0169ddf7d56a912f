"""Addresses of the pages of movies, people and versions, and links that open them without a reload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from pages.ui import session
from pages.ui.escape import markup

TITLE = "title"  # read by nothing but the column


@dataclass(frozen=True)
class Link:
    """A text that leads to another page of the console."""

    text: str
    address: str

    def __str__(self) -> str:
        return self.text


def movie_address(movie_id: str) -> str:
    """Address of a movie's page."""
    return "/movie?" + urlencode({session.ID: movie_id})


def person_address(user_id: str) -> str:
    """Address of a person's page."""
    return "/person?" + urlencode({session.ID: user_id})


def version_address(version: int) -> str:
    """Address of a version."""
    return "/versions?" + urlencode({"version": version})


def movie(title: str, movie_id: str) -> Link:
    """A movie's title, which leads to its page."""
    return Link(title, movie_address(movie_id))


def person(user_id: str) -> Link:
    """A person's id, which leads to their page."""
    return Link(user_id, person_address(user_id))


def version(number: int) -> Link:
    """A version's number, which leads to its details."""
    return Link(str(number), version_address(number))


def movie_cell(title: str, movie_id: str) -> str:
    """A movie as a cell of a ``movie_column``: the address of its page, which sorts by title."""
    return "/movie?" + urlencode({TITLE: title, session.ID: movie_id})


def movie_column(width: int) -> Any:
    """A column of ``movie_cell``: shows titles, and opens the page of a movie that is clicked in a new tab."""
    return st.column_config.LinkColumn(width=width, display_text=f"{TITLE}=([^&]+)", alignment="left")


def anchor(value: object, prefix: str = "") -> str:
    """A value as HTML, as a link if it is one; everything is escaped.

    Args:
        value: a ``Link``, or anything else, which is shown as text.
        prefix: text before it, such as the place in a list.
    """
    shown = markup(value)
    if isinstance(value, Link):
        shown = f'<a class="mq-go" href="{markup(value.address)}" target="_self">{shown}</a>'
    return markup(prefix) + (" " if prefix else "") + shown
