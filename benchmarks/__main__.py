"""``python -m benchmarks [name ...]``: run the benchmarks, all of them without a name."""

from __future__ import annotations

import os
import platform
import sys

from benchmarks import factorization_speed, ranking_quality, store_arrays

BENCHMARKS = {
    "factorization": factorization_speed.main,
    "ranking": ranking_quality.main,
    "store": store_arrays.main,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"There is no benchmark {unknown[0]!r}. There are: {', '.join(BENCHMARKS)}.")
        return 2
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    for name in names or BENCHMARKS:
        print(f"\n== {name}")
        BENCHMARKS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
