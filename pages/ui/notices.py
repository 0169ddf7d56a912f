"""Notices: the latest ones in short, and the inbox."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import groupby
from typing import Any

import streamlit as st

from engine.services import Services
from engine.words import counted
from pages.ui import metrics, session, verdict
from pages.ui.escape import markup, text
from pages.ui.format import day, when

LATEST, PAGE = 5, 25
LEVELS = {
    "info": ("Info", ":material/info:", "blue"),
    "warning": ("Warning", ":material/warning:", "orange"),
    "error": ("Error", ":material/error:", "red"),
}
EVERYTHING, UNREAD, TROUBLE = "All", "Unread", "Warnings and errors"
FILTERS: dict[str, dict[str, Any]] = {
    EVERYTHING: {},
    UNREAD: {"unread_only": True},
    TROUBLE: {"levels": ("warning", "error")},
}
PAST = {"PROMOTE": "promoted", "HOLD": "held", "REJECT": "rejected"}
EMPTY = {
    EVERYTHING: "No notices yet. Finished trainings, verdicts and failures appear here.",
    UNREAD: "No unread notices.",
    TROUBLE: "No warnings or errors.",
}
LINKS = (
    ("run_id", "training.py", "run", "Training run {}", ":material/receipt_long:"),
    ("version", "versions.py", "version", "Version {}", ":material/inventory_2:"),
    ("study_id", "tuning.py", "study", "Study {}", ":material/tune:"),
)
"""For each subject of a notice: its detail, the page that shows it, the query parameter, label and icon."""


def latest(services: Services) -> None:
    """Time, level and text of the latest notices; unread ones are bold."""
    newest = services.inbox.notices(LATEST)
    if not newest:
        st.caption("No notices yet.")
        return
    st.html("".join(map(_line, newest)))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link("notices.py", label="All notices", icon=":material/inbox:", width="content")
        if services.inbox.unread():
            _mark_all(services)


def _mark_all(services: Services, *, disabled: bool = False) -> None:
    if st.button("Mark all as read", key=session.READ_ALL, icon=":material/mark_email_read:", disabled=disabled):
        services.inbox.mark_read()
        st.rerun()


def _line(notice: Any) -> str:
    unread = notice.is_unread
    judged = notice.details.get("verdict")
    label = f"{verdict.label(judged) if judged else LEVELS[notice.level][0]}{', new' if unread else ''}"
    return (
        f'<div class="mq-notice" data-unread="{"yes" if unread else "no"}"><time>{when(notice.created_at)}</time>'
        f"<span>{markup(label)}</span><span>{markup(verdict.plain(notice.text))}</span></div>"
    )


def inbox(services: Services) -> None:
    """All notices, filtered and paged."""
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
        _mark_all(services, disabled=not unread)
    limit = st.session_state.get(session.NOTICES_SHOWN, PAGE)
    found = services.inbox.notices(limit + 1, **FILTERS[chosen])
    if not found:
        st.info(EMPTY[chosen], icon=":material/inbox:")
    groups = [(routine, list(group)) for routine, group in groupby(found[:limit], key=_routine_day)]
    for place, (routine, notices) in enumerate(groups):
        with ExitStack() as fold:
            if routine and len(notices) > 1:
                fold.enter_context(st.expander(folded(routine, notices), expanded=not place, icon=":material/history:"))
            for notice in notices:
                _notice(services, notice)
    if len(found) > limit and st.button("Show older notices", key=session.OLDER_NOTICES, icon=":material/expand_more:"):
        st.session_state[session.NOTICES_SHOWN] = limit + PAGE
        st.rerun()


def _routine_day(notice: Any) -> str:
    """The day of a notice that needs no action; empty for one that does."""
    return "" if notice.level != "info" else day(notice.created_at)


def folded(routine: str, notices: Sequence[Any]) -> str:
    """What a day's routine notices are about, in a few words."""
    verdicts = Counter(one.details["verdict"] for one in notices if one.details.get("verdict") in verdict.ICONS)
    trained, others = verdicts.total(), len(notices) - verdicts.total()
    judged = ", ".join(f"{verdicts[name]} {PAST[name]}" for name in PAST if verdicts[name])
    told = [f"{counted(trained, 'training')} ({judged})"] if trained else []
    if others:
        told.append(f"{others} other{'s' * (others > 1)}" if trained else counted(others, "notice"))
    return f"{routine}: {', '.join(told)}"


def _notice(services: Services, notice: Any) -> None:
    label, icon, color = LEVELS[notice.level]
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            new = " :green-badge[New]" if notice.is_unread else ""
            judged = notice.details.get("verdict")
            badge = verdict.badge(judged) if judged in verdict.ICONS else f":{color}-badge[{icon} {label}]"
            st.markdown(f"{badge}{new} {text(notice.topic.capitalize())}", width="stretch")
            st.caption(when(notice.created_at), width="content")
        st.markdown(text(verdict.plain(notice.text)))
        if change := changes(notice.details):
            st.caption(text(f"{change}."))
        _links(services, notice)


def changes(details: Mapping[str, Any]) -> str:
    """Key metrics of the previously active version and of the new one, if a notice has both.

    The metrics compared by the verdict are on the same held-out ratings, the others on each version's own.
    """
    before, after = details.get("before") or {}, details.get("metrics") or {}
    pairs = {name: (before[name]["value"], after[name]["value"]) for name in before if name in after}
    pairs |= details.get("compared") or {}
    return ", ".join(_change(name, *map(float, pairs[name])) for name in metrics.KEY_MEASURES if name in pairs)


def _change(name: str, old: float, new: float) -> str:
    how = metrics.measure(name)
    return f"{how.label} {how.show(old)} → {how.show(new)}"


def _links(services: Services, notice: Any) -> None:
    about = [link for link in LINKS if notice.details.get(link[0]) is not None]
    if not about and not notice.is_unread:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for detail, page, name, label, icon in about:
            number = str(notice.details[detail])
            st.page_link(page, label=label.format(number), icon=icon, query_params={name: number}, width="content")
        if notice.is_unread and st.button(
            "Mark as read", key=session.read(notice.notice_id), type="tertiary", icon=":material/done:"
        ):
            services.inbox.mark_read([notice.notice_id])
            st.rerun()


def webhook(services: Services) -> None:
    """Whether notices are also sent to a webhook, and whether they arrive."""
    state = services.inbox.webhook()
    if state is None:
        st.caption("To send notices to a chat or pager as well, set `MARQUEE_WEBHOOK_URL`.")
    elif state.failing_since is None:
        last = f" Last delivery: {when(state.taken_at)}." if state.taken_at else ""
        st.caption(f"Notices are also sent to the webhook.{last}")
    else:
        st.warning(
            text(
                f"The webhook has been failing since {when(state.failing_since)} ({state.error}). "
                f"{counted(state.waiting, 'notice')} waiting; next attempt at {when(state.next_try)}."
            ),
            icon=":material/cloud_off:",
        )
