"""Ratings on disk: what goes in comes out, and of each pair the newest, whatever fits in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.data import staging
from engine.data.staging import Block, Ids, Staged


def drawn(n: int, seed: int, users: int = 40, movies: int = 12) -> Block:
    draw = np.random.default_rng(seed)
    return Block(
        draw.integers(0, users, n, np.int32),
        draw.integers(0, movies, n, np.int32),
        draw.integers(1, 11, n).astype(np.float32) / 2,
        draw.choice([-1, 7, 8, 9], n).astype(np.int64),
        np.arange(n, dtype=np.uint32),
        np.full(n, seed, np.uint16),
    )


def frame(blocks: list[Block]) -> pd.DataFrame:
    return pd.concat([pd.DataFrame({name: getattr(block, name) for name in staging.COLUMNS}) for block in blocks])


@pytest.mark.parametrize("size", [50, 333, 10_000])
def test_sorted_rows_are_those_of_pandas_and_memory_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(staging, "ROWS", size)
    staged, blocks = Staged(tmp_path), [drawn(n, n) for n in (1, 400, 0, 700)]
    for block in blocks:
        staged.add(block)
    whole = frame(blocks)
    assert staged.rows == len(whole) == 1101
    pd.testing.assert_frame_equal(frame(list(staged.blocks())).reset_index(drop=True), whole.reset_index(drop=True))
    converted: list[int] = []

    def convert(block: Block) -> Block:
        converted.append(len(block))
        return block

    found = list(staged.by_user(convert, 40))
    newest = whole.sort_values("time", kind="stable").groupby(["user", "movie"]).tail(1).sort_values(["user", "movie"])
    pd.testing.assert_frame_equal(frame(found).reset_index(drop=True), newest.reset_index(drop=True))
    assert max(converted) <= size
    assert [path for path in tmp_path.iterdir() if not path.name.startswith("all.")] == []


def test_values_are_counted(tmp_path: Path) -> None:
    staged = Staged(tmp_path)
    staged.add(Block(*(np.zeros(3, kind) for kind in (np.int32, np.int32)), np.array([0.1, 4.5, 0.1], np.float32),
                     np.zeros(3, np.int64), np.zeros(3, np.uint32), np.zeros(3, np.uint16)))  # fmt: skip
    values, counts = staged.values()
    assert (values.tolist(), counts.tolist()) == ([0.1, 4.5], [2, 1])


def test_ids_are_numbered_as_they_appear() -> None:
    ids = Ids()
    assert ids.codes(["b", "a", "b"]).tolist() == [0, 1, 0]
    assert ids.codes(["c", "a"]).tolist() == [2, 1]
    assert (ids.all(), len(ids)) == (["b", "a", "c"], 3)
