"""Letterboxd: its files one by one, or the whole zip."""

from __future__ import annotations

import re

from engine.data.formats.base import HALF_STARS, Head, Layout, Source, owned

SOURCE = Source("letterboxd", "Letterboxd", HALF_STARS, personal=True)
ZIP = re.compile(r"letterboxd-(.+?)-\d{4}-\d{2}-\d{2}(?:-\d{2}-\d{2})?(?:-utc)?(?:\.zip)?$")
RATED = ("ratings.csv", "diary.csv", "reviews.csv")
"""Files with ratings, those with the present rating of each film first."""


def recognise(head: Head) -> Layout | None:
    """By the column Letterboxd URI, or the profile."""
    if head.name == "profile.csv" and head.has("username", "favoritefilms"):
        return owned(head.ignored(SOURCE, "It is the profile, which names the owner."), _username(head))
    if head.path.parent.name in ("deleted", "orphaned"):
        return head.ignored(SOURCE, "It was deleted at Letterboxd.") if _is_ours(head) else None
    if not head.has("letterboxduri"):
        return head.ignored(SOURCE, "It is a list, a comment or a like, without ratings.") if _is_ours(head) else None
    if not head.has("rating"):
        why = "It lists films that were watched, liked or saved, without ratings."
        return head.ignored(SOURCE, why, refuses=True)
    if earlier := next(
        (name for name in RATED if name != head.name and head.beside(name) and _before(name, head.name)), None
    ):
        return head.ignored(SOURCE, f"{earlier} has the present rating of each film.")
    names = {"title": "name", "year": "year", "rating": "rating", "time": ("watcheddate", "date")}
    if head.name not in ("diary.csv", "reviews.csv"):  # there the address is that of the entry
        names["letterboxd"] = "letterboxduri"
    return head.ratings(SOURCE, **names)


def _before(name: str, other: str) -> bool:
    return RATED.index(name) < (RATED.index(other) if other in RATED else len(RATED))


def _is_ours(head: Head) -> bool:
    """Whether the file lies in a folder as in the zip."""
    return head.path.parent.name in ("deleted", "orphaned", "lists", "likes") or (
        head.name == "comments.csv" and head.has("content", "comment")
    )


def _username(head: Head) -> str:
    place = head.names.index("username")
    return next((cell for cell in head.table.cells(place) if cell), "")


def owner_of_zip(name: str) -> str:
    """The username in the name of Letterboxd's zip; '' for another name."""
    found = ZIP.match(name.lower())
    return found[1] if found else ""
