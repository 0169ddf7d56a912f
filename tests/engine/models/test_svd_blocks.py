"""Blocks of ratings learned from at once: nothing depends on the number of threads, and little on the blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import parallel
from engine.data.ratings import Interactions
from engine.data.splits import split_random
from engine.models import svd_blocks
from engine.models.svd import MatrixFactorizationConfig, MatrixFactorizationModel
from engine.models.svd_blocks import in_blocks

CONFIG = MatrixFactorizationConfig(factors=8, regularization=0.1, epochs=20)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, unique=True))
def test_every_rating_is_in_one_block_and_a_round_has_none_in_common(
    pairs: list[tuple[int, int]],
) -> None:
    users, movies = np.array(sorted(pairs), np.int32).T
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(svd_blocks, "MANY_RATINGS", 1)
        rounds = in_blocks(users, movies, np.arange(len(users), dtype=np.float32))
    places = [block.ratings for blocks in rounds for block in blocks]
    assert sorted(np.concatenate(places).tolist()) == list(range(len(users)))
    for place in places:
        assert (np.diff(place) > 0).all()
    for blocks in rounds:
        for keys in ([block.users for block in blocks], [block.movies for block in blocks]):
            distinct = [one for block in keys for one in np.unique(block).tolist()]
            assert len(distinct) == len(set(distinct))


def test_few_ratings_are_one_block(small: Interactions) -> None:
    ((block,),) = in_blocks(small.users, small.items, small.ratings)
    assert block.users is small.users


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(svd_blocks, "MANY_RATINGS", 1)


@pytest.mark.usefixtures("blocks")
def test_the_number_of_threads_changes_no_digit(small: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    learned = []
    for threads in (1, 2):
        monkeypatch.setattr(parallel, "processors", lambda threads=threads: threads)
        learned.append(MatrixFactorizationModel(CONFIG).fit(small))
    one, two = (model.arrays() for model in learned)
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_blocks_predict_as_well(small: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    split = split_random(small, 0.2)

    def rmse() -> float:
        model = MatrixFactorizationModel(CONFIG).fit(split.train)
        errors = model.predict_indices(split.test.users, split.test.items) - split.test.ratings
        return float(np.sqrt(np.mean(errors**2)))

    in_order = rmse()
    monkeypatch.setattr(svd_blocks, "MANY_RATINGS", 1)
    assert rmse() == pytest.approx(in_order, abs=0.01)
    assert rmse() != in_order
