"""What holds for the whole process once it serves."""

from __future__ import annotations

from pathlib import Path

from threadpoolctl import threadpool_info, threadpool_limits  # type: ignore[import-untyped]

from engine.runtime import build
from engine.settings import Settings


def test_a_server_has_one_thread_of_linear_algebra(tmp_path: Path) -> None:
    """More of them wait for each other over systems as small as those of a rating, and for what else runs."""
    with threadpool_limits(2, user_api="blas"):
        runtime = build(Settings(database_url=f"sqlite:///{tmp_path}/m.db", demo=False))
        runtime.start()
        try:
            found = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
        finally:
            runtime.stop()
    assert found
    assert set(found) == {1}
