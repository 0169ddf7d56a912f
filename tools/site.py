"""MkDocs hook that adds the Markdown files of the main folder to the site and keeps links between all files working."""

from __future__ import annotations

import posixpath
import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from tools.pins import ROOT

PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "reporting.md",
}
"""Files of the main folder that become pages, with their names on the site."""

_LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?!\w+:|#)(?P<target>[^)#\s]+)(?P<part>#[^)]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the main folder, and every file outside docs/ that a page links to."""
    for source, name in PAGES.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / source)))
    for page in list(files.documentation_pages()):
        for link in _LINK.finditer(page.content_string):
            path = _in_project(page.src_uri, link["target"])
            wanted = _on_site(path)
            if (ROOT / path).is_file() and files.get_file_from_path(wanted) is None:
                files.append(File.generated(config, wanted, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Point each relative link at the place of its target on the site. A link to a folder becomes plain text."""

    def moved(link: re.Match[str]) -> str:
        path = _in_project(page.file.src_uri, link["target"])
        return link["text"] if (ROOT / path).is_dir() else f"[{link['text']}]({_on_site(path)}{link['part'] or ''})"

    return _LINK.sub(moved, markdown)


def _in_project(page: str, target: str) -> str:
    """The path of a link's target from the main folder."""
    source = next((source for source, name in PAGES.items() if name == page), f"docs/{page}")
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), target))


def _on_site(path: str) -> str:
    """The path on the site of a file of the project."""
    return PAGES.get(path, path.removeprefix("docs/"))
