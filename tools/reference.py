"""Writes ``docs/api.md`` from the OpenAPI document; with ``--check`` it only says whether the file is up to date.

``make api`` runs it, and ``make check`` fails when the file is stale.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sidecar.app import reference
from tools.pins import ROOT

FILE = ROOT / "docs" / "api.md"


def main(arguments: list[str], file: Path = FILE) -> str | None:
    """Write the file, or check it; returns what is wrong."""
    text = reference()
    if "--check" not in arguments:
        file.write_text(text, encoding="utf-8")
    elif file.read_text(encoding="utf-8") != text:
        return f"docs/{file.name} is out of date: run 'make api' and commit the result."
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
