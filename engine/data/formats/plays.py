"""Plays, hours, histories and events: what people did, without saying what they thought of it."""

from __future__ import annotations

from dataclasses import replace

from engine.data.columns import PLAYS, find
from engine.data.formats.base import Head, Layout, Source
from engine.data.formats.plain import with_columns

SOURCE = Source("plays", "Plays or histories")
EVENTS = frozenset(
    (
        "view",
        "viewed",
        "click",
        "purchase",
        "play",
        "addtocart",
        "transaction",
        "buy",
        "cart",
        "fav",
        "pv",
        "watch",
        "watched",
        "listen",
    )
)
DONE = ("endtime", "playedat", "msplayed", "watchedat", "lastwatchedat", "lastplayed", "viewedat", "listenedat")


def as_preferences(head: Head) -> Layout | None:
    """What people did as preferences: one for each row, or where there are counts, for each above 0."""
    columns = find(head.table.names)
    columns.pop("rating", None)
    counts = [place for place, name in enumerate(head.names) if name in PLAYS]
    if not columns.keys() & {"movie", "title", "imdb", "tmdb"}:
        return None
    if counts:
        columns["rating"] = counts[0]
    return replace(with_columns(head, columns, SOURCE), counts=True)


def recognise(head: Head) -> Layout | None:
    """By columns that count or name actions, where there is none with ratings."""
    roles = find(head.table.names)
    if "rating" in roles:
        return None
    if PLAYS.intersection(head.names) and roles.keys() - {"time", "year", "genres"}:
        return head.ignored(SOURCE, "It counts plays, listens or hours, which are no ratings.", is_done=True)
    if any(_are_events(head.table.cells(place)) for place in range(head.table.width)):
        return head.ignored(
            SOURCE, "It lists events such as views, plays and purchases, which are no ratings.", is_done=True
        )
    if any(name in head.names for name in DONE):
        return head.ignored(SOURCE, "It is a history of what was watched or played, without ratings.", is_done=True)
    return None


def _are_events(cells: list[str]) -> bool:
    return len(cells) > 1 and {cell.casefold() for cell in cells} <= EVENTS
