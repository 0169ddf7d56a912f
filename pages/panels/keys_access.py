"""API keys and the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.ui import session
from pages.ui.escape import text
from pages.ui.format import when
from pages.ui.page import toast_next
from pages.ui.tables import table

if TYPE_CHECKING:
    from engine.services.access import AccessService
    from engine.services.audit import AuditService

PAGE = 50
SCOPES = {"read": "Read", "rate": "Rate", "admin": "Admin"}
HELP = (
    "Read: lists, explanations, metrics and states. Rate: giving and taking away ratings. Admin: everything, and this "
    "console."
)


def creation(access: AccessService) -> None:
    """The form of a new key, and the key itself, once."""
    if not access.needed:
        st.info(
            "Marquee asks for no keys, since `MARQUEE_API_KEY` is not set: it answers this computer only. Set it and "
            "start Marquee again, then create keys here.",
            icon=":material/key_off:",
        )
        return
    with st.form("key", border=True):
        st.subheader("New key", anchor=False)
        name = st.text_input("Name", max_chars=100, placeholder="What the key is for", key=session.KEY_NAME)
        scopes = st.pills(
            "Scopes",
            list(SCOPES),
            selection_mode="multi",
            default=["read"],
            format_func=SCOPES.__getitem__,
            help=HELP,
            key=session.KEY_SCOPES,
        )
        asked = st.form_submit_button("Create key", icon=":material/add:")
    if asked:
        made, key = access.create(name, scopes)
        st.success(f"Key {made.key_id}, {text(made.name)}, is created. Copy it now: it can't be shown again.")
        st.code(key, language=None)


def listing(access: AccessService) -> None:
    """Every key, and a way to revoke those in use."""
    found = access.list_keys()
    if not found:
        st.caption("No keys have been created. The first key is what `MARQUEE_API_KEY` is set to.")
        return
    table([_row(one) for one in found], "API keys")
    in_use = {one.key_id: one for one in found if one.revoked_at is None}
    if not in_use:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Key to revoke",
            list(in_use),
            index=None,
            format_func=lambda number: f"{number}: {in_use[number].name}",
            placeholder="Choose a key",
            key=session.KEY_TO_REVOKE,
        )
        asked = st.button("Revoke", icon=":material/key_off:", disabled=chosen is None)
        if asked and chosen is not None:
            confirm_revocation(access, in_use[chosen])


def _row(one: Any) -> dict[str, object]:
    return {
        "Key": one.key_id,
        "Name": one.name,
        "Scopes": ", ".join(SCOPES[scope] for scope in one.scopes),
        "Created": f"{when(one.created_at)} by {one.created_by}",
        "Last used": "Never" if one.last_used_at is None else when(one.last_used_at),
        "State": "In use" if one.revoked_at is None else f"Revoked {when(one.revoked_at)}",
    }


@st.dialog("Revoke a key")
def confirm_revocation(access: AccessService, key: Any) -> None:
    """Say what stops working, then revoke."""
    st.markdown(
        f"Programs that use key {key.key_id}, {text(key.name)}, will be refused from the next request on, and browsers "
        "that signed in with it are signed out. It can't be undone."
    )
    if st.button("Revoke it", type="primary"):
        access.revoke(key.key_id)
        toast_next(f"Key {key.key_id}, {text(key.name)}, is revoked.")
        st.rerun()


def log(audit: AuditService) -> None:
    """The newest entries, and all of them as a file."""
    most = st.session_state.get(session.AUDIT_SHOWN, PAGE)
    found = audit.entries(most + 1)
    if not found:
        st.caption("Nothing has been recorded yet.")
        return
    rows = [
        {
            "When": when(one.at),
            "Who": one.actor,
            "From": one.address or "–",
            "Action": one.action,
            "Subject": one.subject or "–",
            "Result": one.result,
        }
        for one in found[:most]
    ]
    table(rows, "Audit log")
    with st.container(horizontal=True):
        if len(found) > most and st.button("Show older entries", icon=":material/expand_more:"):
            st.session_state[session.AUDIT_SHOWN] = most + PAGE
            st.rerun()
        for kind, label in (("csv", "Download as CSV"), ("jsonl", "Download as JSON lines")):
            st.link_button(label, f"/api/audit/export?format={kind}", icon=":material/download:", type="tertiary")
