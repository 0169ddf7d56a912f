"""The rating models by name, with their validated hyperparameters and search spaces."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from engine.errors import InvalidHyperparameter, InvalidInput, InvalidSettings
from engine.models.base import ModelConfig, RatingModel
from engine.models.hyperparameters import AUTO, FILE, read
from engine.models.ncf import NeuralCF, NeuralCFConfig
from engine.models.spark import current
from engine.models.spark_als import SparkALS, SparkALSConfig
from engine.models.svd import MatrixFactorizationConfig, MatrixFactorizationModel

ModelKind = Literal["svd", "ncf", "als"]
Config = TypeVar("Config", bound=ModelConfig)


@dataclass(frozen=True)
class ModelEntry:
    """A model that can be chosen for training."""

    label: str
    summary: str
    config: type[ModelConfig]
    model: type[RatingModel]
    on_spark: bool = False
    """Whether it learns on Apache Spark, outside this process."""


MODELS: dict[str, ModelEntry] = {
    "svd": ModelEntry(
        "Matrix factorisation",
        "Learns a vector for each person and movie. Fast, and new ratings count at once.",
        MatrixFactorizationConfig,
        MatrixFactorizationModel,
    ),
    "als": ModelEntry(
        "Alternating least squares on Spark",
        "Learns a vector for each person and movie on Apache Spark, for ratings that one machine can't learn.",
        SparkALSConfig,
        SparkALS,
        on_spark=True,
    ),
    "ncf": ModelEntry(
        "Neural collaborative filter",
        "Networks on embeddings, genres and habits. The most accurate; takes about ten times as long to learn.",
        NeuralCFConfig,
        NeuralCF,
    ),
}


HERE: tuple[str, ...] = tuple(kind for kind, each in MODELS.items() if not each.on_spark)
"""Those that are learned in this process."""


def entry(kind: str) -> ModelEntry:
    """The model of this name.

    Raises:
        InvalidInput: there is none; the message lists the names.
    """
    if kind not in MODELS:
        raise InvalidInput(f"There is no model {kind!r}. Choose one of: {', '.join(MODELS)}.", field="model")
    return MODELS[kind]


def check_trainable(kind: str) -> None:
    """Refuse a model that can't be trained here.

    Raises:
        InvalidInput: there is no such model, or what it needs is not installed; the message says how to get it.
    """
    if entry(kind).on_spark and (missing := current().missing):
        raise InvalidInput(missing, field="model")


def build(config: ModelConfig) -> RatingModel:
    """An untrained model with these hyperparameters."""
    return entry(config.kind).model(config)  # type: ignore[call-arg]  # each model's constructor takes its config


def configure(kind: str, hyperparameters: Mapping[str, Any]) -> ModelConfig:
    """Validated hyperparameters of a model, with defaults for missing ones.

    Raises:
        InvalidInput: there is no such model.
        InvalidHyperparameter: one is unknown or out of range; the message names field, value and range.
    """
    return validated(entry(kind).config, hyperparameters)


def validated(config: type[Config], values: Mapping[str, Any], prefix: str = "") -> Config:
    """A config of these values, with defaults for missing ones.

    Args:
        config: its class.
        values: by name.
        prefix: precedes the names of fields in the error, such as ``ranker.``.

    Raises:
        InvalidHyperparameter: one is unknown or out of range; the message names field, value and range.
    """
    try:
        return config.model_validate(dict(values))
    except ValidationError as error:
        faults: dict[str, str] = {}
        for problem in error.errors():
            name = str(problem["loc"][0]) if problem["loc"] else "hyperparameters"  # the rest is a place in a list
            faults.setdefault(f"{prefix}{name}", _sentence(config, name, problem))
        raise InvalidHyperparameter(faults) from error


def _sentence(config: type[ModelConfig], name: str, problem: Mapping[str, Any]) -> str:
    if name not in config.model_fields:
        return f"There is no hyperparameter {name!r}. There are: {', '.join(config.model_fields)}."
    return f"{name} is {_as_given(problem['input'])}, but must be {allowed(config, name)}."


def _as_given(value: Any) -> str:
    """A value as a request or a form has it: text in quotes, and JSON's ``null`` and ``true``."""
    return json.dumps(value) if value is None or isinstance(value, bool) else repr(value)


def allowed(config: type[ModelConfig], name: str) -> str:
    """The range of a hyperparameter in words, such as ``a whole number from 1 to 1000``."""
    schema = config.model_json_schema()["properties"][name]
    if schema.get("type") == "array":
        return f"{schema['minItems']} to {schema['maxItems']} numbers, each {_allowed(schema['items'])}"
    return _allowed(schema)


def number_branch(schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema of the numbers of a hyperparameter that may be ``auto`` instead; None if it may not."""
    return next((one for one in schema.get("anyOf", []) if one.get("type") in ("integer", "number")), None)


def _allowed(schema: Mapping[str, Any]) -> str:
    number = number_branch(schema)
    if number is not None:
        return f"{AUTO} or {_allowed(number)}"
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    noun = "a whole number" if schema.get("type") == "integer" else "a number"
    if "exclusiveMinimum" in schema:
        return f"{noun} above {_plain(schema['exclusiveMinimum'])}, at most {_plain(schema['maximum'])}"
    return f"{noun} from {_plain(schema['minimum'])} to {_plain(schema['maximum'])}"


def _plain(value: float) -> str:
    """A number as text, without exponent if it is whole."""
    return str(int(value)) if float(value).is_integer() else f"{value:g}"


@dataclass(frozen=True, slots=True)
class SearchRange:
    """Search space of one hyperparameter: a range, or ``choices`` if there are any.

    Attributes:
        low, high: the ends, both included.
        log: whether to draw on a logarithmic scale.
        whole: whether to draw whole numbers only.
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
    """Search space of a model for tuning.

    Args:
        kind: a name of ``MODELS``.
        tables: tables by model; by default those of the file.

    Raises:
        InvalidInput: there is no such model.
        InvalidSettings: a value is out of the model's range; names hyperparameter, value and range.
    """
    return read_space(kind, entry(kind).config, tables)


def read_space(section: str, config: type[ModelConfig], tables: Mapping[str, Any] | None = None) -> list[SearchRange]:
    """Search space of one section of the file.

    Args:
        section: its name, such as ``svd``.
        config: the class whose fields are searched.
        tables: tables by section; by default those of the file.

    Raises:
        InvalidSettings: a value is out of range; names hyperparameter, value and range.
    """
    lines: Mapping[str, Any] = (read() if tables is None else tables).get(section, {}).get("search", {})
    found = []
    for name, values in lines.items():
        where = f"{FILE.name}, [{section}.search] {name}"
        try:
            line = _Line.model_validate(values)
        except ValidationError as error:
            raise InvalidSettings(f"{where}: {error.errors()[0]['msg'].removeprefix('Value error, ')}.") from error
        for tried in line.choices if line.choices is not None else [line.low, line.high]:
            try:
                validated(config, {name: tried})
            except InvalidHyperparameter as error:
                raise InvalidSettings(f"{where}: {error}") from error
        title = config.title_of(name)
        if line.choices is None:
            ends = float(line.low or 0), float(line.high or 0)
            found.append(SearchRange(name, title, *ends, line.log, _is_whole(config, name)))
        else:
            choices = tuple(tuple(one) if isinstance(one, list) else one for one in line.choices)
            found.append(SearchRange(name, title, choices=choices))
    return found


def _is_whole(config: type[ModelConfig], name: str) -> bool:
    schema = config.model_json_schema()["properties"][name]
    return bool((number_branch(schema) or schema).get("type") == "integer")


def check_settings() -> None:
    """Check the whole file of hyperparameters.

    Raises:
        InvalidSettings: names what to fix.
    """
    for kind in MODELS:
        try:
            configure(kind, read()[kind]["defaults"])
        except InvalidHyperparameter as error:
            raise InvalidSettings(f"{FILE.name}, [{kind}.defaults]: {error}") from error
        search_space(kind)
