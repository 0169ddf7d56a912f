"""Ids of users and movies in the one form in which they are stored and looked up."""

from __future__ import annotations

import unicodedata


def composed(text: str) -> str:
    """The text in Unicode's form NFC: ``é`` as one character, whether it came as one or as ``e`` and an accent.

    macOS names files in NFD and browsers send NFC, so without this one id would be two people.
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)
