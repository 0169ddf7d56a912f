"""Simulated ratings have the requested number of distinct pairs, MovieLens 25M's tail, and tastes to learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import simulated
from benchmarks.simulated import simulate
from engine.data.containers import SourceFile
from engine.data.plan import ImportOptions
from engine.data.scanning import Scan


def gini(counts: np.ndarray) -> float:
    """Gini coefficient from its definition by the sorted values."""
    counts = np.sort(counts)
    n = len(counts)
    return float(((2 * np.arange(1, n + 1) - n - 1) * counts).sum() / (n * counts.sum()))


@given(st.integers(1, 12), st.integers(1, 12), st.floats(0, 1), st.integers(0, 5))
def test_exactly_so_many_different_pairs(n_users: int, n_movies: int, share: float, seed: int) -> None:
    n_ratings = max(1, int(n_users * n_movies * share))
    frame = simulate(n_ratings, n_users, n_movies, seed)
    assert len(frame) == n_ratings == len(frame.drop_duplicates(["user_id", "movie_id"]))
    assert frame["user_id"].between(1, n_users).all()
    assert frame["movie_id"].between(1, n_movies).all()
    assert frame.equals(frame.sort_values(["user_id", "movie_id"]))
    assert set(frame["rating"]) <= {step / 2 for step in range(1, 11)}


def test_equal_seeds_give_equal_ratings() -> None:
    assert simulate(500, 20, 90, 1).equals(simulate(500, 20, 90, 1))
    assert not simulate(500, 20, 90, 1).equals(simulate(500, 20, 90, 2))


@pytest.mark.parametrize("n_ratings", [0, 101])
def test_more_ratings_than_pairs_are_refused(n_ratings: int) -> None:
    with pytest.raises(ValueError, match=r"no .* different pairs"):
        simulate(n_ratings, 10, 10)


def test_the_tail_is_that_of_movielens_25m() -> None:
    """At a hundredth of the users: as many ratings a user, and the same share for the most rated movies."""
    frame = simulate(250_000, 1_625, 59_047)
    movies = np.bincount(frame["movie_id"] - 1, minlength=59_047)
    users = np.bincount(frame["user_id"] - 1, minlength=1_625)
    assert gini(movies) == pytest.approx(0.942, abs=0.02)
    assert movies.max() / len(frame) == pytest.approx(81_491 / 25_000_095, rel=0.15)
    assert users.min() >= simulated.MIN_RATINGS - 1
    assert np.median(users) == pytest.approx(60, abs=12)
    assert frame["rating"].mean() == pytest.approx(3.53, abs=0.1)
    assert frame["rating"].std() == pytest.approx(1.06, abs=0.1)


def test_tastes_can_be_learned() -> None:
    """What is left of a full table of ratings after both levels lies in as many directions as there are tastes."""
    frame = simulate(300 * 200, 300, 200)
    table = frame["rating"].to_numpy(np.float64).reshape(300, 200)
    left = table - table.mean(1, keepdims=True) - table.mean(0) + table.mean()
    strengths = np.linalg.svd(left, compute_uv=False)
    assert strengths[simulated.TASTES - 1] > 1.2 * strengths[simulated.TASTES]
    assert strengths[simulated.TASTES] < 1.1 * strengths[simulated.TASTES + 1]


def test_the_file_is_one_of_movielens(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    simulated.main([str(path), "300", "20", "50", "4"])
    assert path.read_text().startswith("userId,movieId,rating,timestamp\n")
    scan = Scan(
        [SourceFile("ratings.csv", path)],
        tmp_path,
        ImportOptions(),
        latest=2**32,
        check=lambda: None,
        step=lambda share, message: None,
    )
    assert scan.run() == []
    assert scan.found is not None
    assert (scan.found.staged.rows, scan.found.rejections.rows) == (300, 0)
    assert [layout.source.label for layout in scan.layouts] == ["MovieLens"]
