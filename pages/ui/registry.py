"""The registry of versions: its table, one version in full, the ledger, and the two dialogs that change what serves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from engine.types import VersionSummary
from pages.ui import keys, measures, tables
from pages.ui.failures import shown
from pages.ui.moments import when
from pages.ui.page import tell_next
from pages.ui.plain import text

if TYPE_CHECKING:
    from engine.services.versions import VersionService

STATES = {"ready": "Ready", "damaged": "Damaged", "deleted": "Deleted"}
MOST_REASON = 500


def table(versions: Sequence[VersionSummary]) -> VersionSummary:
    """Every version, newest first; returns the selected one, at first the one that serves."""
    serving = next((n for n, version in enumerate(versions) if version.active), 0)
    st.subheader("All versions", anchor=False)
    picked = st.dataframe(
        [_row(version) for version in versions],
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=keys.VERSION,
        column_config={"Version": st.column_config.NumberColumn(width=75)},
        alt="Model versions, newest first",
    )
    st.caption("Select a version to see its details or to let it serve.")
    rows = picked["selection"]["rows"]
    return versions[rows[0] if rows and rows[0] < len(versions) else serving]


def _row(version: VersionSummary) -> dict[str, object]:
    row: dict[str, object] = {
        "Version": version.version,
        "State": "● Serves" if version.active else STATES.get(version.state, version.state),
        "Model": version.kind,
    }
    for name in measures.KEY_MEASURES:
        how = measures.measure(name)
        row[how.label] = how.show(version.metrics[name].value) if name in version.metrics else "–"
    return row | {"Ratings": f"{version.ratings:,}", "Trained": when(version.created_at)}


def details(version: VersionSummary) -> None:
    """Metrics with intervals, hyperparameters, data and protocol of one version."""
    st.subheader(f"Version {version.version}", anchor=False)
    since = f" It serves since {text(when(version.activated_at))}." if version.active and version.activated_at else ""
    st.caption(
        f"Trained on {version.ratings:,} ratings of {version.movies:,} movies by {version.users:,} users;"
        f" {version.size_bytes / 1e6:,.1f} MB.{since}"
    )
    metrics, settings, origin = st.tabs(["Metrics", "Hyperparameters", "Data and protocol"])
    with metrics:
        if version.metrics:
            tables.table(measures.rows(version.metrics), f"Metrics of version {version.version}")
        else:
            st.caption("There were too few ratings to hold any out, so it was not measured.")
    with settings:
        tables.pairs(version.hyperparameters, f"Hyperparameters of version {version.version}")
    with origin:
        run = {} if version.run_id is None else {"training run": version.run_id}
        facts = (
            run
            | ({"note": version.note} if version.note else {})
            | {"data fingerprint": version.data_fingerprint}
            | version.protocol
        )
        tables.pairs(facts, f"Data and protocol of version {version.version}")


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


@st.dialog("Let another version serve")
def confirm_activation(versions: VersionService, version: VersionSummary) -> None:
    """Ask for the reason, then activate."""
    st.markdown(f"Version {version.version} will answer from the next request on. You can roll back at any time.")
    reason = st.text_input("Why", key=keys.REASON, max_chars=MOST_REASON, placeholder="Goes into the ledger")
    with shown():
        if st.button(f"Let version {version.version} serve now", type="primary"):
            versions.activate(version.version, actor="you", reason=reason)
            tell_next(f"Version {version.version} serves now.")
            st.rerun()


@st.dialog("Roll back")
def confirm_rollback(versions: VersionService) -> None:
    """Ask for the reason, then let the version before serve again."""
    st.markdown("The version that served before will answer from the next request on.")
    reason = st.text_input("Why", key=keys.REASON, max_chars=MOST_REASON, placeholder="Goes into the ledger")
    with shown():
        if st.button("Roll back now", type="primary"):
            version = versions.rollback(actor="you", reason=reason)
            tell_next(f"Version {version} serves again.")
            st.rerun()
