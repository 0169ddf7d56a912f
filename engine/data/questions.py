"""The questions of an import: what is asked, with the consequence of each answer, and how answers are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import ValidationError

from engine.data.formats.base import Source, Unclear
from engine.data.matching import KnownMovie
from engine.data.plan import Choice, ImportOptions, Question
from engine.data.scale import RatingScale
from engine.data.scales import Values, choices, convert, examples
from engine.data.tables import EncodingUnknown
from engine.data.times import Form, day_of, read_times
from engine.data.titles import title_id
from engine.errors import InvalidInput

EXPECTED = (
    "Upload an export of your ratings, such as from Letterboxd, IMDb or MovieLens, or a table with columns for person, "
    "movie and rating."
)
MAX_LINES = 12
MAX_TEXT = 1000
OPTION = {"user": "user_id"}
"""Options that answers go into, where their name is another one."""


def encoding(unknown: Sequence[EncodingUnknown]) -> Question:
    """Which encoding a text is in, with lines of it as each would read them."""
    readings = unknown[0].readings
    found = [
        Choice(value=name, label=name, consequence=f"The text reads: {_lines(text)}") for name, text in readings.items()
    ]
    return Question(
        code="encoding",
        text="In which encoding is the text? Choose the one in which the titles read right.",
        choices=found,
        suggestion=found[0].value if found else None,
    )


def _lines(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " · ".join(lines[:MAX_LINES])[:MAX_TEXT]


def columns(unclear: Sequence[Unclear]) -> Question:
    """Which column is what."""
    table = unclear[0].table
    names: list[str | int] = list(table.names) if table.names else list(range(table.width))
    told = ", ".join(map(str, table.names)) if table.names else f"{table.width} columns without names"
    first = " | ".join(table.sample[0][:20]) if table.sample else ""
    suggestion = {role: names[place] for role, place in unclear[0].suggestion.items()} or None
    found = []
    if suggestion is not None:
        label = ", ".join(f"{role}: {name}" for role, name in suggestion.items())
        found = [Choice(value=suggestion, label=label, consequence="Ratings are read from these columns.")]
    return Question(
        code="columns",
        text=f"Which columns of {table.name} hold person, movie and rating? It has {told}. The first row is "
        f"{first[:MAX_TEXT]}.",
        choices=found,
        suggestion=suggestion,
    )


def user(source: Source, name: str | None) -> Question:
    """Whose export it is."""
    found = [] if name is None else [Choice(value=name, label=name, consequence=f"All ratings are by {name}.")]
    label = "a list" if source.name == "list" else f"an export from {source.label}"
    return Question(
        code="user",
        text=f"Whose ratings are these? It is {label}, which names nobody.",
        choices=found,
        suggestion=name,
    )


def dates(cells: Sequence[str]) -> Question:
    """Whether the day or the month comes first."""
    example = next(cell for cell in cells if cell)
    found = [
        Choice(value="dmy", label="Day first", consequence=f"{example} is {_day(example, 'dmy')}."),
        Choice(value="mdy", label="Month first", consequence=f"{example} is {_day(example, 'mdy')}."),
    ]
    return Question(
        code="dates", text=f"Is the day or the month first in dates such as {example}?", choices=found, suggestion=None
    )


def _day(text: str, form: Form) -> str:
    return day_of(int(read_times(pa.chunked_array([[text]]), form, 2**40)[0][0]))


def scale(
    values: Values, store: RatingScale | None, texts: Mapping[str, float], plausible: RatingScale | None
) -> Question:
    """Which scale the ratings are on, with what becomes of some.

    Args:
        values: the ratings.
        store: the store's scale; None where it has no ratings yet and takes the scale of these.
        texts: what ratings that are no numbers were read as.
        plausible: a scale that the files suggest.
    """
    offered = choices(values)
    if plausible is not None:
        offered = [plausible, *(one for one in offered if one.ends != plausible.ends)]
    found = [
        Choice(
            value=list(one.ends), label=f"{one.low:g} to {one.high:g}", consequence=_becomes(values, one, store, texts)
        )
        for one in offered
    ]
    seen = f"They run from {values.low:g} to {values.high:g}."
    if texts:
        seen = f"They are written as {', '.join(list(texts)[:5])}."
    here = (
        "This store has no ratings yet and takes their scale."
        if store is None
        else f"Ratings in this store run from {store.low:g} to {store.high:g}."
    )
    return Question(
        code="scale",
        text=f"On which scale are the ratings? {seen} {here}",
        choices=found,
        suggestion=found[0].value if found else None,
    )


def _becomes(values: Values, found: RatingScale, store: RatingScale | None, texts: Mapping[str, float]) -> str:
    if store is None and not texts:
        return "Ratings stay as they are."
    store = store or found
    if texts:
        pairs = [(text, float(convert(np.array([value]), found, store)[0])) for text, value in list(texts.items())[:4]]
    else:
        pairs = [(f"{one:g}", other) for one, other in examples(values.values.tolist(), found, store)]
    return ", ".join(f"{one} becomes {other:g}" for one, other in pairs)


def catalogue(different: int, compared: int, some: Sequence[tuple[str, str, str]], prefix: str) -> Question:
    """Whether known ids with other titles are the same movies."""
    told = "; ".join(f"{one} is {stored} here and {given} in the files" for one, stored, given in some[:3])
    found = [
        Choice(
            value="separate",
            label="Another catalogue",
            consequence=f"Its movies and people are kept apart: their ids begin with {prefix}",
        ),
        Choice(value="same", label="The same movies", consequence="Ratings go to the movies with the same ids."),
    ]
    return Question(
        code="catalogue",
        text=f"Are these the same movies? {different:,} of {compared:,} known ids have another title: {told}.",
        choices=found,
        suggestion="separate",
    )


def matches(unsure: Mapping[str, KnownMovie]) -> Question:
    """Which movies are known under another spelling."""
    pairs = {new: movie.movie_id for new, movie in unsure.items()}
    told = "; ".join(f"{new} may be {title_id(movie.title, movie.year)}" for new, movie in list(unsure.items())[:3])
    return Question(
        code="matches",
        text=f"Are these the same movies? {told}.",
        choices=[
            Choice(value=pairs, label="All of them", consequence=f"{len(pairs):,} movies get their ratings here."),
            Choice(value={}, label="None of them", consequence=f"{len(pairs):,} movies are added as new ones."),
        ],
        suggestion={},
    )


def read_answers(answers: Mapping[str, Any], asked: Sequence[Question]) -> dict[str, Any]:
    """Answers as values of options.

    Args:
        answers: code to value.
        asked: the questions that wait.

    Raises:
        InvalidInput: a question was not asked, or its value is none that it takes.
    """
    codes = {question.code for question in asked}
    for code in answers:
        if code not in codes:
            raise InvalidInput(f"There is no question {code!r}. Waiting for: {', '.join(sorted(codes))}.", field=code)
    options = {OPTION.get(code, code): value for code, value in answers.items() if code != "matches"}
    for code, value in answers.items():
        if value is None:
            raise InvalidInput(f"The answer to {code!r} is missing.", field=code)
    try:
        found = ImportOptions.model_validate(options).model_dump(include=set(options))
    except ValidationError as error:
        fault = error.errors()[0]
        code = {option: code for code, option in OPTION.items()}.get(str(fault["loc"][0]), str(fault["loc"][0]))
        raise InvalidInput(
            f"The answer to {code!r} is not valid: {fault['msg'].removeprefix('Value error, ')}.", field=code
        ) from error
    if "matches" in answers:
        found["matches"] = _pairs(answers["matches"])
    return found


def _pairs(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(one, str) for pair in value.items() for one in pair):
        raise InvalidInput("The answer to 'matches' is an object of the files' movies and movie ids.", field="matches")
    return value
