"""Ratings as people write them: numbers, percentages, fractions, stars as signs, thumbs and letters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from engine.data.scale import RatingScale

Notation = Literal["number", "percent", "fraction", "stars", "words", "letters"]

NOT_RATED = frozenset(
    (
        "", "null", "n/a", "na", "#n/a", "none", "nan", "nil", "-", "--", "—", "–", "?", "not rated", "unrated",
        "no rating", "\\n", "<na>",
    )
)  # fmt: skip
"""Cells without a rating, in lower case."""
PERCENT = re.compile(r"([+-]?\d+(?:[.,]\d+)?)\s*%")
FRACTION = re.compile(
    r"(\d+(?:[.,]\d+)?)\s*(?:/|\bout of\b|\bof\b|\bvon\b|\bsur\b)\s*(\d+(?:[.,]\d+)?)(?:\s*(?:stars?|points?|\*))?"
)
NAMED = re.compile(r"([+-]?\d+(?:[.,]\d+)?)\s*(?:stars?|points?|pts?|sterne?|étoiles?|estrellas?|\*)")
STARS = re.compile(r"[★⭐✭✩☆⯨⯪✮\ufe0f*]*[½]?[☆✩\ufe0f]*|[★⭐]*\s*1/2")
HALVES = re.compile(r"(\d+)\s*([½¼¾])(?:\s*(?:stars?|\*))?")
FULL, HALF = "★⭐✭✮*", "½⯨⯪"
WORDS = {
    0.0: (
        "dislike", "disliked", "thumbs down", "thumbs_down", "thumb down", "thumbsdown", "down", "no", "false", "bad",
        "👎", "downvote", "hate", "negative",
    ),
    1.0: (
        "like", "liked", "thumbs up", "thumbs_up", "thumb up", "thumbsup", "up", "yes", "true", "good", "👍", "upvote",
        "love", "loved", "positive",
    ),
}  # fmt: skip
BY_WORD = {word: value for value, words in WORDS.items() for word in words}
LETTER = re.compile(r"([A-F])([+-]?)", re.IGNORECASE)
GRADES = {"a": 4.0, "b": 3.0, "c": 2.0, "d": 1.0, "e": 0.0, "f": 0.0}


@dataclass(frozen=True, slots=True)
class Reading:
    """A rating as read: its number, how it is written, and what it is out of, for fractions."""

    value: float
    notation: Notation
    out_of: float | None = None


def read_rating(text: str, decimal: str = ".") -> Reading | None:
    """A rating that is no plain number; None where the text is none.

    Args:
        text: a cell without blanks around it.
        decimal: the decimal sign, for plain numbers.
    """
    lower = text.casefold()
    if (number := _number(text, decimal)) is not None:
        return Reading(number, "number")
    if found := PERCENT.fullmatch(text):
        return Reading(_float(found[1]), "percent")
    if found := FRACTION.fullmatch(lower):
        return Reading(_float(found[1]), "fraction", _float(found[2]))
    if found := NAMED.fullmatch(lower):
        return Reading(_float(found[1]), "stars")
    if found := HALVES.fullmatch(lower):
        return Reading(int(found[1]) + {"¼": 0.25, "½": 0.5, "¾": 0.75}[found[2]], "stars")
    text = text.replace(" ", "")
    if text and STARS.fullmatch(text) and any(sign in text for sign in FULL + HALF + "☆✩"):
        half = any(sign in text for sign in HALF) or text.endswith("1/2")
        return Reading(sum(text.count(sign) for sign in FULL) + 0.5 * half, "stars")
    if lower in BY_WORD:
        return Reading(BY_WORD[lower], "words")
    if found := LETTER.fullmatch(text):
        shift = {"+": 0.3, "-": -0.3, "": 0.0}[found[2]]
        return Reading(round(max(GRADES[found[1].lower()] + shift, 0.0), 1), "letters")
    return None


def _float(text: str) -> float:
    return float(text.replace(",", "."))


def _number(text: str, decimal: str) -> float | None:
    """A plain finite number in the given decimal sign."""
    if decimal == "," and "," in text:
        text = text.replace(",", ".", 1)
    try:
        value = float(text)
    except ValueError:
        return None
    plain = "_" not in text and text.isascii()
    return value if plain and value - value == 0 else None


def notation_scale(notation: Notation, out_of: float | None) -> RatingScale | None:
    """The scale that a notation stands for; None for plain numbers."""
    if notation == "percent":
        return RatingScale(0.0, 100.0, 1.0)
    if notation == "fraction" and out_of is not None:
        return RatingScale(0.5, 5.0, 0.5) if out_of == 5 else RatingScale(0.0, out_of, 1.0)
    return {
        "stars": RatingScale(0.5, 5.0, 0.5),
        "words": RatingScale(0.0, 1.0, 1.0),
        "letters": RatingScale(0.0, 4.3, 0.1),
    }.get(notation)
