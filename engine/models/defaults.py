"""The defaults and search ranges of ``hyperparameters.toml``, which are written there and nowhere else."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field

from engine.errors import InvalidSettings

FILE = Path(__file__).parents[2] / "hyperparameters.toml"


@cache
def read(path: Path = FILE) -> dict[str, Any]:
    """The file's tables by model.

    Raises:
        InvalidSettings: it can't be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSettings(f"{path.name} can't be read: {error}. Mend it, or take it from the release.") from error


def default(kind: str, name: str, **about: Any) -> Any:
    """A field of a config whose default is that of the file; ``about`` as for ``pydantic.Field``.

    Raises:
        InvalidSettings: the file gives none.
    """
    try:
        value = read()[kind]["defaults"][name]
    except KeyError as error:
        raise InvalidSettings(f"{FILE.name} gives no default: add {name} under [{kind}.defaults].") from error
    return Field(tuple(value) if isinstance(value, list) else value, **about)
