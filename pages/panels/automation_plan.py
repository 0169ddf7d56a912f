"""The plan of retrainings: when the next is due, the form that changes it, and the runs that it ordered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

import streamlit as st

from engine.errors import InvalidInput
from engine.services import Services
from engine.services.automation import Automation
from engine.training.drift import UpdateHealth
from pages.panels.training_form import POLICIES
from pages.ui import progress, runs, session
from pages.ui.escape import text
from pages.ui.format import when
from pages.ui.forms import fault
from pages.ui.page import toast_next

if TYPE_CHECKING:
    from engine.services.automation import AutomationService

ADVICE = {
    "fine": (st.success, "New ratings are taken in well. There is no need to retrain."),
    "retrain soon": (st.warning, "New ratings begin to outgrow what was learned. Retrain soon."),
    "retrain": (st.error, "A training would do clearly better. Retrain now."),
}
PLAIN: dict[str, Any] = {"delta_color": "off", "delta_arrow": "off"}
TILE_WIDTH = 260  # pixels; a moment fits
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def tiles(plan: Automation) -> None:
    """The next run, the last one, and how many ratings wait to be learned."""
    grid = st.grid(3, min_column_width=TILE_WIDTH, border=True)
    grid.metric(
        "Next run",
        "Paused" if plan.next_run is None else when(plan.next_run),
        None if plan.next_run is None else f"{plan.hour:02d}:{plan.minute:02d} in {plan.zone}",
        **PLAIN,
        help="In the time zone of your browser. A run that was missed while Marquee was off is made up once.",
    )
    last = plan.last_run
    grid.metric(
        "Last run",
        "None yet" if last is None else when(last.created_at),
        None if last is None else runs.in_short(last),
        **PLAIN,
        help="The last that the timetable or new ratings have started.",
    )
    grid.metric(
        "New ratings",
        f"{plan.ratings_since:,}",
        f"of {plan.after_ratings:,}, then a run starts" if plan.after_ratings else None,
        **PLAIN,
        help="Ratings that the newest version has not learned.",
    )


def going(services: Services) -> None:
    """The run that goes on, whoever has asked for it."""
    run = services.training.current()
    if run is None:
        return
    with st.container(border=True):
        st.markdown(f"**Run {run.run_id}**, started by {text(runs.actor(run.actor))}")
        progress.training_bar(run)
        st.page_link("training.py", label="Open Training", icon=":material/model_training:")


def actions(services: Services, plan: Automation, *, busy: bool, empty: bool) -> None:
    """Pause or resume, and a run at once, unless one goes on or there is nothing to learn from."""
    with st.container(horizontal=True):
        if plan.paused:
            if st.button("Resume", type="primary", icon=":material/play_arrow:"):
                services.automation.pause(paused=False)
                toast_next("Marquee retrains by itself again. What was due during the pause is not made up.")
                st.rerun()
        elif st.button("Pause", icon=":material/pause:"):
            services.automation.pause(paused=True)
            toast_next("Paused. Nothing is retrained until you resume or start a run.")
            st.rerun()
        reason = "A training goes on already." if busy else None
        if empty:
            reason = "There are no ratings to learn from yet."
        if st.button("Retrain now", icon=":material/model_training:", disabled=reason is not None, help=reason):
            run_id = services.automation.run_now()
            toast_next(f"Training run {run_id} was ordered.")
            st.switch_page("training.py")


def health(services: Services) -> None:
    """How far folding new ratings in falls behind learning them; measured when asked for."""
    st.caption(
        "A new rating counts at once, without a training. How much better a training would do is measured on newer "
        "ratings, with a factorisation that stands in for the version."
    )
    nothing = services.serving.active_version() is None
    why = "No version serves yet." if nothing else None
    if st.button("Measure the drift", icon=":material/straighten:", disabled=nothing, help=why):
        with st.spinner("Learning the ratings anew to compare"):
            st.session_state[session.HEALTH] = services.serving.health()
    found: UpdateHealth | None = st.session_state.get(session.HEALTH)
    if found is None or found.model_version != services.serving.active_version():
        return
    kind, told = ADVICE[found.advice]
    kind(told)
    grid = st.grid(4, min_column_width=150, border=True)
    grid.metric("Users since", f"{found.folded_users:,}", help="Users with a rating changed since the version learned.")
    grid.metric("Ratings since", "–" if found.ratings_since is None else f"{found.ratings_since:,}")
    grid.metric(
        "RMSE behind",
        "–" if found.rmse_gap is None else f"{found.rmse_gap:+z.4f}",
        help=f"In rating units, on {found.held_out_ratings:,} newer ratings that neither knew; below 0 it is ahead.",
    )
    grid.metric(
        "Same top ten",
        "–" if found.top10_overlap is None else f"{found.top10_overlap:.0%}",
        help=f"Mean over {found.sampled_users:,} users.",
    )


def form(automation: AutomationService, plan: Automation) -> None:
    """Days, time, zone, the rule, and whether a new version serves."""
    faults: dict[str, str] = st.session_state.get(session.PLAN_FAULT, {})
    with st.form("plan", border=False):
        days = st.pills(
            "Days", range(len(DAYS)), selection_mode="multi", default=list(plan.days), format_func=DAYS.__getitem__
        )
        _told(faults, "days")
        grid = st.grid(3, min_column_width=160)
        with grid.cell():
            at = st.time_input("Time", f"{plan.hour:02d}:{plan.minute:02d}", step=900)
        with grid.cell():
            zones = sorted(available_timezones() | {plan.zone})
            zone = st.selectbox("Time zone", zones, index=zones.index(plan.zone))
            _told(faults, "zone")
        with grid.cell():
            after = st.number_input(
                "After new ratings",
                value=plan.after_ratings,
                step=100,
                help="Retrain as soon as so many ratings have come that the newest version does not know; 0 does not.",
            )
            _told(faults, "after_ratings")
        policies = list(POLICIES)
        activate = st.selectbox(
            "Let it serve", policies, index=policies.index(plan.activate), format_func=POLICIES.__getitem__
        )
        if st.form_submit_button("Save the plan", type="primary", icon=":material/event_available:"):
            _save(
                automation, days=days, hour=at.hour, minute=at.minute, zone=zone, after_ratings=after, activate=activate
            )


def _told(faults: dict[str, str], name: str) -> None:
    if name in faults:
        fault(faults[name])


def _save(automation: AutomationService, **values: Any) -> None:
    """Save the plan, or keep what was wrong; either way the page is drawn again."""
    st.session_state.pop(session.PLAN_FAULT, None)
    try:
        automation.change(**values)
    except InvalidInput as error:
        st.session_state[session.PLAN_FAULT] = {error.field: str(error)}
    else:
        toast_next("The plan is saved. It counts from now on.")
    st.rerun()
