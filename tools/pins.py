"""Reads the requirement files: direct dependencies (``*.in``) and all pinned packages with hashes (``*.txt``)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
SETS = tuple(f"requirements{part}" for part in ("", "-build", "-demo", "-dev", "-bench", "-spark", "-tools"))
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_COMMENT = re.compile(r"(^|\s)#.*")


@dataclass(frozen=True)
class Pin:
    """A package of a locked file."""

    requirement: Requirement
    hashes: frozenset[str]
    asked_by: frozenset[str]
    """What needs it: names of packages, or ``-r name.in`` for a direct dependency."""


def asked_for(path: Path) -> dict[str, Requirement]:
    """Requirements in a ``*.in`` file by canonical name, without those of included files."""
    lines = (_COMMENT.sub("", line).strip() for line in path.read_text(encoding="utf-8").splitlines())
    found = [Requirement(line) for line in lines if line and not line.startswith("-")]
    return {canonicalize_name(each.name): each for each in found}


def includes(path: Path, option: str) -> list[str]:
    """Files that a ``*.in`` file names with ``-r`` (included) or ``-c`` (constraints)."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.removeprefix(option).strip() for line in lines if line.startswith(f"{option} ")]


def pins(path: Path) -> list[Pin]:
    """The packages of a locked file, in order.

    Raises:
        ValueError: a line is not a requirement, a hash or a comment on what needs it.
    """
    found: list[Pin] = []
    for block in re.split(r"\n(?=[^\s#])", "\n" + path.read_text(encoding="utf-8"))[1:]:
        head, *rest = block.splitlines()
        hashes, asked_by = set[str](), set[str]()
        for line in rest:
            text = line.strip()
            if match := _HASH.fullmatch(text.removesuffix("\\").strip()):
                hashes.add(match[1])
            elif text.startswith("#"):
                asked_by.add(text.lstrip("# ").removeprefix("via").strip())
            elif text:
                raise ValueError(f"{path.name} has a line that is not a hash: {text}")
        found.append(Pin(Requirement(head.removesuffix("\\").strip()), frozenset(hashes), frozenset(asked_by - {""})))
    return found
