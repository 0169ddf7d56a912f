"""How ratings are spread over the movies."""

import streamlit as st

from engine.services import Services
from engine.words import counted
from pages.panels.catalogue_table import never_shown
from pages.panels.movie_standing import basis
from pages.ui import figures, links


def numbers(services: Services) -> None:
    """Movies, those without ratings, those in nobody's list."""
    spread = services.catalogue.spread()
    grid = st.grid(4, min_column_width=140, border=True)
    grid.metric("Movies", f"{spread.movies:,}")
    grid.metric("Never rated", f"{spread.movies - spread.rated:,}")
    grid.metric("1 to 4 ratings", f"{spread.few:,}")
    never = "–" if spread.never_shown is None else f"{spread.never_shown:,}"
    with grid.cell():
        st.metric("Never in a list", never, help="In none of the first ten places of the lists that were made.")
        if spread.never_shown:
            st.html(f'<div class="mq-line">{links.anchor(never_shown())}</div>')


def tail(services: Services) -> None:
    """The long tail, and the lists that reach was counted on."""
    spread = services.catalogue.spread()
    st.header("The long tail", anchor=False)
    if not spread.curve:
        st.caption("Nobody has rated a movie yet.")
        return
    (_, most), (_, least) = spread.curve[0], spread.curve[-1]
    if most == least:
        st.markdown(f"There is none: every rated movie has {counted(most, 'rating')}.")
    else:
        st.markdown(
            f"Half of all ratings are of the {spread.half:,} most rated movies, "
            f"{spread.half / spread.movies:.1%} of the catalogue."
        )
        figures.tail(spread.curve)
    reach = spread.reach
    if reach is not None and spread.never_shown is not None:
        st.markdown(
            f"{spread.movies - spread.never_shown:,} movies ({1 - spread.never_shown / spread.movies:.0%}) are among "
            "somebody's first ten."
        )
        st.caption(basis(reach.people, reach.out_of, reach.version, reach.at))
