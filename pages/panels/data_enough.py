"""Is there enough? The answer for each purpose, and what would help most."""

import streamlit as st

from engine.data.sufficiency import most_helpful
from engine.services.data_picture import DataPicture
from pages.ui.escape import text

ANSWERS = {
    "yes": (":material/check_circle:", "green", "Enough"),
    "partly": (":material/contrast:", "orange", "Partly"),
    "no": (":material/cancel:", "red", "Not enough"),
}


def enough(picture: DataPicture) -> None:
    """A line for each purpose."""
    st.header("Is there enough?", anchor=False)
    with st.container(border=True, gap="small"):
        for one in picture.findings:
            icon, color, answer = ANSWERS[one.level]
            st.markdown(f"{icon} **{text(one.purpose)}** :{color}[{answer}]  \n{text(one.text)}")
    helps = most_helpful(picture.findings)
    if helps:
        st.info(f"**What would help most:** {text(helps)}", icon=":material/lightbulb:")
    else:
        st.success("There is enough for every purpose.", icon=":material/check_circle:")
