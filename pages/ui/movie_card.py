"""A recommended movie: title card, expected rating, an input to rate it, and the way to its reasons."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import streamlit as st

from engine.data.posters import poster_address
from engine.data.scale import RatingScale
from engine.recommending.lists import RecommendedItem
from engine.services import Services
from pages.ui import links, reasons, session
from pages.ui.escape import markup
from pages.ui.links import anchor
from pages.ui.page import errors_shown
from pages.ui.poster import data_url
from pages.ui.rating_input import rating_input

CERTAINTY = ((0.6, "quite certain"), (0.45, "fairly certain"), (0.3, "uncertain"), (0.0, "a guess"))
"""What confidence from a number on is called."""


def tile(
    title: str,
    movie_id: str,
    year: int | None,
    genres: tuple[str, ...],
    rank: str,
    picture: str | None = None,
    heading: Literal["h2", "h3"] = "h3",
) -> str:
    """Title card as HTML, with all data escaped.

    A ``picture`` lies over the drawing, which shows while it is loading and where it is missing. ``heading``: the
    title's element, one level below that of what the card belongs to.
    """
    about = " · ".join(part for part in (str(year or ""), ", ".join(genres)) if part)
    over = "" if picture is None else f'<img alt="" loading="lazy" src="{markup(picture)}">'
    return (
        f'<figure class="mq-tile"><img alt="" src="{data_url(movie_id, genres)}">{over}'
        f'<figcaption title="{markup(title)}"><span class="mq-rank">{markup(rank)}</span>'
        f"<{heading}>{anchor(links.movie(title, movie_id))}</{heading}><p>{markup(about)}</p></figcaption></figure>"
    )


def picture_of(services: Services, movie_id: str) -> str | None:
    """Address of the owner's picture of a movie; None where there is none."""
    posters = services.settings.posters
    return poster_address(posters, movie_id, services.library.sites(movie_id)) if posters else None


def predicted(item: RecommendedItem, scale: RatingScale) -> str:
    """Expected rating, its interval on the scale, and how sure it is, as HTML; nothing for preferences."""
    if scale.are_preferences:
        return ""
    if item.interval is None or item.confidence is None:
        number = f"<strong>{item.predicted_rating:.1f}</strong>"
        return f'<div class="mq-predicted">{number}<small>Expected rating</small></div>'
    (low, high), (least, most) = item.interval, scale.ends
    left, at, right = (100 * (v - least) / (most - least) for v in (low, item.predicted_rating, high))
    return (
        f'<div class="mq-predicted"><strong>{item.predicted_rating:.1f}</strong>'
        f'<div class="mq-span" aria-hidden="true"><i style="left:{left:.1f}%;width:{right - left:.1f}%"></i>'
        f'<b style="left:{at:.1f}%"></b></div>'
        f"<small>Expected rating, {certainty(item.confidence)}<br>Likely between {low:.1f} and {high:.1f}</small></div>"
    )


def certainty(confidence: float) -> str:
    """In words, how narrow the 90% interval is: ``confidence`` is the part of the scale outside it."""
    return next(words for least, words in CERTAINTY if confidence >= least)


def card(services: Services, user_id: str, item: RecommendedItem, liked: Collection[str], reason: str) -> None:
    """A movie of a list. "Why this movie?" opens a dialog; a rating reruns the whole list.

    Args:
        services: answer and store.
        user_id: whose list it is.
        item: the movie.
        liked: the liked genres that the list was made for.
        reason: why it is listed, in a few words; empty if nothing is to be said.
    """
    scale = services.scale.current
    because = f'<p class="mq-because">{markup(reason)}</p>' if reason else ""
    picture = picture_of(services, item.movie_id)
    top = tile(item.title, item.movie_id, item.year, item.genres, _rank(item), picture)
    st.html(top + because + predicted(item, scale))
    with errors_shown():
        key = session.card("rate", item.movie_id)
        rating = rating_input(f"Rate {item.title}", scale, key=key, value=item.rated)
        if rating is not None:
            st.session_state[session.RECEIPT] = services.ratings.rate(user_id, item.movie_id, rating)
            st.rerun()
    label, key = "Why this movie?", session.card("why", item.movie_id)
    if st.button(label, key=key, icon=":material/help:", type="tertiary"):
        with errors_shown():
            reasons.show(services, services.recommendations.explain(user_id, item.movie_id, liked), item.confidence)


def _rank(item: RecommendedItem) -> str:
    """The rank and, after a rating, the previous one."""
    before: dict[str, int] | None = st.session_state.get(session.RANKS)
    if before is None or before.get(item.movie_id) == item.rank:
        return str(item.rank)
    return f"{item.rank} · was {before[item.movie_id]}" if item.movie_id in before else f"{item.rank} · new"
