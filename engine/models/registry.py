"""The rating models one can train, by the name that requests and versions use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from engine.errors import InvalidHyperparameter, InvalidInput
from engine.models.base import ModelConfig, RatingModel
from engine.models.ncf import NeuralCF, NeuralCFConfig
from engine.models.svd import MatrixFactorizationConfig, MatrixFactorizationModel


@dataclass(frozen=True)
class ModelEntry:
    """A model as a person chooses it."""

    kind: str
    label: str
    summary: str
    config: type[ModelConfig]
    model: type[RatingModel]

    def build(self, config: ModelConfig) -> RatingModel:
        """An untrained model with these hyperparameters."""
        return self.model(config)  # type: ignore[call-arg]  # each model's constructor takes its config


MODELS: dict[str, ModelEntry] = {
    "svd": ModelEntry(
        "svd",
        "Matrix factorisation",
        "Learns a vector for each user and movie. Fast, and new ratings count at once.",
        MatrixFactorizationConfig,
        MatrixFactorizationModel,
    ),
    "ncf": ModelEntry(
        "ncf",
        "Neural collaborative filter",
        "Networks on embeddings, genres and habits. The most accurate; takes about twenty times as long.",
        NeuralCFConfig,
        NeuralCF,
    ),
}


def entry(kind: str) -> ModelEntry:
    """The model of this name.

    Raises:
        InvalidInput: there is none; the message lists those there are.
    """
    if kind not in MODELS:
        raise InvalidInput(f"There is no model {kind!r}. Choose one of: {', '.join(MODELS)}.", field="model")
    return MODELS[kind]


def configure(kind: str, hyperparameters: Mapping[str, Any]) -> ModelConfig:
    """Validated hyperparameters of a model; those left out take their defaults.

    Raises:
        InvalidInput: there is no such model.
        InvalidHyperparameter: one is unknown or outside its range; the message names field, value and range.
    """
    config = entry(kind).config
    try:
        return config.model_validate(dict(hyperparameters))
    except ValidationError as error:
        faults: dict[str, str] = {}
        for problem in error.errors():
            name = str(problem["loc"][0]) if problem["loc"] else "hyperparameters"  # the rest: which part of a list
            faults.setdefault(name, _sentence(config, name, problem))
        raise InvalidHyperparameter(faults) from error


def _sentence(config: type[ModelConfig], name: str, problem: Mapping[str, Any]) -> str:
    if name not in config.model_fields:
        return f"There is no hyperparameter {name!r}. There are: {', '.join(config.model_fields)}."
    return f"{name} is {problem['input']!r}, but must be {allowed(config, name)}."


def allowed(config: type[ModelConfig], name: str) -> str:
    """The range of a hyperparameter in words, such as ``a whole number from 1 to 1000``."""
    schema = config.model_json_schema()["properties"][name]
    if schema.get("type") == "array":
        return f"{schema['minItems']} to {schema['maxItems']} numbers, each {_allowed(schema['items'])}"
    return _allowed(schema)


def _allowed(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    noun = "a whole number" if schema.get("type") == "integer" else "a number"
    if "exclusiveMinimum" in schema:
        return f"{noun} above {_plain(schema['exclusiveMinimum'])}, at most {_plain(schema['maximum'])}"
    return f"{noun} from {_plain(schema['minimum'])} to {_plain(schema['maximum'])}"


def _plain(value: float) -> str:
    """A number as one writes it: a whole one with all its digits."""
    return str(int(value)) if float(value).is_integer() else f"{value:g}"
