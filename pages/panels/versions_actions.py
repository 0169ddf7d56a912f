"""What one can do with a version: let it serve, roll back, train it again, export it, delete it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from engine.services import Services
from engine.services.training import TrainingStatus
from engine.services.version_records import VersionSummary
from pages.ui import progress, runs, session, verdict
from pages.ui.page import errors_shown, toast_next

if TYPE_CHECKING:
    from engine.services.training import TrainingService
    from engine.services.version_files import VersionFileService
    from engine.services.versions import VersionService

MOST_REASON = 500
LOOKED_THROUGH = 200  # runs among which the last repetition of a version is searched


def actions(services: Services, version: VersionSummary) -> None:
    """A button for each; those that change what serves, or delete, ask first."""
    number, versions = version.version, services.versions
    with errors_shown(), st.container(horizontal=True):
        if st.button(
            f"Let version {number} serve",
            type="primary",
            icon=":material/play_circle:",
            disabled=version.active or version.state != "ready",
            help="It serves already." if version.active else None,
        ):
            confirm_activation(versions, version)
        target = versions.served_before()
        if st.button(
            "Roll back" if target is None else f"Roll back to version {target}",
            icon=":material/undo:",
            disabled=target is None,
            help="No other intact version has served yet." if target is None else "It served before this one.",
        ):
            confirm_rollback(versions, target or 0)
        if st.button(
            "Train again exactly",
            icon=":material/content_copy:",
            help="Trains with the same data, seed and hyperparameters, and compares every array. No version is saved.",
        ):
            run_id = services.training.train_again(number, queue=True)
            toast_next(f"Training run {run_id} repeats version {number}.")
            st.rerun()
        _export(services.version_files, version)
        _delete(versions, version)


def _export(files: VersionFileService, version: VersionSummary) -> None:
    """The file is made when it is asked for: it may have hundreds of megabytes."""
    ready = version.state == "ready"
    st.download_button(
        "Export",
        lambda: _content(files, version.version),
        file_name=f"marquee-version-{version.version}.zip",
        mime="application/zip",
        on_click="ignore",
        icon=":material/download:",
        disabled=not ready,
        help="One file with all arrays, hyperparameters, metrics and hashes." if ready else "Its arrays are gone.",
    )


def _content(files: VersionFileService, version: int) -> bytes:
    with files.export(version).stream as stream:
        return stream.read()


def _delete(versions: VersionService, version: VersionSummary) -> None:
    reason = "It serves now. Let another version serve first." if version.active else None
    reason = "It is deleted already." if version.state == "deleted" else reason
    if st.button("Delete", icon=":material/delete:", disabled=reason is not None, help=reason):
        confirm_deletion(versions, version)


def repetition(training: TrainingService, version: VersionSummary) -> None:
    """How the last training of this version again goes, or what it proved."""
    run = next((run for run in training.runs(limit=LOOKED_THROUGH) if run.repeats == version.version), None)
    if run is None:
        return
    every_s = progress.EVERY_S if run.state in progress.GOING else None
    progress.live(lambda: _repetition(training.status(run.run_id)), every_s=every_s)


def _repetition(run: TrainingStatus) -> None:
    going = run.state in progress.GOING
    with st.container(border=going, gap="xsmall"):
        if going:
            st.markdown(f"Training run {run.run_id} repeats this version.")
            progress.training_bar(run)
        else:
            runs.outcome(run)
        st.page_link(
            "training.py",
            label=f"Training run {run.run_id}",
            icon=":material/receipt_long:",
            query_params={"run": str(run.run_id)},
        )


@st.dialog("Let another version serve")
def confirm_activation(versions: VersionService, version: VersionSummary) -> None:
    """Ask for the reason, then activate."""
    st.markdown(f"Version {version.version} will answer from the next request on. You can roll back at any time.")
    with errors_shown():
        against = versions.overruled(version.version)
        if against is not None:
            verdict.tell(against, f"This goes against its verdict, {against.verdict}: {against.text}")
        reason = _reason(label="Why (needed)" if against else "Why")
        asked = st.button(f"Let version {version.version} serve now", type="primary")
        if asked and against is not None and not reason.strip():
            st.error("Write down why first. The ledger keeps it.", icon=":material/edit:")
        elif asked:
            versions.activate(version.version, actor="you", reason=reason)
            toast_next(f"Version {version.version} serves now.")
            st.rerun()


@st.dialog("Roll back")
def confirm_rollback(versions: VersionService, target: int) -> None:
    """Ask for the reason, then let the version before serve again."""
    st.markdown(
        f"Version {target}, which served before, will answer from the next request on. Rolling back again undoes it."
    )
    reason = _reason()
    with errors_shown():
        if st.button(f"Roll back to version {target} now", type="primary"):
            version = versions.rollback(actor="you", reason=reason)
            toast_next(f"Version {version} serves again.")
            st.rerun()


@st.dialog("Delete a version")
def confirm_deletion(versions: VersionService, version: VersionSummary) -> None:
    """Say what is lost, ask for the reason, then delete."""
    st.markdown(
        f"Version {version.version} gives up its arrays ({version.size_bytes / 1e6:,.1f} MB): it can never serve or be"
        " compared again. Its line, hyperparameters and metrics stay. Export it first if you may want it back."
    )
    reason = _reason("Goes into the notices")
    with errors_shown():
        if st.button(f"Delete version {version.version} for good", type="primary"):
            versions.delete(version.version, actor="you", reason=reason)
            toast_next(f"Version {version.version} is deleted.")
            st.rerun()


def _reason(where: str = "Goes into the ledger", label: str = "Why") -> str:
    return st.text_input(label, key=session.REASON, max_chars=MOST_REASON, placeholder=where)
