"""Tuning studies: the form, progress, the table, and the details of one."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from engine.evaluation.metrics import METRICS
from engine.models.base import titled
from engine.models.registry import SearchRange
from engine.services import Services
from engine.services.studies import Study, TrialReport
from engine.training.tuning import GOALS, Goal
from engine.words import counted
from pages.panels import tuning_charts
from pages.ui import preferences, session, tables
from pages.ui.escape import text
from pages.ui.format import duration, model_name, when
from pages.ui.forms import FASTEST, choose_model, field_error, other_errors, submit
from pages.ui.page import errors_shown, rerun_with, toast_next
from pages.ui.tables import select_one

TRIAL_STATES = {"running": "Running", "complete": "Finished", "pruned": "Stopped early", "failed": "Failed"}
INTERRUPTED = "Interrupted, retried"
TRIALS, FOLDS, MINUTES, SEED = 20, 3, 30.0, 0
BUSY = "Another study is running. Stop it first."
MIN_IMPORTANCE = 10
"""Finished trials from which the importance of hyperparameters is more than chance."""
AIMS: dict[Goal, str] = {"rmse": "Predicted ratings (RMSE)", "ndcg_at_k": "Lists (NDCG@10)"}
ABOUT: dict[Goal, str] = {
    "rmse": "Each trial trains once per fold. The first uses the defaults; later ones are chosen from earlier results"
    " and stopped early if they fall behind.",
    "ndcg_at_k": "Each trial has other settings of the lists, and must find each person's later ratings from the"
    " earlier ones. The model keeps its defaults. The first trial has the settings that a training chooses by"
    " default; folds are groups of people.",
}
QUERY = "study"  # query parameter: the selected study
FIELDS: tuple[tuple[str, str, float, str, str], ...] = (
    ("trials", "Trials", TRIALS, session.TRIALS, "Sets of hyperparameters to try, starting with the defaults."),
    ("folds", "Folds", FOLDS, session.FOLDS, "Number of parts; each is predicted by a model trained on the rest."),
    ("minutes", "Minutes", MINUTES, session.MINUTES, "Time for all trials; waiting for a training doesn't count."),
    ("seed", "Seed", SEED, session.STUDY_SEED, "The same seed tries the same hyperparameters."),
)


def form(services: Services, *, expanded: bool) -> None:
    """The form that starts a study."""
    with st.expander("New study", expanded=expanded, icon=":material/search_insights:"):
        kind, goal = choose_model(session.STUDY_MODEL, FASTEST), _choose_goal()
        st.caption(ABOUT[goal])
        with st.form("study", border=False):
            values = _fields(st.session_state.get(session.STUDY_ERRORS, {}))
            if st.form_submit_button(
                "Start study", key=session.START_STUDY, type="primary", icon=":material/play_arrow:"
            ):
                submit(
                    session.STUDY_ERRORS, lambda: services.tuning.start(kind, goal=goal, **values), "Study {} started."
                )
        st.markdown("**Search space**")
        search_space([*services.tuning.search_space(kind, goal)])


def _choose_goal() -> Goal:
    """What the study improves; without ratings there are no errors to improve."""
    goals = GOALS[1:] if preferences.in_use() else GOALS
    goal = st.segmented_control(
        "Aim at",
        goals,
        default=goals[0],
        required=True,
        format_func=AIMS.__getitem__,
        key=session.STUDY_GOAL,
        persist_state="session",
    )
    return goal or goals[0]


def _fields(errors: dict[str, str]) -> dict[str, Any]:
    grid = st.grid(4, min_column_width=150)
    values: dict[str, Any] = {}
    for name, label, default, key, about in FIELDS:
        with grid.cell():
            step, shape = (1.0, "%g") if isinstance(default, float) else (1, "%d")
            values[name] = st.number_input(
                label, value=default, step=step, format=shape, help=about, key=key, persist_state="session"
            )
            field_error(errors, name, label)
    other_errors(errors, values)
    return values


def search_space(space: Sequence[SearchRange]) -> None:
    """What a study tries of each hyperparameter."""
    rows = [
        {
            "Hyperparameter": one.title,
            "Values": ", ".join(map(tuning_charts.show, one.choices))
            if one.choices
            else f"{one.low:g} to {one.high:g}",
            "Sampling": "one of these" if one.choices else "log scale" if one.log else "uniform",
        }
        for one in space
    ]
    tables.table(rows, "Search space")
    st.caption("Change these ranges and the defaults in `hyperparameters.toml`, next to `app.py`.")


def progress_card(services: Services, study: Study) -> None:
    """Progress of the running study, and a button to stop it."""
    with st.container(border=True):
        st.header(_title(study), anchor=False)
        left = f" · about {duration(study.eta_s)} left" if study.eta_s is not None else ""
        st.progress(
            min(study.trials_done / study.trials, 1.0),
            text=f"{text(study.stage)} · {study.trials_done} of {study.trials} trials done · "
            f"{duration(study.used_s)} of {duration(study.budget_s)}{left}",
        )
        if study.best is not None:
            st.caption(
                f"Best so far: trial {study.best.number}, {tuning_charts.label_of(study)} {study.best.value:.4f}."
            )
        if st.button(
            "Stop study", key=session.STOP_STUDY, icon=":material/stop_circle:", help="You can resume it later."
        ):
            services.tuning.stop(study.study_id)


def _title(study: Study) -> str:
    return f"Study {study.study_id} · {model_name(study.model)} · {METRICS[study.goal].label}"


def table(history: Sequence[Study], *, running: bool) -> int | None:
    """All studies that are not running, newest first; returns the number of the selected one, by default the newest.

    The address keeps the selection: ``?study=3``.
    """
    if not history:
        first = "No studies yet. One with 20 trials takes seconds to minutes, depending on model and data."
        st.caption("The study is listed here when it has ended." if running else first)
        return None
    number = st.column_config.NumberColumn
    selected = select_one(
        {study.study_id: _row(study) for study in history},
        key=session.STUDY,
        name=QUERY,
        columns={"Study": number(width=60), "Best": number(format="%.4f"), "Defaults": number(format="%.4f")},
        alt="Studies, newest first",
    )
    st.caption("Select a study for its trials and results.")
    return history[0].study_id if selected is None else selected


def _row(study: Study) -> dict[str, object]:
    defaults = next((trial.value for trial in study.history if trial.defaults and trial.value is not None), None)
    return {
        "Study": study.study_id,
        "State": "Finished" if study.state == "succeeded" else study.state.capitalize(),
        "Trials": f"{study.trials_done}/{study.trials}",
        "Aim": METRICS[study.goal].label,
        "Best": study.best.value if study.best else None,
        "Defaults": defaults,
        "Better": "–" if study.evidence is None else "Yes" if study.evidence.better else "Not proven",
        "Model": model_name(study.model),
        "Took": duration(study.used_s),
        "Started": when(study.created_at),
    }


def details(services: Services, study: Study, *, busy: bool) -> None:
    """Result, actions, charts and trials."""
    st.header(_title(study), anchor=False)
    if study.error:
        st.error(text(study.error), icon=":material/error:")
    st.caption(
        f"{text(study.stage)}. {study.trials_done} of {study.trials} trials, {study.folds} folds, "
        f"{duration(study.used_s)} of {duration(study.budget_s)}, seed {study.seed}."
    )
    charts_of(study, key=str(study.study_id))
    if study.history:
        with st.expander("Trials", icon=":material/list:"):
            trials(study)
    st.markdown("**Recommendation**")
    _recommendation(study)
    _actions(services, study, busy=busy)


def _recommendation(study: Study) -> None:
    """What to do with the result, and the evidence for it."""
    advice, why = recommend(study)
    better = study.evidence is not None and study.evidence.better
    box, icon = (st.success, "check_circle") if better else (st.info, "balance")
    box(f"**{advice}** {text(why)}", icon=f":material/{icon}:")


def recommend(study: Study) -> tuple[str, str]:
    """The one thing to do, and why."""
    left = study.trials - study.trials_done
    if study.best is None:
        return "Start another study.", "No trial of this one has finished."
    if study.evidence is not None and study.evidence.better:
        return f"Train with trial {study.evidence.best}.", study.evidence.text
    if left > 0:
        why = "No trial has beaten the defaults so far." if study.evidence is None else study.evidence.text
        return f"Resume: {counted(left, 'trial')} to go.", why
    if study.evidence is not None:
        return "Keep the defaults.", study.evidence.text
    if study.best.defaults:
        return "Keep the defaults.", "No trial beat them."
    return "Extend the study.", "The trial with the defaults has not finished, so there is nothing to compare with."


def _actions(services: Services, study: Study, *, busy: bool) -> None:
    with st.container(horizontal=True):
        best = None if study.best is None or study.best.defaults else study.best
        better = study.evidence is not None and study.evidence.better
        if best is not None and st.button(
            f"Train with trial {best.number}",
            key=session.TRAIN_BEST,
            type="primary" if better else "secondary",
            icon=":material/model_training:",
            help="Trains a version with these hyperparameters. It is activated if proven better.",
        ):
            run_id = services.tuning.train_with(study.study_id)
            toast_next(f"Training run {run_id} started with the hyperparameters of trial {best.number}.")
            st.switch_page("training.py")
        if study.trials_done < study.trials and st.button(
            "Resume",
            key=session.RESUME_STUDY,
            type="secondary" if better else "primary",
            icon=":material/resume:",
            disabled=busy,
            help=BUSY if busy else "Continues where it stopped.",
        ):
            _resume(services, study)
        with st.popover("Extend", icon=":material/tune:", disabled=busy, help=BUSY if busy else None):
            _limits(services, study)


def _limits(services: Services, study: Study) -> None:
    """New totals of trials and minutes."""
    more = TRIALS if study.trials_done >= study.trials else 0
    trials = st.number_input(
        "Total trials", value=study.trials + more, step=1, key=session.new_limit("trials", study.study_id)
    )
    minutes = st.number_input(
        "Total minutes",
        value=study.budget_s / 60 * (2 if study.used_s > study.budget_s / 2 else 1),
        step=1.0,
        format="%g",
        key=session.new_limit("minutes", study.study_id),
    )
    if st.button(
        "Continue", type="primary", icon=":material/resume:", key=session.new_limit("continue", study.study_id)
    ):
        with errors_shown({"trials": "Total trials", "minutes": "Total minutes"}):
            _resume(services, study, trials, minutes)


def _resume(services: Services, study: Study, trials: int | None = None, minutes: float | None = None) -> None:
    services.tuning.resume(study.study_id, trials, minutes)
    rerun_with(f"Study {study.study_id} resumed.")


def charts_of(study: Study, *, key: str) -> None:
    """The metric by trial, hyperparameters of all trials, and importance."""
    finished = [trial for trial in study.history if trial.value is not None]
    if not finished:
        st.caption("The charts appear with the first finished trial.")
        return
    tuning_charts.by_trial(study, key=f"study.trials.{key}")
    if len(finished) > 1:
        st.markdown(f"**Hyperparameters and {tuning_charts.label_of(study)}**")
        tuning_charts.parallel(study, key=f"study.parallel.{key}")
    if study.importance and len(finished) >= MIN_IMPORTANCE:
        st.markdown("**Importance**")
        tuning_charts.importance(study, key=f"study.importance.{key}")


def trials(study: Study) -> None:
    """All trials with their folds and hyperparameters."""
    folds, label = range(study.folds), tuning_charts.label_of(study)
    rows, caption = [_trial(trial, folds, label) for trial in study.history], f"Trials of study {study.study_id}"
    st.dataframe(
        rows,
        hide_index=True,
        column_config={
            name: st.column_config.NumberColumn(format="%.4f") for name in (label, *(_fold(fold) for fold in folds))
        },
        placeholder="–",
        alt=caption,
    )
    tables.offer(rows, caption)


def _fold(fold: int) -> str:
    return f"Fold {fold + 1}"


def _trial(trial: TrialReport, folds: range, label: str) -> dict[str, object]:
    state = INTERRUPTED if trial.state == "failed" and trial.reason is None else TRIAL_STATES[trial.state]
    by_fold = {one.fold: one.value for one in trial.folds}
    row: dict[str, object] = {
        "Trial": trial.number,
        "State": f"{state} (defaults)" if trial.defaults else state,
        label: trial.value,
    }
    row |= {_fold(fold): by_fold.get(fold) for fold in folds}
    values = {titled(name): tuning_charts.show(one) for name, one in trial.hyperparameters.items()}
    return row | {"Took": duration(trial.seconds)} | values | {"Reason": trial.reason}
