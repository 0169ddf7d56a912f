"""A million rows, a hundredth of them broken in seven ways: the good ones come in, the others are summed exactly."""

from __future__ import annotations

from itertools import cycle, islice

import pytest

from tests.imports.bench import Bench

BROKEN = {
    "columns": lambda n: f"u{n},m1",
    "rating_unreadable": lambda n: f"u{n},m1,excellent,1600000000",
    "rating_outside": lambda n: f"u{n},m1,9.5,1600000000",
    "user_missing": lambda n: " ,m1,4,1600000000",
    "movie_missing": lambda n: f"u{n},,4,1600000000",
    "movie_invalid": lambda n: f"u{n},{'m' * 201},4,1600000000",
    "quotes": lambda n: f'u{n},"m1,4,1600000000',
}


@pytest.mark.slow
def test_a_million_rows_with_broken_ones_of_seven_kinds(bench: Bench) -> None:
    n_rows, kinds = 1_000_000, cycle(BROKEN)
    lines = ["user,movie,rating,time"]
    broken = dict.fromkeys(BROKEN, 0)
    for n in range(n_rows):
        if n % 100 == 57:
            kind = next(kinds)
            broken[kind] += 1
            lines.append(BROKEN[kind](n))
        else:
            lines.append(f"u{n // 50},m{n % 50},{n % 10 / 2 + 0.5},{1_600_000_000 + n}")
    done = bench.bring({"ratings.csv": "\n".join(lines)}, scale=[0.5, 5])
    assert done.job.state == "succeeded", done.job.error
    assert done.result["ratings_added"] == n_rows - sum(broken.values()) == bench.ratings.counts().ratings
    rejected = {reason.code: reason for reason in done.job.result.rejected}
    assert {code: reason.rows for code, reason in rejected.items()} == broken
    first = dict(zip(BROKEN, range(59, 10_000, 100), strict=False))
    assert {code: reason.lines[0]["line"] for code, reason in rejected.items()} == first
    assert list(islice((line["line"] for line in rejected["columns"].lines), 2)) == [59, 759]
    assert done.result["rows_rejected"] == sum(broken.values()) == 10_000
