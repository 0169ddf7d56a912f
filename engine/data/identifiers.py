"""Ids of users and movies in the one form in which they are stored and looked up."""

from __future__ import annotations

import re
import unicodedata

MAX_ID_LENGTH = 200
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
NUMBER = re.compile(r"\d+(?:\.0)?")


def composed(text: str) -> str:
    """The text in Unicode's form NFC: ``é`` as one character, whether it came as one or as ``e`` and an accent.

    macOS names files in NFD and browsers send NFC, so without this one id would be two people.
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def id_problem(text: str, noun: str) -> str | None:
    """What is wrong with an id; None if it is valid."""
    if not text:
        return f"The {noun} is empty."
    if len(text) > MAX_ID_LENGTH:
        return f"The {noun} is longer than {MAX_ID_LENGTH} characters."
    if CONTROL.search(text):
        return f"The {noun} contains a control character."
    return None


def without_point(ids: list[str]) -> list[str]:
    """``12.0`` as ``12`` where all ids are numbers; otherwise the ids as they are."""
    if any(one.endswith(".0") for one in ids) and all(NUMBER.fullmatch(one) for one in ids if one):
        return [one.removesuffix(".0") for one in ids]
    return ids
