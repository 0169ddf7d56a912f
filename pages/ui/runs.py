"""Training runs: their table, and the details of one."""

from collections.abc import Sequence

import streamlit as st

from engine.recommending.effect import ListEffect
from engine.services import Services
from engine.services.automation import RULE, SCHEDULE
from engine.services.training import TrainingService, TrainingStatus
from engine.services.version_records import VersionSummary
from engine.words import counted
from pages.ui import charts, metrics, preferences, session, tables, verdict
from pages.ui.calls import Call, offer
from pages.ui.escape import text
from pages.ui.format import hyperparameters, model_name, took, when
from pages.ui.tables import select_one

MAX_RUNS = 50
ACTORS = {SCHEDULE: "schedule", RULE: "new ratings", "api": "API", "marquee": "Marquee"}
"""Labels of those who start runs; anybody else goes by their name."""
QUERY = "run"  # query parameter: the selected run
SHORT = 12  # characters of a fingerprint that are shown


def actor(name: str) -> str:
    """Who started a run."""
    return ACTORS.get(name, name) or "–"


def link(run_id: int) -> None:
    """A link to the details of a run."""
    label, query = f"Training run {run_id}", {QUERY: str(run_id)}
    st.page_link("training.py", label=label, icon=":material/receipt_long:", query_params=query)


def ended(training: TrainingService, actors: Sequence[str] | None = None) -> list[TrainingStatus]:
    """The newest finished runs, of all or only those started by one of these."""
    return [run for run in training.runs(limit=MAX_RUNS, actors=actors) if run.state.is_finished]


def table(history: Sequence[TrainingStatus], empty: str = "No runs yet.") -> int | None:
    """All runs, newest first; returns the number of the selected one. The address keeps it: ``?run=3``."""
    if not history:
        st.caption(empty)
        return None
    number, word = st.column_config.NumberColumn, st.column_config.TextColumn
    metric = number(format="%.4f", width=90)
    selected = select_one(
        {run.run_id: _row(run) for run in history},
        key=session.RUN,
        name=QUERY,
        columns={
            "Run": number(width=48),
            "State": word(width=84),
            "Verdict": word(width=78),
            "Version": number(width=66),
            "RMSE before": metric,
            "RMSE": metric,
            "NDCG before": metric,
            "NDCG@10": metric,
            "Took": word(width=80),
            "Started": word(width=130),
        },
        alt="Training runs, newest first",
    )
    st.caption("Select a run for details. “Before” is the version that was active, on the same held-out ratings.")
    return selected


def _row(run: TrainingStatus) -> dict[str, object]:
    rmse, ndcg = (before_and_after(run, name) for name in ("rmse", "ndcg_at_k"))
    return {
        "Run": run.run_id,
        "State": run.state.capitalize(),
        "Verdict": verdict.label(run.judgement.verdict) if run.judgement else None,
        "Version": run.version,
        "RMSE before": rmse[0],
        "RMSE": rmse[1],
        "NDCG before": ndcg[0],
        "NDCG@10": ndcg[1],
        "Took": took(run.started_at, run.ended_at),
        "Started": when(run.started_at),
        "By": actor(run.actor),
        "Model": model_name(run.model),
        "Outcome": run.error or verdict.plain(run.verdict or "–"),
    }


def before_and_after(run: TrainingStatus, name: str) -> tuple[float | None, float | None]:
    """A metric of the previously active version and of the new one.

    Both are on the same held-out ratings if the verdict compared them; otherwise only the new one is known. Errors of
    preferences say nothing, so they are left out.
    """
    if name in preferences.ERRORS and preferences.in_use():
        return None, None
    compared = run.judgement.compared.get(name) if run.judgement else None
    return compared or (None, run.metrics[name].value if run.metrics and name in run.metrics else None)


def summary(run: TrainingStatus) -> str:
    """Outcome of a run in a few words: its verdict or state, and the error before and after."""
    before, after = before_and_after(run, "rmse")
    outcome = verdict.label(run.judgement.verdict) if run.judgement else run.state.capitalize()
    if after is None:
        return outcome
    return f"{outcome}, RMSE {after:.4f}" if before is None else f"{outcome}, RMSE {before:.4f} → {after:.4f}"


def curve(run: TrainingStatus, *, key: str) -> None:
    """Error by epoch; of preferences it says nothing."""
    if preferences.in_use():
        return
    if run.history:
        charts.learning_curve(run.history, key=f"training.curve.{key}", growing=run.state == "running")
    elif not run.state.is_finished:
        st.caption("The chart appears with the first epoch.")
    else:
        st.caption("The run ended before its first epoch.")


def outcome(run: TrainingStatus) -> None:
    """Error, verdict, or whether a repeated version is identical."""
    if run.error:
        box = st.error if run.state == "failed" else st.warning
        box(text(run.error), icon=":material/error:")
    if run.verdict and run.judgement is not None:
        verdict.show(run.judgement, run.verdict)
    elif run.verdict and run.repeats is None:
        st.info(text(run.verdict), icon=":material/gavel:")
    elif run.verdict:
        box = st.success if run.repeated else st.error
        box(text(run.verdict), icon=":material/verified:" if run.repeated else ":material/difference:")


def details(services: Services, run: TrainingStatus) -> None:
    """Outcome, what it changes for people, chart, metrics, and everything the numbers depend on."""
    version = _saved(services, run)
    st.header(f"Run {run.run_id}", anchor=False)
    outcome(run)
    if run.judgement is not None:
        verdict.whom(run.judgement)
    effect(run.effect)
    if version is not None:
        label, query = f"Open version {version.version}", {"version": str(version.version)}
        st.page_link("versions.py", label=label, icon=":material/inventory_2:", query_params=query)
    if run.judgement is not None and run.judgement.evidence:
        with st.expander("Evidence", icon=":material/balance:"):
            verdict.evidence(run.judgement, key=f"run {run.run_id}")
    curve(run, key=str(run.run_id))
    if run.metrics:
        floor = metrics.floors(version.baselines, version.protocol) if version else {}
        rows = metrics.rows(preferences.without_errors(run.metrics), run.before, floor)
        tables.table(rows, f"Metrics of run {run.run_id}", phone="scroll")
        if floor:
            st.caption(metrics.DRAWN)
        if run.before and run.judgement and run.judgement.evidence:
            st.caption(
                "Each version was measured on its own held-out ratings. The verdict compares both on the same ratings,"
                " so its numbers may differ."
            )
    with st.expander("Hyperparameters", icon=":material/tune:"):
        rows = hyperparameters(run.model, run.hyperparameters, version.hyperparameters if version else {})
        tables.table(rows, f"Hyperparameters of run {run.run_id}")
        offer(services, _call(run))
    with st.expander("Data, time, memory and packages", icon=":material/receipt_long:"):
        tables.pairs(facts(run), f"Data, time, memory and packages of run {run.run_id}")


def _saved(services: Services, run: TrainingStatus) -> VersionSummary | None:
    """The version that a run saved."""
    return None if run.version is None else services.versions.get(run.version)


def effect(found: ListEffect | None) -> None:
    """What a version changes for people, beside the one that was active before."""
    if found is not None:
        against = f"Beside version {found.baseline}, lists of a sample of {counted(found.users, 'person', 'people')}."
        st.markdown(f"{text(found.text)} :small[:gray[{against}]]")


def _call(run: TrainingStatus) -> Call:
    """The call of the API that starts the same run."""
    if run.repeats is not None:
        return Call("/api/ml/retrain", body={"version": run.repeats, "exact": True})
    body = {"model": run.model, "hyperparameters": run.hyperparameters, "ranker": run.ranker, "activate": run.activate}
    return Call("/api/ml/train", body=body)


def facts(run: TrainingStatus) -> dict[str, object]:
    """What a run used, by name."""
    fingerprint, peak = run.data_fingerprint, run.peak_memory_bytes
    repeats: dict[str, object] = {} if run.repeats is None else {"repeats": f"version {run.repeats}"}
    return (
        repeats
        | {
            "started by": actor(run.actor),
            "started": when(run.started_at),
            "took": took(run.started_at, run.ended_at),
            "seed": run.seed,
            "data fingerprint": fingerprint[:SHORT] if fingerprint else "–",
            "peak memory of the process": "–" if peak is None else f"{peak / 2**20:,.0f} MiB",
        }
        | dict(sorted(run.packages.items()))
    )
