"""Questions of an import as one form: choices with their consequences, the suggestion preselected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from engine.data.plan import Plan, Question
from engine.data.titles import sort_title, title_id
from engine.services import Services
from engine.services.jobs import Job
from engine.words import counted
from pages.panels import imports_columns
from pages.panels.imports_options import scale_input
from pages.panels.imports_order import discard, follow, ordered, place
from pages.ui import progress, session
from pages.ui.escape import text

TITLES = {
    "encoding": "Encoding",
    "columns": "Columns",
    "user": "Whose ratings",
    "dates": "Dates",
    "scale": "Rating scale",
    "catalogue": "Same movies or others",
    "matches": "Movies with similar titles",
}
OPTIONS = {"user": "user_id"}
"""Options that answers go into, where their name is another one."""
SAME = "Same movie"
COMPANY = "Add the demo as company: 9,066 movies rated by 671 people"
WHY_COMPANY = (
    "Recommendations come from comparing people, and you would be the only one here. The demo is imported first, your"
    " ratings are matched with its movies, and your list opens when the training is done. Both imports can be undone."
)


def questions(services: Services, job: Job, asked: list[Question]) -> None:
    """The form; its answers let the import go on."""
    plan = job.plan or Plan()
    # A form would keep what it lacks on the screen until it is sent again, also once a column was chosen.
    by_column = any(question.code == "columns" for question in asked)
    button = st.button if by_column else st.form_submit_button
    with st.container() if by_column else st.form(f"questions.{job.job_id}", border=False):
        st.header(f"{counted(len(asked), 'question')} before the import", anchor=False)
        answers: dict[str, Any] = {}
        faults: list[str] = []
        for question in asked:
            st.markdown(f"**{TITLES[question.code]}**  \n{text(question.text)}")
            answers[question.code], fault = _answer(question, plan, job.job_id)
            faults += [fault] if fault else []
        with_company = _company(services, job, asked)
        with st.container(horizontal=True):
            sent = button("Continue", key=session.IMPORT_ANSWER, type="primary")
            discarded = button("Discard", key=session.IMPORT_DISCARD, type="tertiary")
    if discarded:
        st.session_state.pop(session.HEADED_FOR, None)
        discard(services.imports)
        st.rerun()
    if sent and faults:
        st.warning(" ".join(faults), icon=":material/rule:")
    elif sent:
        _send(services, job, answers, with_company=with_company)


def _answer(question: Question, plan: Plan, job_id: int) -> tuple[Any, str]:
    """The answer as the form has it, and what it lacks."""
    if question.code == "columns" and plan.preview is not None:
        chosen = imports_columns.columns(plan.preview, job_id)
        return imports_columns.answer(plan.preview, chosen), imports_columns.fault(chosen) or _lacks(chosen)
    if question.code == "user":
        typed = st.text_input(
            "Name or id",
            question.suggestion or "",
            key=session.IMPORT_OWNER,
            placeholder="Your name here, such as maria",
            help="The name under which these ratings are stored. It can be any text.",
        ).strip()
        return typed, "" if typed else "Type a name or an id."
    if question.code == "matches":
        return _matches(question, plan, job_id), ""
    return _choice(question, job_id)


def _lacks(chosen: list[str]) -> str:
    return "" if "rating" in chosen else "Choose the column with the ratings."


def _choice(question: Question, job_id: int) -> tuple[Any, str]:
    """One of the choices; for a scale also another one."""
    values = [choice.value for choice in question.choices]
    labels = [choice.label for choice in question.choices]
    captions = [text(choice.consequence) for choice in question.choices]
    if question.code == "scale":
        labels, captions = [*labels, "Another scale"], [*captions, "Fill in its ends below."]
    at = values.index(question.suggestion) if question.suggestion in values else None
    chosen = st.radio(
        TITLES[question.code],
        range(len(labels)),
        at,
        format_func=lambda place: text(labels[place]),
        captions=captions,
        key=session.answer(question.code, job_id),
        label_visibility="collapsed",
    )
    other = scale_input(st.grid(2, min_column_width=160), session.IMPORT_SCALE) if question.code == "scale" else None
    if chosen is None:
        return None, f"Answer the question about {TITLES[question.code].lower()}."
    if chosen < len(values):
        return values[chosen], ""
    return other, "" if other else "Fill in the ends of the scale."


def _matches(question: Question, plan: Plan, job_id: int) -> dict[str, str]:
    """A row for each unsure movie; the answer holds those that are marked as the same."""
    unsure = sorted(plan.unsure, key=lambda one: sort_title(one["movie"]))
    rows = [
        {SAME: False, "In your files": one["movie"], "In Marquee": title_id(one["title"], one["year"])}
        for one in unsure
    ]
    edited: Any = st.data_editor(
        rows,
        hide_index=True,
        disabled=["In your files", "In Marquee"],
        column_config={SAME: st.column_config.CheckboxColumn(width="small")},
        key=session.answer(question.code, job_id),
        alt="Movies in the files, and the known movies that they may be",
    )
    st.caption("Ratings of marked movies go to the movie in Marquee. The others are added as new movies.")
    return {one["movie"]: one["known"] for one, row in zip(unsure, edited, strict=True) if row[SAME]}


def _company(services: Services, job: Job, asked: list[Question]) -> bool:
    """Whether the demo is to be imported first; offered to the first person of an empty store."""
    alone = not services.library.counts().ratings and progress.running_job(services) is None
    personal = any(question.code == "user" for question in asked) and ordered(job) is not None
    if not (alone and personal and services.imports.has_demo()):
        return False
    chosen = st.checkbox(COMPANY, value=True, key=session.IMPORT_COMPANY)
    st.caption(WHY_COMPANY)
    return chosen


def _send(services: Services, job: Job, answers: Mapping[str, Any], *, with_company: bool) -> None:
    imports, order = services.imports, ordered(job)
    chosen = {OPTIONS.get(code, code): value for code, value in answers.items() if code != "matches"}
    if order is not None and with_company:
        place(imports, order.files, order.options | chosen, with_demo=True)
    job_id = imports.answer(job.job_id, answers)
    if order is not None:
        order.options |= chosen
    follow(job_id)
