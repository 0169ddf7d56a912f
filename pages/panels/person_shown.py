"""What a person was shown: each list with its time, version and first movies."""

import streamlit as st

from engine.services import Services
from engine.services.answers import DEFAULTS, Shown
from engine.words import counted
from pages.panels import person_replay
from pages.panels.recommend_list import in_words
from pages.ui import links, session, tables
from pages.ui.escape import markup
from pages.ui.format import day, when

PAGE, MORE, FIRST = 5, 20, 5


def lists(services: Services, user_id: str) -> None:
    """Lists, newest first, or from when on they are kept."""
    st.header("What they were shown", anchor=False)
    since = services.answers.since()
    if since is None:
        st.caption("The lists that people are shown are not kept here, as MARQUEE_ANSWER_LOG_MB is 0.")
        return
    limit = st.session_state.get(session.LISTS_SHOWN, PAGE)
    found = services.answers.shown(user_id, limit + 1)
    if not found:
        st.caption(f"No list was shown to this person since {day(since)}. Lists are kept from that day on.")
        return
    tables.table([_row(one) for one in found[:limit]], "Lists shown to this person", download=False)
    if len(found) <= limit:
        st.caption(f"Lists are kept from {day(since)} on.")
    elif st.button("Show older lists", key=session.OLDER_LISTS, icon=":material/expand_more:"):
        st.session_state[session.LISTS_SHOWN] = limit + MORE
        st.rerun()
    st.fragment(person_replay.replay)(services, found[:limit])


def _row(one: Shown) -> dict[str, object]:
    version = links.Link(f"Version {one.model_version}", links.version_address(one.model_version))
    return {
        "When": when(one.shown_at),
        "By": version,
        "From": counted(one.ratings_count, "rating"),
        "First movies": _movies(one),
    }


def filters(one: Shown) -> str:
    """The options that were not the usual ones; empty where all were."""
    told = in_words(DEFAULTS | one.options)
    left_out = len(one.options.get("exclude", ()))
    return ", ".join(part for part in (told, f"without {counted(left_out, 'movie')}" if left_out else "") if part)


def _movies(one: Shown) -> tables.Drawn:
    named = [links.movie(item.title, item.movie_id) for item in one.items[:FIRST]]
    more = len(one.items) - len(named)
    rest = f", and {more:,} more" if more else ""
    chosen = filters(one)
    below = f"<small>Filters: {markup(chosen)}</small>" if chosen else ""
    html, told = ((", ".join(map(show, named)) or "No movie matched") + rest for show in (links.anchor, str))
    return tables.Drawn(f"<span>{html}</span>{below}", told)
