from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import parallel
from engine.background import step_back

ROOT = Path(__file__).parents[2]


def test_every_piece_is_done_once_and_on_several_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "processors", lambda: 2)
    together, done = threading.Barrier(2, timeout=60), []

    def work(piece: int) -> None:
        together.wait()
        done.append((piece, threading.get_ident()))

    parallel.run_all(work, range(6))
    assert sorted(piece for piece, _ in done) == list(range(6))
    assert len({thread for _, thread in done}) == 2


def test_one_processor_or_one_piece_needs_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[int] = set()
    for processors, pieces in ((1, 3), (2, 1)):
        monkeypatch.setattr(parallel, "processors", lambda count=processors: count)
        parallel.run_all(lambda _: threads.add(threading.get_ident()), range(pieces))
    assert threads == {threading.get_ident()}


def test_a_failed_piece_is_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "processors", lambda: 2)
    with pytest.raises(ZeroDivisionError):
        parallel.run_all(lambda piece: 1 / piece, [1, 0, 2])


def test_after_a_failure_no_piece_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "processors", lambda: 2)
    begun: list[int] = []

    def work(piece: int) -> None:
        begun.append(piece)
        raise ValueError(piece)

    with pytest.raises(ValueError, match=r"\d"):
        parallel.run_all(work, range(1000))
    assert 1 <= len(begun) <= 2


def test_results_are_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "processors", lambda: 3)
    assert parallel.run_all(lambda piece: piece**2, range(5000)) == [piece**2 for piece in range(5000)]


@pytest.mark.parametrize("processors", [1, 2, 5])
def test_chains_keep_their_order(processors: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "processors", lambda: processors)
    done: list[list[int]] = [[] for _ in range(3)]

    def chain(number: int) -> Iterator[None]:
        for piece in range(20):
            done[number].append(piece)
            yield

    parallel.run_chains(map(chain, range(3)))
    assert done == [list(range(20))] * 3


def test_a_failed_chain_is_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "processors", lambda: 2)
    with pytest.raises(ZeroDivisionError):
        parallel.run_chains([map((1).__truediv__, numbers) for numbers in ([1, 2], [3, 0, 4], [5])])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives each thread a priority of its own")
def test_threads_have_the_priority_of_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "processors", lambda: 2)
    together, found = threading.Barrier(2, timeout=60), list[tuple[int, int]]()

    def look(_: int) -> None:
        found.append((threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))

    def work(piece: int) -> None:
        together.wait()
        look(piece)

    def train() -> None:
        step_back()
        look(0)
        parallel.run_all(work, range(4))

    training = threading.Thread(target=train)
    training.start()
    training.join()
    assert len({thread for thread, _ in found}) == 2
    assert len({priority for _, priority in found}) == 1


def test_the_number_of_processors_is_that_of_numba() -> None:
    program = "from engine.parallel import processors; print(processors())"
    for threads in ("1", "2"):
        told = {**os.environ, "NUMBA_NUM_THREADS": threads}
        line = [sys.executable, "-c", program]
        assert subprocess.run(line, env=told, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split() == [
            threads
        ]
