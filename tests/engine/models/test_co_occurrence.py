"""Co-occurrence is ``X'X``, bit for bit that of SciPy, whether users have few or many of the movies."""

import numpy as np
import pytest
import scipy.sparse as sp

from engine import parallel
from engine.models.co_occurrence import WHOLE, co_occurrence


def random_ratings(n_users: int, m: int, share: float) -> tuple[np.ndarray[tuple[int], np.dtype[np.int32]], ...]:
    rng = np.random.default_rng(0)
    users, columns = np.nonzero(rng.random((n_users, m)) < share * rng.random((n_users, 1)) * 2)
    shuffled = rng.permutation(len(users))
    return users[shuffled].astype(np.int32), columns[shuffled].astype(np.int32)


@pytest.mark.parametrize("share", [0.02, 1 / WHOLE, 0.9])
def test_it_is_scipys_bit_for_bit(share: float) -> None:
    users, columns = random_ratings(60, 101, share)
    weights = np.random.default_rng(1).random(len(users)).astype(np.float32)
    history = sp.csr_matrix((weights, (users, columns)), (60, 101), np.float32)
    expected = (history.T @ history).toarray()
    assert np.array_equal(co_occurrence(users, columns, weights, 60, 101), expected)


def test_it_does_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    users, columns = random_ratings(80, 70, 0.2)
    weights = np.random.default_rng(2).random(len(users)).astype(np.float32)
    found = []
    for threads in (1, 4):
        monkeypatch.setattr(parallel, "processors", lambda threads=threads: threads)
        found.append(co_occurrence(users, columns, weights, 80, 70))
    assert np.array_equal(found[0], found[1])


def test_nobody_rates_nothing() -> None:
    none = np.empty(0, np.int32)
    assert co_occurrence(none, none, none.astype(np.float32), 0, 0).shape == (0, 0)
    assert not co_occurrence(none, none, none.astype(np.float32), 5, 3).any()
