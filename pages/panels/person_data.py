"""What a person may ask for: a copy of what is stored about them, and that everything about them is deleted."""

import streamlit as st

from engine.services import Services
from engine.words import counted
from pages.ui import session
from pages.ui.escape import text
from pages.ui.page import confirmed, dialog, errors_shown, toast_next


def their_data(services: Services, user_id: str, count: int) -> None:
    """Export and delete."""
    st.header("Their data", anchor=False)
    st.caption(
        "Copies hold every rating, and every list they were shown, with movies and times. Deleting erases all of it"
        " and the id for good."
    )
    with st.container(horizontal=True):
        st.download_button(
            "Export ratings",
            lambda: services.exports.person(user_id),
            file_name="ratings.csv",
            mime="text/csv",
            on_click="ignore",
            key=session.EXPORT_USER,
            icon=":material/download:",
            disabled=not count,
            help=None if count else "There are no ratings to export.",
        )
        if services.answers.is_on:
            st.download_button(
                "Export lists shown",
                lambda: b"".join(services.answers.table(user_id)),
                file_name="shown.csv",
                mime="text/csv",
                on_click="ignore",
                key=session.EXPORT_LISTS,
                icon=":material/download:",
            )
        if st.button("Delete this person", key=session.DELETE_USER, icon=":material/person_remove:"):
            confirm_deletion(services, user_id, count)


@dialog("Delete this person?")
def confirm_deletion(services: Services, user_id: str, count: int) -> None:
    """Explain what is lost, then delete."""
    st.markdown(
        f"This permanently erases {counted(count, 'rating')} and the id of **{text(user_id)}**, and the lists they"
        " were shown. It can't be undone."
    )
    with errors_shown():
        if confirmed("Delete person"):
            with st.spinner("Deleting the person and rebuilding the lists without them"):
                receipt = services.ratings.forget(user_id)
            toast_next(text(receipt.text))
            st.rerun()
