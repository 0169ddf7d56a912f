"""What takes long to make is made on one worker, and what would be slowed down runs alone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scheduling import ALONE, ROOT, group_of
from tests.shared_folder import shared_folder


@pytest.mark.parametrize(
    ("test", "group"),
    [
        ("tests/browser/test_tuning.py::test_a_study", "alone"),
        ("tests/test_kill.py::test_a_kill", "alone"),
        ("tests/sidecar/test_end_to_end.py::test_versions", "tests/sidecar/test_end_to_end.py"),
        ("tests/sidecar/test_end_to_end.py::test_recommendations[u0]", "tests/sidecar/test_end_to_end.py"),
        ("tests/test_docs.py::test_every_page[a::b]", "tests/test_docs.py::test_every_page[a::b]"),
    ],
)
def test_the_group_of_a_test(test: str, group: str) -> None:
    assert group_of(test) == group


def test_what_runs_alone_is_there() -> None:
    assert len(ALONE) > 5
    assert all((ROOT / path).exists() for path in ALONE)


def test_a_group_is_run_by_one_worker(tmp_path: Path) -> None:
    files = "tests/engine/recommending/test_scoring.py", "tests/engine/evaluation/test_metrics.py"
    command = [sys.executable, "-m", "pytest", "-n", "2", "-v", f"--basetemp={tmp_path / 'base'}", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    ran = re.findall(r"^\[(gw\d)\] .* PASSED ([^:]+)", done.stdout, re.MULTILINE)
    assert {file for _, file in ran} == set(files)
    assert len({worker for worker, _ in ran}) == 2
    assert len({worker for worker, file in ran if file == files[0]}) == 1


def test_a_shared_folder_is_made_once_and_only_whole(tmp_path_factory: pytest.TempPathFactory) -> None:
    made: list[Path] = []

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise ValueError("it broke")

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "whole").touch()

    with pytest.raises(ValueError, match="it broke"):
        shared_folder(tmp_path_factory, "for a test", fail)
    first, second = (shared_folder(tmp_path_factory, "for a test", make) for _ in range(2))
    assert first == second
    assert len(made) == 1
    assert [file.name for file in first.iterdir()] == ["whole"]
