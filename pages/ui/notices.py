"""Notices: the newest of them in short, and the inbox with what can be done there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from engine.services import Services
from pages.ui import keys, measures
from pages.ui.moments import when
from pages.ui.plain import markup, text

SHOWN, PAGE = 10, 25
LEVELS = {"info": "Info", "warning": "Warning", "error": "Error"}
BADGES = {
    "info": (":material/info:", "blue"),
    "warning": (":material/warning:", "orange"),
    "error": (":material/error:", "red"),
}
EVERYTHING, UNREAD, TROUBLE = "All", "Unread", "Warnings and errors"
FILTERS: dict[str, dict[str, Any]] = {
    EVERYTHING: {},
    UNREAD: {"unread_only": True},
    TROUBLE: {"levels": ("warning", "error")},
}
NOTHING = {
    EVERYTHING: "Nothing has happened yet that you should know of. Trainings, verdicts and failures will be here.",
    UNREAD: "You have read everything.",
    TROUBLE: "Nothing has gone wrong.",
}


def notices(services: Services) -> None:
    """Time, level and text of the newest; unread ones are bold and say so."""
    newest = services.inbox.notices(SHOWN)
    if not newest:
        st.caption("Nothing has happened yet that you should know of.")
        return
    st.html("".join(_line(one.created_at, one.level, one.text, unread=one.read_at is None) for one in newest))
    if services.inbox.unread() and st.button("Mark all as read", icon=":material/mark_email_read:"):
        services.inbox.mark_read()
        st.rerun()


def _line(at: float, level: str, told: str, *, unread: bool) -> str:
    label = LEVELS.get(level, level) + (", new" if unread else "")
    state = "yes" if unread else "no"
    return (
        f'<div class="mq-notice" data-unread="{state}"><time>{when(at)}</time>'
        f"<span>{markup(label)}</span><span>{markup(told)}</span></div>"
    )


def inbox(services: Services) -> None:
    """Every notice, filtered and a page at a time."""
    unread = services.inbox.unread()
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        chosen = st.segmented_control(
            "Show",
            list(FILTERS),
            default=EVERYTHING,
            required=True,
            format_func=lambda name: f"{name} ({unread:,})" if name == UNREAD else name,
            key=keys.NOTICES,
        )
        if st.button("Mark all as read", icon=":material/mark_email_read:", disabled=not unread):
            services.inbox.mark_read()
            st.rerun()
    most = st.session_state.get(keys.NOTICES_SHOWN, PAGE)
    found = services.inbox.notices(most + 1, **FILTERS[chosen])
    if not found:
        st.info(NOTHING[chosen], icon=":material/inbox:")
    for one in found[:most]:
        _notice(services, one)
    if len(found) > most and st.button("Show older ones", icon=":material/expand_more:"):
        st.session_state[keys.NOTICES_SHOWN] = most + PAGE
        st.rerun()


def _notice(services: Services, one: Any) -> None:
    icon, color = BADGES[one.level]
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            new = " :green-badge[New]" if one.read_at is None else ""
            label = text(LEVELS[one.level])
            st.markdown(f":{color}-badge[{icon} {label}]{new} {text(one.topic.capitalize())}", width="stretch")
            st.caption(when(one.created_at), width="content")
        st.markdown(text(one.text))
        told = changes(one.details)
        if told:
            st.caption(text(f"Before and after: {told}."))
        _links(services, one)


def changes(details: Mapping[str, Any]) -> str:
    """The key metrics of the version that served before and of the new one, where a notice has both."""
    before, after = details.get("before") or {}, details.get("metrics") or {}
    names: Sequence[str] = [name for name in measures.KEY_MEASURES if name in before and name in after]
    shown = ((measures.measure(name), float(before[name]["value"]), float(after[name]["value"])) for name in names)
    return ", ".join(f"{how.label} {how.show(old)} to {how.show(new)}" for how, old, new in shown)


def _links(services: Services, one: Any) -> None:
    run_id = one.details.get("run_id")
    if run_id is None and one.read_at is not None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if run_id is not None:
            st.page_link(
                "training.py",
                label=f"Training run {run_id}",
                icon=":material/receipt_long:",
                query_params={"run": str(run_id)},
            )
        if one.read_at is None and st.button(
            "Mark as read", key=keys.read(one.notice_id), type="tertiary", icon=":material/done:"
        ):
            services.inbox.mark_read([one.notice_id])
            st.rerun()


def channel(services: Services) -> None:
    """Where else notices go."""
    if services.settings.webhook_url is None:
        st.caption("To have them posted to a chat or a pager as well, set `MARQUEE_WEBHOOK_URL`.")
    else:
        st.caption("Every notice is posted to the webhook as well, and again until it is taken.")
