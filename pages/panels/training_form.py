"""Starting a training: the form and the queue."""

from typing import Any

import streamlit as st

from engine.errors import InvalidHyperparameter
from engine.models.list_settings import RANKING, by_method
from engine.models.registry import MODELS, check_trainable
from engine.services import Services
from engine.services.training import TrainingStatus
from engine.services.version_records import MAX_NOTE_LENGTH
from engine.words import listed
from pages.ui import forms, session
from pages.ui.escape import text
from pages.ui.format import model_name, when
from pages.ui.page import errors_shown, rerun_with
from pages.ui.runs import actor

APART = ("source",)
"""Hyperparameters above the form: other choices depend on them, and a form is drawn again only once it is sent."""
POLICIES = {
    "if_better": "If proven better, and worse for no group",
    "if_no_worse": "Unless proven worse",
    "if_better_live": "Once new ratings prove it better",
    "always": "Always",
    "never": "Never; I'll activate it myself",
}


def form(services: Services, *, busy: bool) -> None:
    """The form that starts a run, or queues it if one is running."""
    if busy:
        st.header("Next run", anchor=False)
    kind = forms.choose_model(session.MODEL, forms.MOST_ACCURATE)
    st.caption(text(MODELS[kind].summary))
    with errors_shown():
        check_trainable(kind)
    config, wrong = MODELS[kind].config, forms.without_prefix(_errors().get(kind, {}), "")
    apart = [name for name in APART if name in config.model_fields]
    chosen = {name: forms.hyperparameter(config, name, wrong) for name in apart}
    with st.form("training", border=False), errors_shown():
        with st.expander("Hyperparameters", expanded=True, icon=":material/tune:"):
            others = {name: told for name, told in wrong.items() if name not in apart}
            values = chosen | forms.hyperparameters(config, others, apart=apart)
        refused = forms.without_prefix(_errors().get(kind, {}), "ranker.")
        with st.expander("Ranking", expanded=bool(refused), icon=":material/format_list_numbered:"):
            st.caption(
                "How lists are ordered. Settings on auto are chosen by the training, on ratings that it holds out."
            )
            ranker = forms.hyperparameters(RANKING, refused, by_method())
        policy = _activation(by_hand=chosen.get("source") == "table")
        note = st.text_input(
            "Note", key=session.NOTE, max_chars=MAX_NOTE_LENGTH, placeholder="Saved with the new version"
        )
        label, icon = (
            ("Add to queue", ":material/playlist_add:") if busy else ("Start training", ":material/play_arrow:")
        )
        if st.form_submit_button(label, key=session.START, type="primary", icon=icon):
            _start(services, kind, values, ranker, policy, note, busy=busy)
        _say_what_to_correct(kind, busy=busy)


def _activation(*, by_hand: bool) -> str:
    """When the new version is activated; ``by_hand`` leaves no choice."""
    label, options = "Activate the new version", ["never"] if by_hand else list(POLICIES)
    name = POLICIES.__getitem__
    if by_hand:
        about = "No rule can judge a version of a table outside Marquee, so it is activated by hand."
        return st.selectbox(label, options, format_func=name, key=session.ACTIVATION_BY_HAND, help=about, disabled=True)
    return st.selectbox(label, options, format_func=name, key=session.ACTIVATION, persist_state="session")


def _say_what_to_correct(kind: str, *, busy: bool) -> None:
    """At the button, where the messages of refused fields may be out of sight."""
    errors = _errors().get(kind, {})
    parts = ((MODELS[kind].config, ""), (RANKING, "ranker."))
    refused = [config.title_of(name) for config, prefix in parts for name in forms.without_prefix(errors, prefix)]
    if refused:
        forms.alert(f"Not {'queued' if busy else 'started'}. Correct {listed(refused)} above.")


def _errors() -> dict[str, dict[str, str]]:
    """By model the message of each refused field."""
    return st.session_state.setdefault(session.ERRORS, {})  # type: ignore[no-any-return]  # nothing else is kept there


def _start(
    services: Services,
    kind: str,
    values: dict[str, Any],
    ranker: dict[str, Any],
    policy: str,
    note: str,
    *,
    busy: bool,
) -> None:
    """Start or queue the run, or keep the messages of refused fields; then rerun."""
    _errors().pop(kind, None)
    try:
        run_id = services.training.train_model(
            kind,
            values,
            policy,  # type: ignore[arg-type]  # a key of POLICIES
            ranker=ranker,
            queue=busy,
            note=note,
        )
    except InvalidHyperparameter as error:
        _errors()[kind] = error.faults
        st.rerun()
    rerun_with(f"Training run {run_id} {'queued' if busy else 'started'}.")


def queue(services: Services, runs: list[TrainingStatus]) -> None:
    """Queued runs, next one first, each with a button to remove it."""
    if runs:
        st.markdown("**Queue**")
    for place, run in enumerate(runs, start=1):
        with errors_shown(), st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(f"{place}. {_summary(run)}", width="stretch")
            if st.button(
                "Cancel", key=session.leave_queue(run.run_id), icon=":material/close:", help="Remove it from the queue"
            ):
                services.training.cancel(run.run_id)
                st.rerun()


def _summary(run: TrainingStatus) -> str:
    what = f"repeats version {run.repeats}" if run.repeats is not None else model_name(run.model)
    by = f" by {text(actor(run.actor))}" if run.actor else ""
    return f"**Run {run.run_id}** · {text(what)} · queued {when(run.created_at)}{by}"
