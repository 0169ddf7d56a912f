"""``pages/`` comes first on ``sys.path`` when the console runs, so a page named like a module would hide it."""

from __future__ import annotations

import importlib.machinery
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "pages"
NAMES = sorted(
    {path.stem if path.suffix == ".py" else path.name for path in PAGES.iterdir()} - {"__init__", "__pycache__"}
)


@pytest.mark.parametrize("name", NAMES)
def test_no_page_hides_a_module(name: str) -> None:
    assert name not in sys.stdlib_module_names
    elsewhere = [place for place in sys.path if Path(place).resolve() != PAGES]
    assert importlib.machinery.PathFinder.find_spec(name, elsewhere) is None


@pytest.mark.parametrize("path", sorted(PAGES.glob("*.py")), ids=lambda path: path.stem)
def test_a_page_is_short(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 85
