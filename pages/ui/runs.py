"""Training runs: their table, and one of them in full."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from engine.types import TrainingStatus
from pages.ui import charts, keys, measures, tables, verdicts
from pages.ui.moments import took, when
from pages.ui.picking import pick_one
from pages.ui.plain import text

STATES = {
    "queued": "Waiting",
    "running": "Running",
    "succeeded": "Succeeded",
    "failed": "Failed",
    "cancelled": "Cancelled",
}
ASKED = "run"  # in the address: the run that is picked
SHORT = 12  # letters of a fingerprint that tell data apart


def table(history: Sequence[TrainingStatus], empty: str = "Nothing was trained yet.") -> int | None:
    """Every run, newest first; returns the number of the one that is picked. The address keeps it: ``?run=3``."""
    if not history:
        st.caption(empty)
        return None
    number = st.column_config.NumberColumn
    picked = pick_one(
        {run.run_id: _row(run) for run in history},
        key=keys.RUN,
        name=ASKED,
        columns={
            "Run": number(width=60),
            "Version": number(width=75),
            "Epochs": st.column_config.TextColumn(width=90),
            "RMSE": number(format="%.4f"),
            "NDCG@10": number(format="%.4f"),
        },
        alt="Training runs, newest first",
    )
    st.caption("Select a run to see its chart and its metrics.")
    return picked


def _row(run: TrainingStatus) -> dict[str, object]:
    def metric(name: str) -> float | None:
        return run.metrics[name].value if run.metrics and name in run.metrics else None

    return {
        "Run": run.run_id,
        "State": STATES[run.state],
        "Model": run.model,
        "Version": run.version,
        "Epochs": f"{run.epoch}/{run.epochs}",
        "RMSE": metric("rmse"),
        "NDCG@10": metric("ndcg_at_k"),
        "Took": took(run.started_at, run.ended_at),
        "Started": when(run.started_at or run.created_at),
        "By": run.actor,
        "Outcome": run.error or run.verdict or "–",
    }


def curve(run: TrainingStatus, *, key: str) -> None:
    """The error by epoch, as far as the run has come."""
    if run.history:
        charts.learning_curve(run.history, key=f"training.curve.{key}", growing=run.state == "running")
    else:
        st.caption("The chart begins with the first epoch.")


def outcome(run: TrainingStatus) -> None:
    """What came of a run: its error, its verdict, or whether the repeated version came out the same."""
    if run.error:
        kind = st.error if run.state == "failed" else st.warning
        kind(text(run.error), icon=":material/error:")
    if run.verdict and run.judgement is not None:
        verdicts.tell(run.judgement, run.verdict)
    elif run.verdict and run.repeats is None:
        st.info(text(run.verdict), icon=":material/gavel:")
    elif run.verdict:
        proved = st.success if run.repeated else st.error
        proved(text(run.verdict), icon=":material/verified:" if run.repeated else ":material/difference:")


def details(run: TrainingStatus) -> None:
    """One run: what came of it, its chart, metrics, and all that its numbers depend on."""
    st.subheader(f"Run {run.run_id}", anchor=False)
    outcome(run)
    if run.judgement is not None and run.judgement.evidence:
        with st.expander("What the verdict rests on", icon=":material/balance:"):
            verdicts.evidence(run.judgement, key=f"run {run.run_id}")
    curve(run, key=str(run.run_id))
    if run.metrics:
        tables.table(measures.rows(run.metrics, run.before), f"Metrics of run {run.run_id}")
    with st.expander("Hyperparameters", icon=":material/tune:"):
        tables.pairs(run.hyperparameters, f"Hyperparameters of run {run.run_id}")
    with st.expander("Data, time, memory and packages", icon=":material/receipt_long:"):
        tables.pairs(facts(run), f"What run {run.run_id} depends on, and what it took")


def facts(run: TrainingStatus) -> dict[str, object]:
    """What a run depends on and what it took, by name."""
    fingerprint, peak = run.data_fingerprint, run.peak_memory_bytes
    told: dict[str, object] = {} if run.repeats is None else {"repeats": f"version {run.repeats}"}
    told |= {
        "started by": run.actor or "–",
        "started": when(run.started_at),
        "took": took(run.started_at, run.ended_at),
        "seed": run.seed,
        "data fingerprint": fingerprint[:SHORT] if fingerprint else "–",
        "peak memory of the process": "–" if peak is None else f"{peak / 2**20:,.0f} MiB",
    }
    return told | dict(sorted(run.packages.items()))
