"""Independent pieces of a computation on all processors."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Piece = TypeVar("Piece")
Result = TypeVar("Result")
END = object()


def processors() -> int:
    """Number of processors to compute on: those that the process may use, or ``NUMBA_NUM_THREADS``."""
    from numba import config  # it takes half a second to load

    return int(config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]  # set when numba.config is loaded


def run_all(work: Callable[[Piece], Result], pieces: Iterable[Piece]) -> list[Result]:
    """Call ``work`` with every piece, on as many threads as there are processors; the results, in order.

    Of use where ``work`` releases the interpreter lock, as compiled loops do. For results that do not depend on the
    number of threads, a piece must not read what another writes, and what all add up to must be added up afterwards.

    The caller's thread takes part. The others are new ones each time: they inherit its priority
    (``background.step_back``), and nothing stays behind. That takes 0.1 ms, and a piece takes 1 us.

    Raises:
        Exception: one that a piece failed with; pieces that had not begun by then are left out.
    """
    listed = list(pieces)
    threads = min(processors(), len(listed))
    if threads <= 1:
        return [work(piece) for piece in listed]
    found: dict[int, Result] = {}
    waiting = iter(range(len(listed)))  # shared: each thread takes the next number

    def take() -> None:
        try:
            for place in waiting:
                found[place] = work(listed[place])
        except BaseException:
            deque(waiting, maxlen=0)
            raise

    with ThreadPoolExecutor(threads - 1, "piece") as pool:
        others = [pool.submit(take) for _ in range(threads - 1)]
        take()
        for other in others:
            other.result()
    return [found[place] for place in range(len(listed))]


def run_chains(chains: Iterable[Iterator[Any]]) -> None:
    """Exhaust iterators, several at a time; the pieces of one are computed in order, each by any thread.

    Shorter pieces share the processors more evenly: three chains on two processors end together.

    Raises:
        Exception: the first that a piece failed with.
    """
    waiting = deque(chains)

    def work(_: int) -> None:
        while True:
            try:
                chain = waiting.popleft()
            except IndexError:  # the other threads end the chains that they are at
                return
            if next(chain, END) is not END:
                waiting.append(chain)

    run_all(work, range(len(waiting)))
