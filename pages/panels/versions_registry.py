"""The registry of versions: its table, one version in full, the ledger, and versions that come from a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from engine.services.version_files import VersionFileService
from engine.services.version_records import MAX_NOTE_LENGTH, VersionSummary
from engine.services.versions import VersionService
from pages.panels.versions_newcomers import newcomers
from pages.ui import metrics, session, tables, verdict
from pages.ui.escape import text
from pages.ui.format import model_name, when
from pages.ui.page import errors_shown, toast_next
from pages.ui.tables import select

STATES = {"ready": "Ready", "damaged": "Damaged", "deleted": "Deleted"}
COLORS = {"Serves": "green", "Ready": "blue", "Damaged": "red", "Deleted": "gray"}
GONE = {
    "damaged": "Its stored arrays are damaged, so it can't serve. What was measured of it is kept.",
    "deleted": "Its arrays are deleted, so it can't serve. What was measured of it is kept.",
}
EXPORTS = ["zip"]
NOTE_PX = 175  # what a window of 1280 pixels has left beside the metrics
PROTOCOL = {
    "split": "held out to measure",
    "k": "movies in each measured list",
    "relevant_from": "a movie counts as liked from a rating of",
    "train_ratings": "ratings learned",
    "test_ratings": "ratings held out",
    "test_fingerprint": "fingerprint of the ratings held out",
    "users_with_lists": "users whose lists were measured",
    "catalogue": "movies that a list can hold",
    "interval": "intervals",
    "seed": "seed of the intervals",
    "personal_from": "ratings from which a list is personal",
}


def state(version: VersionSummary) -> str:
    """The state in a word."""
    return "Serves" if version.active else STATES.get(version.state, version.state)


def table(versions: Sequence[VersionSummary]) -> list[VersionSummary]:
    """Every version, newest first; returns the picked ones, at first the one that serves."""
    st.subheader("All versions", anchor=False)
    rows = {version.version: _row(version) for version in versions}
    for name in ("Verdict", "Tags", "Note"):  # a column of words is there only where there are words
        if not any(row[name] for row in rows.values()):
            rows = {number: {key: row[key] for key in row if key != name} for number, row in rows.items()}
    picked = select(
        rows,
        key=session.VERSION,
        mode="multi-row",
        columns=_columns(),
        alt="Model versions, newest first",
    )
    st.caption("Tick one version to see its details, two or more to compare them. A click on a heading sorts.")
    serving = next((version for version in versions if version.active), versions[0])
    return [version for version in versions if version.version in picked] or [serving]


def _row(version: VersionSummary) -> dict[str, object]:
    told = state(version)
    row: dict[str, object] = {
        "Version": version.version,
        "State": f"● {told}" if version.active else told,
        "Verdict": version.verdict or "",
    }
    for name in metrics.KEY_MEASURES:
        how, found = metrics.measure(name), version.metrics.get(name)
        row[how.label] = None if found is None else found.value * (100 if how.percent else 1)
    words = {"Model": model_name(version.kind), "Note": version.note, "Trained": when(version.created_at)}
    return row | words | {"Tags": ", ".join(version.tags), "Ratings": version.ratings, "MB": version.size_bytes / 1e6}


def _columns() -> dict[str, Any]:
    """Numbers stay numbers, so that they sort by size."""
    number = st.column_config.NumberColumn
    measured = {
        how.label: number(format="%.1f%%" if how.percent else "%.4f", help=f"{how.meaning} {how.direction}")
        for how in map(metrics.measure, metrics.KEY_MEASURES)
    }
    sizes = {"Version": number(width=65), "Ratings": number(format="localized"), "MB": number(format="%.1f")}
    words = {name: st.column_config.TextColumn(width=NOTE_PX) for name in ("Note", "Tags")}
    return measured | sizes | words


def heading(version: VersionSummary) -> None:
    """Number, state, tags, what it learned from, and its note."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(f"Version {version.version}", anchor=False, width="content")
        told = state(version)
        badges = [f":{COLORS.get(told, 'gray')}-badge[{text(told)}]"]
        badges += [verdict.badge(version.verdict)] if version.verdict else []
        badges += [f":gray-badge[:material/sell: {text(tag)}]" for tag in version.tags]
        st.markdown(" ".join(badges), width="content")
    since = f" It serves since {when(version.activated_at)}." if version.active and version.activated_at else ""
    st.caption(
        f"Trained on {version.ratings:,} ratings of {version.movies:,} movies by {version.users:,} users;"
        f" {version.size_bytes / 1e6:,.1f} MB.{since}"
    )
    if version.state in GONE:
        st.warning(GONE[version.state], icon=":material/inventory_2:")
    if version.note:
        st.markdown(text(version.note))


def details(versions: VersionService, version: VersionSummary) -> None:
    """Metrics with intervals, verdict, hyperparameters, data and protocol of one version; its note and tags to edit."""
    measured, judged, settings, origin, words = st.tabs(
        ["Metrics", "Verdict", "Hyperparameters", "Data and protocol", "Note and tags"]
    )
    with judged, errors_shown():
        _judged(versions, version)
    with measured:
        if version.metrics:
            tables.table(metrics.rows(version.metrics), f"Metrics of version {version.version}")
            newcomers(version.newcomers, key=f"version {version.version} newcomers")
        else:
            st.caption("There were too few ratings to hold any out, so it was not measured.")
    with settings:
        tables.pairs(version.hyperparameters, f"Hyperparameters of version {version.version}")
    with origin:
        _origin(version)
    with words, errors_shown():
        _describe(versions, version)


def _judged(versions: VersionService, version: VersionSummary) -> None:
    found = versions.judgement(version.version)
    if found is None:
        st.caption("It was not judged against another version: it came from a file, or from an earlier Marquee.")
        return
    verdict.tell(found, f"{found.verdict}: {found.text}")
    verdict.evidence(found, key=f"version {version.version}")


def _origin(version: VersionSummary) -> None:
    facts: dict[str, object] = {"fingerprint of the ratings": version.data_fingerprint}
    if version.digest:
        facts["digest of all arrays"] = version.digest
    tables.pairs(facts | protocol(version.protocol), f"Data and protocol of version {version.version}")
    if version.run_id is None:
        st.caption("It came from a file, so there is no log of its training here.")
    else:
        st.page_link(
            "training.py",
            label=f"Log of training run {version.run_id}",
            icon=":material/receipt_long:",
            query_params={"run": str(version.run_id)},
        )


def protocol(told: Mapping[str, Any]) -> dict[str, object]:
    """How a version was measured, in plain words; what has none here keeps its name."""
    return {
        PROTOCOL.get(name, name): f"{value:,}" if type(value) is int and name != "seed" else value
        for name, value in told.items()
    }


def _describe(versions: VersionService, version: VersionSummary) -> None:
    known = sorted({tag for one in versions.list() for tag in one.tags})
    with st.form(f"describe {version.version}", border=False):
        note = st.text_area(
            "Note",
            version.note,
            max_chars=MAX_NOTE_LENGTH,
            key=session.described("note", version.version),
            placeholder="What is special about it",
        )
        tags = st.multiselect(
            "Tags",
            known,
            list(version.tags),
            accept_new_options=True,
            key=session.described("tags", version.version),
            placeholder="Choose tags, or type a new one",
            help="A version with tags is kept: making room for newer versions never removes it.",
        )
        if st.form_submit_button("Save", icon=":material/save:"):
            versions.describe(version.version, note=note, tags=tags)
            toast_next(f"Note and tags of version {version.version} are saved.")
            st.rerun()


def ledger(records: Sequence[Any]) -> None:
    """Which version served from when, who changed it and why."""
    rows = [
        {"Since": when(one.activated_at), "Version": str(one.version), "By": one.actor, "Why": one.reason}
        for one in records
    ]
    if rows:
        tables.table(rows, "Changes of the version that serves, newest first")
    else:
        st.caption("No version has served yet.")


def import_panel(files: VersionFileService) -> None:
    """Take in a version that was exported here or by another Marquee."""
    with (
        st.expander("Import a version", icon=":material/upload_file:"),
        errors_shown(),
        st.form("import a version", clear_on_submit=True, border=False),
    ):
        upload = st.file_uploader(
            "A file that Export made",
            type=EXPORTS,
            key=session.IMPORT_VERSION,
            help="Every array is checked against its hash. The version has to know the same users and movies.",
        )
        if st.form_submit_button("Import the version", icon=":material/upload:"):
            if upload is None:
                st.warning("Choose a file first.", icon=":material/info:")
            else:
                number = files.import_file(upload, actor="you")
                st.session_state[session.VERSION] = [number]
                toast_next(f"Version {number} is imported. It does not serve until you say so.")
                st.rerun()
