"""Each property's file fails where the product breaks the property: it is run with one defect after the other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.properties.defects import DEFECTS

ROOT = Path(__file__).parents[2]
FILES = {int(path.name.split("_")[2]): path for path in Path(__file__).parent.glob("test_property_*.py")}

FAILED = re.compile(r"^FAILED \S+/test_property_.* - (AssertionError|assert |Failed: DID NOT RAISE)", re.MULTILINE)


def test_every_property_has_defects() -> None:
    assert sorted(FILES) == list(range(1, 11))
    assert min(Counter(dict.fromkeys(FILES, 0) | Counter(one.number for one in DEFECTS.values())).values()) >= 3


@pytest.mark.long
@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_noticed(name: str, tmp_path: Path) -> None:
    """By an assertion, and not by a test that can't run."""
    defect = DEFECTS[name]
    plugin = ["-p", "tests.properties.defects", "--defect", name, "-k", defect.noticed_by]
    command = [sys.executable, "-m", "pytest", "-q", "-x", *plugin, f"--basetemp={tmp_path / 'base'}"]
    done = subprocess.run(
        [*command, str(FILES[defect.number])],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "400", "HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path / "hypothesis")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert FAILED.search(done.stdout), done.stdout
