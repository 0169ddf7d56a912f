"""The history of imports."""

from __future__ import annotations

import pytest

from store.database import Database
from store.errors import NotStored
from store.imports import ImportStore
from store.jobs import JobStore
from store.records import ImportState
from tests.store.conftest import Clock


def test_an_import_from_begin_to_end(database: Database, clock: Clock) -> None:
    imports, job_id = ImportStore(database), JobStore(database).create("import", "Waiting")
    files = [{"name": "ratings.csv", "sha256": "0" * 64}]
    first = imports.begin(job_id, files=files, choices={"scale": [1, 10]})
    second = imports.begin(job_id, files=files, choices={})
    begun = imports.get(first)
    assert (begun.job_id, begun.state, begun.files, begun.choices) == (job_id, "writing", files, {"scale": [1, 10]})
    assert (begun.user_key, begun.counts, begun.ended_at, begun.undone_at) == (None, {}, None, None)
    assert imports.unfinished() == [first, second]
    clock.now += 1
    imports.finish(first, {"ratings_added": 3})
    done = imports.get(first)
    assert (done.state, done.counts, done.ended_at) == (ImportState.DONE, {"ratings_added": 3}, clock.now)
    assert imports.unfinished() == [second]
    assert [record.import_id for record in imports.newest()] == [second, first]
    with pytest.raises(NotStored):
        imports.get(99)
