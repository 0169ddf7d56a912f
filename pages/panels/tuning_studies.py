"""Studies of hyperparameters: their form, the one that goes on, their table, and one of them in full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from engine.errors import InvalidInput
from engine.models.registry import MODELS
from engine.services import Services
from engine.services.tuning import Study, TrialReport
from pages.panels import tuning_charts
from pages.ui import session, tables
from pages.ui.escape import text
from pages.ui.format import duration, model_name, when
from pages.ui.forms import choose_model, fault
from pages.ui.page import errors_shown, toast_next
from pages.ui.tables import select_one

if TYPE_CHECKING:
    from engine.models.registry import SearchRange

STATES = {
    "queued": "Waiting",
    "running": "Running",
    "stopped": "Stopped",
    "succeeded": "Ended",
    "failed": "Failed",
}
TRIAL_STATES = {"running": "Running", "complete": "Finished", "pruned": "Given up", "failed": "Failed"}
CUT_SHORT = "Cut short, tried again"
TRIALS, FOLDS, MINUTES, SEED = 20, 3, 30.0, 0
BUSY = "Another study is going on; stop it first."
ASKED = "study"  # in the address: the study that is picked


def order(services: Services, *, unfolded: bool) -> None:
    """The form that starts a study."""
    with st.expander("Start a study", expanded=unfolded, icon=":material/search_insights:"):
        kind = choose_model(session.STUDY_MODEL).kind
        st.caption(
            "Every trial learns once for each fold. The first trial has the defaults; the ones after it are chosen by "
            "what earlier ones have shown, and given up early where they fall behind."
        )
        with st.form("study", border=False):
            values = _fields(st.session_state.get(session.STUDY_FAULT, {}))
            if st.form_submit_button("Start the study", type="primary", icon=":material/play_arrow:"):
                _start(services, kind, values)
        st.markdown("**What is searched**")
        searched([*services.tuning.search_space(kind)])


def _fields(faults: dict[str, str]) -> dict[str, Any]:
    grid = st.grid(4, min_column_width=150)
    values: dict[str, Any] = {}
    inputs: tuple[tuple[str, str, float, str, str], ...] = (
        ("trials", "Trials", TRIALS, session.TRIALS, "How many sets of hyperparameters are tried, the defaults first."),
        ("folds", "Folds", FOLDS, session.FOLDS, "Parts of the ratings; each is predicted by what learned the others."),
        (
            "minutes",
            "Minutes",
            MINUTES,
            session.MINUTES,
            "The time for all trials; waiting for a training is left out.",
        ),
        ("seed", "Seed", SEED, session.STUDY_SEED, "Equal seeds try the same."),
    )
    for name, label, default, key, about in inputs:
        with grid.cell():
            step = 1.0 if isinstance(default, float) else 1
            shape = "%g" if isinstance(default, float) else "%d"
            values[name] = st.number_input(
                label, value=default, step=step, format=shape, help=about, key=key, persist_state="session"
            )
            if name in faults:
                fault(faults[name])
    for name in faults.keys() - values.keys():
        fault(faults[name])
    return values


def _start(services: Services, kind: str, values: dict[str, Any]) -> None:
    """Start the study, or keep what was wrong; either way the page is drawn again."""
    st.session_state.pop(session.STUDY_FAULT, None)
    try:
        study_id = services.tuning.start(kind, **values)
    except InvalidInput as error:
        st.session_state[session.STUDY_FAULT] = {error.field: str(error)}
    else:
        toast_next(f"Study {study_id} has started.")
    st.rerun()


def searched(space: Sequence[SearchRange]) -> None:
    """What a study tries of each hyperparameter."""
    rows = [
        {
            "Hyperparameter": one.title,
            "Tried": ", ".join(tuning_charts.show(choice) for choice in one.choices)
            if one.choices
            else f"{one.low:g} to {one.high:g}",
            "Drawn": "one of these" if one.choices else "evenly on a log scale" if one.log else "evenly",
        }
        for one in space
    ]
    tables.table(rows, "What a study searches")
    st.caption("These ranges and the defaults are in hyperparameters.toml, beside app.py.")


def bar(services: Services, study: Study) -> None:
    """How far the study is, what it has used and what is left, and a way to stop it."""
    with st.container(border=True):
        st.subheader(f"Study {study.study_id} · {MODELS[study.model].label}", anchor=False)
        left = f" · about {duration(study.eta_s)} left" if study.eta_s is not None else ""
        st.progress(
            min(study.trials_done / study.trials, 1.0),
            text=f"{text(study.stage)} · {study.trials_done} of {study.trials} trials done · "
            f"{duration(study.used_s)} of {duration(study.budget_s)}{left}",
        )
        if study.best is not None:
            st.caption(f"Best so far: trial {study.best.number}, RMSE {study.best.rmse:.4f}.")
        if st.button("Stop this study", icon=":material/stop_circle:", help="Its trials are kept; it can be resumed."):
            services.tuning.stop(study.study_id)


def table(history: Sequence[Study]) -> int | None:
    """Every study that does not run, newest first; returns the number of the one to show, at first the newest.

    The address keeps the one that is picked: ``?study=3``.
    """
    if not history:
        st.caption("No study has ended yet. One of 20 trials takes seconds to minutes, by model and number of ratings.")
        return None
    number = st.column_config.NumberColumn
    picked = select_one(
        {study.study_id: _row(study) for study in history},
        key=session.STUDY,
        name=ASKED,
        columns={"Study": number(width=60), "Best RMSE": number(format="%.4f"), "Defaults": number(format="%.4f")},
        alt="Studies, newest first",
    )
    st.caption("Select a study to see its trials and what it has shown.")
    return history[0].study_id if picked is None else picked


def _row(study: Study) -> dict[str, object]:
    defaults = next((trial.rmse for trial in study.history if trial.defaults and trial.rmse is not None), None)
    return {
        "Study": study.study_id,
        "State": STATES[study.state],
        "Trials": f"{study.trials_done}/{study.trials}",
        "Best RMSE": study.best.rmse if study.best else None,
        "Defaults": defaults,
        "Better": "–" if study.evidence is None else "Yes" if study.evidence.better else "Not shown",
        "Model": model_name(study.model),
        "Took": duration(study.used_s),
        "Started": when(study.created_at),
    }


def details(services: Services, study: Study, *, busy: bool) -> None:
    """One study: what it has shown, what can be done with it, its charts and its trials."""
    st.subheader(f"Study {study.study_id} · {MODELS[study.model].label}", anchor=False)
    if study.error:
        st.error(text(study.error), icon=":material/error:")
    st.caption(
        f"{text(study.stage)}. {study.trials_done} of {study.trials} trials in {study.folds} folds, "
        f"{duration(study.used_s)} of {duration(study.budget_s)}; seed {study.seed}."
    )
    _evidence(study)
    _actions(services, study, busy=busy)
    charts_of(study, key=str(study.study_id))
    if study.history:
        with st.expander("Trials", icon=":material/list:"):
            trials(study)


def _evidence(study: Study) -> None:
    if study.evidence is not None:
        kind, icon = (st.success, "check_circle") if study.evidence.better else (st.info, "balance")
        kind(text(study.evidence.text), icon=f":material/{icon}:")
    elif study.best is not None and study.best.defaults:
        st.info("No trial was better than the defaults, so there is nothing to change.", icon=":material/balance:")
    elif study.best is not None:
        st.info("The defaults have to be tried to the end before anything can be said.", icon=":material/balance:")


def _actions(services: Services, study: Study, *, busy: bool) -> None:
    with st.container(horizontal=True):
        best = None if study.best is None or study.best.defaults else study.best
        better = study.evidence is not None and study.evidence.better
        if best is not None and st.button(
            f"Train with trial {best.number}",
            type="primary" if better else "secondary",
            icon=":material/model_training:",
            help="Starts a training with these hyperparameters; the new version serves if it is shown to be better.",
        ):
            run_id = services.tuning.train_with(study.study_id)
            toast_next(f"Training run {run_id} has started with the hyperparameters of trial {best.number}.")
            st.switch_page("training.py")
        if study.trials_done < study.trials and st.button(
            "Resume",
            type="secondary" if better else "primary",
            icon=":material/resume:",
            disabled=busy,
            help=BUSY if busy else "Goes on where it stopped.",
        ):
            _resume(services, study)
        with st.popover("Go on with other limits", icon=":material/tune:", disabled=busy, help=BUSY if busy else None):
            _limits(services, study)


def _limits(services: Services, study: Study) -> None:
    """How many trials and minutes a study is to have in all."""
    more = TRIALS if study.trials_done >= study.trials else 0
    trials = st.number_input(
        "Trials in all", value=study.trials + more, step=1, key=session.more("trials", study.study_id)
    )
    minutes = st.number_input(
        "Minutes in all",
        value=study.budget_s / 60 * (2 if study.used_s > study.budget_s / 2 else 1),
        step=1.0,
        format="%g",
        key=session.more("minutes", study.study_id),
    )
    if st.button("Go on", type="primary", icon=":material/resume:", key=session.more("go", study.study_id)):
        with errors_shown():
            _resume(services, study, trials, minutes)


def _resume(services: Services, study: Study, trials: int | None = None, minutes: float | None = None) -> None:
    services.tuning.resume(study.study_id, trials, minutes)
    toast_next(f"Study {study.study_id} goes on.")
    st.rerun()


def charts_of(study: Study, *, key: str) -> None:
    """RMSE by trial, importance, and every trial's hyperparameters as a line."""
    finished = [trial for trial in study.history if trial.rmse is not None]
    if not finished:
        st.caption("The charts begin with the first finished trial.")
        return
    tuning_charts.by_trial(study, key=f"study.trials.{key}")
    if len(finished) > 1:
        st.markdown("**Hyperparameters and what came of them**")
        tuning_charts.parallel(study, key=f"study.parallel.{key}")
    if study.importance:
        st.markdown("**What the RMSE depends on**")
        tuning_charts.importance(study, key=f"study.importance.{key}")


def trials(study: Study) -> None:
    """Every trial with its folds and hyperparameters."""
    folds = range(study.folds)
    st.dataframe(
        [_trial(trial, folds) for trial in study.history],
        hide_index=True,
        column_config={
            name: st.column_config.NumberColumn(format="%.4f") for name in ("RMSE", *(_fold(fold) for fold in folds))
        },
        placeholder="–",
        alt=f"Trials of study {study.study_id}",
    )


def _fold(fold: int) -> str:
    return f"Fold {fold + 1}"


def _trial(trial: TrialReport, folds: range) -> dict[str, object]:
    state = CUT_SHORT if trial.state == "failed" and trial.reason is None else TRIAL_STATES[trial.state]
    by_fold = {one.fold: one.rmse for one in trial.folds}
    row: dict[str, object] = {
        "Trial": trial.number,
        "State": f"{state} (defaults)" if trial.defaults else state,
        "RMSE": trial.rmse,
    }
    row |= {_fold(fold): by_fold.get(fold) for fold in folds}
    values = {
        name.replace("_", " ").capitalize(): tuning_charts.show(one) for name, one in trial.hyperparameters.items()
    }
    return row | {"Took": duration(trial.seconds)} | values | {"Reason": trial.reason}
