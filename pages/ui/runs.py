"""Training runs: their table, and one of them in full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from engine.services.automation import RULE, SCHEDULE
from engine.services.training import TrainingStatus
from pages.ui import charts, metrics, session, tables, verdict
from pages.ui.escape import text
from pages.ui.format import model_name, took, when
from pages.ui.progress import GOING
from pages.ui.tables import select_one

if TYPE_CHECKING:
    from engine.services.training import TrainingService

STATES = {
    "queued": "Waiting",
    "running": "Running",
    "succeeded": "Succeeded",
    "failed": "Failed",
    "cancelled": "Cancelled",
}
MOST = 50
ACTORS = {
    SCHEDULE: "the timetable",
    RULE: "new ratings",
    "api": "the API",
    "marquee": "Marquee",
}
"""Others are called as they are: ``you``, or a name."""
ASKED = "run"  # in the address: the run that is picked
SHORT = 12  # letters of a fingerprint that tell data apart


def actor(name: str) -> str:
    """Who has asked for a run, in words."""
    return ACTORS.get(name, name) or "–"


def ended(training: TrainingService) -> list[TrainingStatus]:
    """The newest runs, without those that go on or wait."""
    return [run for run in training.runs(limit=MOST) if run.state not in GOING]


def table(history: Sequence[TrainingStatus], empty: str = "Nothing was trained yet.") -> int | None:
    """Every run, newest first; returns the number of the one that is picked. The address keeps it: ``?run=3``."""
    if not history:
        st.caption(empty)
        return None
    number = st.column_config.NumberColumn
    metric = number(format="%.4f", width=90)
    picked = select_one(
        {run.run_id: _row(run) for run in history},
        key=session.RUN,
        name=ASKED,
        columns={
            "Run": number(width=48),
            "State": st.column_config.TextColumn(width=84),
            "Verdict": st.column_config.TextColumn(width=78),
            "Version": number(width=66),
            "RMSE before": metric,
            "RMSE": metric,
            "NDCG before": metric,
            "NDCG@10": metric,
            "Took": st.column_config.TextColumn(width=80),
            "Started": st.column_config.TextColumn(width=130),
        },
        alt="Training runs, newest first",
    )
    st.caption(
        "Select a run to see what came of it. Before: the version that served then, on the same held-out ratings."
    )
    return picked


def _row(run: TrainingStatus) -> dict[str, object]:
    rmse, ndcg = (before_and_after(run, name) for name in ("rmse", "ndcg_at_k"))
    return {
        "Run": run.run_id,
        "State": STATES[run.state],
        "Verdict": run.judgement.verdict if run.judgement else None,
        "Version": run.version,
        "RMSE before": rmse[0],
        "RMSE": rmse[1],
        "NDCG before": ndcg[0],
        "NDCG@10": ndcg[1],
        "Took": took(run.started_at, run.ended_at),
        "Started": when(run.started_at),
        "By": actor(run.actor),
        "Model": model_name(run.model),
        "Outcome": run.error or run.verdict or "–",
    }


def before_and_after(run: TrainingStatus, name: str) -> tuple[float | None, float | None]:
    """A metric of the version that served and of the new one.

    On the same held-out ratings where the verdict compared them; without that, each on its own, and the former is not
    told.
    """
    compared = run.judgement.compared.get(name) if run.judgement else None
    return compared or (None, run.metrics[name].value if run.metrics and name in run.metrics else None)


def in_short(run: TrainingStatus) -> str:
    """What came of a run in a few words: its state or verdict, and the error before and after."""
    before, after = before_and_after(run, "rmse")
    what = run.judgement.verdict if run.judgement else STATES[run.state]
    if after is None:
        return what
    return f"{what}, RMSE {after:.4f}" if before is None else f"{what}, RMSE {before:.4f} to {after:.4f}"


def curve(run: TrainingStatus, *, key: str) -> None:
    """The error by epoch, as far as the run has come."""
    if run.history:
        charts.learning_curve(run.history, key=f"training.curve.{key}", growing=run.state == "running")
    else:
        going = run.state in GOING
        st.caption("The chart begins with the first epoch." if going else "It ended before its first epoch.")


def outcome(run: TrainingStatus) -> None:
    """What came of a run: its error, its verdict, or whether the repeated version came out the same."""
    if run.error:
        kind = st.error if run.state == "failed" else st.warning
        kind(text(run.error), icon=":material/error:")
    if run.verdict and run.judgement is not None:
        verdict.tell(run.judgement, run.verdict)
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
            verdict.evidence(run.judgement, key=f"run {run.run_id}")
    curve(run, key=str(run.run_id))
    if run.metrics:
        tables.table(metrics.rows(run.metrics, run.before), f"Metrics of run {run.run_id}")
        if run.before and run.judgement and run.judgement.evidence:
            st.caption(
                "Each version as measured on the ratings held out from it at its time. The verdict compares both on "
                "the same ones, so its numbers may differ from these."
            )
    with st.expander("Hyperparameters", icon=":material/tune:"):
        tables.pairs(run.hyperparameters, f"Hyperparameters of run {run.run_id}")
    with st.expander("Data, time, memory and packages", icon=":material/receipt_long:"):
        tables.pairs(facts(run), f"What run {run.run_id} depends on, and what it took")


def facts(run: TrainingStatus) -> dict[str, object]:
    """What a run depends on and what it took, by name."""
    fingerprint, peak = run.data_fingerprint, run.peak_memory_bytes
    told: dict[str, object] = {} if run.repeats is None else {"repeats": f"version {run.repeats}"}
    told |= {
        "started by": actor(run.actor),
        "started": when(run.started_at),
        "took": took(run.started_at, run.ended_at),
        "seed": run.seed,
        "data fingerprint": fingerprint[:SHORT] if fingerprint else "–",
        "peak memory of the process": "–" if peak is None else f"{peak / 2**20:,.0f} MiB",
    }
    return told | dict(sorted(run.packages.items()))
