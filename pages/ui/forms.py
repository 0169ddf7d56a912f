"""The form of a model's hyperparameters, built from its config, so that a parameter is written once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import streamlit as st
from pydantic.fields import FieldInfo

from engine.models.base import ModelConfig
from engine.models.registry import MODELS, ModelEntry
from pages.ui import session
from pages.ui.escape import markup, text


def choose_model(key: str) -> ModelEntry:
    """Which kind of rating model; the choice is kept under ``key``."""
    first = next(iter(MODELS))
    kind = st.segmented_control(
        "Model",
        list(MODELS),
        default=first,
        required=True,
        format_func=lambda name: MODELS[name].label,
        key=key,
        persist_state="session",
    )
    return MODELS[kind or first]


def hyperparameters(kind: str, config: type[ModelConfig], faults: Mapping[str, str]) -> dict[str, Any]:
    """An input for each field of the config; returns the values by name. To be called inside ``st.form``.

    An input takes any number, so that nobody's number is changed silently; what the service refuses of a field is in
    ``faults`` by the field's name and shown right under it.
    """
    properties = config.model_json_schema()["properties"]
    grid = st.grid(3, min_column_width=200)
    values = {}
    for name, schema in properties.items():
        with grid.cell():
            values[name] = _input(session.hyperparameter(kind, name), name, schema, config.model_fields[name])
            if name in faults:
                fault(faults[name])
    for name in faults.keys() - properties.keys():
        fault(faults[name])
    return values


def fault(message: str) -> None:
    """What is wrong with the field above."""
    st.html(f'<p class="mq-fault" role="alert">{markup(message)}</p>')


def _input(key: str, name: str, schema: dict[str, Any], field: FieldInfo) -> Any:
    label, about = text(field.title or name.replace("_", " ").capitalize()), text(field.description or "")
    kept: dict[str, Any] = {"key": key, "persist_state": "session"}  # other pages are looked at in between
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
        return st.number_input(label, value=field.default, step=1, help=about, **kept)
    value = float(field.default)
    return st.number_input(label, value=value, step=step(value), format="%g", help=about, **kept)


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
