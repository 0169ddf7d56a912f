"""An import as people and programs see it: options, plan, questions and answers."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from engine.data.encodings import is_known
from engine.data.formats import SOURCES
from engine.data.identifiers import composed, id_problem
from engine.data.times import Form

OptionRole = Literal["user", "movie", "rating", "time", "title", "year", "genres"]
QuestionCode = Literal["encoding", "columns", "user", "dates", "scale", "catalogue", "matches"]
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]
MAX_CELL = 200


class ImportOptions(BaseModel):
    """Options of an import; what is left out is found in the files, or asked for."""

    model_config = ConfigDict(extra="forbid", strict=True)

    user_id: str | None = Field(None, description="Whose ratings these are, for a personal export.")
    source: str = Field("auto", description="Where the files come from: `auto`, or the name of a known source.")
    columns: dict[OptionRole, str | int] | None = Field(
        None, description="Which column is what: a column's name, or its number from 0."
    )
    header: bool | None = Field(None, description="Whether the first row names the columns.")
    delimiter: str | None = Field(None, min_length=1, max_length=2, description="What stands between columns.")
    encoding: str | None = Field(None, description="Encoding of the text, such as `cp1251`.")
    decimal: Literal[".", ","] | None = Field(None, description="The decimal sign.")
    scale: list[Number] | None = Field(
        None, description="Lowest and highest rating of the scale in the files.", min_length=2, max_length=2
    )
    preferences: bool = Field(
        False,
        description="Take plays, hours, events, histories and thumbs as preferences: 1 for what somebody did or liked, "
        "0 for a thumb down. Only for a store of preferences, or an empty one.",
    )
    dates: Form | None = Field(
        None, description="How times are written: `ymd` begins with the year, `excel` counts days."
    )
    catalogue: Literal["same", "separate"] | None = Field(
        None, description="Whether IDs that are already there mean the same movies, or another catalogue."
    )
    prefix: str | None = Field(
        None, min_length=1, max_length=50, description="What is put before the IDs of a separate catalogue."
    )
    on_question: Literal["wait", "refuse", "suggestion"] = Field(
        "wait", description="Where something can't be told: ask and wait, fail, or take the suggestion."
    )
    confirm: bool = Field(
        False, description="Wait with the plan before anything is written, until an empty answer confirms it."
    )
    dry_run: bool = Field(False, description="Make the plan, and write nothing.")

    @field_validator("source")
    @classmethod
    def _is_source(cls, value: str) -> str:
        if value != "auto" and value not in SOURCES:
            raise ValueError(f"must be auto or one of {', '.join(sorted(SOURCES))}")
        return value

    @field_validator("encoding")
    @classmethod
    def _is_encoding(cls, value: str | None) -> str | None:
        if value is not None and not is_known(value):
            raise ValueError("must be an encoding of text, such as utf-8 or cp1252")
        return value

    @field_validator("delimiter")
    @classmethod
    def _is_delimiter(cls, value: str | None) -> str | None:
        if value is not None and any(sign in '"\r\n\0' or sign.isalnum() for sign in value):
            raise ValueError("must not be a letter, a digit, a quotation mark or a line end")
        return value

    @field_validator("prefix")
    @classmethod
    def _is_prefix(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if problem := id_problem(value.strip(), "prefix"):
            raise ValueError(problem)
        return composed(value.lstrip())

    @field_validator("scale")
    @classmethod
    def _is_ordered(cls, value: list[float] | None) -> list[float] | None:
        if value is not None and not (value[0] < value[1] and math.isfinite(value[1] - value[0])):
            raise ValueError("the scale's low end must be below its high end")
        return value

    @model_validator(mode="after")
    def _one_scale(self) -> ImportOptions:
        if self.preferences and self.scale is not None:
            raise ValueError("preferences have a scale of their own: leave out either preferences or scale")
        return self

    @field_validator("columns")
    @classmethod
    def _are_columns(cls, value: dict[str, str | int] | None) -> dict[str, str | int] | None:
        if value is None:
            return None
        if not value:
            raise ValueError("name at least one column")
        if any(isinstance(column, int) and not 0 <= column < 10_000 for column in value.values()):
            raise ValueError("numbers of columns begin with 0")
        if len(set(value.values())) < len(value):
            raise ValueError("a column can have one role only")
        return value

    @field_validator("user_id")
    @classmethod
    def _is_id(cls, value: str | None) -> str | None:
        if value is None:
            return None
        text = composed(value.strip())
        if problem := id_problem(text, "user id"):
            raise ValueError(problem)
        return text


class FilePlan(BaseModel):
    """A file, also one inside an archive, and what is done with it."""

    name: str
    source: str = Field(description="Where it comes from; empty if unknown.")
    role: Literal["ratings", "movies", "links", "ignored"]
    why: str = Field(description="Why it has this role.")
    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None
    rows: int | None = Field(None, description="Rows that were read; null for ignored files.")
    columns: dict[str, str] = Field(default_factory=dict, description="Role to name of the column.")


class ScalePlan(BaseModel):
    """The scale of the ratings in the files, and how it becomes that of the store."""

    model_config = ConfigDict(populate_by_name=True)

    found: list[float] = Field(description="Lowest and highest rating of the scale.")
    origin: Literal["source", "declared", "store", "seen"] = Field(
        alias="from", description="Whether the source, the options or an answer, the store or the ratings gave it."
    )
    mapping: str = Field(description="What becomes of a rating, in words.")
    examples: list[list[float]] = Field(description="Pairs of a rating in the files and as stored.")


class DatesPlan(BaseModel):
    """How times are written; days as `2020-09-13`."""

    form: str | None
    first: str | None
    last: str | None
    unreadable: int


class UserCounts(BaseModel):
    """Users in the files: those with ratings in the store, and new ones."""

    known: int
    new: int


class MovieCounts(BaseModel):
    """Movies in the files: known by id, matched by links or title, unsure, and new."""

    known: int
    matched: int
    unsure: int
    new: int


class RejectedCounts(BaseModel):
    """Rows that are set aside for one reason."""

    code: str
    reason: str
    rows: int
    examples: list[str] = Field(default_factory=list)


class Preview(BaseModel):
    """A table with its first rows, and which column is what."""

    file: str
    names: list[str] = Field(description="The columns' names; empty without a header.")
    rows: list[list[str]] = Field(description="The first rows.")
    columns: dict[str, int] = Field(description="Role to position of the column.")
    fixed: bool = Field(description="Whether the source says which column is what.")


class Plan(BaseModel):
    """What the files are, and what an import will do."""

    files: list[FilePlan] = Field(default_factory=list)
    scale: ScalePlan | None = None
    dates: DatesPlan | None = None
    users: UserCounts | None = None
    movies: MovieCounts | None = None
    ratings: int = Field(0, description="Ratings that can be imported.")
    rejected: list[RejectedCounts] = Field(default_factory=list)
    unrated: int = Field(0, description="Rows without a rating.")
    preview: Preview | None = Field(None, description="The table of ratings, or the one whose columns are asked for.")
    unsure: list[dict[str, Any]] = Field(
        default_factory=list, description="Movies that may be known under another title."
    )


class Choice(BaseModel):
    """A possible answer; ``value`` can be sent as it is."""

    value: Any
    label: str
    consequence: str


class Question(BaseModel):
    """What an import has to know before anything is written."""

    code: QuestionCode
    text: str
    choices: list[Choice]
    suggestion: Any = Field(None, description="A plausible answer; null where there is none.")
