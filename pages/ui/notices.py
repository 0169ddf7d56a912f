"""The newest notices, and marking them as read."""

from __future__ import annotations

import streamlit as st

from engine.services import Services
from pages.ui.moments import when
from pages.ui.plain import markup

SHOWN = 10
LEVELS = {"info": "Info", "warning": "Warning", "error": "Error"}


def notices(services: Services) -> None:
    """Time, level and text of each; unread ones are bold and say so."""
    newest = services.versions.notices(limit=SHOWN)
    if not newest:
        st.caption("Nothing has happened yet that you should know of.")
        return
    st.html("".join(_line(one.created_at, one.level, one.text, unread=one.read_at is None) for one in newest))
    if services.versions.unread_notices() and st.button("Mark all as read", icon=":material/mark_email_read:"):
        services.versions.mark_notices_read()
        st.rerun()


def _line(at: float, level: str, told: str, *, unread: bool) -> str:
    label = LEVELS.get(level, level) + (", new" if unread else "")
    state = "yes" if unread else "no"
    return (
        f'<div class="mq-notice" data-unread="{state}"><time>{when(at)}</time>'
        f"<span>{markup(label)}</span><span>{markup(told)}</span></div>"
    )
