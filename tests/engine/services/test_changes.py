"""Everybody's list under two versions: what stays, what rises and falls, and whose list changes most."""

from __future__ import annotations

import pytest

from engine.errors import Cancelled
from engine.recommending.changes import measure_changes
from engine.runtime import Runtime
from tests.engine.services.conftest import QUICK, finished

RANKER = {"l2": 5000.0, "popularity_discount": 0.4}


@pytest.fixture
def other(trained: Runtime) -> Runtime:
    """A second version, with other lists."""
    run = finished(trained, trained.services.training.train_model("svd", QUICK, "never", ranker=RANKER))
    assert run.version == 2
    return trained


def lists_of(runtime: Runtime, version: int, user_id: str) -> list[str]:
    bundle = runtime.services.versions.bundle(version)
    return [movie.movie_id for movie in runtime.services.recommendations.list_with(bundle, user_id)]


def test_the_changes_are_those_of_everybodys_lists(other: Runtime) -> None:
    versions = other.services.versions
    shares: list[float] = []
    both = (2, versions.bundle(2)), (1, versions.bundle(1))
    found = other.services.recommendations.changes(*both, shares.append)
    assert (found.version, found.baseline, found.people, found.out_of) == (2, 1, 60, 60)
    assert shares == sorted(shares)
    assert len(shares) == 60
    lists = {user: (lists_of(other, 1, user), lists_of(other, 2, user)) for user in (f"u{n}" for n in range(60))}
    kept = {user: len({*before} & {*after}) for user, (before, after) in lists.items()}
    assert found.kept == tuple(list(kept.values()).count(number) for number in range(11))
    for one in (*found.risen, *found.fallen):
        before, after = (sum(one.movie.movie_id in pair[side] for pair in lists.values()) for side in (0, 1))
        assert (one.before, one.after) == (before, after)
    assert all(one.after > one.before for one in found.risen)
    assert all(one.after < one.before for one in found.fallen)
    gains = [one.after - one.before for one in found.risen]
    assert gains == sorted(gains, reverse=True)
    assert [one.kept for one in found.most_changed] == sorted(kept.values())[:10]
    assert all(kept[one.user_id] == one.kept for one in found.most_changed)


def test_a_version_changes_nothing_beside_itself(trained: Runtime) -> None:
    bundle = trained.services.versions.bundle(1)
    found = trained.services.recommendations.changes((1, bundle), (1, bundle))
    assert found.kept == (*[0] * 10, 60)
    assert (found.risen, found.fallen, found.most_changed) == ((), (), ())


def test_a_sample_stands_for_many_and_an_error_ends_it(trained: Runtime) -> None:
    state = trained.services.serving.ready()
    found = measure_changes(state, state, lambda _: None, most=7)
    assert (found.people, found.out_of, sum(found.kept)) == (7, 60, 7)

    def cancel(_: float) -> None:
        raise Cancelled("Enough.")

    with pytest.raises(Cancelled):
        measure_changes(state, state, cancel)
