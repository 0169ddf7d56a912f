"""``python -m benchmarks [name ...]``: run benchmarks, all of them by default; options follow a single name."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable
from itertools import takewhile

from benchmarks import (
    accuracy,
    answers,
    exams,
    factorization_speed,
    first_minute,
    foldin,
    imports,
    interview,
    live,
    load,
    newcomers,
    pages,
    promotion,
    ranking_quality,
    siege,
    store_arrays,
)
from benchmarks.peers import command as peers
from benchmarks.scale import command as scale


def plain(run: Callable[[], None]) -> Callable[[list[str]], int]:
    """A benchmark without options or goals."""

    def main(options: list[str]) -> int:
        argparse.ArgumentParser().parse_args(options)  # refuses options
        run()
        return 0

    return main


BENCHMARKS = {
    "factorization": plain(factorization_speed.main),
    "ranking": ranking_quality.main,
    "store": plain(store_arrays.main),
    "accuracy": accuracy.main,
    "first_minute": first_minute.main,
    "exams": exams.main,
    "answers": plain(answers.main),
    "foldin": foldin.main,
    "imports": imports.main,
    "interview": interview.main,
    "live": live.main,
    "load": load.main,
    "newcomers": newcomers.main,
    "pages": pages.main,
    "promotion": promotion.main,
    "peers": peers.main,
    "scale": scale.main,
    "siege": siege.main,
}


def main(arguments: list[str]) -> int:
    names = list(takewhile(lambda word: not word.startswith("-"), arguments))
    options = arguments[len(names) :]
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown or (options and len(names) != 1):
        problem = f"There is no benchmark {unknown[0]!r}." if unknown else "Options belong to one benchmark."
        print(f"{problem} There are: {', '.join(BENCHMARKS)}.")
        return 2
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    worst = 0
    for name in names or BENCHMARKS:
        print(f"\n== {name}")
        worst = max(worst, BENCHMARKS[name](options))
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
