"""Default hyperparameters, read from ``hyperparameters.toml`` once."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from engine.errors import InvalidSettings

FILE = Path(__file__).parents[2] / "hyperparameters.toml"

AUTO: Final = "auto"
Auto = Literal["auto"]
"""The value of a hyperparameter that each training chooses for itself."""
Patience = Annotated[
    int,
    Field(
        ge=0, le=1000, description="Epochs without a better validation RMSE before training stops; 0 never stops early."
    ),
]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1, description="Random seed; the same seed gives the same model.")]


@cache
def read(path: Path = FILE) -> dict[str, Any]:
    """The tables of the file, by model.

    Raises:
        InvalidSettings: the file can't be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSettings(f"{path.name} can't be read: {error}. Fix it, or restore it from the release.") from error


def default(kind: str, name: str, **about: Any) -> Any:
    """A config field with its default from the file; ``about`` as for ``pydantic.Field``.

    Raises:
        InvalidSettings: the file has no default for it.
    """
    try:
        value = read()[kind]["defaults"][name]
    except KeyError as error:
        raise InvalidSettings(f"{FILE.name} gives no default: add {name} under [{kind}.defaults].") from error
    return Field(tuple(value) if isinstance(value, list) else value, **about)
