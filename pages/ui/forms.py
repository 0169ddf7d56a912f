"""A model's hyperparameter form, built from its config, so that each parameter is written once."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import time
from typing import Any

import streamlit as st
from pydantic.fields import FieldInfo

from engine.errors import InvalidInput
from engine.models.base import ModelConfig
from engine.models.hyperparameters import AUTO
from engine.models.registry import MODELS, number_branch
from engine.services.timetable import zones
from pages.ui import session
from pages.ui.escape import markup, text
from pages.ui.page import in_labels, rerun_with

MOST_ACCURATE, FASTEST = "ncf", "svd"


def choose_model(key: str, offered: str) -> str:
    """The chosen kind of rating model, kept under ``key``; ``offered`` comes first."""
    first, *_ = kinds = sorted(MODELS, key=lambda name: name != offered)
    kind = st.segmented_control(
        "Model",
        kinds,
        default=first,
        required=True,
        format_func=lambda name: MODELS[name].label,
        key=key,
        persist_state="session",
    )
    return kind or first


def hyperparameters(
    config: type[ModelConfig],
    errors: Mapping[str, str],
    groups: Mapping[str, Sequence[str]] | None = None,
    *,
    apart: Collection[str] = (),
) -> dict[str, Any]:
    """An input for each field of the config, inside ``st.form``; returns the values by name.

    Inputs take any number, so that none is changed silently; the service validates them, and its message for a field,
    in ``errors`` by name, is shown under it. ``groups`` has the names of fields by heading; without it there is none.
    Fields ``apart`` are drawn elsewhere, by ``hyperparameter``.
    """
    properties = config.model_json_schema()["properties"]
    values = {}
    for heading, names in (groups or {"": [name for name in properties if name not in apart]}).items():
        if heading:
            st.caption(heading)
        grid = st.grid(3, min_column_width=200)
        for name in names:
            with grid.cell():
                values[name] = hyperparameter(config, name, errors)
    other_errors(errors, properties)
    return values


def hyperparameter(config: type[ModelConfig], name: str, errors: Mapping[str, str]) -> Any:
    """The input for one field of the config, with its message in ``errors``; returns the value."""
    schema = config.model_json_schema()["properties"][name]
    key, label = session.hyperparameter(config.kind, name), text(config.title_of(name))
    value = _input(key, label, schema, config.model_fields[name])
    field_error(errors, name, config.title_of(name))
    return value


def without_prefix(errors: Mapping[str, str], prefix: str) -> dict[str, str]:
    """The messages of fields whose names begin with a prefix, such as ``ranker.``; of those without any for ''."""
    if not prefix:
        return {name: message for name, message in errors.items() if "." not in name}
    return {name.removeprefix(prefix): told for name, told in errors.items() if name.startswith(prefix)}


def field_error(errors: Mapping[str, str], name: str, label: str = "") -> None:
    """The message for the field above, if there is one; with a label, it stands for the field's name."""
    if name in errors:
        alert(in_labels(errors[name], {name: label} if label else {}))


def alert(message: str) -> None:
    """A message about what was refused; screen readers say it at once."""
    st.html(f'<p class="mq-error" role="alert">{markup(message)}</p>')


def other_errors(errors: Mapping[str, str], fields: Collection[str]) -> None:
    """Messages for none of these fields."""
    for name in errors.keys() - set(fields):
        field_error(errors, name)


def submit(errors: str, save: Callable[[], object], message: str) -> None:
    """Save and toast a message about the result, or keep that of a refused field under ``errors``; then rerun."""
    st.session_state.pop(errors, None)
    try:
        saved = save()
    except InvalidInput as error:
        st.session_state[errors] = {error.field: str(error)}
        st.rerun()
    rerun_with(message.format(saved))


def time_of_day(hour: int, minute: int, *, key: str) -> time:
    """A time, in steps of a quarter of an hour."""
    return st.time_input("Time", f"{hour:02d}:{minute:02d}", step=900, key=key)


def time_zone(zone: str, *, key: str) -> str:
    """A time zone; the saved one is offered even if the system no longer knows it."""
    known = sorted(zones() | {zone})
    return st.selectbox("Time zone", known, index=known.index(zone), key=key)


def _input(key: str, label: str, schema: dict[str, Any], field: FieldInfo) -> Any:
    about = text(field.description or "")
    kept: dict[str, Any] = {"key": key, "persist_state": "session"}  # survives a visit to another page
    if "enum" in schema:
        options = schema["enum"]
        return st.selectbox(label, options, index=options.index(field.default), help=about, **kept)
    if schema.get("type") == "boolean":
        return st.toggle(label, value=field.default, help=about, **kept)
    if schema.get("type") == "array":
        listed = st.text_input(label, ", ".join(map(str, field.default)), help=f"{about} {listing(schema)}", **kept)
        return [part.strip() for part in listed.split(",")]
    number = number_branch(schema)
    if number is None:
        return _number(label, schema, field.default, f"{about} {_range(schema)}", **kept)
    about = f"{about} Empty: {AUTO}. Or a number: {_range(number)}"
    default = None if field.default == AUTO else field.default
    given = _number(label, number, default, about, placeholder=AUTO, **kept)
    return AUTO if given is None else given


def _number(label: str, schema: Mapping[str, Any], default: float | None, about: str, **kept: Any) -> float | None:
    """A number; None where it is empty, which it can be if the default is None."""
    if schema.get("type") == "integer":
        return st.number_input(label, value=default, step=1, help=about, **kept)
    value = None if default is None else float(default)
    return st.number_input(label, value=value, step=step(value or 0.0), format="%g", help=about, **kept)


def _range(schema: Mapping[str, Any]) -> str:
    if "exclusiveMinimum" in schema:
        return f"Above {schema['exclusiveMinimum']:g}, at most {schema.get('maximum', math.inf):,g}."
    if "minimum" in schema and "maximum" in schema:
        return f"{schema['minimum']:,g} to {schema['maximum']:,g}."
    return ""


def listing(schema: dict[str, Any]) -> str:
    """What a list accepts, such as ``1 to 3 numbers separated by commas, each 1 to 512``."""
    each = _range(schema["items"])
    return f"{schema['minItems']} to {schema['maxItems']} numbers separated by commas, each {each}"


def step(default: float) -> float:
    """Step of the plus button: half the default's power of ten, so 0.01 moves by 0.005 and 0.1 by 0.05."""
    return float(10.0 ** math.floor(math.log10(default)) / 2) if default > 0 else 0.1
