"""Shadow versions beside the active one, on the same new ratings."""

import streamlit as st

from engine.evaluation.live import LiveComparison
from engine.services.live import LiveReport
from engine.words import listed
from pages.ui import preferences
from pages.ui.escape import text

ICONS = {
    "better": (":material/arrow_upward:", "green", "Better"),
    "worse": (":material/arrow_downward:", "red", "Worse"),
    "no difference shown": (":material/hourglass_empty:", "gray", "Not decided"),
}


def shadows(report: LiveReport) -> None:
    """A line for each shadow, and why there is none."""
    st.header("Shadows", anchor=False)
    st.caption(
        "The newest versions that never served predict the same ratings, unseen by anybody. A difference is said only "
        "once it is beyond doubt, however often you look."
    )
    if report.comparisons and not preferences.in_use():
        with st.container(border=True, gap="small"):
            for one in report.comparisons:
                _line(one)
            st.page_link("versions.py", label="Open Versions", icon=":material/inventory_2:")
    elif report.reading:
        st.caption(f"Version {listed(report.reading)} is being read, and predicts in a moment.")
    elif not report.shadows:
        st.info(
            "No shadow. Train a version without activating it, and it will predict the next ratings here.",
            icon=":material/contrast:",
        )
        st.page_link("training.py", label="Open Training", icon=":material/model_training:")
    if report.too_large:
        st.caption(
            f"Version {listed(report.too_large)} needs more memory than MARQUEE_SHADOW_MEMORY allows, so it predicts "
            "nothing here."
        )


def _line(one: LiveComparison) -> None:
    icon, color, answer = ICONS[one.outcome]
    st.markdown(f"{icon} **Version {one.version}** :{color}[{answer}]  \n{text(one.text)}")
