"""Training runs: their table, and one of them in full."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from engine.types import TrainingStatus
from pages.ui import charts, keys, measures, tables
from pages.ui.moments import took, when
from pages.ui.plain import text

STATES = {
    "queued": "Waiting",
    "running": "Running",
    "succeeded": "Succeeded",
    "failed": "Failed",
    "cancelled": "Cancelled",
}


def table(history: Sequence[TrainingStatus]) -> int | None:
    """Every run, newest first; returns the number of the one that was selected."""
    if not history:
        st.caption("Nothing was trained yet.")
        return None
    picked = st.dataframe(
        [_row(run) for run in history],
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=keys.RUN,
        column_config={"Run": st.column_config.NumberColumn(width=60), "Epochs": st.column_config.TextColumn(width=90)},
        alt="Training runs, newest first",
    )
    st.caption("Select a run to see its chart and its metrics.")
    rows = picked["selection"]["rows"]
    return history[rows[0]].run_id if rows and rows[0] < len(history) else None


def _row(run: TrainingStatus) -> dict[str, object]:
    def metric(name: str) -> str:
        return measures.measure(name).show(run.metrics[name].value) if run.metrics and name in run.metrics else "–"

    return {
        "Run": run.run_id,
        "State": STATES[run.state],
        "Model": run.model,
        "Version": "–" if run.version is None else str(run.version),
        "Epochs": f"{run.epoch}/{run.epochs}",
        "RMSE": metric("rmse"),
        "NDCG@10": metric("ndcg_at_k"),
        "Took": took(run.started_at, run.ended_at),
        "Started": when(run.started_at or run.created_at),
        "Outcome": run.error or run.verdict or "–",
    }


def curve(run: TrainingStatus, *, key: str) -> None:
    """The error by epoch, as far as the run has come."""
    if run.history:
        charts.learning_curve(run.history, key=f"training.curve.{key}", growing=run.state == "running")
    else:
        st.caption("The chart begins with the first epoch.")


def details(run: TrainingStatus) -> None:
    """One run: what came of it, its chart, metrics and hyperparameters."""
    st.subheader(f"Run {run.run_id}", anchor=False)
    if run.error:
        kind = st.error if run.state == "failed" else st.warning
        kind(text(run.error), icon=":material/error:")
    if run.verdict:
        st.info(text(run.verdict), icon=":material/gavel:")
    curve(run, key=str(run.run_id))
    if run.metrics:
        tables.table(measures.rows(run.metrics, run.before), f"Metrics of run {run.run_id}")
    with st.expander("Hyperparameters", icon=":material/tune:"):
        tables.pairs(run.hyperparameters, f"Hyperparameters of run {run.run_id}")
