"""The walkthroughs of CONTRIBUTING.md work: the tests pass in a copy of the repository to which they were applied."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^`([\w/.]+)`\n\n```(python|diff)\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^\$ \.venv/bin/python -m pytest (tests/[\w/.]+)$", TEXT, flags=re.MULTILINE)
FOLDERS = ("cluster", "engine", "store", "sidecar", "pages", "tests", "docs", "tools")
COPIED = (*FOLDERS, "pyproject.toml", "hyperparameters.toml")


def change(path: Path, diff: str) -> None:
    """Apply a diff without line numbers. One that only adds lines goes to the end of the file.

    Raises:
        AssertionError: the lines to change are not in the file exactly once.
    """
    lines = diff.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if not line.startswith("+"))
    after = "".join(line[1:] for line in lines if not line.startswith("-"))
    text = path.read_text(encoding="utf-8")
    if before:
        assert text.count(before) == 1, f"{path.name} does not have these lines once:\n{before}"
        path.write_text(text.replace(before, after), encoding="utf-8")
    else:
        path.write_text(text + after, encoding="utf-8")


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with every block applied."""
    copy = tmp_path_factory.mktemp("contributing")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "images"))
        else:
            shutil.copy(ROOT / name, copy / name)
    for path, kind, content in BLOCKS:
        if kind == "diff":
            change(copy / path, content)
        else:
            assert not (copy / path).exists(), f"{path} exists already"
            (copy / path).write_text(content, encoding="utf-8")
    return copy


def run(changed: Path, *command: str) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}  # not of this run
    done = subprocess.run(command, cwd=changed, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_kind_of_change_is_walked_through() -> None:
    headings = re.findall(r"^## An? (\w+(?: \w+)?)$", TEXT, flags=re.MULTILINE)
    assert headings == ["metric", "model", "page", "route", "migration", "import format"]


@pytest.mark.slow
def test_the_tests_of_the_walkthroughs_pass(changed: Path) -> None:
    added = [path for path, _, _ in BLOCKS if Path(path).name.startswith("test_")]
    assert len(added) == 5
    run(changed, sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *added, *COMMANDS)
    run(changed, sys.executable, "-m", "tools.reference")
    assert "/data/genres" in (changed / "docs" / "api.md").read_text(encoding="utf-8")


def test_the_code_of_the_walkthroughs_is_clean(changed: Path) -> None:
    added = [path for path, kind, _ in BLOCKS if kind == "python"]
    binaries = Path(sys.executable).parent
    run(changed, str(binaries / "ruff"), "check", "--force-exclude", *added)
    run(changed, str(binaries / "ruff"), "format", "--check", "--force-exclude", *added)
    run(changed, str(binaries / "lint-imports"))
