"""An empty store that is made once, and a bench on a copy of it for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.imports.bench import Bench
from tests.shared_folder import shared_folder


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an empty store."""
    return shared_folder(tmp_path_factory, "empty store", lambda folder: Bench(folder).close())


@pytest.fixture
def benches(empty: Path, tmp_path: Path) -> Iterator[Callable[[], Bench]]:
    """Makes benches on stores of their own."""
    made: list[Bench] = []

    def make() -> Bench:
        made.append(Bench.copied(empty, tmp_path / f"bench {len(made)}"))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def bench(benches: Callable[[], Bench]) -> Bench:
    """A bench on an empty store."""
    return benches()
