from __future__ import annotations

from tests.sidecar.client import run


async def answer() -> int:
    return 42


def test_a_request_is_sent_whether_or_not_a_loop_runs_already() -> None:
    """Playwright leaves one running in the thread of the tests that come after it."""

    async def within() -> int:
        return run(answer())

    assert run(answer()) == 42
    assert run(within()) == 42
