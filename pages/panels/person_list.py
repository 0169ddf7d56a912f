"""What somebody sees and why, and what they would see had they hated a movie."""

import streamlit as st

from engine.recommending.lists import ListOptions, Recommendations
from engine.services import Services
from pages.panels.recommend_what_if import imagined, summary
from pages.ui import calls, links, preferences, session, tables
from pages.ui.calls import Call
from pages.ui.escape import text
from pages.ui.page import errors_shown

LISTED = 10


def their_list(services: Services, user_id: str) -> None:
    """The first ten of the list with their reasons, and the list without one of them."""
    st.header("What they see", anchor=False)
    if services.serving.active_version() is None:
        st.caption("Their list appears once the first version is trained.")
        return
    with errors_shown():
        answer = services.recommendations.recommend(user_id, LISTED, shown=False)
        if not answer.items:
            st.caption(text(answer.reason))
            return
        first = answer.items[0]
        why = services.recommendations.explain(user_id, first.movie_id).summary
        st.markdown(f"**{text(first.title)}** comes first. They are told: “{text(why)}”")
        now, imagine = st.columns(2, gap="large")
        with now:
            _listed(services, answer)
            calls.offer(services, Call("/api/ml/recommendations", query={"user_id": user_id, "n": LISTED}))
        with imagine:
            st.fragment(_had_they_hated)(services, answer)


def _listed(services: Services, answer: Recommendations) -> None:
    stars = not preferences.in_use()
    reasons = services.recommendations.reasons(answer.user_id, [item.movie_id for item in answer.items])
    rows = [
        (
            tables.Titled(links.movie(f"{item.rank}. {item.title}", item.movie_id), reason),
            f"{item.predicted_rating:.1f}" if stars else "",
        )
        for item, reason in zip(answer.items, reasons, strict=True)
    ]
    tables.facts(rows, headings=("Movie", "Expected" if stars else ""), caption="Their list now", download="Their list")


def _had_they_hated(services: Services, answer: Recommendations) -> None:
    """The list after the lowest rating of one of its movies; nothing is saved."""
    titles = {item.movie_id: f"{item.rank}. {item.title}" for item in answer.items}
    lowest = services.scale.current.low
    hated = st.selectbox(
        "Had they disliked" if preferences.in_use() else f"Had they hated (rated {lowest:g})",
        list(titles),
        format_func=titles.__getitem__,
        key=session.hated(answer.user_id, answer.ratings_count),
        help="A rated movie leaves the list. Nothing is saved.",
    )
    with errors_shown():
        result = services.recommendations.what_if(answer.user_id, {hated: lowest}, ListOptions(LISTED))
        st.markdown(f"**{summary(result)}**")
        imagined(result, "Their list then")
