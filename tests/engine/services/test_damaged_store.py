"""Whatever pages of the file are damaged, a start serves or says why in a sentence."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from engine.errors import InvalidSettings, MarqueeError
from engine.runtime import Host, check_start
from engine.services import current
from engine.services.storing import in_words
from engine.settings import Settings
from tests.engine.services.conftest import trained_store

PAGE = 4096


def damage(path: Path, page: int, how: str, random_: random.Random) -> None:
    content = bytearray(path.read_bytes())
    start = page * PAGE
    if how == "zeros":
        content[start : start + PAGE] = bytes(PAGE)
    elif how == "noise":
        content[start : start + PAGE] = random_.randbytes(PAGE)
    elif how == "bits":
        for _ in range(20):
            content[start + random_.randrange(PAGE)] ^= 1 << random_.randrange(8)
    else:
        del content[start:]
    path.write_bytes(content)


def start_with(path: Path, page: int, how: str, random_: random.Random) -> str:
    """What comes of a start on a damaged copy; any other error than one with a sentence goes on."""
    damage(path, page, how, random_)
    settings = Settings(database_url=f"sqlite:///{path}", demo=False)
    host = Host(settings)
    try:
        check_start(settings)
    except InvalidSettings as error:
        return str(error)
    try:
        host.start()
    except MarqueeError as error:
        return str(error)
    except Exception as error:
        told = in_words(error)
        if told is None:
            raise
        return str(told)
    try:
        for use in (
            lambda: current().recommendations.recommend("u1"),
            lambda: current().ratings.rate("u1", "m3", 4.0),
            lambda: current().imports.jobs(5),
            lambda: current().versions.list(),
            lambda: current().storage.check(),
            lambda: current().training.runs(5),
        ):
            try:
                use()
            except MarqueeError:
                pass
            except Exception as error:
                if in_words(error) is None:
                    raise
        return "serves"
    finally:
        host.stop()


def pages_of(folder: Path) -> int:
    return (folder / "marquee.db").stat().st_size // PAGE


@pytest.mark.parametrize("how", ["zeros", "noise", "bits", "cut"])
def test_a_start_on_a_damaged_store_ends_in_a_sentence(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, how: str
) -> None:
    found = trained_store(tmp_path_factory)
    random_ = random.Random(how)
    for n, page in enumerate(sorted(random_.sample(range(pages_of(found)), 6))):
        shutil.copytree(found, tmp_path / str(n))
        assert start_with(tmp_path / str(n) / "marquee.db", page, how, random_)


@pytest.mark.long
@pytest.mark.parametrize("how", ["zeros", "noise", "bits", "cut"])
def test_a_start_ends_in_a_sentence_whichever_page_is_damaged(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, how: str
) -> None:
    found = trained_store(tmp_path_factory)
    random_ = random.Random(how)
    for page in range(pages_of(found)):
        shutil.copytree(found, tmp_path / str(page))
        assert start_with(tmp_path / str(page) / "marquee.db", page, how, random_), page
        shutil.rmtree(tmp_path / str(page))
