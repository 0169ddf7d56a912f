"""Backups: create, download, restore and delete them, check the store, and schedule automatic ones."""

from typing import Any
from urllib.parse import quote

import streamlit as st

from engine.services.backup_plan import PLANS, BackupPlan
from engine.services.storage import Backup, StorageService
from engine.words import counted
from pages.ui import forms, progress, session, tables
from pages.ui.escape import text
from pages.ui.format import when
from pages.ui.page import confirmed, dialog, errors_shown, rerun_with

REASONS = {"asked": "manual", "schedule": "schedule", "migration": "upgrade"}
EVERY = {"never": "Never", "daily": "Every day", "weekly": "Every Sunday"}
MIB = 2**20


def panel(storage: StorageService) -> None:
    """The whole section."""
    plan = storage.plan()
    upcoming = "" if plan.next_backup is None else f" Next backup: {when(plan.next_backup)}, your time."
    st.caption(
        "A backup is a verified copy of everything: ratings, versions and settings. Marquee keeps running meanwhile."
        f"{upcoming} Keep copies on another disk, too."
    )
    with errors_shown():
        making = storage.progress() is not None
        progress.live(lambda: _running(storage), every_s=progress.EVERY_S if making else None)
        _actions(storage, making=making)
        _table(storage)
    with st.expander("Automatic backups", icon=":material/event_repeat:"):
        _form(storage, plan)


def _running(storage: StorageService) -> None:
    done = storage.progress()
    if done is None:
        if st.session_state.pop(session.BACKING_UP, False):
            st.rerun()
        return
    st.session_state[session.BACKING_UP] = True
    st.progress(done, "Copying and verifying the store")
    if st.button("Cancel backup", key=session.CANCEL_BACKUP, icon=":material/close:"):
        storage.cancel()


def _actions(storage: StorageService, *, making: bool) -> None:
    with st.container(horizontal=True):
        if st.button("Back up now", key=session.BACK_UP, icon=":material/save:", disabled=making):
            storage.start_backup()
            st.rerun()
        check = st.button(
            "Check the store",
            key=session.CHECK_STORE,
            icon=":material/health_and_safety:",
            help="Verifies every page, index, count and array.",
        )
    if check:
        with st.spinner("Reading the whole store"):
            faults = storage.check()
        if not faults:
            st.success("No problems found.", icon=":material/verified:")
    for problem in storage.facts().faults:
        st.error(text(problem), icon=":material/error:")


def _table(storage: StorageService) -> None:
    backups = storage.backups()
    if not backups:
        st.info("No backups yet. Make one now, or have them made automatically below.", icon=":material/inventory_2:")
        return
    st.caption("Select a backup to download, restore or delete it.")  # also keeps the table's toolbar off the buttons
    rows: list[dict[str, object]] = [
        {
            "Created": when(one.made_at),
            "Trigger": REASONS.get(one.reason, one.reason),
            "Ratings": one.ratings,
            "Versions": one.versions,
            "Size": one.size / MIB,
            "File": one.name,
        }
        for one in backups
    ]
    event: Any = st.dataframe(
        rows,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=session.BACKUP,
        column_config={
            "Ratings": st.column_config.NumberColumn(format="localized"),
            "Size": st.column_config.NumberColumn(format="%.1f MiB"),
        },
        alt="Backups, newest first",
    )
    tables.offer(rows, "Backups")
    selected = [backups[row] for row in event.selection.rows if row < len(backups)]
    if not selected:
        return
    (chosen,) = selected
    with st.container(horizontal=True):
        st.link_button("Download", f"/api/store/backups/{quote(chosen.name)}", icon=":material/download:")
        if st.button("Restore", key=session.RESTORE, icon=":material/history:"):
            confirm_restore(storage, chosen)
        if st.button("Delete", key=session.DELETE_BACKUP, icon=":material/delete:"):
            storage.delete(chosen.name)
            rerun_with(f"Deleted {text(chosen.name)}.")


@dialog("Restore a backup?")
def confirm_restore(storage: StorageService, chosen: Backup) -> None:
    """Explain what is lost, then restore."""
    st.markdown(
        f"Marquee goes back to **{when(chosen.made_at)}**, with {counted(chosen.ratings, 'rating')} and"
        f" {counted(chosen.versions, 'version')}. Later ratings are lost, people deleted since then come back, and keys"
        " revoked since then work again. Running trainings and imports are stopped."
    )
    st.caption("The backup is verified first. The current data is kept in a file next to the store.")
    if confirmed("Restore"):
        with errors_shown(), st.spinner("Verifying the backup and restarting"):
            kept = storage.restore(chosen.name)
            previous = "" if kept is None else f" The previous data is in {text(kept)}."
            rerun_with(f"Backup restored.{previous}")


def _form(storage: StorageService, plan: BackupPlan) -> None:
    errors: dict[str, str] = st.session_state.get(session.BACKUP_ERRORS, {})
    with st.form("backups", border=False):
        grid = st.grid(4, min_column_width=160)
        plans = list(PLANS)
        every = grid.selectbox(
            "Frequency", plans, plans.index(plan.every), format_func=EVERY.__getitem__, key=session.BACKUP_EVERY
        )
        with grid.cell():
            at = forms.time_of_day(plan.hour, plan.minute, key=session.BACKUP_TIME)
        with grid.cell():
            zone = forms.time_zone(plan.zone, key=session.BACKUP_ZONE)
        with grid.cell():
            keep = st.number_input(
                "Days to keep",
                value=plan.keep_days,
                step=1,
                help="Older backups are deleted, except the newest three.",
                key=session.BACKUP_DAYS,
            )
            forms.field_error(errors, "keep_days", "Days to keep")
        if st.form_submit_button("Save", key=session.SAVE_BACKUPS, icon=":material/event_available:"):
            values: dict[str, Any] = {"every": every, "hour": at.hour, "minute": at.minute, "zone": zone}
            values |= {"keep_days": int(keep)}
            forms.submit(session.BACKUP_ERRORS, lambda: storage.change_plan(**values), "Backup schedule saved.")
