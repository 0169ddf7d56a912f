"""After an undo of everything an old version stays active: it lists nothing, and the next import trains a new one."""

from __future__ import annotations

from io import BytesIO

import pytest

from engine.runtime import Runtime
from engine.services.uploads import UploadedFile
from tests.engine.services.conftest import wait_for


@pytest.fixture
def emptied(runtime: Runtime) -> Runtime:
    """A version serves, and the only import was undone."""
    bring(runtime, "u")
    wait_for(lambda: runtime.services.serving.active_version() == 1)
    imports = runtime.services.imports
    undone = imports.undo(imports.batches()[0].import_id)
    wait_for(lambda: imports.job(undone).state.is_finished)
    return runtime


def bring(runtime: Runtime, people: str) -> None:
    rows = "".join(f"{people}{user},m{movie},{1 + (user + movie) % 5}\n" for user in range(30) for movie in range(20))
    file = UploadedFile("ratings.csv", BytesIO(b"user_id,movie_id,rating\n" + rows.encode()))
    job = runtime.services.imports.import_files([file])
    wait_for(lambda: runtime.services.imports.job(job).state.is_finished)
    assert runtime.services.imports.job(job).error is None


def test_a_list_says_that_the_catalogue_is_empty(emptied: Runtime) -> None:
    assert emptied.services.training.current() is None  # there is nothing to train on
    for rated in (False, True):
        answer = emptied.services.recommendations.recommend("u1", include_rated=rated)
        assert (answer.items, answer.reason) == ((), "The catalogue is empty. Import ratings, and lists appear.")


def test_ratings_of_others_train_a_version_that_replaces_it(emptied: Runtime) -> None:
    bring(emptied, "other")
    assert emptied.services.serving.knows_nobody()
    wait_for(lambda: emptied.services.serving.active_version() == 2)
    assert not emptied.services.serving.knows_nobody()
    assert emptied.services.recommendations.recommend("other1", 3).items == ()  # they have rated every movie
    assert len(emptied.services.recommendations.recommend("nobody", 3).items) == 3


def test_ratings_of_people_that_it_knows_train_nothing(emptied: Runtime) -> None:
    bring(emptied, "u")
    assert not emptied.services.serving.knows_nobody()
    assert emptied.services.training.current() is None
    assert emptied.services.serving.active_version() == 1
