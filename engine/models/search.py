"""What tuning may try of each hyperparameter, as ``hyperparameters.toml`` says, checked against the model's ranges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from engine.errors import InvalidHyperparameter, InvalidSettings
from engine.models.defaults import FILE, read
from engine.models.registry import MODELS, configure, entry


@dataclass(frozen=True, slots=True)
class SearchRange:
    """What is tried of one hyperparameter: a range, or ``choices`` where it is not empty.

    Attributes:
        low, high: the ends, both included.
        log: whether values are drawn evenly in orders of magnitude.
        whole: whether only whole numbers are drawn.
    """

    name: str
    title: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    choices: tuple[Any, ...] = ()


class _Line(BaseModel):
    """One line of the file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    low: float | int | None = None
    high: float | int | None = None
    log: bool = False
    choices: list[Any] | None = None

    @model_validator(mode="after")
    def _one_or_the_other(self) -> _Line:
        ranged = self.low is not None and self.high is not None
        if ranged == (self.choices is not None) or (ranged and not self.low < self.high):  # type: ignore[operator]
            raise ValueError("give low and high, low being the lower, or choices")
        if self.log and not (self.low or 0) > 0:
            raise ValueError("log needs a low above 0")
        if self.choices is not None and len(self.choices) < 2:
            raise ValueError("give at least two choices")
        return self


def search_space(kind: str, tables: Mapping[str, Any] | None = None) -> list[SearchRange]:
    """What a study of this model tries.

    Args:
        kind: a name of ``engine.models.registry.MODELS``.
        tables: those of the file by model; by default they are read from it.

    Raises:
        InvalidInput: there is no such model.
        InvalidSettings: the file searches where the model does not allow it; names hyperparameter, value and range.
    """
    config = entry(kind).config
    lines: Mapping[str, Any] = (read() if tables is None else tables).get(kind, {}).get("search", {})
    found = []
    for name, values in lines.items():
        where = f"{FILE.name}, [{kind}.search] {name}"
        try:
            line = _Line.model_validate(values)
        except ValidationError as error:
            raise InvalidSettings(f"{where}: {error.errors()[0]['msg'].removeprefix('Value error, ')}.") from error
        for tried in line.choices if line.choices is not None else [line.low, line.high]:
            try:
                configure(kind, {name: tried})
            except InvalidHyperparameter as error:
                raise InvalidSettings(f"{where}: {error}") from error
        field = config.model_fields[name]
        title = field.title or name
        if line.choices is None:
            ends = float(line.low or 0), float(line.high or 0)
            found.append(SearchRange(name, title, *ends, line.log, field.annotation is int))
        else:
            choices = tuple(tuple(one) if isinstance(one, list) else one for one in line.choices)
            found.append(SearchRange(name, title, choices=choices))
    return found


def check_settings() -> None:
    """Check the whole file of hyperparameters.

    Raises:
        InvalidSettings: names what to mend.
    """
    for kind in MODELS:
        try:
            configure(kind, read()[kind]["defaults"])
        except InvalidHyperparameter as error:
            raise InvalidSettings(f"{FILE.name}, [{kind}.defaults]: {error}") from error
        search_space(kind)
