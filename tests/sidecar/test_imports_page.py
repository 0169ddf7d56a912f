"""The commands in docs/imports.md do what they say, in their order, on a server that has just started."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from engine.data.formats import SOURCES
from engine.data.plan import ImportOptions
from tests.browser.console import server, until
from tests.engine.services.conftest import trained_store

PAGE = (Path(__file__).parents[2] / "docs" / "imports.md").read_text(encoding="utf-8")
COMMANDS = "\n".join(re.findall(r"```bash\n(.*?)```", PAGE, flags=re.DOTALL))
LONGEST_S = 120
SHARED = {"table", "list", "wide", "plays", "anime", "goodreads-interactions", "netflix-thumbs", "movielens-1m"}
"""Sources that a row of the page names together with another, or in words."""


def test_the_commands(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    shutil.copytree(trained_store(tmp_path_factory), tmp_path, dirs_exist_ok=True)
    with server(tmp_path, MARQUEE_DEMO="false") as url, httpx.Client(base_url=f"{url}/api", timeout=30) as client:
        script = COMMANDS.replace("localhost:8501", url.removeprefix("http://"))
        command = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=LONGEST_S, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert '"state":"waiting"' in done.stdout
        assert '"state":"failed"' not in done.stdout
        until(lambda: client.get("/data/imports").json()["imports"][0]["state"] == "undone", LONGEST_S, "not undone")
        second, first = client.get("/data/imports").json()["imports"]
        assert (first["state"], first["counts"]["ratings_added"], first["choices"]["scale"]) == ("done", 3, [1, 10])
        assert second["counts"]["ratings_added"] == 1
        rows = client.get("/data/exports/ratings").text.splitlines()
        assert [row for row in rows if "maria" in row] == [
            '"maria","Cats",1,,"Cats",',
            '"maria","Heat",4,,"Heat",',
            '"maria","Brazil",5,,"Brazil",',
        ]
        assert not [row for row in rows if "paul" in row]
    assert (tmp_path / "ratings.csv").read_text().startswith("user_id,movie_id,rating,timestamp,title,year\n")
    assert (tmp_path / "movies.parquet").read_bytes().startswith(b"PAR1")
    assert (tmp_path / "recommendations.csv").read_text().startswith("user_id,rank,movie_id,title,score,predicted_")
    assert (tmp_path / "marquee.zip").read_bytes().startswith(b"PK")


@pytest.mark.parametrize("label", sorted({one.label for name, one in SOURCES.items() if name not in SHARED}))
def test_every_source_is_described(label: str) -> None:
    words = label.removesuffix(" account").removesuffix(" 100K")
    assert f"| {words}" in PAGE or words == "Marquee"


@pytest.mark.parametrize("source", SOURCES.values(), ids=lambda one: one.name)
def test_scales_are_as_described(source: object) -> None:
    scale = getattr(source, "scale", None)
    assert (
        scale is None or f"{scale.low:g} to {scale.high:g}" in PAGE or getattr(source, "name", "") == "netflix-thumbs"
    )


@pytest.mark.parametrize("option", ["on_question", "dry_run", "prefix"])
def test_options_of_programs_are_described(option: str) -> None:
    assert option in ImportOptions.model_fields
    assert option in PAGE
