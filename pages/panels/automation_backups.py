"""Backups on the Automation page: those there are, one at once, the way back, and when they are made by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pandas as pd
import streamlit as st

from engine.errors import InvalidInput
from engine.services.storage import PLANS, BackupPlan
from engine.services.timetable import zones
from pages.ui import progress, session
from pages.ui.escape import text
from pages.ui.format import when
from pages.ui.forms import fault
from pages.ui.page import errors_shown, toast_next

if TYPE_CHECKING:
    from engine.services.storage import Backup, StorageService

REASONS = {"asked": "by hand", "schedule": "timetable", "migration": "upgrade"}
EVERY = {"never": "Never", "daily": "Every day", "weekly": "Every Sunday"}
MIB = 2**20


def panel(storage: StorageService) -> None:
    """All of it."""
    plan = storage.plan()
    next_one = "" if plan.next_backup is None else f" The next is made {when(plan.next_backup)}, in your time zone."
    st.caption(
        "A backup is a checked copy of everything: ratings, versions, settings. It is made while Marquee runs."
        f"{next_one} Keep copies on another disk as well."
    )
    with errors_shown():
        making = storage.progress() is not None
        progress.live(lambda: _going(storage), every_s=progress.EVERY_S if making else None)
        _actions(storage, making=making)
        _table(storage)
    with st.expander("Automatic backups", icon=":material/event_repeat:"):
        _form(storage, plan)


def _going(storage: StorageService) -> None:
    part = storage.progress()
    if part is None:
        if st.session_state.pop(session.BACKING_UP, False):
            st.rerun()
        return
    st.session_state[session.BACKING_UP] = True
    st.progress(part, "Copying and checking the store")
    if st.button("Cancel the backup", icon=":material/close:"):
        storage.cancel()


def _actions(storage: StorageService, *, making: bool) -> None:
    with st.container(horizontal=True):
        if st.button("Back up now", icon=":material/save:", disabled=making):
            storage.start_backup()
            st.rerun()
        if st.button(
            "Check the store", icon=":material/health_and_safety:", help="Every page, index, count and array."
        ):
            with st.spinner("Reading every page of the store"):
                faults = storage.check()
            if not faults:
                st.success("The store is sound.", icon=":material/verified:")
    for found in storage.facts().faults:
        st.error(text(found), icon=":material/error:")


def _table(storage: StorageService) -> None:
    found = storage.backups()
    if not found:
        st.info("There are no backups yet.", icon=":material/inventory_2:")
        return
    rows = [
        {
            "Made": when(one.made_at),
            "Why": REASONS.get(one.reason, one.reason),
            "Ratings": one.ratings,
            "Versions": one.versions,
            "Size": one.size / MIB,
            "File": one.name,
        }
        for one in found
    ]
    event: Any = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=session.BACKUP,
        column_config={
            "Ratings": st.column_config.NumberColumn(format="localized"),
            "Size": st.column_config.NumberColumn(format="%.1f MiB"),
        },
    )
    picked = [found[row] for row in event.selection.rows if row < len(found)]
    if not picked:
        st.caption("Pick one to download, restore or delete it.")
        return
    (chosen,) = picked
    with st.container(horizontal=True):
        st.link_button("Download", f"/api/store/backups/{quote(chosen.name)}", icon=":material/download:")
        if st.button("Restore", icon=":material/history:"):
            _restore(storage, chosen)
        if st.button("Delete", icon=":material/delete:"):
            storage.delete(chosen.name)
            toast_next(f"The backup {text(chosen.name)} was deleted.")
            st.rerun()


@st.dialog("Restore a backup")
def _restore(storage: StorageService, chosen: Backup) -> None:
    versions = "1 version" if chosen.versions == 1 else f"{chosen.versions} versions"
    st.markdown(
        f"Marquee goes back to **{when(chosen.made_at)}**: {chosen.ratings:,} ratings and {versions}. Ratings given "
        "since are no longer served, whoever was forgotten since is in it again, and keys that were revoked since work "
        "again. Trainings and imports that go on are stopped."
    )
    st.caption("The backup is checked first, and what is there now is kept in a file beside the store.")
    if st.button("Restore this backup", type="primary", icon=":material/history:"):
        with errors_shown(), st.spinner("Checking the backup and starting with it"):
            kept = storage.restore(chosen.name)
            told = "" if kept is None else f" What was there before is in {text(kept)}."
            toast_next(f"Restored.{told}")
            st.rerun()


def _form(storage: StorageService, plan: BackupPlan) -> None:
    faults: dict[str, str] = st.session_state.get(session.BACKUP_FAULT, {})
    with st.form("backups", border=False):
        grid = st.grid(4, min_column_width=160)
        with grid.cell():
            every = st.selectbox("How often", list(PLANS), list(PLANS).index(plan.every), format_func=EVERY.__getitem__)
        with grid.cell():
            at = st.time_input("Time", f"{plan.hour:02d}:{plan.minute:02d}", step=900, key=session.BACKUP_TIME)
        with grid.cell():
            known = sorted(zones() | {plan.zone})
            zone = st.selectbox("Time zone", known, index=known.index(plan.zone), key=session.BACKUP_ZONE)
        with grid.cell():
            keep = st.number_input(
                "Days to keep",
                value=plan.keep_days,
                step=1,
                help="Older ones are deleted, but never the newest three.",
            )
            if "keep_days" in faults:
                fault(faults["keep_days"])
        if st.form_submit_button("Save", icon=":material/event_available:"):
            _save(storage, every=every, hour=at.hour, minute=at.minute, zone=zone, keep_days=int(keep))


def _save(storage: StorageService, **values: Any) -> None:
    """Save the plan, or keep what was wrong; either way the page is drawn again."""
    st.session_state.pop(session.BACKUP_FAULT, None)
    try:
        storage.change_plan(**values)
    except InvalidInput as error:
        st.session_state[session.BACKUP_FAULT] = {error.field: str(error)}
    else:
        toast_next("The plan of backups is saved.")
    st.rerun()
