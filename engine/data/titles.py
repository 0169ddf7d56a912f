"""Titles of movies: year and article in their place, the forms by which two titles are the same, genres and years."""

from __future__ import annotations

import json
import re
import unicodedata
from ast import literal_eval
from typing import Any

from engine.data.catalogue import NO_GENRES

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
YEAR_IN_TITLE = re.compile(r"^(?P<title>.*\S)\s*[(\[](?P<year>(?:18|19|20|21)\d{2})(?:\s*[-–]\s*\d{0,4})?[)\]]\s*$")
MOVED_ARTICLE = re.compile(
    r"^(?P<title>.+\S),\s+(?P<article>The|A|An|La|Le|Les|L'|L’|El|Los|Las|Il|Lo|I|Gli|Der|Die|Das|De|Het|Den|Det|O|Os|Un|Une|Una|Ein|Eine)"
    r"(?P<more>\s+\(.+)?$"
)
ARTICLES = re.compile(
    r"^(?:the|a|an|la|le|les|el|los|las|il|lo|gli|der|die|das|het|den|det|un|une|una|ein|eine)\s+|^l['’]\s*",
    re.IGNORECASE,
)
IN_PARENTHESES = re.compile(r"\s*\((?:a\.?k\.?a\.?\s+)?([^()]+)\)")
SPECIAL = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "&": " and "}
)
ROMAN = {"ii": "2", "iii": "3", "iv": "4", "vi": "6", "vii": "7", "viii": "8", "ix": "9"}
SEPARATORS = "|;/,"


def clean_title(text: str) -> tuple[str, int | None]:
    """A title as people say it, and the year at its end: ``Matrix, The (1999)`` is ``The Matrix`` of 1999."""
    title = CONTROL.sub(" ", text).strip()
    year = None
    if found := YEAR_IN_TITLE.match(title):
        title, year = found["title"], int(found["year"])
    return with_article_first(title), year


def with_article_first(title: str) -> str:
    """``Misérables, Les`` as ``Les Misérables``; also inside parentheses after it."""
    inner = IN_PARENTHESES.search(title)
    if inner and (moved := MOVED_ARTICLE.match(inner[1])):
        title = title.replace(inner[1], _joined(moved["article"], moved["title"]))
    if found := MOVED_ARTICLE.match(title):
        return _joined(found["article"], found["title"]) + (found["more"] or "")
    return title


def _joined(article: str, title: str) -> str:
    return f"{article}{title}" if article[-1] in "'’" else f"{article} {title}"


def sort_title(title: str) -> str:
    """The title without its article, for sorting."""
    return ARTICLES.sub("", title, count=1).casefold() or title.casefold()


def title_keys(title: str) -> tuple[str, ...]:
    """Normalised forms of a title, the main one first, then alternative titles in parentheses.

    Case, accents, punctuation and articles do not count; numerals of Rome are digits.
    """
    found = [IN_PARENTHESES.sub("", title), *IN_PARENTHESES.findall(title), title]
    return tuple(dict.fromkeys(key for text in found if (key := _key(text)))) or (title.casefold(),)


def without_accents(text: str) -> str:
    """The text with letters that have an accent, or another form, as plain ones."""
    return "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))


def _key(title: str) -> str:
    text = without_accents(with_article_first(title.strip()).casefold().translate(SPECIAL))
    text = ARTICLES.sub("", text.strip(), count=1)
    text = re.sub(r"['’`´.]", "", text)
    words = "".join(char if char.isalnum() else " " for char in text).split()
    return " ".join([ROMAN.get(word, word) if place else word for place, word in enumerate(words)])


def is_placeholder(title: str, movie_id: str) -> bool:
    """Whether a title says no more than the id: empty, the id itself, or ``Movie 17``."""
    plain = title.strip()
    number = plain.casefold().removeprefix("movie").removeprefix("film").removeprefix("item").strip(" #")
    generic = plain.casefold() in ("", "unknown", "untitled", "null", "none", "nan", "n/a", "-", "?")
    if generic or not movie_id:
        return generic
    return plain == movie_id or (number == movie_id.casefold() and number != plain.casefold())


def read_year(value: Any) -> int | None:
    """A year from 1800 to 2200 from a number, ``1999.0``, or a date that begins or ends with it; None otherwise."""
    text = str(value).strip()
    if found := re.fullmatch(r"(?:.*\D)?(\d{4})(?:\.0+)?", text) or re.match(r"(\d{4})-\d", text):
        year = int(found[1])
        return year if 1800 <= year <= 2200 else None
    return None


def read_genres(text: str) -> tuple[str, ...]:
    """Distinct genres from ``Drama|War``, with commas, semicolons or slashes too, or a list in JSON or Python."""
    text = text.strip()
    if text.startswith("["):
        names = _listed(text)
    else:
        sign = next((sign for sign in SEPARATORS if sign in text), "|")
        names = text.split(sign)
    plain = (CONTROL.sub(" ", name).strip() for name in names)
    return tuple(
        dict.fromkeys(
            name for name in plain if name and name != NO_GENRES and name.casefold() not in ("null", "nan", "\\n")
        )
    )


def _listed(text: str) -> list[str]:
    """Names of a list of texts, or of objects with a name."""
    for parse in (json.loads, literal_eval):
        try:
            found = parse(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        return [str(one.get("name", "")) if isinstance(one, dict) else str(one) for one in found]
    return text.strip("[]").replace("'", "").replace('"', "").split(",")


def title_id(title: str, year: int | None) -> str:
    """The id of a movie that has only a title: ``The Matrix (1999)``."""
    return title if year is None else f"{title} ({year})"
