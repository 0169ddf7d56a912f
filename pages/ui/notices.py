"""Notices: the newest of them in short, and the inbox with what can be done there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from engine.services import Services
from pages.ui import metrics, session, verdict
from pages.ui.escape import markup, text
from pages.ui.format import when

SHOWN, PAGE = 5, 25
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
    st.html("".join(map(_line, newest)))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link("notices.py", label="All notices", icon=":material/inbox:", width="content")
        if services.inbox.unread() and st.button("Mark all as read", icon=":material/mark_email_read:"):
            services.inbox.mark_read()
            st.rerun()


def _line(one: Any) -> str:
    unread = one.read_at is None
    label = f"{one.details.get('verdict') or LEVELS[one.level]}{', new' if unread else ''}"
    return (
        f'<div class="mq-notice" data-unread="{"yes" if unread else "no"}"><time>{when(one.created_at)}</time>'
        f"<span>{markup(label)}</span><span>{markup(one.text)}</span></div>"
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
            key=session.NOTICES,
        )
        if st.button("Mark all as read", icon=":material/mark_email_read:", disabled=not unread):
            services.inbox.mark_read()
            st.rerun()
    most = st.session_state.get(session.NOTICES_SHOWN, PAGE)
    found = services.inbox.notices(most + 1, **FILTERS[chosen])
    if not found:
        st.info(NOTHING[chosen], icon=":material/inbox:")
    for one in found[:most]:
        _notice(services, one)
    if len(found) > most and st.button("Show older ones", icon=":material/expand_more:"):
        st.session_state[session.NOTICES_SHOWN] = most + PAGE
        st.rerun()


def _notice(services: Services, one: Any) -> None:
    icon, color = BADGES[one.level]
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            new = " :green-badge[New]" if one.read_at is None else ""
            judged = one.details.get("verdict")
            what = verdict.badge(judged) if judged in verdict.ICONS else f":{color}-badge[{icon} {LEVELS[one.level]}]"
            st.markdown(f"{what}{new} {text(one.topic.capitalize())}", width="stretch")
            st.caption(when(one.created_at), width="content")
        st.markdown(text(one.text))
        told = changes(one.details)
        if told:
            st.caption(text(f"Before and after: {told}."))
        _links(services, one)


def changes(details: Mapping[str, Any]) -> str:
    """The key metrics of the version that served before and of the new one, where a notice has both.

    Those that the verdict compared are of the same held-out ratings; the others of each version's own.
    """
    before, after = details.get("before") or {}, details.get("metrics") or {}
    pairs = {name: (before[name]["value"], after[name]["value"]) for name in before if name in after}
    pairs |= details.get("compared") or {}
    names: Sequence[str] = [name for name in metrics.KEY_MEASURES if name in pairs]
    return ", ".join(_change(name, *map(float, pairs[name])) for name in names)


def _change(name: str, old: float, new: float) -> str:
    how = metrics.measure(name)
    return f"{how.label} {how.show(old)} to {how.show(new)}"


LINKS = (
    ("run_id", "training.py", "run", "Training run {}", ":material/receipt_long:"),
    ("version", "versions.py", "version", "Version {}", ":material/inventory_2:"),
    ("study_id", "tuning.py", "study", "Study {}", ":material/tune:"),
)
"""What a notice may be about: its detail, the page that shows it, the name in the address, label and icon."""


def _links(services: Services, one: Any) -> None:
    about = [link for link in LINKS if one.details.get(link[0]) is not None]
    if not about and one.read_at is not None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for detail, page, name, label, icon in about:
            number = str(one.details[detail])
            st.page_link(page, label=label.format(number), icon=icon, query_params={name: number}, width="content")
        if one.read_at is None and st.button(
            "Mark as read", key=session.read(one.notice_id), type="tertiary", icon=":material/done:"
        ):
            services.inbox.mark_read([one.notice_id])
            st.rerun()


def channel(services: Services) -> None:
    """Where else notices go, and whether they arrive there."""
    state = services.inbox.webhook()
    if state is None:
        st.caption("To have notices posted to a chat or a pager as well, set `MARQUEE_WEBHOOK_URL`.")
    elif state.failing_since is None:
        taken = f" The last one was taken {when(state.taken_at)}." if state.taken_at else ""
        st.caption(f"Notices are posted to the webhook as well.{taken}")
    else:
        waiting = "1 notice waits" if state.waiting == 1 else f"{state.waiting:,} notices wait"
        st.warning(
            text(
                f"The webhook has taken nothing since {when(state.failing_since)} ({state.error}). "
                f"{waiting}; the next try is at {when(state.next_try)}."
            ),
            icon=":material/cloud_off:",
        )
