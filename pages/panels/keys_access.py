"""API keys and the audit log."""

from typing import Any

import streamlit as st

from engine.services.access import AccessService
from engine.services.audit import DONE, AuditService
from pages.ui import session
from pages.ui.escape import text
from pages.ui.format import when
from pages.ui.page import confirmed, dialog, rerun_with
from pages.ui.runs import actor
from pages.ui.tables import table

PAGE = 50
SCOPES = {"read": "Read", "rate": "Rate", "admin": "Admin"}
HELP = "Read: recommendations, explanations, metrics and status. Rate: add and remove ratings. Admin: everything."


def creation(access: AccessService) -> None:
    """The form for a new key; the key itself is shown once."""
    if not access.needed:
        st.info(
            "Marquee accepts requests only from this computer and needs no keys, because `MARQUEE_API_KEY` is not"
            " set. Set it and restart Marquee to create keys here.",
            icon=":material/key_off:",
        )
        return
    with st.form("key", border=True):
        st.header("New key", anchor=False)
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
        submitted = st.form_submit_button("Create key", key=session.CREATE_KEY, icon=":material/add:")
    if submitted:
        created, key = access.create(name, scopes)
        st.success(f"Key {created.key_id}, {text(created.name)}, created. Copy it now: it won't be shown again.")
        st.code(key, language=None)


def listing(access: AccessService) -> None:
    """All keys, and a way to revoke active ones."""
    keys = access.list_keys()
    if not keys:
        st.caption("No keys yet. The first key is the value of `MARQUEE_API_KEY`.")
        return
    table([_row(key) for key in keys], "API keys", phone="stack")
    active = {key.key_id: key for key in keys if key.revoked_at is None}
    if not active:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Key to revoke",
            list(active),
            index=None,
            format_func=lambda number: f"{number}: {active[number].name}",
            placeholder="Choose a key",
            key=session.KEY_TO_REVOKE,
        )
        clicked = st.button("Revoke", key=session.REVOKE, icon=":material/key_off:", disabled=chosen is None)
        if clicked and chosen is not None:
            confirm_revocation(access, active[chosen])


def _row(key: Any) -> dict[str, object]:
    return {
        "Key": key.key_id,
        "Name": key.name,
        "Scopes": ", ".join(SCOPES[scope] for scope in key.scopes),
        "Created": f"{when(key.created_at)} by {key.created_by}",
        "Last used": "Never" if key.last_used_at is None else when(key.last_used_at),
        "State": "Active" if key.revoked_at is None else f"Revoked {when(key.revoked_at)}",
    }


@dialog("Revoke a key?")
def confirm_revocation(access: AccessService, key: Any) -> None:
    """Explain what stops working, then revoke."""
    st.markdown(
        f"Programs using key {key.key_id}, {text(key.name)}, will be refused from their next request, and"
        " browsers signed in with it are signed out. This can't be undone."
    )
    if confirmed("Revoke key"):
        access.revoke(key.key_id)
        rerun_with(f"Key {key.key_id}, {text(key.name)}, revoked.")


def log(audit: AuditService) -> None:
    """The newest entries, and downloads of all of them."""
    limit = st.session_state.get(session.AUDIT_SHOWN, PAGE)
    entries = audit.entries(limit + 1)
    if not entries:
        st.caption("No entries yet.")
        return
    rows = [
        {
            "When": when(entry.at),
            "Who": actor(entry.actor),
            "Address": entry.address or "–",
            "Action": entry.action.replace("user", "person").capitalize(),
            "Subject": entry.subject.replace("user", "person") or "–",
            "Result": "Done" if entry.result == DONE else f"Failed: {entry.result}",
        }
        for entry in entries[:limit]
    ]
    table(rows, "Audit log", phone="stack", download=False)
    with st.container(horizontal=True):
        if len(entries) > limit and st.button(
            "Show older entries", key=session.OLDER_ENTRIES, icon=":material/expand_more:"
        ):
            st.session_state[session.AUDIT_SHOWN] = limit + PAGE
            st.rerun()
        for kind, label in (("csv", "Download CSV"), ("jsonl", "Download JSON Lines")):
            st.link_button(label, f"/api/audit/export?format={kind}", icon=":material/download:", type="tertiary")
