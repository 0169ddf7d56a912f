"""The form of a model's hyperparameters, built from its config, so that a parameter is written once."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st
from pydantic.fields import FieldInfo

from engine.models.base import ModelConfig
from pages.ui import keys
from pages.ui.plain import text


def hyperparameters(kind: str, config: type[ModelConfig]) -> dict[str, Any]:
    """An input for each field of the config; returns the values by name. To be called inside ``st.form``."""
    properties = config.model_json_schema()["properties"]
    grid = st.grid(3, min_column_width=200)
    values = {}
    for name, schema in properties.items():
        with grid.cell():
            values[name] = _input(keys.hyperparameter(kind, name), name, schema, config.model_fields[name])
    return values


def _input(key: str, name: str, schema: dict[str, Any], field: FieldInfo) -> Any:
    label, about = text(field.title or name.replace("_", " ").capitalize()), text(field.description or "")
    kept: dict[str, Any] = {"key": key, "persist_state": "session"}  # the form is away while a run goes on
    if "enum" in schema:
        options = schema["enum"]
        return st.selectbox(label, options, index=options.index(field.default), help=about, **kept)
    if schema.get("type") == "boolean":
        return st.toggle(label, value=field.default, help=about, **kept)
    if schema.get("type") == "array":
        listed = st.text_input(label, ", ".join(map(str, field.default)), help=f"{about} {listing(schema)}", **kept)
        return [part.strip() for part in listed.split(",")]
    about = f"{about} {_range(schema)}"
    if schema.get("type") == "integer":
        low, high = schema.get("minimum"), schema.get("maximum")
        return st.number_input(label, low, high, value=field.default, step=1, help=about, **kept)
    least, most = _limits(schema)
    value = float(field.default)
    return st.number_input(label, least, most, value=value, step=step(value), format="%g", help=about, **kept)


def _limits(schema: dict[str, Any]) -> tuple[float | None, float | None]:
    """The range of a real number as the input takes it: an open end moves inwards by the least step."""
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None and "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + 1e-6
    return (None if low is None else float(low)), (None if high is None else float(high))


def _range(schema: dict[str, Any]) -> str:
    if "exclusiveMinimum" in schema:
        return f"Above {schema['exclusiveMinimum']:g}, at most {schema.get('maximum', math.inf):,g}."
    if "minimum" in schema and "maximum" in schema:
        return f"{schema['minimum']:,g} to {schema['maximum']:,g}."
    return ""


def listing(schema: dict[str, Any]) -> str:
    """What a list takes: ``1 to 3 numbers, parted by commas; each 1 to 512``, for example."""
    each = _range(schema["items"])
    return f"{schema['minItems']} to {schema['maxItems']} numbers, parted by commas; each {each}"


def step(default: float) -> float:
    """How far one press of plus goes: half the default's power of ten, so that 0.01 moves by 0.005 and 0.1 by 0.05."""
    return float(10.0 ** math.floor(math.log10(default)) / 2) if default > 0 else 0.1
