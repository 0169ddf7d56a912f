"""Actions on a version: activate, roll back, train again, export, delete."""

import streamlit as st

from engine.services import Services
from engine.services.training import TrainingService, TrainingStatus
from engine.services.version_files import VersionFileService
from engine.services.version_records import VersionSummary
from engine.services.versions import VersionService
from pages.ui import progress, runs, session, verdict
from pages.ui.format import when
from pages.ui.page import confirmed, dialog, errors_shown, rerun_with

MAX_REASON = 500
SEARCHED_RUNS = 200  # newest runs in which the last repetition of a version is looked for


def serving(versions: VersionService) -> None:
    """Which version is active since when, and the way back to the one before."""
    active = versions.active()
    if active is None:
        return
    target = versions.served_before()
    since = f" since {when(active.activated_at)}" if active.activated_at else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**Version {active.version}** is active{since}.", width="content")
        if st.button(
            "Roll back" if target is None else f"Roll back to version {target}",
            key=session.ROLL_BACK,
            icon=":material/undo:",
            disabled=target is None,
            help="No other intact version has been active." if target is None else "The previously active version.",
        ):
            confirm_rollback(versions, target or 0)
    if target is not None and st.query_params.pop(session.ROLL_BACK_NOW, "") == str(target):
        confirm_rollback(versions, target)


def way_back(versions: VersionService) -> None:
    """A link that asks whether to roll back, where there is a version to go back to."""
    target = versions.served_before()
    if target is not None:
        st.page_link(
            "versions.py",
            label=f"Go back to version {target}",
            icon=":material/undo:",
            query_params={session.ROLL_BACK_NOW: str(target)},
        )


def actions(services: Services, version: VersionSummary) -> None:
    """One button each; those that change the active version, or delete, ask first."""
    number, versions = version.version, services.versions
    with errors_shown(), st.container(horizontal=True):
        if st.button(
            f"Activate version {number}",
            key=session.ACTIVATE,
            type="primary",
            icon=":material/play_circle:",
            disabled=version.active or version.state != "ready",
            help="Already active." if version.active else None,
        ):
            confirm_activation(versions, version)
        if st.button(
            "Reproduce",
            key=session.TRAIN_AGAIN,
            icon=":material/content_copy:",
            help="Trains again on the same data, seed and hyperparameters, and compares every array. Saves no version.",
        ):
            run_id = services.training.train_again(number, queue=True)
            rerun_with(f"Training run {run_id} will reproduce version {number}.")
        _export(services.version_files, version)
        _delete(versions, version)


def _export(files: VersionFileService, version: VersionSummary) -> None:
    """The file may have hundreds of megabytes, so it is made on request."""
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
    reason = "It is active. Activate another version first." if version.active else None
    reason = "Already deleted." if version.state == "deleted" else reason
    if st.button(
        "Delete", key=session.DELETE_VERSION, icon=":material/delete:", disabled=reason is not None, help=reason
    ):
        confirm_deletion(versions, version)


def repetition(training: TrainingService, version: VersionSummary) -> None:
    """Progress or result of the last run that reproduces this version."""
    run = next((run for run in training.runs(limit=SEARCHED_RUNS) if run.repeats == version.version), None)
    if run is None:
        return
    every_s = progress.EVERY_S if not run.state.is_finished else None
    progress.live(lambda: _repetition(training.status(run.run_id)), every_s=every_s)


def _repetition(run: TrainingStatus) -> None:
    unfinished = not run.state.is_finished
    with st.container(border=unfinished, gap="xsmall"):
        if unfinished:
            st.markdown("Reproducing this version")
            progress.training_bar(run)
        else:
            runs.outcome(run)
        runs.link(run.run_id)


@dialog("Activate a version?")
def confirm_activation(versions: VersionService, version: VersionSummary) -> None:
    """Ask for a reason, then activate."""
    st.markdown(f"Version {version.version} takes over with the next request. You can roll back at any time.")
    with errors_shown():
        against = versions.overruled(version.version)
        if against is not None:
            verdict.show(against, f"This goes against its verdict. {against.text}")
        reason = _reason(label="Reason (required)" if against else "Reason")
        yes = confirmed(f"Activate version {version.version}")
        if yes and against is not None and not reason.strip():
            st.error("Give a reason. It is kept in the deployment history.", icon=":material/edit:")
        elif yes:
            versions.activate(version.version, actor="you", reason=reason)
            rerun_with(f"Version {version.version} is active.")


@dialog("Roll back?")
def confirm_rollback(versions: VersionService, target: int) -> None:
    """Ask for a reason, then activate the previous version."""
    st.markdown(
        f"Version {target} was active before and takes over with the next request. Roll back again to undo this."
    )
    reason = _reason()
    with errors_shown():
        if confirmed(f"Roll back to version {target}"):
            version = versions.rollback(actor="you", reason=reason)
            rerun_with(f"Version {version} is active again.")


@dialog("Delete a version?")
def confirm_deletion(versions: VersionService, version: VersionSummary) -> None:
    """Explain what is lost, ask for a reason, then delete."""
    st.markdown(
        f"This deletes the arrays of version {version.version} ({version.size_bytes / 1e6:,.1f} MB). It can't be"
        " activated or compared again; its hyperparameters and metrics stay. Export it first if you may need it."
    )
    reason = _reason("Shown in the notices")
    with errors_shown():
        if confirmed(f"Delete version {version.version}"):
            versions.delete(version.version, actor="you", reason=reason)
            rerun_with(f"Version {version.version} deleted.")


def _reason(where: str = "Kept in the deployment history", label: str = "Reason") -> str:
    return st.text_input(label, key=session.REASON, max_chars=MAX_REASON, placeholder=where)
