"""Scheduled retraining: next and last run, the schedule form, and drift."""

from typing import Any

import streamlit as st

from engine.services import Services
from engine.services.automation import Automation, AutomationService
from engine.training.drift import MANY, UpdateHealth
from engine.words import counted
from pages.panels.training_form import POLICIES
from pages.ui import forms, progress, runs, session
from pages.ui.escape import text
from pages.ui.format import when
from pages.ui.page import rerun_with, toast_next

ADVICE = {
    "fine": (st.success, "No need to retrain: instant updates keep up with the new ratings."),
    "retrain soon": (st.warning, "Retrain soon: instant updates are starting to fall behind."),
    "retrain": (st.error, "Retrain now: it would clearly improve predictions."),
}
PLAIN: dict[str, Any] = {"delta_color": "off", "delta_arrow": "off"}
TILE_WIDTH = 260  # pixels; a date and time fit
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def need(services: Services, plan: Automation) -> None:
    """Whether a retraining is needed, in one sentence: as measured, or else by the number of new ratings."""
    newest = next(iter(services.versions.list()), None)
    health = measured(services)
    if newest is None:
        return
    if health is not None and plan.ratings_since:
        box, told = ADVICE[health.advice]
    elif not plan.ratings_since:
        box, told = st.success, f"No need to retrain: version {newest.version} has learned every rating."
    elif plan.ratings_since >= MANY * newest.ratings:
        new = f"{counted(plan.ratings_since, 'rating')} ({plan.ratings_since / max(newest.ratings, 1):.0%})"
        box, told = st.warning, f"Retrain soon: {new} came in since version {newest.version} was trained."
    else:
        new = counted(plan.ratings_since, "new rating")
        box, told = st.success, f"No need to retrain yet: {new} since version {newest.version}. Lists follow at once."
    active = services.serving.active_version()
    if active is not None and active != newest.version:
        told = f"{told} Version {active} is active."
    box(told, icon=":material/event_repeat:")


def measured(services: Services) -> UpdateHealth | None:
    """The latest measurement of drift, if it is of the active version."""
    health: UpdateHealth | None = st.session_state.get(session.HEALTH)
    return health if health is not None and health.model_version == services.serving.active_version() else None


def tiles(plan: Automation) -> None:
    """Next run, last run and new ratings."""
    grid = st.grid(3, min_column_width=TILE_WIDTH, border=True)
    grid.metric(
        "Next run",
        "Paused" if plan.next_run is None else when(plan.next_run),
        None if plan.next_run is None else f"{plan.hour:02d}:{plan.minute:02d} in {plan.zone}",
        **PLAIN,
        help="In your browser's time zone. If runs are missed while Marquee is off, one catch-up run follows.",
    )
    last = plan.last_run
    grid.metric(
        "Last run",
        "None yet" if last is None else when(last.created_at),
        None if last is None else runs.summary(last),
        **PLAIN,
        help="The last run started by the schedule or by new ratings.",
    )
    grid.metric(
        "New ratings",
        f"{plan.ratings_since:,}",
        f"Retrains at {plan.after_ratings:,}" if plan.after_ratings else None,
        **PLAIN,
        help="Ratings that the newest version was not trained on.",
    )


def running(services: Services) -> None:
    """The current run."""
    run = services.training.current()
    if run is None:
        return
    with st.container(border=True):
        st.markdown(f"**Run {run.run_id}** · started by {text(runs.actor(run.actor))}")
        progress.training_bar(run)
        st.page_link("training.py", label="Open Training", icon=":material/model_training:")


def actions(services: Services, plan: Automation, *, busy: bool, empty: bool) -> None:
    """Pause or resume the schedule, and retrain now."""
    with st.container(horizontal=True):
        if plan.paused:
            if st.button("Resume", key=session.PAUSE, type="primary", icon=":material/play_arrow:"):
                services.automation.pause(paused=False)
                rerun_with("Resumed. Runs missed during the pause are skipped.")
        elif st.button("Pause", key=session.PAUSE, icon=":material/pause:"):
            services.automation.pause(paused=True)
            rerun_with("Paused. Nothing is retrained until you resume.")
        reason = "No ratings to train on yet." if empty else "A training is already running." if busy else None
        if st.button(
            "Retrain now", key=session.RETRAIN, icon=":material/model_training:", disabled=bool(reason), help=reason
        ):
            run_id = services.automation.run_now()
            toast_next(f"Training run {run_id} requested.")
            st.switch_page("training.py")


def drift(services: Services) -> None:
    """How far instant updates fall behind retraining, measured on request."""
    st.caption(
        "New ratings count at once, without retraining. This measures how much better retraining would predict newer"
        " ratings, using a matrix factorisation as a stand-in for the active model."
    )
    version = services.serving.active_version()
    if st.button(
        "Measure drift",
        key=session.MEASURE_DRIFT,
        icon=":material/straighten:",
        disabled=version is None,
        help="No version is active yet." if version is None else None,
    ):
        with st.spinner("Retraining a model to compare with"):
            st.session_state[session.HEALTH] = services.serving.health()
        st.rerun()
    health = measured(services)
    if health is None:
        return
    grid = st.grid(4, min_column_width=150, border=True)
    grid.metric("Changed people", f"{health.folded_users:,}", help="People with a new, changed or removed rating.")
    since = "–" if health.ratings_since is None else f"{health.ratings_since:,}"
    grid.metric(f"Since version {version}", since, help="Ratings that the active version has not learned.")
    grid.metric(
        "RMSE gap",
        "–" if health.rmse_gap is None else f"{health.rmse_gap:+z.4f}",
        help=f"In rating units, on {health.held_out_ratings:,} newer ratings that neither has seen. Negative: ahead.",
    )
    grid.metric(
        "Shared top 10",
        "–" if health.top10_overlap is None else f"{health.top10_overlap:.0%}",
        help=f"Average over {health.sampled_users:,} people.",
    )


def form(automation: AutomationService, plan: Automation) -> None:
    """Days, time, time zone, number of new ratings, and whether a new version is activated."""
    errors: dict[str, str] = st.session_state.get(session.PLAN_ERRORS, {})
    with st.form("plan", border=False):
        days = st.pills(
            "Days",
            range(len(DAYS)),
            selection_mode="multi",
            default=list(plan.days),
            format_func=DAYS.__getitem__,
            key=session.PLAN_DAYS,
        )
        forms.field_error(errors, "days")
        grid = st.grid(3, min_column_width=160)
        with grid.cell():
            at = forms.time_of_day(plan.hour, plan.minute, key=session.PLAN_TIME)
        with grid.cell():
            zone = forms.time_zone(plan.zone, key=session.PLAN_ZONE)
            forms.field_error(errors, "zone")
        with grid.cell():
            after = st.number_input(
                "Or after this many new ratings",
                value=plan.after_ratings,
                step=100,
                help="Retrain after this many new ratings; 0 turns this off.",
                key=session.PLAN_RATINGS,
            )
            forms.field_error(errors, "after_ratings", "The number of new ratings")
        policies = list(POLICIES)
        activate = st.selectbox(
            "Activate the new version",
            policies,
            index=policies.index(plan.activate),
            format_func=POLICIES.__getitem__,
            key=session.PLAN_ACTIVATION,
        )
        if st.form_submit_button(
            "Save schedule", key=session.SAVE_PLAN, type="primary", icon=":material/event_available:"
        ):
            values: dict[str, Any] = {"days": days, "hour": at.hour, "minute": at.minute, "zone": zone}
            values |= {"after_ratings": after, "activate": activate}
            forms.submit(session.PLAN_ERRORS, lambda: automation.change(**values), "Schedule saved.")
