"""The documentation site: it builds, its links work, and it needs no other host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from mkdocs.structure.pages import Page

from tools.pins import ROOT
from tools.site import PAGES, on_page_markdown

LOADED = re.compile(r"""<(?:script|img|link rel="(?:stylesheet|icon|preconnect)")[^>]*(?:src|href)="?(https?:)?//""")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make check` builds it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


def test_every_document_is_a_page(site: Path) -> None:
    names = {path.stem for path in (ROOT / "docs").glob("*.md")} | {Path(name).stem for name in PAGES.values()}
    assert len(names) > 8
    for name in names - {"index"}:
        assert (site / name / "index.html").is_file(), name
    assert (site / "index.html").is_file()


def test_pages_load_nothing_from_other_hosts(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert not LOADED.search(page.read_text(encoding="utf-8")), page


def test_files_that_a_page_links_to_are_on_the_site(site: Path) -> None:
    assert (site / "deploy" / "nginx.conf").read_bytes() == (ROOT / "deploy" / "nginx.conf").read_bytes()


@pytest.mark.parametrize(
    ("page", "link", "on_site"),
    [
        ("index.md", "[guide](docs/guide.md#training)", "[guide](guide.md#training)"),
        ("index.md", "![page](docs/images/recommend.png)", "![page](images/recommend.png)"),
        ("guide.md", "[keys](deployment.md)", "[keys](deployment.md)"),
        ("security.md", "[report](../SECURITY.md)", "[report](reporting.md)"),
        ("deployment.md", "[proxy](../deploy/nginx.conf)", "[proxy](deploy/nginx.conf)"),
        ("deployment.md", "[files](../deploy/)", "files"),
        ("deployment.md", "[here](#backups)", "[here](#backups)"),
        ("models.md", "[paper](https://example.org/a.pdf)", "[paper](https://example.org/a.pdf)"),
    ],
)
def test_links_follow_their_targets(page: str, link: str, on_site: str) -> None:
    where = cast(Page, SimpleNamespace(file=SimpleNamespace(src_uri=page)))
    assert on_page_markdown(f"See {link}.", page=where) == f"See {on_site}."
